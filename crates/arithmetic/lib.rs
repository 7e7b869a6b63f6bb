//! The rooms that compute: formats of weights, kernels and operations. In wasm compiled for speed.
#![cfg_attr(
    all(target_arch = "wasm32", target_feature = "atomics"),
    feature(stdarch_wasm_atomic_wait)
)]
#![deny(unsafe_code)]
#![warn(missing_docs)]

#[path = "../../src/error.rs"]
pub mod error;
#[path = "../../src/kernels/mod.rs"]
pub mod kernels;
#[path = "../../src/ops/mod.rs"]
pub mod ops;
#[path = "../../src/quant/mod.rs"]
pub mod quant;
#[path = "../../src/tensor.rs"]
pub mod tensor;

pub use error::{Error, Result};
