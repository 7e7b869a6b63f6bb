//! Smidgen: quantised transformers inside a browser tab (wasm32 with SIMD128) and, from the same code, natively.
//!
//! Rooms, lowest first, and what each may import: see `src/README.md`. They are compiled as two crates, so that the wasm
//! is fast where it computes and small everywhere else; this one is both of them together.
#![deny(unsafe_code)]
#![warn(missing_docs)]

#[cfg(feature = "engine")]
pub use smidgen_engine::*;
