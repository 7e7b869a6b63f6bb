//! Short causal convolution of each channel along the positions; what it still needs of earlier positions is its state.

/// x[t][c] = Σ taps[c][j] · x[t − (kernel − 1) + j][c] (+ bias[c]) for `x` [tokens, channels] in place. `taps`
/// [channels, kernel]; `state` [kernel − 1, channels]: the inputs before the first token, then those before the next.
/// `bias` may be empty.
pub fn short_convolution(
    x: &mut [f32],
    taps: &[f32],
    bias: &[f32],
    kernel: usize,
    state: &mut [f32],
) {
    let channels = taps.len() / kernel;
    debug_assert_eq!(state.len(), (kernel - 1) * channels);
    for x in x.chunks_exact_mut(channels) {
        for (c, x) in x.iter_mut().enumerate() {
            let taps = &taps[c * kernel..][..kernel];
            let input = *x;
            let mut sum = taps[kernel - 1] * input;
            for (j, tap) in taps[..kernel - 1].iter().enumerate() {
                sum += tap * state[j * channels + c];
            }
            for j in 1..kernel - 1 {
                state[(j - 1) * channels + c] = state[j * channels + c];
            }
            if kernel > 1 {
                state[(kernel - 2) * channels + c] = input;
            }
            *x = sum + bias.get(c).copied().unwrap_or(0.0);
        }
    }
}
