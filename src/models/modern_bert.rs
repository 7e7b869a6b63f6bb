//! modern-bert: attention in both directions with norms before each part, rotary positions, a gated GELU feed-forward, and
//! a window in two layers of three, which have a rotary embedding of their own.

use super::Architecture;
use super::bert::{heads, reader};
use super::decoder::{attentions, decoder, pre_normed, slide};
use super::keys::Keys;
use crate::ops::activation::Activation;
use crate::ops::rope::{Pairing, Rope};
use crate::transformer::{FeedForward, Part};

const NAME: &str = "modern-bert";

/// Of so many layers the first sees everything.
const CYCLE: usize = 3;

pub(super) const ARCHITECTURE: Architecture = Architecture {
    name: NAME,
    config: |meta| {
        let keys = Keys { meta, name: NAME };
        let mut c = decoder(meta, NAME, Pairing::Halves)?;
        let local = keys.positive("rope.freq_base_swa")?.unwrap_or(10_000.0);
        c.ropes.push(Rope {
            theta: f64::from(local),
            ..c.ropes[0]
        });
        // A cycle counts from its end elsewhere.
        let cycle = match keys.meta.u32(&keys.key("attention.sliding_window_pattern")) {
            Ok(n) => Some(n.map_or(CYCLE, |n| n.max(1) as usize)),
            Err(_) => None,
        };
        let listed = match cycle {
            Some(_) => Vec::new(),
            None => slide(&mut c, keys, CYCLE)?,
        };
        let window = keys.count("attention.sliding_window")?;
        attentions(&mut c, |i, a| {
            let sliding = cycle.map_or_else(|| listed[i], |n| i % n != 0);
            a.rope = Some(usize::from(sliding));
            a.shape.ahead = usize::MAX;
            a.shape.window = None;
            if let Some(window) = window.filter(|_| sliding) {
                a.shape.window = Some(window / 2 + 1);
                a.shape.ahead = window / 2;
            }
        });
        for block in &mut c.blocks {
            block.feed_forward = FeedForward::Gated {
                hidden_dim: block.feed_forward.hidden_dim(),
                activation: Activation::Gelu,
            };
        }
        c.reader = reader(keys)?;
        c.reader.activations[0] = Activation::Gelu;
        Ok(c)
    },
    tensors: |c| {
        let mut t = pre_normed(c);
        t.vector(Part::EmbeddingNorm, "token_embd_norm.weight", c.dim)
            // The first layer reads what the embedding's norm has just made.
            .may_lack(Part::AttentionNorm)
            .fuse("attn_qkv.weight", &[Part::Query, Part::Key, Part::Value])
            .fuse("ffn_up.weight", &[Part::Gate, Part::Up]);
        t.apart("ffn_up");
        heads(&mut t);
        t.all
    },
};
