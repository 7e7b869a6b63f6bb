//! One row for each `model_type`: its tensor names, its keys, and what folders keep otherwise than GGUF files.

use super::config_json::{ConfigJson, Writer, bad, missing};
use super::decoder::{plain, rope_settings, shape, sliding};
use super::{Declaration, Listed, Names, rope};
use crate::error::Result;
use crate::transformer::Part;

const PLAIN: Names = &[
    ("model.embed_tokens.weight", "token_embd.weight"),
    ("model.norm.weight", "output_norm.weight"),
    ("lm_head.weight", "output.weight"),
    ("model.layers.{}.input_layernorm.weight", "blk.{}.attn_norm.weight"),
    ("model.layers.{}.self_attn.q_proj.weight", "blk.{}.attn_q.weight"),
    ("model.layers.{}.self_attn.k_proj.weight", "blk.{}.attn_k.weight"),
    ("model.layers.{}.self_attn.v_proj.weight", "blk.{}.attn_v.weight"),
    ("model.layers.{}.self_attn.q_proj.bias", "blk.{}.attn_q.bias"),
    ("model.layers.{}.self_attn.k_proj.bias", "blk.{}.attn_k.bias"),
    ("model.layers.{}.self_attn.v_proj.bias", "blk.{}.attn_v.bias"),
    ("model.layers.{}.self_attn.q_norm.weight", "blk.{}.attn_q_norm.weight"),
    ("model.layers.{}.self_attn.k_norm.weight", "blk.{}.attn_k_norm.weight"),
    ("model.layers.{}.self_attn.o_proj.weight", "blk.{}.attn_output.weight"),
    ("model.layers.{}.post_attention_layernorm.weight", "blk.{}.ffn_norm.weight"),
    ("model.layers.{}.mlp.gate_proj.weight", "blk.{}.ffn_gate.weight"),
    ("model.layers.{}.mlp.up_proj.weight", "blk.{}.ffn_up.weight"),
    ("model.layers.{}.mlp.down_proj.weight", "blk.{}.ffn_down.weight"),
];

/// Where a norm stands behind attention, others have the one before the feed-forward.
const NORMED_BEHIND: Names = &[
    ("model.layers.{}.post_attention_layernorm.weight", "blk.{}.post_attention_norm.weight"),
    ("model.layers.{}.pre_feedforward_layernorm.weight", "blk.{}.ffn_norm.weight"),
    ("model.layers.{}.post_feedforward_layernorm.weight", "blk.{}.post_ffw_norm.weight"),
];

const FUSED: Names = &[
    ("model.layers.{}.self_attn.qkv_proj.weight", "blk.{}.attn_qkv.weight"),
    ("model.layers.{}.mlp.gate_up_proj.weight", "blk.{}.ffn_up.weight"),
];

const EXPERTS: Names = &[
    ("model.layers.{}.mlp.gate.weight", "blk.{}.ffn_gate_inp.weight"),
    ("model.layers.{}.mlp.experts.{}.gate_proj.weight", "blk.{}.ffn_gate_exps.{}.weight"),
    ("model.layers.{}.mlp.experts.{}.up_proj.weight", "blk.{}.ffn_up_exps.{}.weight"),
    ("model.layers.{}.mlp.experts.{}.down_proj.weight", "blk.{}.ffn_down_exps.{}.weight"),
];

const STACKED_EXPERTS: Names = &[
    ("model.layers.{}.block_sparse_moe.router.layer.weight", "blk.{}.ffn_gate_inp.weight"),
    ("model.layers.{}.block_sparse_moe.input_linear.weight", "blk.{}.ffn_gate_up_exps.weight"),
    ("model.layers.{}.block_sparse_moe.output_linear.weight", "blk.{}.ffn_down_exps.weight"),
];

/// A row that only names differ in from the plain decoder.
const ROW: Declaration = Declaration {
    model_type: "",
    architecture: "",
    names: &[PLAIN],
    keys: plain,
    interleaved_in_gguf: false,
    norm_offset: 0.0,
    arrange: None,
};

pub(super) const DECLARATIONS: &[Declaration] = &[
    Declaration {
        model_type: "llama",
        architecture: "llama",
        interleaved_in_gguf: true,
        ..ROW
    },
    Declaration {
        model_type: "qwen2",
        architecture: "qwen2",
        ..ROW
    },
    Declaration {
        model_type: "qwen3",
        architecture: "qwen3",
        ..ROW
    },
    Declaration {
        model_type: "qwen3_moe",
        architecture: "qwen3moe",
        names: &[EXPERTS, PLAIN],
        keys: |c, keys| {
            c.only("norm_topk_prob", &["true"])?;
            c.only("decoder_sparse_step", &["1"])?;
            c.only("mlp_only_layers", &["[]"])?;
            let newer = c.integer("num_local_experts")?;
            let n = newer.map_or_else(|| c.require("num_experts"), Ok)?;
            keys.u32("expert_count", n);
            keys.u32("expert_used_count", c.require("num_experts_per_tok")?);
            keys.u32("expert_feed_forward_length", c.require("moe_intermediate_size")?);
            plain(c, keys)
        },
        ..ROW
    },
    Declaration {
        model_type: "gemma2",
        architecture: "gemma2",
        names: &[NORMED_BEHIND, PLAIN],
        keys: |c, keys| {
            let head_dim = gemma(*c, keys)?;
            keys.copy_number(*c, "attn_logit_softcapping", "attn_logit_softcapping")?;
            rope::write(*c, rope_settings(*c), head_dim, keys)
        },
        norm_offset: 1.0,
        ..ROW
    },
    Declaration {
        model_type: "gemma3_text",
        architecture: "gemma3",
        names: &[NORMED_BEHIND, PLAIN],
        keys: gemma3,
        norm_offset: 1.0,
        ..ROW
    },
    Declaration {
        model_type: "phi3",
        architecture: "phi3",
        names: &[FUSED, PLAIN],
        keys: |c, keys| {
            sliding(*c, keys)?;
            plain(c, keys)
        },
        ..ROW
    },
    Declaration {
        model_type: "smollm3",
        architecture: "smollm3",
        keys: |c, keys| {
            if let Some(layers) = c.layers("no_rope_layers")? {
                let turned: Vec<bool> = layers.iter().map(|l| l.as_u64() == Some(1)).collect();
                keys.bools("rope.layers", &turned);
            }
            plain(c, keys)
        },
        interleaved_in_gguf: true,
        ..ROW
    },
    Declaration {
        model_type: "olmo2",
        architecture: "olmo2",
        names: &[NORMED_BEHIND, PLAIN],
        ..ROW
    },
    Declaration {
        model_type: "granite",
        architecture: "granite",
        keys: granite,
        interleaved_in_gguf: true,
        ..ROW
    },
    Declaration {
        model_type: "granitemoe",
        architecture: "granitemoe",
        names: &[STACKED_EXPERTS, PLAIN],
        keys: |c, keys| {
            keys.u32("expert_count", c.require("num_local_experts")?);
            keys.u32("expert_used_count", c.require("num_experts_per_tok")?);
            granite(c, keys)
        },
        interleaved_in_gguf: true,
        // Gate above up, expert by expert.
        arrange: Some(|spec| {
            if let (Some((whole, first)), Some(e)) = (&mut spec.inside, spec.slot.expert) {
                match spec.slot.part {
                    Part::Gate => *first = 2 * e * spec.rows,
                    Part::Up => *first = (2 * e + 1) * spec.rows,
                    _ => return,
                }
                *whole = whole
                    .replace("ffn_gate_exps", "ffn_gate_up_exps")
                    .replace("ffn_up_exps", "ffn_gate_up_exps");
            }
        }),
        ..ROW
    },
    Declaration {
        model_type: "mobilellm",
        architecture: "mobilellm",
        keys: |c, keys| {
            c.only("attention_bias", &["false"])?;
            if c.get("layer_sharing").and_then(|v| v.as_bool()) == Some(true) {
                keys.u32("repeat_count", 2);
            }
            plain(c, keys)
        },
        ..ROW
    },
];

/// What the generations share; returns the dimensions of a head.
fn gemma(c: ConfigJson<'_>, keys: &mut Writer) -> Result<u32> {
    let head_dim = shape(c, keys, &["gelu_pytorch_tanh"])?;
    let scalar = c.number("query_pre_attn_scalar")?;
    let scalar = scalar.ok_or_else(|| missing("query_pre_attn_scalar"))?;
    keys.f32("attention.scale", 1.0 / scalar.sqrt());
    keys.copy_number(c, "final_logit_softcapping", "final_logit_softcapping")?;
    sliding(c, keys)?;
    Ok(head_dim)
}

fn gemma3(c: &ConfigJson<'_>, keys: &mut Writer) -> Result<Listed> {
    if let Some(cap) = c.get("attn_logit_softcapping") {
        return Err(bad("attn_logit_softcapping", cap, "null"));
    }
    let head_dim = gemma(*c, keys)?;
    // Newer files have one object for each kind of layer.
    let of_kind = |kind: &str| c.object("rope_parameters").and_then(|r| r.object(kind));
    let local = match of_kind("sliding_attention") {
        Some(rope) => rope.number("rope_theta")?,
        None => c.number("rope_local_base_freq")?,
    };
    if let Some(theta) = local {
        keys.f32("rope.freq_base_swa", theta);
    }
    let global = of_kind("full_attention").or_else(|| rope_settings(*c));
    rope::write(*c, global, head_dim, keys)
}

fn granite(c: &ConfigJson<'_>, keys: &mut Writer) -> Result<Listed> {
    for (from, key) in [
        ("embedding_multiplier", "embedding_scale"),
        ("residual_multiplier", "residual_scale"),
        ("attention_multiplier", "attention.scale"),
        ("logits_scaling", "logit_scale"),
    ] {
        keys.copy_number(*c, from, key)?;
    }
    plain(c, keys)
}
