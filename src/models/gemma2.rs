//! gemma2: norms on both sides of attention and feed-forward, a tanh GELU gate, scaled embeddings, bounded scores and
//! logits, and a sliding window in every other layer.

use super::Architecture;
use super::decoder::{attentions, decoder, slide, tensors};
use super::keys::Keys;
use super::tensors::Tensors;
use crate::error::Result;
use crate::ops::activation::Activation;
use crate::ops::rope::Pairing;
use crate::transformer::{Config, FeedForward, Part};

const NAME: &str = "gemma2";

/// Of so many layers the last sees everything.
const CYCLE: usize = 2;

/// The size whose files scale scores by the dimensions of a token for each head, without a key that says so.
const LARGEST: usize = 46;

pub(super) const ARCHITECTURE: Architecture = Architecture {
    name: NAME,
    config: |meta| {
        let keys = Keys { meta, name: NAME };
        let mut c = decoder(meta, NAME, Pairing::Halves)?;
        shared(&mut c, keys, LARGEST)?;
        slide(&mut c, keys, CYCLE)?;
        Ok(c)
    },
    tensors: |c| sandwiched(c).all,
};

/// What all generations have in common.
pub(super) fn shared(c: &mut Config, keys: Keys<'_>, largest: usize) -> Result<()> {
    c.embedding_scale = (c.dim as f32).sqrt();
    c.logit_soft_cap = keys.number("final_logit_softcapping")?.unwrap_or(0.0);
    let soft_cap = keys.number("attn_logit_softcapping")?.unwrap_or(0.0);
    let named = keys.number("attention.scale")?.is_some();
    let (dim, n_layers) = (c.dim, c.blocks.len());
    attentions(c, |_, a| {
        a.shape.soft_cap = soft_cap;
        if !named && n_layers == largest {
            a.scale = 1.0 / ((dim / a.shape.n_heads) as f32).sqrt();
        }
    });
    for block in &mut c.blocks {
        if let FeedForward::Gated { activation, .. } = &mut block.feed_forward {
            *activation = Activation::GeluTanh;
        }
    }
    Ok(())
}

/// A decoder with norms on both sides.
pub(super) fn sandwiched(c: &Config) -> Tensors<'_> {
    let mut t = tensors(c);
    t.norms(Part::AttentionNorm, "attn_norm.weight")
        .norms(Part::PostAttentionNorm, "post_attention_norm.weight")
        .norms(Part::FeedForwardNorm, "ffn_norm.weight")
        .norms(Part::PostFeedForwardNorm, "post_ffw_norm.weight");
    t
}
