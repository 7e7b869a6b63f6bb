//! The rooms that decide what is computed: files, texts, models, conversations. In wasm compiled for size.
#![deny(unsafe_code)]
#![warn(missing_docs)]

#[path = "../../src/chat/mod.rs"]
pub mod chat;
#[path = "../../src/format/mod.rs"]
pub mod format;
#[cfg(feature = "grammar")]
#[path = "../../src/grammar/mod.rs"]
pub mod grammar;
#[path = "../../src/models/mod.rs"]
pub mod models;
#[path = "../../src/sampler/mod.rs"]
pub mod sampler;
#[path = "../../src/session/mod.rs"]
pub mod session;
#[path = "../../src/tokenizer/mod.rs"]
pub mod tokenizer;
#[path = "../../src/transformer/mod.rs"]
pub mod transformer;

pub use smidgen_arithmetic::*;

// Grammars are a wasm module of their own, with bindings of their own.
#[cfg(all(target_arch = "wasm32", not(feature = "grammar")))]
#[path = "../../src/bindings.rs"]
mod bindings;
