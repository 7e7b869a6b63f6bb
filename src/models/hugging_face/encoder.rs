//! The settings of `config.json` of models that read texts, as keys.

use serde_json::Value;

use super::Listed;
use super::config_json::{ConfigJson, Writer, missing};
use crate::error::Result;

/// Settings under their names: (of the folder, of GGUF).
type Counts<'a> = &'a [(&'a str, &'a str)];

fn counts(config: ConfigJson<'_>, keys: &mut Writer, counts: Counts<'_>) -> Result<()> {
    for (from, key) in counts {
        let value = config.require(from)?;
        keys.u32(key, value);
    }
    Ok(())
}

/// What all of them have: a vocabulary, no causal order, classes.
fn shared(config: ConfigJson<'_>, keys: &mut Writer) -> Result<()> {
    counts(config, keys, &[("vocab_size", "vocab_size")])?;
    config.only("is_decoder", &["false"])?;
    if config.names("ForMaskedLM") {
        config.only("tie_word_embeddings", &["true"])?;
    }
    let mut labels = Vec::new();
    if let Some(of_ids) = config.get("id2label").and_then(Value::as_object) {
        for i in 0..of_ids.len() {
            let label = of_ids.get(&i.to_string()).and_then(Value::as_str);
            labels.push(label.map_or_else(|| format!("LABEL_{i}"), str::to_owned));
        }
    } else if config.names("ForSequenceClassification") {
        // What the configuration leaves out is the default.
        labels.extend(["LABEL_0", "LABEL_1"].map(str::to_owned));
    }
    keys.strings("classifier.output_labels", &labels);
    Ok(())
}

/// Positions as a table, of which the first `unused` rows are no position.
pub(super) fn absolute(config: ConfigJson<'_>, keys: &mut Writer, unused: u32) -> Result<Listed> {
    config.only("hidden_act", &["gelu"])?;
    config.only("position_embedding_type", &["absolute"])?;
    let positions = typed(config, keys)?;
    keys.u32("context_length", positions.saturating_sub(unused));
    Ok(Vec::new())
}

/// Sizes, types of tokens and ε under the names that most have; returns the positions.
fn typed(config: ConfigJson<'_>, keys: &mut Writer) -> Result<u32> {
    shared(config, keys)?;
    counts(
        config,
        keys,
        &[
            ("hidden_size", "embedding_length"),
            ("num_hidden_layers", "block_count"),
            ("intermediate_size", "feed_forward_length"),
            ("num_attention_heads", "attention.head_count"),
        ],
    )?;
    let types = config.integer("type_vocab_size")?.unwrap_or(2);
    keys.header.u32("tokenizer.ggml.token_type_count", types);
    let eps = config.number("layer_norm_eps")?;
    keys.f32("attention.layer_norm_epsilon", eps.unwrap_or(1e-12));
    config.require("max_position_embeddings")
}

/// Bottlenecks around attention and several feed-forwards.
pub(super) fn narrow(config: &ConfigJson<'_>, keys: &mut Writer) -> Result<Listed> {
    let c = *config;
    c.only("hidden_act", &["relu"])?;
    c.only("normalization_type", &["no_norm"])?;
    c.only("use_bottleneck", &["true"])?;
    c.only("use_bottleneck_attention", &["false"])?;
    c.only("key_query_shared_bottleneck", &["true"])?;
    let positions = typed(c, keys)?;
    keys.u32("context_length", positions);
    let heads = c.require("num_attention_heads")?;
    let width = c.integer("intra_bottleneck_size")?.unwrap_or(128);
    keys.u32("bottleneck_length", width);
    keys.u32("attention.key_length", width / heads.max(1));
    let stack = c.integer("num_feedforward_networks")?.unwrap_or(4);
    keys.u32("feed_forward_count", stack);
    let dim = c.integer("embedding_size")?.unwrap_or(128);
    keys.u32("token_embedding_length", dim);
    let set = |key: &str| c.get(key).and_then(Value::as_bool).unwrap_or(true);
    keys.u32(
        "token_embedding_count",
        if set("trigram_input") { 3 } else { 1 },
    );
    if !set("classifier_activation") {
        keys.str("classifier.activation", "none");
    }
    Ok(Vec::new())
}

/// The same under other names, without types of tokens.
pub(super) fn distilled(config: &ConfigJson<'_>, keys: &mut Writer) -> Result<Listed> {
    shared(*config, keys)?;
    config.only("activation", &["gelu"])?;
    counts(
        *config,
        keys,
        &[
            ("dim", "embedding_length"),
            ("n_layers", "block_count"),
            ("hidden_dim", "feed_forward_length"),
            ("n_heads", "attention.head_count"),
            ("max_position_embeddings", "context_length"),
        ],
    )?;
    keys.header.u32("tokenizer.ggml.token_type_count", 0);
    keys.f32("attention.layer_norm_epsilon", 1e-12);
    keys.str("classifier.activation", "relu");
    Ok(Vec::new())
}

/// Rotary positions, and windows in all layers but every third.
pub(super) fn alternating(config: &ConfigJson<'_>, keys: &mut Writer) -> Result<Listed> {
    let c = *config;
    shared(c, keys)?;
    c.only("hidden_activation", &["gelu"])?;
    c.only("classifier_activation", &["gelu"])?;
    for bias in ["attention_bias", "mlp_bias", "norm_bias", "classifier_bias"] {
        c.only(bias, &["false"])?;
    }
    counts(
        c,
        keys,
        &[
            ("hidden_size", "embedding_length"),
            ("num_hidden_layers", "block_count"),
            ("intermediate_size", "feed_forward_length"),
            ("num_attention_heads", "attention.head_count"),
            ("max_position_embeddings", "context_length"),
        ],
    )?;
    let eps = c.number("norm_eps")?.ok_or_else(|| missing("norm_eps"))?;
    keys.f32("attention.layer_norm_epsilon", eps);
    if c.str("classifier_pooling") == Some("mean") {
        keys.str("classifier.pooling", "mean");
    }
    let cycle = c.integer("global_attn_every_n_layers")?.unwrap_or(3).max(1);
    let n = c.require("num_hidden_layers")?.min(4096);
    let sliding: Vec<bool> = match c.layers("layer_types")? {
        Some(types) => types
            .iter()
            .map(|t| t.as_str() == Some("sliding_attention"))
            .collect(),
        None => (0..n).map(|i| i % cycle != 0).collect(),
    };
    keys.bools("attention.sliding_window_pattern", &sliding);
    keys.copy_integer(c, "local_attention", "attention.sliding_window")?;
    let of_kind = |kind: &str| c.object("rope_parameters").and_then(|r| r.object(kind));
    let theta = |kind: &str, older: &str, usual: f64| -> Result<f64> {
        Ok(match of_kind(kind) {
            Some(rope) => rope.number("rope_theta")?,
            None => c.number(older)?,
        }
        .unwrap_or(usual))
    };
    for kind in ["full_attention", "sliding_attention"] {
        if let Some(rope) = of_kind(kind) {
            rope.only("rope_type", &["default"])?;
        }
    }
    let global = theta("full_attention", "global_rope_theta", 160_000.0)?;
    keys.f32("rope.freq_base", global);
    let local = theta("sliding_attention", "local_rope_theta", 10_000.0)?;
    keys.f32("rope.freq_base_swa", local);
    Ok(Vec::new())
}

/// Rotary positions, a gate and no biases. Its authors' own code and `transformers` name settings differently.
pub(super) fn rotary(config: &ConfigJson<'_>, keys: &mut Writer) -> Result<Listed> {
    let c = *config;
    shared(c, keys)?;
    c.only("hidden_act", &["silu"])?;
    c.only("activation_function", &["swiglu"])?;
    c.only("rotary_emb_interleaved", &["false"])?;
    c.only("rotary_emb_fraction", &["1.0", "1"])?;
    c.only("prenorm", &["false"])?;
    for (from, own, key) in [
        ("hidden_size", "n_embd", "embedding_length"),
        ("num_hidden_layers", "n_layer", "block_count"),
        ("intermediate_size", "n_inner", "feed_forward_length"),
        ("num_attention_heads", "n_head", "attention.head_count"),
        ("max_position_embeddings", "n_positions", "context_length"),
    ] {
        let value = match c.integer(own)? {
            Some(n) => n,
            None => c.require(from)?,
        };
        keys.u32(key, value);
    }
    let types = c.integer("type_vocab_size")?.unwrap_or(2);
    keys.header.u32("tokenizer.ggml.token_type_count", types);
    let eps = match c.number("layer_norm_epsilon")? {
        Some(eps) => Some(eps),
        None => c.number("layer_norm_eps")?,
    };
    keys.f32("attention.layer_norm_epsilon", eps.unwrap_or(1e-12));
    let rope = c.object("rope_parameters");
    if let Some(rope) = rope {
        rope.only("rope_type", &["default"])?;
    }
    let theta = match rope.map(|r| r.number("rope_theta")).transpose()?.flatten() {
        Some(theta) => theta,
        None => c.number("rotary_emb_base")?.unwrap_or(1000.0),
    };
    keys.f32("rope.freq_base", theta);
    Ok(Vec::new())
}
