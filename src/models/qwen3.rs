//! qwen3: the plain decoder with a norm on each head's queries and keys.

use super::Architecture;
use super::decoder::{decoder, pre_normed};
use crate::ops::rope::Pairing;
use crate::transformer::{Config, TensorSpec};

pub(super) const ARCHITECTURE: Architecture = Architecture {
    name: "qwen3",
    config: |meta| decoder(meta, "qwen3", Pairing::Halves),
    tensors,
};

/// Its tensors, which others share.
pub(super) fn tensors(c: &Config) -> Vec<TensorSpec> {
    let mut t = pre_normed(c);
    t.head_norms();
    t.all
}
