//! The rotary settings of `config.json` as keys, and divisors where they have to be computed or are listed.

use core::f64::consts::PI;

use super::Listed;
use super::config_json::{ConfigJson, Writer, bad, missing};
use crate::error::Result;

/// Writes the keys of `rope` (the settings that apply to the layers that see everything, if any).
pub(super) fn write(
    config: ConfigJson<'_>,
    rope: Option<ConfigJson<'_>>,
    head_dim: u32,
    keys: &mut Writer,
) -> Result<Listed> {
    let of_rope = |key: &str| rope.map(|r| r.number(key)).transpose().map(Option::flatten);
    let theta = match of_rope("rope_theta")? {
        Some(theta) => theta,
        None => config.number("rope_theta")?.unwrap_or(10_000.0),
    };
    keys.f32("rope.freq_base", theta);
    let partial = match of_rope("partial_rotary_factor")? {
        Some(partial) => partial,
        None => config.number("partial_rotary_factor")?.unwrap_or(1.0),
    };
    if !(0.0..=1.0).contains(&partial) {
        return Err(bad("partial_rotary_factor", &partial.into(), "0 to 1"));
    }
    let dims = (f64::from(head_dim) * partial) as u32;
    keys.u32("rope.dimension_count", dims);
    let Some(rope) = rope else {
        return Ok(Vec::new());
    };
    let kind = rope.str("rope_type").or_else(|| rope.str("type"));
    let original = match rope.integer("original_max_position_embeddings")? {
        Some(n) => Some(n),
        None => config.integer("original_max_position_embeddings")?,
    };
    let longest = config.require("max_position_embeddings")?;
    let kind = kind.unwrap_or("default");
    let half = dims.min(4096) / 2;
    match kind {
        "default" => return Ok(Vec::new()),
        "llama3" => {
            return Ok(vec![(
                "rope_freqs.weight",
                by_wave(rope, theta, dims, half)?,
            )]);
        }
        "linear" | "dynamic" | "yarn" | "longrope" => keys.str("rope.scaling.type", kind),
        other => {
            return Err(bad(
                "rope_scaling",
                &other.into(),
                "default, linear, dynamic, yarn, llama3 or longrope",
            ));
        }
    }
    let original = original.unwrap_or(longest);
    keys.u32("rope.scaling.original_context_length", original);
    let original = f64::from(original);
    let magnitude = rope.number("attention_factor")?;
    if kind == "longrope" {
        let factor = match rope.number("factor")? {
            Some(factor) => factor,
            None => f64::from(longest) / original.max(1.0),
        };
        let usual = match factor > 1.0 && original > 1.0 {
            true => (1.0 + factor.ln() / original.ln()).sqrt(),
            false => 1.0,
        };
        keys.f32("rope.scaling.attn_factor", magnitude.unwrap_or(usual));
        let list = |key: &str| rope.numbers(key, half as usize);
        return Ok(vec![
            ("rope_factors_short.weight", list("short_factor")?),
            ("rope_factors_long.weight", list("long_factor")?),
        ]);
    }
    let factor = rope.positive("factor")?;
    keys.f32("rope.scaling.factor", factor);
    if kind == "yarn" {
        rope.only("truncate", &["true"])?;
        let usual = 1.0 + 0.1 * factor.max(1.0).ln();
        let magnitude = match (
            magnitude,
            rope.number("mscale")?,
            rope.number("mscale_all_dim")?,
        ) {
            (Some(magnitude), ..) => magnitude,
            (None, Some(a), Some(b)) => {
                (1.0 + 0.1 * a * factor.max(1.0).ln()) / (1.0 + 0.1 * b * factor.max(1.0).ln())
            }
            _ => usual,
        };
        // Readers multiply by the usual magnitude themselves.
        keys.f32("rope.scaling.attn_factor", magnitude / usual);
        keys.copy_number(rope, "beta_fast", "rope.scaling.yarn_beta_fast")?;
        keys.copy_number(rope, "beta_slow", "rope.scaling.yarn_beta_slow")?;
    }
    Ok(Vec::new())
}

/// The longest context: where the base grows with it, longer than `max_position_embeddings` says.
pub(super) fn context_length(config: ConfigJson<'_>, rope: Option<ConfigJson<'_>>) -> Result<u32> {
    let longest = config.require("max_position_embeddings")?;
    let Some(rope) = rope else {
        return Ok(longest);
    };
    let kind = rope.str("rope_type").or_else(|| rope.str("type"));
    Ok(match kind {
        Some("dynamic") => (f64::from(longest) * rope.positive("factor")?.max(1.0)) as u32,
        _ => longest,
    })
}

/// Divisors by wave length: long waves are stretched by `factor`, short ones are left, and between them it is blended.
fn by_wave(rope: ConfigJson<'_>, theta: f64, dims: u32, half: u32) -> Result<Vec<f32>> {
    let (factor, low, high) = (
        rope.positive("factor")?,
        rope.positive("low_freq_factor")?,
        rope.positive("high_freq_factor")?,
    );
    let original = rope
        .number("original_max_position_embeddings")?
        .ok_or_else(|| missing("original_max_position_embeddings"))?;
    let one = |i: u32| {
        let wave = 2.0 * PI * theta.powf(f64::from(2 * i) / f64::from(dims));
        if wave < original / high {
            1.0
        } else if wave > original / low {
            factor
        } else {
            let smooth = (original / wave - low) / (high - low);
            1.0 / ((1.0 - smooth) / factor + smooth)
        }
    };
    Ok((0..half).map(|i| one(i) as f32).collect())
}
