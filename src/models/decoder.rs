//! The decoder that most architectures vary: blocks of causal softmax attention with rotary positions and a gated
//! feed-forward, and what the keys that files share say of them.

use super::keys::Keys;
use super::tensors::Tensors;
use crate::error::Result;
use crate::format::Metadata;
use crate::ops::activation::Activation;
use crate::ops::attention::{MAX_HEAD_DIM, Shape};
use crate::ops::rope::{Pairing, Rope, Scaling};
use crate::transformer::{Attention, Block, Config, FeedForward, Mixer, Norm, Part};

/// More experts than all layers of any model have.
const MAX_EXPERTS: usize = 1 << 15;

/// More blocks than any model has.
pub(super) const MAX_LAYERS: usize = 4096;

/// More values than all heads, or all experts' rows, of any model have; products of it with a few others still fit.
pub(super) const MAX_WIDTH: usize = 1 << 24;

/// The shape of such a decoder.
pub(super) fn decoder(meta: &Metadata, name: &'static str, pairing: Pairing) -> Result<Config> {
    let keys = Keys { meta, name };
    let n_layers = keys.require("block_count")?;
    if n_layers > MAX_LAYERS {
        return keys.bad("block_count", n_layers, format!("at most {MAX_LAYERS}"));
    }
    let dim = keys.require("embedding_length")?;
    let shape = shape(keys, dim, n_layers)?;
    let attention = Attention {
        shape,
        scale: keys
            .number("attention.scale")?
            .unwrap_or(1.0 / (shape.head_dim as f32).sqrt()),
        rope: Some(0),
    };
    let feed_forward = FeedForward::Gated {
        hidden_dim: keys.require("feed_forward_length")?,
        activation: Activation::Silu,
    };
    let (norm, norm_eps) = match keys.number("attention.layer_norm_epsilon")? {
        Some(eps) => (Norm::Layer, eps),
        None => (
            Norm::Rms,
            meta.require_f32(&keys.key("attention.layer_norm_rms_epsilon"))?,
        ),
    };
    let block = |weights| Block {
        weights,
        mixer: Mixer::Attention(attention),
        feed_forward,
        narrow: None,
    };
    Ok(Config {
        dim,
        vocab_size: vocab_size(keys)?,
        max_seq_len: keys.require("context_length")?,
        norm,
        norm_eps,
        embedding_scale: keys.number("embedding_scale")?.unwrap_or(1.0),
        residual_scale: keys.number("residual_scale")?.unwrap_or(1.0),
        ropes: vec![rope(keys, shape.head_dim, pairing)?],
        blocks: (0..n_layers).map(block).collect(),
        reader: keys.reader()?,
        ..Config::PLAIN
    })
}

/// Ids there are.
pub(super) fn vocab_size(keys: Keys<'_>) -> Result<usize> {
    match keys.count("vocab_size")? {
        Some(n) => Ok(n),
        None => Ok(keys.meta.require_strings("tokenizer.ggml.tokens")?.len()),
    }
}

/// Heads and their dimensions.
pub(super) fn shape(keys: Keys<'_>, dim: usize, n_layers: usize) -> Result<Shape> {
    let n_heads = keys.require("attention.head_count")?;
    // Layers without attention have none.
    let n_kv_heads = keys.each("attention.head_count_kv", n_layers)?;
    let n_kv_heads = n_kv_heads.and_then(|list| list.into_iter().max());
    let n_kv_heads = n_kv_heads.map_or(n_heads, |n| n as usize);
    let head_dim = keys.count("attention.key_length")?.unwrap_or(dim / n_heads);
    if n_kv_heads == 0 || n_heads % n_kv_heads != 0 {
        return keys.bad(
            "attention.head_count_kv",
            n_kv_heads,
            format!("a divisor of head_count {n_heads}"),
        );
    }
    if head_dim == 0 || head_dim > MAX_HEAD_DIM || head_dim % 2 != 0 {
        return keys.bad(
            "attention.key_length",
            head_dim,
            format!("an even number up to {MAX_HEAD_DIM}"),
        );
    }
    if n_heads > MAX_WIDTH / head_dim {
        return keys.bad(
            "attention.head_count",
            n_heads,
            format!("at most {MAX_WIDTH} values in all heads"),
        );
    }
    if let Some(n) = keys.count("attention.value_length")?
        && n != head_dim
    {
        return keys.bad(
            "attention.value_length",
            n,
            format!("the key length {head_dim}"),
        );
    }
    Ok(Shape {
        n_heads,
        n_kv_heads,
        head_dim,
        window: None,
        ahead: 0,
        soft_cap: 0.0,
    })
}

/// The rotary embedding and how it is stretched.
pub(super) fn rope(keys: Keys<'_>, head_dim: usize, pairing: Pairing) -> Result<Rope> {
    let dims = keys.count("rope.dimension_count")?.unwrap_or(head_dim);
    if dims > head_dim || dims % 2 != 0 {
        return keys.bad(
            "rope.dimension_count",
            dims,
            format!("an even number up to {head_dim}"),
        );
    }
    let theta = f64::from(keys.positive("rope.freq_base")?.unwrap_or(10_000.0));
    let number = |key: &str| keys.positive(&format!("rope.scaling.{key}"));
    let mut magnitude = number("attn_factor")?.unwrap_or(1.0);
    let original = match keys.count("rope.scaling.original_context_length")? {
        Some(n) => n,
        None => keys.require("context_length")?,
    };
    let factor = f64::from(number("factor")?.unwrap_or(1.0));
    let scaling = match keys.str("rope.scaling.type")?.unwrap_or("none") {
        "none" => Scaling::None,
        "linear" => Scaling::Linear(factor),
        "dynamic" => Scaling::Dynamic {
            factor,
            original: original as f64,
        },
        "yarn" => {
            magnitude *= 1.0 + 0.1 * (factor as f32).ln();
            Scaling::Yarn {
                factor,
                original: original as f64,
                fast: f64::from(number("yarn_beta_fast")?.unwrap_or(32.0)),
                slow: f64::from(number("yarn_beta_slow")?.unwrap_or(1.0)),
            }
        }
        "longrope" => Scaling::Long { original },
        other => {
            return keys.bad(
                "rope.scaling.type",
                other,
                "none, linear, dynamic, yarn or longrope",
            );
        }
    };
    Ok(Rope {
        dims,
        theta,
        pairing,
        scaling,
        magnitude,
    })
}

/// Calls `change` with the attention of each block.
pub(super) fn attentions(c: &mut Config, mut change: impl FnMut(usize, &mut Attention)) {
    for (i, block) in c.blocks.iter_mut().enumerate() {
        if let Mixer::Attention(a) = &mut block.mixer {
            change(i, a);
        }
    }
}

/// Gives the blocks that the pattern (or `cycle`, see [`Keys::pattern`]) names a sliding window.
pub(super) fn slide(c: &mut Config, keys: Keys<'_>, cycle: usize) -> Result<Vec<bool>> {
    let sliding = keys.pattern("attention.sliding_window_pattern", c.blocks.len(), cycle)?;
    let window = keys.count("attention.sliding_window")?;
    attentions(c, |i, a| {
        if sliding[i] {
            a.shape.window = window;
        }
    });
    Ok(sliding)
}

/// Turns the feed-forwards into as many experts as the keys say.
pub(super) fn experts(c: &mut Config, keys: Keys<'_>) -> Result<()> {
    let n_experts = keys.require("expert_count")?;
    let n_used = keys.require("expert_used_count")?;
    let hidden_dim = match keys.count("expert_feed_forward_length")? {
        Some(n) => n,
        None => keys.require("feed_forward_length")?,
    };
    let rows = hidden_dim.max(c.dim);
    if n_experts > MAX_WIDTH / rows || n_experts > MAX_EXPERTS / c.blocks.len() {
        return keys.bad(
            "expert_count",
            n_experts,
            format!("at most {MAX_EXPERTS} in all layers, and {MAX_WIDTH} rows in one"),
        );
    }
    if n_used > n_experts {
        return keys.bad(
            "expert_count",
            n_experts,
            format!("at least {n_used} (expert_used_count)"),
        );
    }
    for block in &mut c.blocks {
        block.feed_forward = FeedForward::Experts {
            n_experts,
            n_used,
            hidden_dim,
            activation: Activation::Silu,
        };
    }
    Ok(())
}

/// The layers that mix by attention: those with heads for keys.
pub(super) fn attending(c: &Config, keys: Keys<'_>) -> Result<Vec<bool>> {
    let n = c.blocks.len();
    let list = keys.each("attention.head_count_kv", n)?;
    Ok(list
        .unwrap_or_else(|| vec![1; n])
        .iter()
        .map(|n| *n > 0)
        .collect())
}

/// The tensors of such a decoder but its norms.
pub(super) fn tensors(c: &Config) -> Tensors<'_> {
    let mut t = Tensors::new(c);
    t.matrix(
        Part::TokenEmbedding,
        "token_embd.weight",
        c.vocab_size,
        c.dim,
    )
    .matrix(Part::Output, "output.weight", c.vocab_size, c.dim)
    .optional()
    .vector(Part::OutputNorm, "output_norm.weight", c.dim);
    if let Some(rope) = c.ropes.first() {
        let pairs = rope.dims / 2;
        t.vector(Part::RopeFactors, "rope_freqs.weight", pairs)
            .optional();
    }
    t.attention().feed_forward();
    t
}

/// The same with norms before attention and before the feed-forward.
pub(super) fn pre_normed(c: &Config) -> Tensors<'_> {
    let mut t = tensors(c);
    t.norms(Part::AttentionNorm, "attn_norm.weight")
        .norms(Part::FeedForwardNorm, "ffn_norm.weight");
    t
}
