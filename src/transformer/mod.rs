//! `Config`, `Weights`, the KV cache and the one `forward`; names no model.

mod cache;
mod config;
mod forward;
mod importance;
mod weights;

pub use cache::Cache;
pub use config::{Attention, Block, Config, FeedForward, Mixer, Rope};
pub use forward::{Model, SLICE, Scratch};
pub use importance::{Importance, Input, Squares};
pub use weights::{BlockWeights, Found, Slot, TensorSpec, Weights, WeightsBuilder};
