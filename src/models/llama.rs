//! llama: the plain decoder; its files interleave rotary pairs. Biases are read where a file has them.

use super::Architecture;
use super::decoder::{decoder, pre_normed};
use super::tensors::Tensors;
use crate::ops::rope::Pairing;
use crate::transformer::{Config, Part, TensorSpec};

pub(super) const ARCHITECTURE: Architecture = Architecture {
    name: "llama",
    config: |meta| decoder(meta, "llama", Pairing::Interleaved),
    tensors,
};

/// Its tensors, which others share.
pub(super) fn tensors(c: &Config) -> Vec<TensorSpec> {
    tensors_of(c).all
}

/// The same, to be gone on with.
pub(super) fn tensors_of(c: &Config) -> Tensors<'_> {
    let mut t = pre_normed(c);
    t.projection_biases()
        .norms(Part::AttentionOutputBias, "attn_output.bias");
    for bias in [
        Part::QueryBias,
        Part::KeyBias,
        Part::ValueBias,
        Part::AttentionOutputBias,
    ] {
        t.may_lack(bias);
    }
    t
}
