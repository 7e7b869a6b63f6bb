//! qwen2: the plain decoder with biases on query, key and value.

use super::Architecture;
use super::decoder::{decoder, pre_normed};
use crate::ops::rope::Pairing;

pub(super) const ARCHITECTURE: Architecture = Architecture {
    name: "qwen2",
    config: |meta| decoder(meta, "qwen2", Pairing::Halves),
    tensors: |c| {
        let mut t = pre_normed(c);
        t.projection_biases();
        t.all
    },
};
