//! The settings of `config.json` of models with an encoder and a decoder, as keys.

use serde_json::Value;

use super::Listed;
use super::config_json::{ConfigJson, Writer};
use crate::error::Result;

/// Both stacks, over biases by distance.
pub(super) fn both(config: &ConfigJson<'_>, keys: &mut Writer) -> Result<Listed> {
    let c = *config;
    encoder(config, keys)?;
    keys.copy_integer(c, "num_decoder_layers", "decoder_block_count")?;
    let start = c.integer("decoder_start_token_id")?;
    let start = start.map_or_else(|| c.integer("pad_token_id"), |id| Ok(Some(id)))?;
    keys.u32("decoder_start_token_id", start.unwrap_or(0));
    let scale = match tied(c)? {
        true => 1.0 / f64::from(c.require("d_model")?).sqrt(),
        false => 1.0,
    };
    keys.f32("logit_scale", scale);
    Ok(Listed::new())
}

/// The encoder.
pub(super) fn encoder(config: &ConfigJson<'_>, keys: &mut Writer) -> Result<Listed> {
    let c = *config;
    c.only("feed_forward_proj", &["relu", "gated-gelu"])?;
    c.only("dense_act_fn", &["relu", "gelu_new"])?;
    c.only("relative_attention_max_distance", &["128"])?;
    for (from, key) in [
        ("vocab_size", "vocab_size"),
        ("d_model", "embedding_length"),
        ("num_layers", "block_count"),
        ("d_ff", "feed_forward_length"),
        ("num_heads", "attention.head_count"),
        ("d_kv", "attention.key_length"),
        ("d_kv", "attention.value_length"),
    ] {
        let value = c.require(from)?;
        keys.u32(key, value);
    }
    for (from, key, usual) in [
        ("n_positions", "context_length", 512),
        (
            "relative_attention_num_buckets",
            "attention.relative_buckets_count",
            32,
        ),
    ] {
        keys.u32(key, c.integer(from)?.unwrap_or(usual));
    }
    let eps = c.number("layer_norm_epsilon")?.unwrap_or(1e-6);
    keys.f32("attention.layer_norm_epsilon", eps);
    keys.f32("attention.layer_norm_rms_epsilon", eps);
    Ok(Listed::new())
}

/// Whether the embedding is the head. What a configuration leaves out is so, and newer ones always say it is and have a
/// setting beside it.
pub(super) fn tied(config: ConfigJson<'_>) -> Result<bool> {
    for key in ["scale_decoder_outputs", "tie_word_embeddings"] {
        config.only(key, &["true", "false"])?;
        if let Some(set) = config.get(key).and_then(Value::as_bool) {
            return Ok(set);
        }
    }
    Ok(true)
}
