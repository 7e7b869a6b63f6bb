//! mobilebert: attention in both directions and several feed-forwards in each layer, all over representations that a
//! matrix has made narrower; factors and offsets in the place of norms; embeddings of three tokens side by side.
//!
//! llama.cpp knows no such files: keys and tensor names beyond those of bert are our own.

use super::Architecture;
use super::bert::{both_ways, heads, reader};
use super::decoder::MAX_LAYERS;
use super::keys::Keys;
use super::tensors::Tensors;
use crate::error::Result;
use crate::format::Metadata;
use crate::ops::activation::Activation;
use crate::transformer::{
    Block, Config, Factored, FeedForward, Mixer, Narrow, Norm, Part, TensorSpec,
};

const NAME: &str = "mobilebert";

pub(super) const ARCHITECTURE: Architecture = Architecture {
    name: NAME,
    config,
    tensors,
};

fn config(meta: &Metadata) -> Result<Config> {
    let keys = Keys { meta, name: NAME };
    let mut c = both_ways(meta, NAME)?;
    c.norm = Norm::Affine;
    let dim = keys.require("token_embedding_length")?;
    if dim >= c.dim {
        let most = format!("less than embedding_length {}", c.dim);
        return keys.bad("token_embedding_length", dim, most);
    }
    let grams = match keys.require("token_embedding_count")? {
        n @ (1 | 3) => n,
        n => return keys.bad("token_embedding_count", n, "1 or 3"),
    };
    c.factored = Some(Factored { dim, grams });
    let width = keys.require("bottleneck_length")?;
    let stack = keys.require("feed_forward_count")?;
    if stack > MAX_LAYERS / c.blocks.len() {
        let most = format!("at most {MAX_LAYERS} in all layers");
        return keys.bad("feed_forward_count", stack, most);
    }
    let hidden_dim = c.blocks[0].feed_forward.hidden_dim();
    let attention = c.blocks[0].mixer;
    // A layer is as many blocks as it has feed-forwards.
    c.blocks = (0..c.blocks.len() * stack)
        .map(|i| Block {
            weights: i,
            mixer: if i % stack == 0 {
                attention
            } else {
                Mixer::None
            },
            feed_forward: FeedForward::Plain {
                hidden_dim,
                activation: Activation::Relu,
            },
            narrow: Some(Narrow {
                width,
                first: i % stack == 0,
                last: i % stack == stack - 1,
            }),
        })
        .collect();
    c.reader = reader(keys)?;
    c.reader.activations[1] = Activation::Relu;
    Ok(c)
}

fn tensors(c: &Config) -> Vec<TensorSpec> {
    let (dim, factored) = (c.dim, c.factored.expect("always so"));
    let width = |b: &Block| Some(b.narrow?.width);
    let first = |b: &Block| b.narrow.filter(|n| n.first).map(|n| n.width);
    let last = |b: &Block| b.narrow.filter(|n| n.last).map(|n| n.width);
    let heads_width = |b: &Block| Some(b.attention()?.shape).map(|s| s.n_heads * s.head_dim);
    let hidden = |b: &Block| Some(b.feed_forward.hidden_dim());
    let mut t = Tensors::new(c);
    t.matrix(
        Part::TokenEmbedding,
        "token_embd.weight",
        c.vocab_size,
        factored.dim,
    )
    .matrix(
        Part::EmbeddingProjection,
        "token_embd_proj.weight",
        dim,
        factored.width(),
    )
    .vector(Part::EmbeddingProjectionBias, "token_embd_proj.bias", dim)
    .matrix(
        Part::PositionEmbedding,
        "position_embd.weight",
        c.max_seq_len,
        dim,
    )
    .matrix(
        Part::TokenTypes,
        "token_types.weight",
        c.reader.n_types.max(1),
        dim,
    )
    .vector(Part::EmbeddingNorm, "token_embd_norm.weight", dim)
    .vector(Part::EmbeddingNormBias, "token_embd_norm.bias", dim)
    .matrix(
        Part::OutputRest,
        "output_rest.weight",
        dim - factored.dim,
        c.vocab_size,
    )
    .optional();
    for (matrix, bias, norm, norm_bias, name) in [
        (
            Part::Narrow,
            Part::NarrowBias,
            Part::NarrowNorm,
            Part::NarrowNormBias,
            "narrow",
        ),
        (
            Part::NarrowInput,
            Part::NarrowInputBias,
            Part::NarrowInputNorm,
            Part::NarrowInputNormBias,
            "attn_narrow",
        ),
    ] {
        t.matrices(matrix, &format!("{name}.weight"), |b| {
            Some((first(b)?, dim))
        })
        .vectors(bias, &format!("{name}.bias"), first)
        .vectors(norm, &format!("{name}_norm.weight"), first)
        .vectors(norm_bias, &format!("{name}_norm.bias"), first);
    }
    let projected = |b: &Block| Some((heads_width(b)?, width(b)?));
    t.matrices(Part::Query, "attn_q.weight", projected)
        .matrices(Part::Key, "attn_k.weight", projected)
        .matrices(Part::Value, "attn_v.weight", |b| {
            Some((heads_width(b)?, dim))
        })
        .projection_biases()
        .matrices(Part::AttentionOutput, "attn_output.weight", |b| {
            Some((width(b)?, heads_width(b)?))
        })
        .vectors(Part::AttentionOutputBias, "attn_output.bias", first)
        .vectors(Part::AttentionOutputNorm, "attn_output_norm.weight", first)
        .vectors(
            Part::AttentionOutputNormBias,
            "attn_output_norm.bias",
            first,
        )
        .matrices(Part::Up, "ffn_up.weight", |b| Some((hidden(b)?, width(b)?)))
        .vectors(Part::UpBias, "ffn_up.bias", hidden)
        .matrices(Part::Down, "ffn_down.weight", |b| {
            Some((width(b)?, hidden(b)?))
        })
        .vectors(Part::DownBias, "ffn_down.bias", width)
        .vectors(Part::LayerOutputNorm, "layer_output_norm.weight", width)
        .vectors(Part::LayerOutputNormBias, "layer_output_norm.bias", width)
        .matrices(Part::Widen, "widen.weight", |b| Some((dim, last(b)?)))
        .vectors(Part::WidenBias, "widen.bias", |b| last(b).map(|_| dim))
        .vectors(Part::WidenNorm, "widen_norm.weight", |b| {
            last(b).map(|_| dim)
        })
        .vectors(Part::WidenNormBias, "widen_norm.bias", |b| {
            last(b).map(|_| dim)
        });
    heads(&mut t);
    let mut all = t.all;
    let stack = c
        .blocks
        .iter()
        .take_while(|b| !b.narrow.is_some_and(|n| n.last))
        .count()
        + 1;
    all.iter_mut().for_each(|spec| number(spec, stack));
    all
}

/// Names a tensor by its layer, and by its place among all feed-forwards of that but the last.
fn number(spec: &mut TensorSpec, stack: usize) {
    let Some(block) = spec.slot.block else {
        return;
    };
    let (layer, place) = (block / stack, block % stack);
    let stem = spec.name.splitn(3, '.').nth(2).unwrap_or_default();
    let stacked = matches!(
        spec.slot.part,
        Part::Up
            | Part::UpBias
            | Part::Down
            | Part::DownBias
            | Part::LayerOutputNorm
            | Part::LayerOutputNormBias
    );
    spec.name = match stem.split_once('.') {
        Some((stem, end)) if stacked && place < stack - 1 => {
            format!("blk.{layer}.{stem}.{place}.{end}")
        }
        _ => format!("blk.{layer}.{stem}"),
    };
}
