//! Vector mathematics on f32 slices: the scalar references and the choice between them and the SIMD overrides.

use super::Isa;

/// Σ x².
pub fn sum_of_squares(isa: Isa, x: &[f32]) -> f32 {
    match isa {
        Isa::Scalar => x.iter().map(|v| f64::from(*v) * f64::from(*v)).sum::<f64>() as f32,
        #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
        _ => super::simd128::vector::sum_of_squares(x),
    }
}

/// Σ x.
pub fn sum(isa: Isa, x: &[f32]) -> f32 {
    match isa {
        Isa::Scalar => x.iter().map(|v| f64::from(*v)).sum::<f64>() as f32,
        #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
        _ => super::simd128::vector::sum(x),
    }
}

/// The largest of `x`; −∞ where there is none.
pub fn max(isa: Isa, x: &[f32]) -> f32 {
    match isa {
        Isa::Scalar => x.iter().copied().fold(f32::NEG_INFINITY, f32::max),
        #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
        _ => super::simd128::vector::max(x),
    }
}

/// x = x · scale · weight.
pub fn scale_by(isa: Isa, x: &mut [f32], scale: f32, weight: &[f32]) {
    match isa {
        Isa::Scalar => {
            for (x, w) in x.iter_mut().zip(weight) {
                *x = *x * scale * w;
            }
        }
        #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
        _ => super::simd128::vector::scale_by(x, scale, weight),
    }
}

/// x += y.
pub fn add(isa: Isa, x: &mut [f32], y: &[f32]) {
    add_scaled(isa, x, 1.0, y);
}

/// x = x · factor + offset.
pub fn shift(isa: Isa, x: &mut [f32], factor: f32, offset: f32) {
    if (factor, offset) == (1.0, 0.0) {
        return;
    }
    match isa {
        Isa::Scalar => x.iter_mut().for_each(|x| *x = *x * factor + offset),
        #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
        _ => super::simd128::vector::shift(x, factor, offset),
    }
}

/// x = x · factor.
pub fn scale(isa: Isa, x: &mut [f32], factor: f32) {
    shift(isa, x, factor, 0.0);
}

/// sum += share · x.
pub fn add_scaled(isa: Isa, sum: &mut [f32], share: f32, x: &[f32]) {
    match isa {
        Isa::Scalar => {
            for (sum, x) in sum.iter_mut().zip(x) {
                *sum += share * x;
            }
        }
        #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
        _ => {
            super::simd128::vector::add_scaled::<super::simd128::Fused>(sum, share, x);
        }
    }
}

/// x = 1 / (1 + e⁻ˣ).
pub fn sigmoid(isa: Isa, x: &mut [f32]) {
    match isa {
        Isa::Scalar => x.iter_mut().for_each(|x| *x = 1.0 / (1.0 + (-*x).exp())),
        #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
        _ => super::simd128::vector::sigmoids(x),
    }
}

/// x = x / (1 + e⁻ˣ).
pub fn silu(isa: Isa, x: &mut [f32]) {
    match isa {
        Isa::Scalar => x.iter_mut().for_each(|x| *x /= 1.0 + (-*x).exp()),
        #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
        _ => super::simd128::vector::silu(x),
    }
}

/// x = x · Φ(x), Φ the distribution function of the standard normal distribution.
pub fn gelu(isa: Isa, x: &mut [f32]) {
    match isa {
        Isa::Scalar => {
            for x in x {
                *x *= 0.5 * (1.0 + libm::erff(*x * core::f32::consts::FRAC_1_SQRT_2));
            }
        }
        #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
        _ => super::simd128::vector::gelu(x),
    }
}

/// √(2/π), of [`gelu_tanh`].
pub const GELU_TANH: f32 = 0.797_884_6;

/// x = x · (1 + tanh(√(2/π) · (x + 0.044715 x³))) / 2.
pub fn gelu_tanh(isa: Isa, x: &mut [f32]) {
    match isa {
        Isa::Scalar => {
            for x in x {
                let inner = GELU_TANH * (*x + 0.044_715 * *x * *x * *x);
                *x *= 0.5 * (1.0 + inner.tanh());
            }
        }
        #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
        _ => super::simd128::vector::gelu_tanh(x),
    }
}

/// gate = silu(gate) · up.
pub fn silu_mul(isa: Isa, gate: &mut [f32], up: &[f32]) {
    match isa {
        Isa::Scalar => {
            for (g, u) in gate.iter_mut().zip(up) {
                *g = *g / (1.0 + (-*g).exp()) * u;
            }
        }
        #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
        _ => super::simd128::vector::silu_mul(gate, up),
    }
}

/// x = exp(x − max), in place; returns the sum.
pub fn exp_sum(isa: Isa, x: &mut [f32], max: f32) -> f32 {
    match isa {
        Isa::Scalar => {
            let mut sum = 0.0;
            for v in x {
                *v = (*v - max).exp();
                sum += *v;
            }
            sum
        }
        #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
        _ => super::simd128::vector::exp_sum(x, max),
    }
}
