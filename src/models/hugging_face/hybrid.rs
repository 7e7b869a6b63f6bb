//! The settings of `config.json` of models whose layers, some or all, keep a state in place of keys and values.

use super::super::falcon_h1::WIDE;
use super::config_json::{ConfigJson, Writer, bad, missing};
use super::decoder::{key_heads, rope_settings, shape, without_width};
use super::{Listed, rope};
use crate::error::{Error, Result};

/// A context for models of which nothing depends on positions.
const LONGEST: u32 = 1 << 20;

/// Names of layers that attend, in newer files and in older ones.
const ATTENTION: [&str; 2] = ["full_attention", "attention"];

/// Heads for keys by layer: none where the layer does not attend.
fn heads_by_layer(c: ConfigJson<'_>, keys: &mut Writer) -> Result<()> {
    let types = c
        .layers("layer_types")?
        .ok_or_else(|| missing("layer_types"))?;
    let heads = i32::try_from(key_heads(c)?).unwrap_or(i32::MAX);
    let each: Vec<i32> = types
        .iter()
        .map(|t| match t.as_str() {
            Some(kind) if ATTENTION.contains(&kind) => heads,
            _ => 0,
        })
        .collect();
    keys.i32s("attention.head_count_kv", &each);
    Ok(())
}

/// Short convolutions between attentions.
pub(super) fn short_convolutions(config: &ConfigJson<'_>, keys: &mut Writer) -> Result<Listed> {
    let c = *config;
    c.only("conv_bias", &["false"])?;
    heads_by_layer(c, keys)?;
    let kernel = c.require("conv_L_cache")?;
    keys.u32("shortconv.l_cache", kernel);
    // The width is what is left of the named one, rounded up.
    let mut width = match c.integer("intermediate_size")? {
        Some(n) => n,
        None => c.require("block_ff_dim")?,
    };
    let adjusts = c.get("block_auto_adjust_ff_dim").and_then(|v| v.as_bool());
    if adjusts == Some(true) {
        width = width / 3 * 2 + width % 3 * 2 / 3;
        if let Some(factor) = c.number("block_ffn_dim_multiplier")? {
            width = (factor * f64::from(width)) as u32;
        }
        let multiple = c.integer("block_multiple_of")?.unwrap_or(1).max(1);
        width = width.div_ceil(multiple).saturating_mul(multiple);
    }
    keys.u32("feed_forward_length", width);
    let head_dim = without_width(c, keys, &["silu"])?;
    rope::write(c, rope_settings(c), head_dim, keys)
}

/// A state space with so many values; `names` of its heads, groups, state and convolution.
fn space(c: ConfigJson<'_>, keys: &mut Writer, inner: u32, names: [&str; 4]) -> Result<()> {
    let [heads, groups, state, kernel] = names;
    keys.u32("ssm.inner_size", inner);
    for (from, key) in [
        (heads, "ssm.time_step_rank"),
        (groups, "ssm.group_count"),
        (state, "ssm.state_size"),
        (kernel, "ssm.conv_kernel"),
    ] {
        let value = c.require(from)?;
        keys.u32(key, value);
    }
    // Steps are not held between bounds.
    let limit = c.get("time_step_limit").and_then(|v| v.as_array());
    if let Some(limit) = limit.filter(|l| l.len() == 2) {
        let finite = limit[1].as_f64().is_some();
        if finite || limit[0].as_f64().is_some_and(|low| low > 0.0) {
            return Err(bad(
                "time_step_limit",
                &limit.clone().into(),
                "0 to infinity",
            ));
        }
    }
    Ok(())
}

/// Nothing but state spaces.
pub(super) fn state_spaces(config: &ConfigJson<'_>, keys: &mut Writer) -> Result<Listed> {
    let c = *config;
    c.only("hidden_act", &["silu"])?;
    c.only("use_bias", &["false"])?;
    let inner = c
        .require("num_heads")?
        .saturating_mul(c.require("head_dim")?);
    space(
        c,
        keys,
        inner,
        ["num_heads", "n_groups", "state_size", "conv_kernel"],
    )?;
    for (from, key) in [
        ("vocab_size", "vocab_size"),
        ("hidden_size", "embedding_length"),
        ("num_hidden_layers", "block_count"),
    ] {
        let value = c.require(from)?;
        keys.u32(key, value);
    }
    keys.u32("context_length", LONGEST);
    let eps = c.number("layer_norm_epsilon")?;
    keys.f32(
        "attention.layer_norm_rms_epsilon",
        eps.ok_or_else(|| missing("layer_norm_epsilon"))?,
    );
    Ok(Vec::new())
}

/// Nothing but delta rules.
pub(super) fn delta_rules(config: &ConfigJson<'_>, keys: &mut Writer) -> Result<Listed> {
    let c = *config;
    c.only("hidden_act", &["sqrelu"])?;
    c.only("tie_word_embeddings", &["false"])?;
    c.only("norm_first", &["true"])?;
    c.only("norm_bias", &["true"])?;
    // Attention in some layers is another architecture.
    c.only("attn", &["null"])?;
    for (from, key) in [
        ("vocab_size", "vocab_size"),
        ("hidden_size", "embedding_length"),
        ("num_hidden_layers", "block_count"),
        ("intermediate_size", "feed_forward_length"),
        ("head_dim", "wkv.head_size"),
        ("decay_low_rank_dim", "attention.decay_lora_rank"),
        ("a_low_rank_dim", "attention.iclr_lora_rank"),
        ("v_low_rank_dim", "attention.value_residual_mix_lora_rank"),
        ("gate_low_rank_dim", "attention.gate_lora_rank"),
    ] {
        let value = c.require(from)?;
        keys.u32(key, value);
    }
    keys.u32("context_length", LONGEST);
    let eps = c.number("norm_eps")?;
    keys.f32("attention.layer_norm_epsilon", eps.unwrap_or(1e-5));
    Ok(Vec::new())
}

/// State spaces beside attentions, and a factor on everything.
pub(super) fn side_by_side(config: &ConfigJson<'_>, keys: &mut Writer) -> Result<Listed> {
    let c = *config;
    for bias in ["projectors_bias", "attention_bias", "mamba_proj_bias"] {
        c.only(bias, &["false"])?;
    }
    if c.get("mamba_rms_norm").and_then(|v| v.as_bool()) == Some(true) {
        c.only("mamba_norm_before_gate", &["false"])?;
    }
    let inner = match c.integer("mamba_d_ssm")? {
        Some(n) => n,
        None => c
            .require("hidden_size")?
            .saturating_mul(c.require("mamba_expand")?),
    };
    let names = [
        "mamba_n_heads",
        "mamba_n_groups",
        "mamba_d_state",
        "mamba_d_conv",
    ];
    space(c, keys, inner, names)?;
    let factor = |key: &str| Ok::<f64, Error>(c.number(key)?.unwrap_or(1.0));
    let factors = |key: &str, n: usize| match c.get(key) {
        None => Ok(vec![1.0; n]),
        Some(_) => c.numbers(key, n),
    };
    keys.f32("embedding_scale", factor("embedding_multiplier")?);
    keys.f32("logit_scale", factor("lm_head_multiplier")?);
    // Queries and keys both are a factor of attention's input, and values are too.
    let taken = factor("attention_in_multiplier")?;
    let head_dim = shape(c, keys, &["silu"])?;
    let scale = taken * taken * factor("key_multiplier")? / f64::from(head_dim).sqrt();
    keys.f32("attention.scale", scale);
    let given = taken * factor("attention_out_multiplier")?;
    keys.f32("attention.output_scale", given);
    let taken = factor("ssm_in_multiplier")?;
    for (key, factor) in WIDE.into_iter().zip(factors("ssm_multipliers", 5)?) {
        keys.f32(key, taken * f64::from(factor));
    }
    keys.f32("ssm.output_scale", factor("ssm_out_multiplier")?);
    let feed = factors("mlp_multipliers", 2)?;
    keys.f32("feed_forward.gate_scale", f64::from(feed[0]));
    keys.f32("feed_forward.output_scale", f64::from(feed[1]));
    rope::write(c, rope_settings(c), head_dim, keys)
}

/// State spaces between attentions.
pub(super) fn some_state_spaces(c: ConfigJson<'_>, keys: &mut Writer) -> Result<()> {
    c.only("num_local_experts", &["0"])?;
    c.only("mamba_proj_bias", &["false"])?;
    c.only("attention_bias", &["false"])?;
    heads_by_layer(c, keys)?;
    let inner = c
        .require("mamba_n_heads")?
        .saturating_mul(c.require("mamba_d_head")?);
    let names = [
        "mamba_n_heads",
        "mamba_n_groups",
        "mamba_d_state",
        "mamba_d_conv",
    ];
    space(c, keys, inner, names)?;
    let turned = c.str("position_embedding_type") == Some("rope");
    keys.bool("rope.scaling.finetuned", turned);
    let width = c.require("shared_intermediate_size")?;
    keys.u32("feed_forward_length", width);
    Ok(())
}
