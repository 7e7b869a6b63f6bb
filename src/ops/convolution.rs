//! Short causal convolution of each channel along the positions; what it still needs of earlier positions is its state.

use crate::kernels::Isa;
use crate::kernels::recurrence::convolve;

/// x\[t\]\[c\] = Σ taps\[j\]\[c\] · x[t − (kernel − 1) + j]\[c\] (+ bias\[c\]) in place, for the channels that begin at `first` in
/// every row of `x` [tokens, width]. `taps` [kernel, channels]; `state` [kernel − 1, channels]: the inputs before the
/// first token, then those before the next. `bias` may be empty.
pub fn short_convolution(
    isa: Isa,
    (x, width, first): (&mut [f32], usize, usize),
    taps: &[f32],
    bias: &[f32],
    state: &mut [f32],
) {
    let channels = taps.len() - state.len();
    for x in x.chunks_exact_mut(width) {
        convolve(isa, &mut x[first..first + channels], taps, bias, state);
    }
}
