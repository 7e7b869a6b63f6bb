//! What mixers with a state compute position after position: the scalar references, and the choice between them and the
//! SIMD overrides.

use super::Isa;

/// One position of a short convolution, x\[c\] = Σ taps\[j\]\[c\] · input j of channel c (+ bias\[c\]), in place; the last input
/// is x itself. `taps` [kernel, channels]; `state` [kernel − 1, channels]: the inputs before, which move up by one.
/// `bias` may be empty.
pub fn convolve(isa: Isa, x: &mut [f32], taps: &[f32], bias: &[f32], state: &mut [f32]) {
    debug_assert_eq!(state.len() + x.len(), taps.len());
    match isa {
        Isa::Scalar => convolve_scalar(x, taps, bias, state, 0),
        #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
        _ => {
            super::simd128::recurrence::convolve::<super::simd128::Fused>(x, taps, bias, state);
        }
    }
}

/// The same for the channels `from..`.
pub(super) fn convolve_scalar(
    x: &mut [f32],
    taps: &[f32],
    bias: &[f32],
    state: &mut [f32],
    from: usize,
) {
    let channels = x.len();
    for (c, x) in x.iter_mut().enumerate().skip(from) {
        let input = *x;
        let before = (state.len() / channels) * channels;
        let mut sum = taps[before + c] * input;
        for at in (c..before).step_by(channels) {
            sum += taps[at] * state[at];
            if at >= channels {
                state[at - channels] = state[at];
            }
        }
        if before > 0 {
            state[before - channels + c] = input;
        }
        *x = sum + bias.get(c).copied().unwrap_or(0.0);
    }
}

/// What one head of a selective state space computes a position with.
#[derive(Clone, Copy)]
pub struct Decaying<'a> {
    /// [rows of the state].
    pub values: &'a [f32],
    /// [columns of the state].
    pub key: &'a [f32],
    /// [columns of the state].
    pub query: &'a [f32],
    /// What is left of the state.
    pub decay: f32,
    /// What values are multiplied by on their way into it.
    pub step: f32,
    /// What values are multiplied by on their way past it.
    pub skip: f32,
}

/// state [rows, columns] = decay · state + step · values ⊗ key; out \[rows\] = state · query + skip · values.
pub fn scan(isa: Isa, head: &Decaying<'_>, state: &mut [f32], out: &mut [f32]) {
    debug_assert_eq!(state.len(), head.values.len() * head.key.len());
    match isa {
        Isa::Scalar => {
            let rows = state.chunks_exact_mut(head.key.len());
            for ((state, value), out) in rows.zip(head.values).zip(out) {
                let taken = head.step * value;
                let mut sum = 0.0;
                for ((s, k), q) in state.iter_mut().zip(head.key).zip(head.query) {
                    *s = *s * head.decay + taken * k;
                    sum += *s * q;
                }
                *out = sum + head.skip * value;
            }
        }
        #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
        _ => super::simd128::recurrence::scan::<super::simd128::Fused>(head, state, out),
    }
}

/// What one head of a generalised delta rule computes a position with, each [columns of the state] but the values.
#[derive(Clone, Copy)]
pub struct Replacing<'a> {
    /// [rows of the state].
    pub values: &'a [f32],
    /// What is left of each column.
    pub decays: &'a [f32],
    /// What is read of the state before…
    pub removed: &'a [f32],
    /// …and where that is written back to.
    pub replaced: &'a [f32],
    /// Where values are written.
    pub key: &'a [f32],
    /// What is read.
    pub query: &'a [f32],
}

/// state [rows, columns] = state · diag(decays) + (state · removed) ⊗ replaced + values ⊗ key; out \[rows\] =
/// state · query.
pub fn replace(isa: Isa, head: &Replacing<'_>, state: &mut [f32], out: &mut [f32]) {
    debug_assert_eq!(state.len(), head.values.len() * head.key.len());
    match isa {
        Isa::Scalar => {
            let rows = state.chunks_exact_mut(head.key.len());
            for ((state, value), out) in rows.zip(head.values).zip(out) {
                let read: f32 = state.iter().zip(head.removed).map(|(s, r)| s * r).sum();
                let mut sum = 0.0;
                for (i, s) in state.iter_mut().enumerate() {
                    *s = *s * head.decays[i] + read * head.replaced[i] + value * head.key[i];
                    sum += *s * head.query[i];
                }
                *out = sum;
            }
        }
        #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
        _ => {
            super::simd128::recurrence::replace::<super::simd128::Fused>(head, state, out);
        }
    }
}
