//! Model files: bytes → metadata and tensor directory. Total over hostile input; reads no weights.

pub mod gguf;
pub mod gguf_write;
pub mod hugging_face;
pub mod importance;
mod metadata;
pub mod mixture;
#[cfg(not(target_arch = "wasm32"))]
pub mod quantise;
pub mod safetensors;

pub use metadata::{ByteStrings, Metadata, Strings};
