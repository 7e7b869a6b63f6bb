//! RMSNorm, LayerNorm, and what stands in the place of a norm.

use crate::kernels::{Isa, vector};

/// out = x / √(mean(x²) + eps) · weight, for every row of `x` ([n, weight.len()]).
pub fn rms_norm(isa: Isa, x: &[f32], weight: &[f32], eps: f32, out: &mut [f32]) {
    let dim = weight.len();
    for (x, out) in x.chunks_exact(dim).zip(out.chunks_exact_mut(dim)) {
        let scale = 1.0 / (vector::sum_of_squares(isa, x) / dim as f32 + eps).sqrt();
        out.copy_from_slice(x);
        vector::scale_by(isa, out, scale, weight);
    }
}

/// [`rms_norm`] in place.
pub fn rms_norm_in_place(isa: Isa, x: &mut [f32], weight: &[f32], eps: f32) {
    for x in x.chunks_exact_mut(weight.len()) {
        let scale = 1.0 / (vector::sum_of_squares(isa, x) / weight.len() as f32 + eps).sqrt();
        vector::scale_by(isa, x, scale, weight);
    }
}

/// x = x · weight + bias, for every row of `x` ([n, weight.len()]); `bias` may be empty.
pub fn affine_in_place(isa: Isa, x: &mut [f32], weight: &[f32], bias: &[f32]) {
    for x in x.chunks_exact_mut(weight.len()) {
        vector::scale_by(isa, x, 1.0, weight);
        if !bias.is_empty() {
            vector::add(isa, x, bias);
        }
    }
}

/// x = (x − mean(x)) / √(variance(x) + eps) · weight + bias, for every row of `x` ([n, weight.len()]); `bias` may be
/// empty.
pub fn layer_norm_in_place(isa: Isa, x: &mut [f32], weight: &[f32], bias: &[f32], eps: f32) {
    let dim = weight.len();
    for x in x.chunks_exact_mut(dim) {
        let mean = vector::sum(isa, x) / dim as f32;
        vector::shift(isa, x, 1.0, -mean);
        let scale = 1.0 / (vector::sum_of_squares(isa, x) / dim as f32 + eps).sqrt();
        vector::scale_by(isa, x, scale, weight);
        if !bias.is_empty() {
            vector::add(isa, x, bias);
        }
    }
}
