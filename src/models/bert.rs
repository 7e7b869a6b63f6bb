//! bert: attention in both directions with norms behind each sum, absolute positions, and a plain GELU feed-forward.
//! DistilBERT and the RoBERTas are the same under other names, without types of tokens or with one.

use super::Architecture;
use super::decoder::{attentions, decoder, tensors};
use super::keys::Keys;
use super::tensors::Tensors;
use crate::error::Result;
use crate::format::Metadata;
use crate::ops::activation::Activation;
use crate::ops::rope::Pairing;
use crate::transformer::{Config, FeedForward, Part, Pooling, Reader, TensorSpec};

const NAME: &str = "bert";

pub(super) const ARCHITECTURE: Architecture = Architecture {
    name: NAME,
    config: |meta| {
        let keys = Keys { meta, name: NAME };
        let mut c = both_ways(meta, NAME)?;
        for block in &mut c.blocks {
            block.feed_forward = FeedForward::Plain {
                hidden_dim: block.feed_forward.hidden_dim(),
                activation: Activation::Gelu,
            };
        }
        c.reader = reader(keys)?;
        Ok(c)
    },
    tensors: bert_tensors,
};

/// Attention in both directions, which nothing turns.
pub(super) fn both_ways(meta: &Metadata, name: &'static str) -> Result<Config> {
    let mut c = decoder(meta, name, Pairing::Halves)?;
    c.ropes.clear();
    attentions(&mut c, |_, a| {
        a.rope = None;
        a.shape.ahead = usize::MAX;
    });
    Ok(c)
}

/// What the keys say of how texts are read.
pub(super) fn reader(keys: Keys<'_>) -> Result<Reader> {
    const TYPES: &str = "tokenizer.ggml.token_type_count";
    let classified = match keys.str("classifier.pooling")? {
        Some("mean") => Pooling::Mean,
        _ => Pooling::First,
    };
    let pooler = match keys.str("classifier.activation")? {
        Some("relu") => Activation::Relu,
        Some("gelu") => Activation::Gelu,
        _ => Activation::Tanh,
    };
    let labels = keys.meta.strings(&keys.key("classifier.output_labels"))?;
    let n_types = keys.meta.u32(TYPES)?.unwrap_or(0);
    Ok(Reader {
        pooling: keys.pooling()?.unwrap_or(Pooling::Mean),
        normalises: keys.normalises()?,
        classified,
        pooler: keys.str("classifier.activation")? != Some("none"),
        activations: [pooler, Activation::Gelu],
        n_types: n_types.min(1024) as usize,
        labels: labels.map_or_else(Vec::new, |l| l.map(str::to_owned).collect()),
    })
}

/// The heads that a file may have, whatever the encoder.
pub(super) fn heads(t: &mut Tensors<'_>) {
    let (dim, c) = (t.config.dim, t.config);
    let classes = c.reader.labels.len().max(1);
    t.matrix(Part::Pooler, "cls.weight", dim, dim)
        .optional()
        .vector(Part::PoolerBias, "cls.bias", dim)
        .optional()
        .vector(Part::PoolerNorm, "cls.norm.weight", dim)
        .optional()
        .matrix(Part::Classifier, "cls.output.weight", classes, dim)
        .optional()
        .vector(Part::ClassifierBias, "cls.output.bias", classes)
        .optional()
        .matrix(Part::Unmask, "mlm.dense.weight", dim, dim)
        .optional()
        .vector(Part::UnmaskBias, "mlm.dense.bias", dim)
        .optional()
        .vector(Part::UnmaskNorm, "mlm.norm.weight", dim)
        .optional()
        .vector(Part::UnmaskNormBias, "mlm.norm.bias", dim)
        .optional()
        .vector(Part::OutputBias, "output.bias", c.vocab_size)
        .optional();
}

fn bert_tensors(c: &Config) -> Vec<TensorSpec> {
    let dim = c.dim;
    let mut t = tensors(c);
    t.all.retain(|s| s.slot.part != Part::OutputNorm);
    t.matrix(
        Part::PositionEmbedding,
        "position_embd.weight",
        c.max_seq_len,
        dim,
    );
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
        .projection_biases()
        .norms(Part::AttentionOutputBias, "attn_output.bias")
        .norms(Part::AttentionOutputNorm, "attn_output_norm.weight")
        .norms(Part::AttentionOutputNormBias, "attn_output_norm.bias")
        .vectors(Part::UpBias, "ffn_up.bias", |b| {
            Some(b.feed_forward.hidden_dim())
        })
        .norms(Part::DownBias, "ffn_down.bias")
        .norms(Part::LayerOutputNorm, "layer_output_norm.weight")
        .norms(Part::LayerOutputNormBias, "layer_output_norm.bias");
    heads(&mut t);
    t.all
}
