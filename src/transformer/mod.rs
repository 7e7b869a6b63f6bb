//! `Config`, `Weights`, the KV cache and the one `forward`; names no model.

mod cache;
mod attend;
mod config;
mod feed;
mod forward;
mod importance;
mod scratch;
mod weights;

pub use cache::Cache;
pub use config::{Attention, Block, Config, FeedForward, Mixer, Norm};
pub use forward::{Model, SLICE};
pub use importance::{Importance, Input, Squares};
pub use scratch::Scratch;
pub use weights::{BlockWeights, Found, Part, Slot, TensorSpec, Weights, WeightsBuilder};
