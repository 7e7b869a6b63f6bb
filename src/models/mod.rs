//! One declaration per architecture: metadata keys, tensor names and shapes, `Config` switches. A new architecture is a
//! file and a row here; its name stands nowhere else.

pub mod hugging_face;
mod llama;
mod qwen2;
mod qwen3;

use crate::error::{Error, Result};
use crate::format::Metadata;
use crate::ops::attention::{MAX_HEAD_DIM, Shape};
use crate::ops::rope::Pairing;
use crate::transformer::{Attention, Block, Config, FeedForward, Mixer, Rope, Slot, TensorSpec};

/// A registered architecture.
pub struct Architecture {
    /// `general.architecture` of its files.
    pub name: &'static str,
    /// Metadata → shape.
    pub config: fn(&Metadata) -> Result<Config>,
    /// Shape → the tensors it reads.
    pub tensors: fn(&Config) -> Vec<TensorSpec>,
}

/// Every registered architecture.
pub const ARCHITECTURES: &[Architecture] = &[
    llama::ARCHITECTURE,
    qwen2::ARCHITECTURE,
    qwen3::ARCHITECTURE,
];

/// The architecture that a file names.
pub fn architecture(meta: &Metadata) -> Result<&'static Architecture> {
    let name = meta.require_str("general.architecture")?;
    ARCHITECTURES
        .iter()
        .find(|a| a.name == name)
        .ok_or_else(|| Error::UnknownArchitecture {
            name: name.to_owned(),
            supported: ARCHITECTURES
                .iter()
                .map(|a| a.name)
                .collect::<Vec<_>>()
                .join(", "),
        })
}

/// A count under `key`, at least 1 and small enough that products of a few cannot overflow.
fn count(meta: &Metadata, key: &str) -> Result<usize> {
    in_range(key, meta.require_u32(key)?)
}

fn in_range(key: &str, n: u32) -> Result<usize> {
    match n {
        1..=16_777_216 => Ok(n as usize),
        _ => Err(Error::BadKey {
            key: key.into(),
            found: n.to_string(),
            expected: "1 to 16777216".into(),
        }),
    }
}

/// The shape of a decoder of equal blocks: softmax attention with rotary positions, then a gated SiLU feed-forward.
fn decoder(meta: &Metadata, name: &str, pairing: Pairing) -> Result<Config> {
    let key = |k: &str| format!("{name}.{k}");
    let optional = |k: &str| -> Result<Option<usize>> {
        meta.u32(&key(k))?.map(|n| in_range(&key(k), n)).transpose()
    };
    let dim = count(meta, &key("embedding_length"))?;
    let n_heads = count(meta, &key("attention.head_count"))?;
    let n_kv_heads = optional("attention.head_count_kv")?.unwrap_or(n_heads);
    let head_dim = optional("attention.key_length")?.unwrap_or(dim / n_heads);
    let hidden_dim = count(meta, &key("feed_forward_length"))?;
    let n_layers = count(meta, &key("block_count"))?;
    let vocab_size = match optional("vocab_size")? {
        Some(n) => n,
        None => meta.require_strings("tokenizer.ggml.tokens")?.len(),
    };
    let bad = |k: &str, found: usize, expected: String| {
        Err(Error::BadKey {
            key: key(k),
            found: found.to_string(),
            expected,
        })
    };
    if n_layers > 4096 {
        return bad("block_count", n_layers, "at most 4096".into());
    }
    if n_heads % n_kv_heads != 0 {
        return bad(
            "attention.head_count_kv",
            n_kv_heads,
            format!("a divisor of head_count {n_heads}"),
        );
    }
    if head_dim == 0 || head_dim > MAX_HEAD_DIM || head_dim % 2 != 0 {
        return bad(
            "attention.key_length",
            head_dim,
            format!("an even number up to {MAX_HEAD_DIM}"),
        );
    }
    if optional("attention.value_length")?.is_some_and(|n| n != head_dim) {
        return bad("attention.value_length", head_dim, "the key length".into());
    }
    let rope_dims = optional("rope.dimension_count")?.unwrap_or(head_dim);
    if rope_dims > head_dim || rope_dims % 2 != 0 {
        return bad(
            "rope.dimension_count",
            rope_dims,
            format!("an even number up to {head_dim}"),
        );
    }
    if let Some(kind) = meta.str(&key("rope.scaling.type"))?
        && kind != "none"
    {
        return Err(Error::BadKey {
            key: key("rope.scaling.type"),
            found: kind.into(),
            expected: "none (context scaling by frequency factors in the file is read)".into(),
        });
    }
    let attention = Attention {
        shape: Shape {
            n_heads,
            n_kv_heads,
            head_dim,
            window: None,
            soft_cap: 0.0,
        },
        scale: 1.0 / (head_dim as f32).sqrt(),
        rope: true,
    };
    let block = Block {
        mixer: Mixer::Attention(attention),
        feed_forward: FeedForward::GatedSilu { hidden_dim },
    };
    Ok(Config {
        dim,
        vocab_size,
        max_seq_len: count(meta, &key("context_length"))?,
        norm_eps: meta.require_f32(&key("attention.layer_norm_rms_epsilon"))?,
        rope: Rope {
            dims: rope_dims,
            theta: meta.f32(&key("rope.freq_base"))?.unwrap_or(10_000.0),
            pairing,
        },
        blocks: vec![block; n_layers],
    })
}

fn matrix(name: String, slot: Slot, rows: usize, cols: usize) -> TensorSpec {
    TensorSpec {
        name,
        slot,
        rows,
        cols,
        required: true,
    }
}

fn vector(name: String, slot: Slot, len: usize) -> TensorSpec {
    TensorSpec {
        name,
        slot,
        rows: 0,
        cols: len,
        required: true,
    }
}

fn optional(spec: TensorSpec) -> TensorSpec {
    TensorSpec {
        required: false,
        ..spec
    }
}

/// The tensors of such a decoder.
fn decoder_tensors(c: &Config) -> Vec<TensorSpec> {
    let mut all = vec![
        matrix(
            "token_embd.weight".into(),
            Slot::TokenEmbedding,
            c.vocab_size,
            c.dim,
        ),
        vector("output_norm.weight".into(), Slot::OutputNorm, c.dim),
        optional(matrix(
            "output.weight".into(),
            Slot::Output,
            c.vocab_size,
            c.dim,
        )),
        optional(vector(
            "rope_freqs.weight".into(),
            Slot::RopeFactors,
            c.rope.dims / 2,
        )),
    ];
    for (i, block) in c.blocks.iter().enumerate() {
        let name = |part: &str| format!("blk.{i}.{part}.weight");
        let Mixer::Attention(a) = block.mixer;
        let FeedForward::GatedSilu { hidden_dim } = block.feed_forward;
        let (q, kv) = (
            a.shape.n_heads * a.shape.head_dim,
            a.shape.n_kv_heads * a.shape.head_dim,
        );
        all.extend([
            vector(name("attn_norm"), Slot::AttentionNorm(i), c.dim),
            matrix(name("attn_q"), Slot::Query(i), q, c.dim),
            matrix(name("attn_k"), Slot::Key(i), kv, c.dim),
            matrix(name("attn_v"), Slot::Value(i), kv, c.dim),
            matrix(name("attn_output"), Slot::AttentionOutput(i), c.dim, q),
            vector(name("ffn_norm"), Slot::FeedForwardNorm(i), c.dim),
            matrix(name("ffn_gate"), Slot::Gate(i), hidden_dim, c.dim),
            matrix(name("ffn_up"), Slot::Up(i), hidden_dim, c.dim),
            matrix(name("ffn_down"), Slot::Down(i), c.dim, hidden_dim),
        ]);
    }
    all
}

/// Biases of the query, key and value projections.
fn projection_biases(c: &Config) -> Vec<TensorSpec> {
    let mut all = Vec::new();
    for (i, a) in c.attentions().enumerate() {
        let (q, kv) = (
            a.shape.n_heads * a.shape.head_dim,
            a.shape.n_kv_heads * a.shape.head_dim,
        );
        all.extend([
            vector(format!("blk.{i}.attn_q.bias"), Slot::QueryBias(i), q),
            vector(format!("blk.{i}.attn_k.bias"), Slot::KeyBias(i), kv),
            vector(format!("blk.{i}.attn_v.bias"), Slot::ValueBias(i), kv),
        ]);
    }
    all
}

/// Norms of each head's queries and keys.
fn head_norms(c: &Config) -> Vec<TensorSpec> {
    let mut all = Vec::new();
    for (i, a) in c.attentions().enumerate() {
        all.extend([
            vector(
                format!("blk.{i}.attn_q_norm.weight"),
                Slot::QueryNorm(i),
                a.shape.head_dim,
            ),
            vector(
                format!("blk.{i}.attn_k_norm.weight"),
                Slot::KeyNorm(i),
                a.shape.head_dim,
            ),
        ]);
    }
    all
}
