//! What a feed-forward's hidden values go through.

use crate::kernels::{Isa, vector};

/// A function of one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// x / (1 + e⁻ˣ).
    Silu,
    /// x · Φ(x), Φ the normal distribution's.
    Gelu,
    /// The approximation of it by tanh.
    GeluTanh,
    /// max(x, 0).
    Relu,
    /// max(x, 0)².
    SquaredRelu,
    /// tanh(x).
    Tanh,
    /// 1 / (1 + e⁻ˣ).
    Sigmoid,
}

impl Activation {
    /// x = f(x).
    pub fn apply(self, isa: Isa, x: &mut [f32]) {
        match self {
            Activation::Silu => vector::silu(isa, x),
            Activation::Gelu => vector::gelu(isa, x),
            Activation::GeluTanh => vector::gelu_tanh(isa, x),
            Activation::Tanh => x.iter_mut().for_each(|x| *x = x.tanh()),
            Activation::Sigmoid => vector::sigmoid(isa, x),
            Activation::SquaredRelu => x.iter_mut().for_each(|x| *x = x.max(0.0) * x.max(0.0)),
            Activation::Relu => x.iter_mut().for_each(|x| *x = x.max(0.0)),
        }
    }

    /// gate = f(gate) · up.
    pub fn gate(self, isa: Isa, gate: &mut [f32], up: &[f32]) {
        if self == Activation::Silu {
            return vector::silu_mul(isa, gate, up);
        }
        self.apply(isa, gate);
        for (g, u) in gate.iter_mut().zip(up) {
            *g *= u;
        }
    }
}
