//! olmo2: norms behind attention and feed-forward instead of before, and over all queries and all keys of a token.

use super::Architecture;
use super::decoder::{decoder, tensors};
use crate::ops::rope::Pairing;
use crate::transformer::{Block, Part};

pub(super) const ARCHITECTURE: Architecture = Architecture {
    name: "olmo2",
    config: |meta| decoder(meta, "olmo2", Pairing::Halves),
    tensors: |c| {
        let q = |b: &Block| Some(b.attention()?.shape).map(|s| s.n_heads * s.head_dim);
        let kv = |b: &Block| Some(b.attention()?.shape).map(|s| s.n_kv_heads * s.head_dim);
        let mut t = tensors(c);
        t.vectors(Part::QueryNorm, "attn_q_norm.weight", q)
            .vectors(Part::KeyNorm, "attn_k_norm.weight", kv)
            .norms(Part::PostAttentionNorm, "post_attention_norm.weight")
            .norms(Part::PostFeedForwardNorm, "post_ffw_norm.weight");
        t.all
    },
};
