//! Model files: bytes → metadata and tensor directory. Total over hostile input; reads no weights.

pub mod gguf;
mod metadata;

pub use metadata::{Metadata, Strings};
