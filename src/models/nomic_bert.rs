//! nomic-bert: bert with rotary positions, a gated SiLU feed-forward, and no biases but those of norms.

use super::Architecture;
use super::bert::{heads, reader};
use super::decoder::{attentions, decoder, tensors};
use super::keys::Keys;
use crate::ops::activation::Activation;
use crate::ops::rope::Pairing;
use crate::transformer::Part;

const NAME: &str = "nomic-bert";

pub(super) const ARCHITECTURE: Architecture = Architecture {
    name: NAME,
    config: |meta| {
        let keys = Keys { meta, name: NAME };
        let mut c = decoder(meta, NAME, Pairing::Halves)?;
        attentions(&mut c, |_, a| a.shape.ahead = usize::MAX);
        c.reader = reader(keys)?;
        c.reader.activations[1] = Activation::Silu;
        Ok(c)
    },
    tensors: |c| {
        let dim = c.dim;
        let mut t = tensors(c);
        t.all.retain(|s| s.slot.part != Part::OutputNorm);
        if c.reader.n_types > 0 {
            t.matrix(
                Part::TokenTypes,
                "token_types.weight",
                c.reader.n_types,
                dim,
            );
        }
        t.vector(Part::EmbeddingNorm, "token_embd_norm.weight", dim)
            .vector(Part::EmbeddingNormBias, "token_embd_norm.bias", dim)
            .norms(Part::AttentionOutputNorm, "attn_output_norm.weight")
            .norms(Part::AttentionOutputNormBias, "attn_output_norm.bias")
            .norms(Part::LayerOutputNorm, "layer_output_norm.weight")
            .norms(Part::LayerOutputNormBias, "layer_output_norm.bias")
            .fuse("attn_qkv.weight", &[Part::Query, Part::Key, Part::Value]);
        heads(&mut t);
        t.all
    },
};
