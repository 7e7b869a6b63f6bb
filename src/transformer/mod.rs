//! `Config`, `Weights`, the KV cache and the one `forward`; names no model.

mod across;
mod attend;
mod blocks;
mod bounds;
mod cache;
mod config;
mod feed;
mod forward;
mod importance;
mod narrow;
mod read;
mod recur;
mod replace;
mod saved;
mod scratch;
mod sequence;
mod shift;
mod weights;

pub use cache::Cache;
pub use config::{
    Attention, Block, Config, DeltaRule, Encoder, Factored, FeedForward, Mixer, Multipliers,
    Narrow, Norm, Pooling, Reader, StateSpace,
};
pub use forward::{Model, SLICE, Span};
pub use importance::{Importance, Input, Squares};
pub use read::Pooled;
pub use scratch::Scratch;
pub use sequence::Sequence;
pub use shift::kept;
pub use weights::{BlockWeights, Change, Found, Part, Slot, TensorSpec, Weights, WeightsBuilder};
