//! Smidgen: quantised transformers inside a browser tab (wasm32 with SIMD128) and, from the same code, natively.
//!
//! Rooms, lowest first, and what each may import: see `src/README.md`.
#![cfg_attr(
    all(target_arch = "wasm32", target_feature = "atomics"),
    feature(stdarch_wasm_atomic_wait)
)]
// xtask is a binary of this package and so links its library, but uses nothing of it: it must also start, and soon,
// while the library does not compile.
#![cfg(any(feature = "cli", not(feature = "xtask")))]
#![deny(unsafe_code)]
#![warn(missing_docs)]

pub mod chat;
pub mod error;
pub mod format;
#[cfg(feature = "grammar")]
pub mod grammar;
pub mod kernels;
pub mod models;
pub mod ops;
pub mod quant;
pub mod sampler;
pub mod session;
pub mod tensor;
pub mod tokenizer;
pub mod transformer;

// Grammars are a wasm module of their own, with bindings of their own.
#[cfg(all(target_arch = "wasm32", not(feature = "grammar")))]
mod bindings;

pub use error::{Error, Result};
