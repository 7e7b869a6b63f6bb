//! rwkv7: a generalised delta rule over inputs blended with those of the position before, and a feed-forward with squares.

use super::Architecture;
use super::decoder::{MAX_LAYERS, vocab_size};
use super::keys::Keys;
use super::tensors::Tensors;
use crate::ops::activation::Activation;
use crate::ops::attention::MAX_HEAD_DIM;
use crate::transformer::{Block, Config, DeltaRule, FeedForward, Mixer, Norm, Part, TensorSpec};

const NAME: &str = "rwkv7";

/// The largest rank of a small product.
const MAX_RANK: usize = 4096;

/// The blends of a mixer, in the order in which files stack them.
pub(super) const BLENDS: [(Part, &str); 6] = [
    (Part::QueryBlend, "r"),
    (Part::DecayBlend, "w"),
    (Part::KeyBlend, "k"),
    (Part::ValueBlend, "v"),
    (Part::RateBlend, "a"),
    (Part::GateBlend, "g"),
];

/// Where those stand in a file.
pub(super) const BLENDED: &str = "time_mix_lerp_fused.weight";

pub(super) const ARCHITECTURE: Architecture = Architecture {
    name: NAME,
    config: |meta| {
        let keys = Keys { meta, name: NAME };
        let n_layers = keys.require("block_count")?;
        if n_layers > MAX_LAYERS {
            return keys.bad("block_count", n_layers, format!("at most {MAX_LAYERS}"));
        }
        let dim = keys.require("embedding_length")?;
        let head_dim = keys.require("wkv.head_size")?;
        if head_dim > MAX_HEAD_DIM || dim % head_dim != 0 {
            return keys.bad(
                "wkv.head_size",
                head_dim,
                format!("a divisor of embedding_length {dim}, up to {MAX_HEAD_DIM}"),
            );
        }
        let rank = |key: &str| {
            let key = format!("attention.{key}_lora_rank");
            match keys.require(&key)? {
                n if n > MAX_RANK => keys.bad(&key, n, format!("at most {MAX_RANK}")),
                n => Ok(n),
            }
        };
        let rule = DeltaRule {
            n_heads: dim / head_dim,
            head_dim,
            ranks: [
                rank("decay")?,
                rank("iclr")?,
                rank("value_residual_mix")?,
                rank("gate")?,
            ],
        };
        let hidden_dim = keys.require("feed_forward_length")?;
        let block = |weights| Block {
            weights,
            mixer: Mixer::DeltaRule(rule),
            feed_forward: FeedForward::Plain {
                hidden_dim,
                activation: Activation::SquaredRelu,
            },
            narrow: None,
        };
        Ok(Config {
            dim,
            vocab_size: vocab_size(keys)?,
            max_seq_len: keys.require("context_length")?,
            norm: Norm::Layer,
            norm_eps: meta.require_f32(&keys.key("attention.layer_norm_epsilon"))?,
            blocks: (0..n_layers).map(block).collect(),
            reader: keys.reader()?,
            ..Config::PLAIN
        })
    },
    tensors,
};

fn tensors(c: &Config) -> Vec<TensorSpec> {
    let (dim, mut t) = (c.dim, Tensors::new(c));
    t.matrix(Part::TokenEmbedding, "token_embd.weight", c.vocab_size, dim)
        .vector(Part::EmbeddingNorm, "token_embd_norm.weight", dim)
        .vector(Part::EmbeddingNormBias, "token_embd_norm.bias", dim)
        .vector(Part::OutputNorm, "output_norm.weight", dim)
        .vector(Part::OutputNormBias, "output_norm.bias", dim)
        .matrix(Part::Output, "output.weight", c.vocab_size, dim)
        .norms(Part::AttentionNorm, "attn_norm.weight")
        .norms(Part::AttentionNormBias, "attn_norm.bias")
        .norms(Part::FeedForwardNorm, "attn_norm_2.weight")
        .norms(Part::FeedForwardNormBias, "attn_norm_2.bias")
        .norms(Part::DecayBias, "time_mix_w0.weight")
        .norms(Part::RateBias, "time_mix_a0.weight")
        .norms(Part::ResidualBias, "time_mix_v0.weight")
        .norms(Part::KeyScale, "time_mix_k_k.weight")
        .norms(Part::KeyRate, "time_mix_k_a.weight")
        .norms(Part::Bonus, "time_mix_r_k.weight")
        .norms(Part::MixerNorm, "time_mix_ln.weight")
        .norms(Part::MixerNormBias, "time_mix_ln.bias")
        .norms(Part::FeedForwardBlend, "channel_mix_lerp_k.weight");
    for (part, name) in [
        (Part::BlendedQuery, "receptance"),
        (Part::BlendedKey, "key"),
        (Part::BlendedValue, "value"),
        (Part::MixerOutput, "output"),
    ] {
        t.matrices(part, &format!("time_mix_{name}.weight"), |_| {
            Some((dim, dim))
        });
    }
    for (i, (down, up, name)) in [
        (Part::DecayDown, Part::DecayUp, "w"),
        (Part::RateDown, Part::RateUp, "a"),
        (Part::ResidualDown, Part::ResidualUp, "v"),
        (Part::GateDown, Part::GateUp, "g"),
    ]
    .into_iter()
    .enumerate()
    {
        let rank = |b: &Block| match b.mixer {
            Mixer::DeltaRule(rule) => Some(rule.ranks[i]),
            _ => None,
        };
        t.matrices(down, &format!("time_mix_{name}1.weight"), |b| {
            Some((rank(b)?, dim))
        })
        .matrices(up, &format!("time_mix_{name}2.weight"), |b| {
            Some((dim, rank(b)?))
        });
    }
    for (i, (part, name)) in BLENDS.into_iter().enumerate() {
        t.norms(part, &format!("time_mix_lerp_{name}.weight"));
        for spec in t.all.iter_mut().filter(|s| s.slot.part == part) {
            let block = spec.slot.block.unwrap_or_default();
            spec.inside = Some((format!("blk.{block}.{BLENDED}"), i * dim));
        }
    }
    let hidden = |b: &Block| b.feed_forward.hidden_dim();
    t.matrices(Part::Up, "channel_mix_key.weight", |b| {
        Some((hidden(b), dim))
    })
    .matrices(Part::Down, "channel_mix_value.weight", |b| {
        Some((dim, hidden(b)))
    });
    // The first layer's values are those that later ones are blended with: some files have its blend all the same.
    for spec in &mut t.all {
        use Part::{ResidualBias, ResidualDown, ResidualUp};
        if spec.slot.block == Some(0)
            && matches!(spec.slot.part, ResidualBias | ResidualDown | ResidualUp)
        {
            spec.required = false;
        }
    }
    t.all
}
