//! Owns model, cache and sampler: loads as a stream, prefills in slices, decodes, rewinds, stops.
//!
//! Nothing here knows time or JavaScript. Requests and answers are plain structs; `bindings` turns them into JSON.

mod conversation;
mod encoder_text;
mod engine;
pub mod fidelity;
mod loader;
mod read;
mod reply;
mod request;
mod shard;
mod source;
mod stop;

pub use crate::transformer::Pooling;
pub use engine::{Engine, POOL};
pub use loader::{CacheFormat, LoadOptions, Loader, MemoryPlan};
pub use read::{Class, Filled};
pub use request::{Begun, Finish, Info, Logprob, Made, Prefilled, Request, Step};
