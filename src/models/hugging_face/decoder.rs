//! The settings of `config.json` that decoders share, as keys.

use super::config_json::{ConfigJson, Writer, missing};
use super::{Listed, rope};
use crate::error::Result;

/// Heads for keys and values.
pub(super) fn key_heads(config: ConfigJson<'_>) -> Result<u32> {
    match config.integer("num_key_value_heads")? {
        Some(n) => Ok(n),
        None => config.require("num_attention_heads"),
    }
}

/// Query heads and their dimensions; returns the dimensions.
fn heads(config: ConfigJson<'_>, keys: &mut Writer) -> Result<u32> {
    let heads = config.require("num_attention_heads")?;
    keys.u32("attention.head_count", heads);
    match config.integer("head_dim")? {
        Some(n) => {
            keys.u32("attention.key_length", n);
            keys.u32("attention.value_length", n);
            Ok(n)
        }
        None => Ok(config.require("hidden_size")? / heads.max(1)),
    }
}

/// All but the rotary settings; returns the dimensions of a head.
pub(super) fn shape(
    config: ConfigJson<'_>,
    keys: &mut Writer,
    activations: &[&str],
) -> Result<u32> {
    keys.u32("attention.head_count_kv", key_heads(config)?);
    without_heads(config, keys, activations)
}

/// The same without the number of heads for keys, which some list by layer.
pub(super) fn without_heads(
    config: ConfigJson<'_>,
    keys: &mut Writer,
    activations: &[&str],
) -> Result<u32> {
    let width = config.require("intermediate_size")?;
    keys.u32("feed_forward_length", width);
    without_width(config, keys, activations)
}

/// The same without the width of the feed-forward.
pub(super) fn without_width(
    config: ConfigJson<'_>,
    keys: &mut Writer,
    activations: &[&str],
) -> Result<u32> {
    config.only("hidden_act", activations)?;
    config.only("hidden_activation", activations)?;
    config.only("mlp_bias", &["false"])?;
    config.only("use_sliding_window", &["false"])?;
    for (from, key) in [
        ("vocab_size", "vocab_size"),
        ("hidden_size", "embedding_length"),
        ("num_hidden_layers", "block_count"),
    ] {
        let value = config.require(from)?;
        keys.u32(key, value);
    }
    let context = rope::context_length(config, rope_settings(config))?;
    keys.u32("context_length", context);
    let eps = match config.number("rms_norm_eps")? {
        Some(eps) => eps,
        None => config
            .number("norm_eps")?
            .ok_or_else(|| missing("rms_norm_eps"))?,
    };
    keys.f32("attention.layer_norm_rms_epsilon", eps);
    heads(config, keys)
}

/// The rotary settings: newer files keep all of them in one object.
pub(super) fn rope_settings(config: ConfigJson<'_>) -> Option<ConfigJson<'_>> {
    config
        .object("rope_parameters")
        .or_else(|| config.object("rope_scaling"))
}

/// The keys of a plain decoder.
pub(super) fn plain(config: &ConfigJson<'_>, keys: &mut Writer) -> Result<Listed> {
    let head_dim = shape(*config, keys, &["silu"])?;
    rope::write(*config, rope_settings(*config), head_dim, keys)
}

/// The layers that have a sliding window.
pub(super) fn sliding(config: ConfigJson<'_>, keys: &mut Writer) -> Result<()> {
    keys.copy_integer(config, "sliding_window", "attention.sliding_window")?;
    if let Some(types) = config.layers("layer_types")? {
        let sliding: Vec<bool> = types
            .iter()
            .map(|t| t.as_str() == Some("sliding_attention"))
            .collect();
        keys.bools("attention.sliding_window_pattern", &sliding);
    }
    Ok(())
}
