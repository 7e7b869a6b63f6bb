//! t5: an encoder, and a decoder that attends to what it made of its text. Scores are not scaled and have biases by
//! distance, which a stack's first block holds for all of it (umT5: every block its own). The first version has a ReLU
//! feed-forward and the embedding for a head, scaled; later ones a gate and a head of their own. Files say which by the
//! tensors they have. The encoder alone is an architecture of its own.

use super::Architecture;
use super::decoder::{MAX_LAYERS, shape, vocab_size};
use super::keys::Keys;
use super::tensors::Tensors;
use crate::error::Result;
use crate::format::Metadata;
use crate::ops::activation::Activation;
use crate::ops::distance::{MAX_BUCKETS, MIN_BUCKETS};
use crate::transformer::{
    Attention, Block, Config, Encoder, FeedForward, Mixer, Part, Pooling, Reader, TensorSpec,
};

pub(super) const ARCHITECTURE: Architecture = Architecture {
    name: "t5",
    config: |meta| {
        let keys = Keys { meta, name: "t5" };
        let mut c = encoder(keys)?;
        let n_blocks = c.blocks.len();
        let n_writers = layers(keys, "decoder_block_count")?.unwrap_or(n_blocks);
        let start = match meta.u32(&keys.key(START))? {
            Some(id) => id,
            None => meta.u32("tokenizer.ggml.padding_token_id")?.unwrap_or(0),
        };
        if start as usize >= c.vocab_size {
            return keys.bad(START, start, format!("an id below {}", c.vocab_size));
        }
        let Block {
            mixer: Mixer::Attention(read),
            feed_forward,
            ..
        } = c.blocks[0]
        else {
            unreachable!("encoders attend");
        };
        let mut own = read;
        own.shape.ahead = 0;
        for i in 0..n_writers {
            let block = |place, mixer, feed_forward| Block {
                weights: n_blocks + 2 * i + place,
                mixer,
                feed_forward,
                narrow: None,
            };
            c.blocks
                .push(block(0, Mixer::Attention(own), FeedForward::None));
            c.blocks.push(block(1, Mixer::Across(read), feed_forward));
        }
        c.encoder = Some(Encoder { n_blocks, start });
        // As many for what is written as for what is read.
        c.max_seq_len *= 2;
        match keys.number("logit_scale")? {
            Some(scale) => c.logit_scale = scale,
            None => c.tied_scale = 1.0 / (c.dim as f32).sqrt(),
        }
        Ok(c)
    },
    tensors: |c| {
        let mut t = stack(c);
        t.matrix(Part::Output, "output.weight", c.vocab_size, c.dim)
            .optional()
            .vector(Part::EncoderNorm, "enc.output_norm.weight", c.dim)
            .vector(Part::OutputNorm, "dec.output_norm.weight", c.dim);
        named(t, c.encoder.map_or(0, |e| e.n_blocks))
    },
};

/// The encoder alone.
pub(super) const ENCODER: Architecture = Architecture {
    name: "t5encoder",
    config: |meta| {
        encoder(Keys {
            meta,
            name: "t5encoder",
        })
    },
    tensors: |c| {
        let mut t = stack(c);
        t.vector(Part::OutputNorm, "enc.output_norm.weight", c.dim);
        named(t, c.blocks.len())
    },
};

const START: &str = "decoder_start_token_id";

/// A number of layers.
fn layers(keys: Keys<'_>, key: &str) -> Result<Option<usize>> {
    match keys.count(key)? {
        Some(n) if n > MAX_LAYERS => keys.bad(key, n, format!("at most {MAX_LAYERS}")),
        n => Ok(n),
    }
}

fn encoder(keys: Keys<'_>) -> Result<Config> {
    const BUCKETS: &str = "attention.relative_buckets_count";
    let meta: &Metadata = keys.meta;
    let n_layers = layers(keys, "block_count")?;
    let n_layers = n_layers.map_or_else(|| keys.require("block_count"), Ok)?;
    let dim = keys.require("embedding_length")?;
    let mut shape = shape(keys, dim, n_layers)?;
    shape.ahead = usize::MAX;
    let distance_buckets = keys.require(BUCKETS)?;
    if !(MIN_BUCKETS..=MAX_BUCKETS).contains(&distance_buckets) {
        let expected = format!("{MIN_BUCKETS} to {MAX_BUCKETS}");
        return keys.bad(BUCKETS, distance_buckets, expected);
    }
    let hidden_dim = keys.require("feed_forward_length")?;
    let block = |weights| Block {
        weights,
        mixer: Mixer::Attention(Attention {
            shape,
            scale: 1.0,
            rope: None,
        }),
        feed_forward: FeedForward::Either {
            hidden_dim,
            gated: Activation::GeluTanh,
            plain: Activation::Relu,
        },
        narrow: None,
    };
    Ok(Config {
        dim,
        vocab_size: vocab_size(keys)?,
        max_seq_len: keys.require("context_length")?,
        norm_eps: meta.require_f32(&keys.key("attention.layer_norm_rms_epsilon"))?,
        distance_buckets,
        blocks: (0..n_layers).map(block).collect(),
        reader: Reader {
            pooling: keys.pooling()?.unwrap_or(Pooling::Mean),
            ..keys.reader()?
        },
        ..Config::PLAIN
    })
}

/// A number of rows or columns.
#[derive(Clone, Copy)]
enum Size {
    /// None: it is a vector.
    Vector,
    Dim,
    QueryHeads,
    KeyHeads,
    Buckets,
    Heads,
}

use Size::{Buckets, Dim, Heads, KeyHeads, QueryHeads, Vector};

/// Tensors of a block that attends to its own text, and of one that attends across: rows and columns.
const OWN: &[(Part, &str, [Size; 2])] = &[
    (Part::AttentionNorm, "attn_norm.weight", [Vector, Dim]),
    (Part::Query, "attn_q.weight", [QueryHeads, Dim]),
    (Part::Key, "attn_k.weight", [KeyHeads, Dim]),
    (Part::Value, "attn_v.weight", [KeyHeads, Dim]),
    (Part::AttentionOutput, "attn_o.weight", [Dim, QueryHeads]),
    (Part::DistanceBias, "attn_rel_b.weight", [Buckets, Heads]),
];
const ACROSS: &[(Part, &str, [Size; 2])] = &[
    (Part::AttentionNorm, "cross_attn_norm.weight", [Vector, Dim]),
    (Part::Query, "cross_attn_q.weight", [QueryHeads, Dim]),
    (Part::AcrossKey, "cross_attn_k.weight", [KeyHeads, Dim]),
    (Part::AcrossValue, "cross_attn_v.weight", [KeyHeads, Dim]),
    (
        Part::AttentionOutput,
        "cross_attn_o.weight",
        [Dim, QueryHeads],
    ),
];

/// The tensors of all blocks, and the embedding.
fn stack(c: &Config) -> Tensors<'_> {
    let dim = c.dim;
    let mut t = Tensors::new(c);
    t.matrix(Part::TokenEmbedding, "token_embd.weight", c.vocab_size, dim);
    let of_own = OWN.iter().map(|row| (false, row));
    for (across, (part, name, sizes)) in of_own.chain(ACROSS.iter().map(|row| (true, row))) {
        t.matrices(*part, name, |b| {
            let s = &match (&b.mixer, across) {
                (Mixer::Attention(a), false) | (Mixer::Across(a), true) => a.shape,
                _ => return None,
            };
            let [rows, cols] = sizes.map(|size| match size {
                Vector => 0,
                Dim => dim,
                QueryHeads => s.n_heads * s.head_dim,
                KeyHeads => s.n_kv_heads * s.head_dim,
                Buckets => c.distance_buckets,
                Heads => s.n_heads,
            });
            Some((rows, cols))
        });
    }
    t.vectors(Part::FeedForwardNorm, "ffn_norm.weight", |b| {
        (b.feed_forward != FeedForward::None).then_some(dim)
    })
    .feed_forward();
    t
}

/// The list with the names that layers of the two stacks have.
fn named(t: Tensors<'_>, n_encoder: usize) -> Vec<TensorSpec> {
    let mut all = t.all;
    for spec in &mut all {
        let Some(i) = spec.slot.block else {
            continue;
        };
        let (stack, layer) = match i.checked_sub(n_encoder) {
            None => ("enc", i),
            Some(i) => ("dec", i / 2),
        };
        if let Some(rest) = spec.name.strip_prefix(&format!("blk.{i}.")) {
            spec.name = format!("{stack}.blk.{layer}.{rest}");
        }
        if spec.slot.part == Part::DistanceBias {
            spec.required = layer == 0;
        }
    }
    all
}
