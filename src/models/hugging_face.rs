//! Which declaration reads a Hugging Face folder, and how its `config.json` and tensor names become those of GGUF.
//!
//! One row for each `model_type`. All of them turn rotary pairs in halves, whatever the GGUF files of the same
//! architecture do.

use core::f64::consts::PI;

use serde_json::Value;

use crate::error::{Error, Result};
use crate::format::Metadata;
use crate::format::gguf_write::HeaderWriter;
use crate::format::hugging_face::Folder;

/// One kind of folder.
pub struct Declaration {
    /// `model_type` of `config.json`.
    model_type: &'static str,
    /// `general.architecture` of the same model as GGUF.
    architecture: &'static str,
    /// Tensor names in the folder and in GGUF; `{}` is the layer.
    names: &'static [(&'static str, &'static str)],
    /// Whether GGUF files of this architecture have the rows of query and key reordered, so that rotary pairs lie side
    /// by side.
    pub interleaved_in_gguf: bool,
}

const PLAIN: &[(&str, &str)] = &[
    ("model.embed_tokens.weight", "token_embd.weight"),
    ("model.norm.weight", "output_norm.weight"),
    ("lm_head.weight", "output.weight"),
    (
        "model.layers.{}.input_layernorm.weight",
        "blk.{}.attn_norm.weight",
    ),
    (
        "model.layers.{}.self_attn.q_proj.weight",
        "blk.{}.attn_q.weight",
    ),
    (
        "model.layers.{}.self_attn.k_proj.weight",
        "blk.{}.attn_k.weight",
    ),
    (
        "model.layers.{}.self_attn.v_proj.weight",
        "blk.{}.attn_v.weight",
    ),
    (
        "model.layers.{}.self_attn.q_proj.bias",
        "blk.{}.attn_q.bias",
    ),
    (
        "model.layers.{}.self_attn.k_proj.bias",
        "blk.{}.attn_k.bias",
    ),
    (
        "model.layers.{}.self_attn.v_proj.bias",
        "blk.{}.attn_v.bias",
    ),
    (
        "model.layers.{}.self_attn.q_norm.weight",
        "blk.{}.attn_q_norm.weight",
    ),
    (
        "model.layers.{}.self_attn.k_norm.weight",
        "blk.{}.attn_k_norm.weight",
    ),
    (
        "model.layers.{}.self_attn.o_proj.weight",
        "blk.{}.attn_output.weight",
    ),
    (
        "model.layers.{}.post_attention_layernorm.weight",
        "blk.{}.ffn_norm.weight",
    ),
    (
        "model.layers.{}.mlp.gate_proj.weight",
        "blk.{}.ffn_gate.weight",
    ),
    ("model.layers.{}.mlp.up_proj.weight", "blk.{}.ffn_up.weight"),
    (
        "model.layers.{}.mlp.down_proj.weight",
        "blk.{}.ffn_down.weight",
    ),
];

const DECLARATIONS: &[Declaration] = &[
    Declaration {
        model_type: "llama",
        architecture: "llama",
        names: PLAIN,
        interleaved_in_gguf: true,
    },
    Declaration {
        model_type: "qwen2",
        architecture: "qwen2",
        names: PLAIN,
        interleaved_in_gguf: false,
    },
    Declaration {
        model_type: "qwen3",
        architecture: "qwen3",
        names: PLAIN,
        interleaved_in_gguf: false,
    },
];

/// Settings that change the mathematics, and the only value of each that the declarations above compute.
const FIXED: &[(&str, &[&str])] = &[
    ("hidden_act", &["\"silu\""]),
    ("mlp_bias", &["false"]),
    ("use_sliding_window", &["false"]),
];

/// What a folder's configuration is.
pub struct Described {
    /// The row it falls under.
    pub declaration: &'static Declaration,
    /// The same as keys of GGUF, tokenizer and template among them.
    pub metadata: Metadata,
    /// Divisors of the rotary frequencies, or empty.
    pub rope_factors: Vec<f32>,
    /// Whether the embedding is the head too, whatever the files hold.
    pub tied: bool,
}

impl Declaration {
    /// The GGUF name of a folder's tensor.
    pub fn gguf_name(&self, name: &str) -> Option<String> {
        self.names
            .iter()
            .find_map(|(from, to)| match from.split_once("{}") {
                None => (*from == name).then(|| (*to).to_owned()),
                Some((before, after)) => {
                    let layer = name.strip_prefix(before)?.strip_suffix(after)?;
                    layer
                        .parse::<u32>()
                        .ok()
                        .filter(|n| n.to_string() == layer)?;
                    Some(to.replace("{}", layer))
                }
            })
    }
}

/// Reads the small files of a folder.
pub fn describe(folder: &Folder) -> Result<Described> {
    let config = &folder.config;
    if config.is_null() {
        return Err(Error::MissingKey {
            key: "model_type (config.json has to come before the weights)".into(),
        });
    }
    let model_type = config
        .get("model_type")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let declaration = DECLARATIONS
        .iter()
        .find(|d| d.model_type == model_type)
        .ok_or_else(|| Error::UnknownArchitecture {
            name: model_type.to_owned(),
            supported: DECLARATIONS
                .iter()
                .map(|d| d.model_type)
                .collect::<Vec<_>>()
                .join(", "),
        })?;
    for (key, accepted) in FIXED {
        if let Some(value) = config.get(key).filter(|v| !v.is_null())
            && !accepted.contains(&value.to_string().as_str())
        {
            return Err(bad(key, value, accepted[0]));
        }
    }
    let name = declaration.architecture;
    let mut keys = HeaderWriter::new(32);
    keys.str("general.architecture", name);
    let title = config
        .get("_name_or_path")
        .and_then(Value::as_str)
        .and_then(|p| p.rsplit('/').next());
    keys.str(
        "general.name",
        title.filter(|t| !t.is_empty()).unwrap_or(model_type),
    );
    let vocab_size = require(config, "vocab_size")?;
    let heads = require(config, "num_attention_heads")?;
    for (key, value) in [
        ("vocab_size", vocab_size),
        (
            "context_length",
            require(config, "max_position_embeddings")?,
        ),
        ("embedding_length", require(config, "hidden_size")?),
        ("block_count", require(config, "num_hidden_layers")?),
        ("feed_forward_length", require(config, "intermediate_size")?),
        ("attention.head_count", heads),
        (
            "attention.head_count_kv",
            integer(config, "num_key_value_heads")?.unwrap_or(heads),
        ),
    ] {
        keys.u32(&format!("{name}.{key}"), value);
    }
    let head_dim = match integer(config, "head_dim")? {
        Some(n) => {
            keys.u32(&format!("{name}.attention.key_length"), n);
            keys.u32(&format!("{name}.attention.value_length"), n);
            n
        }
        None => require(config, "hidden_size")? / heads.max(1),
    };
    let eps = number(config, "rms_norm_eps")?.ok_or_else(|| missing("rms_norm_eps"))?;
    keys.f32(
        &format!("{name}.attention.layer_norm_rms_epsilon"),
        eps as f32,
    );
    // Newer files keep all of the rotary settings in one object.
    let rope = ["rope_parameters", "rope_scaling"]
        .into_iter()
        .filter_map(|k| config.get(k))
        .find(|v| v.is_object());
    let theta = match rope.map(|r| number(r, "rope_theta")).transpose()?.flatten() {
        Some(theta) => theta,
        None => number(config, "rope_theta")?.unwrap_or(10_000.0),
    };
    keys.f32(&format!("{name}.rope.freq_base"), theta as f32);
    let partial = number(config, "partial_rotary_factor")?.unwrap_or(1.0);
    if !(0.0..=1.0).contains(&partial) {
        return Err(bad("partial_rotary_factor", &partial.into(), "0 to 1"));
    }
    let dims = (f64::from(head_dim) * partial) as u32;
    keys.u32(&format!("{name}.rope.dimension_count"), dims);
    let rope_factors = rope
        .map(|r| factors(r, theta, dims))
        .transpose()?
        .unwrap_or_default();
    folder.write_text_keys(vocab_size as usize, &mut keys)?;
    let tied = config.get("tie_word_embeddings").and_then(Value::as_bool) == Some(true);
    Ok(Described {
        declaration,
        metadata: keys.metadata()?,
        rope_factors,
        tied,
    })
}

/// Divisors of the rotary frequencies (dims / 2), or none where they are all 1.
fn factors(rope: &Value, theta: f64, dims: u32) -> Result<Vec<f32>> {
    let kind = ["rope_type", "type"]
        .into_iter()
        .find_map(|k| rope.get(k)?.as_str())
        .unwrap_or("default");
    let need = |key: &str| {
        number(rope, key)?
            .filter(|n| *n > 0.0)
            .ok_or_else(|| missing(key))
    };
    let half = dims.min(4096) / 2;
    match kind {
        "default" => Ok(Vec::new()),
        "linear" => Ok(vec![need("factor")? as f32; half as usize]),
        // Long waves are stretched by `factor`, short ones are left, and between them it is blended.
        "llama3" => {
            let (factor, low, high) = (
                need("factor")?,
                need("low_freq_factor")?,
                need("high_freq_factor")?,
            );
            let original = need("original_max_position_embeddings")?;
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
        other => Err(bad(
            "rope_scaling",
            &other.into(),
            "default, linear or llama3",
        )),
    }
}

fn missing(key: &str) -> Error {
    Error::MissingKey {
        key: format!("{key} of config.json"),
    }
}

fn bad(key: &str, found: &Value, expected: &str) -> Error {
    Error::BadKey {
        key: format!("{key} of config.json"),
        found: found.to_string(),
        expected: expected.into(),
    }
}

fn integer(object: &Value, key: &str) -> Result<Option<u32>> {
    match object.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_u64().and_then(|n| u32::try_from(n).ok()) {
            Some(n) => Ok(Some(n)),
            None => Err(bad(key, value, "an unsigned 32-bit integer")),
        },
    }
}

fn require(object: &Value, key: &str) -> Result<u32> {
    integer(object, key)?.ok_or_else(|| missing(key))
}

fn number(object: &Value, key: &str) -> Result<Option<f64>> {
    match object.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value
            .as_f64()
            .map(Some)
            .ok_or_else(|| bad(key, value, "a number")),
    }
}
