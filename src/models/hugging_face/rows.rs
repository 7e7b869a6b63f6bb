//! One row for each `model_type`: its keys, and what folders keep otherwise than GGUF files.

use super::config_json::{ConfigJson, Writer, bad, missing};
use super::decoder::{self, plain, rope_settings, shape, sliding};
use super::names::{
    BERT, DELTA_RULES, DISTILBERT, EXPERTS, FUSED, HYBRID, MOBILEBERT, MODERNBERT, NORMED_BEHIND,
    PLAIN, ROBERTA, ROTARY_BERT, SHORT_CONVOLUTIONS, SIDE_BY_SIDE, STACKED_EXPERTS, STACKS,
    STATE_SPACES,
};
use super::{Declaration, Listed, encoder, encoder_decoder, hybrid, rope};
use crate::error::Result;
use crate::transformer::Part;

/// A row that only names differ in from the plain decoder.
const ROW: Declaration = Declaration {
    model_type: "",
    architecture: "",
    names: &[PLAIN],
    keys: plain,
    interleaved_in_gguf: false,
    norm_offset: 0.0,
    arrange: None,
    scaled_in_gguf: false,
    prefix: "",
    class: None,
    tied: None,
    unused_positions: 0,
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
            keys.u32(
                "expert_feed_forward_length",
                c.require("moe_intermediate_size")?,
            );
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
    Declaration {
        model_type: "lfm2",
        architecture: "lfm2",
        names: &[SHORT_CONVOLUTIONS, PLAIN],
        keys: hybrid::short_convolutions,
        ..ROW
    },
    Declaration {
        model_type: "mamba2",
        architecture: "mamba2",
        names: &[STATE_SPACES],
        keys: hybrid::state_spaces,
        prefix: "backbone.",
        ..ROW
    },
    Declaration {
        model_type: "granitemoehybrid",
        architecture: "granitehybrid",
        names: &[HYBRID, PLAIN],
        keys: |c, keys| {
            hybrid::some_state_spaces(*c, keys)?;
            multipliers(*c, keys)?;
            let head_dim = decoder::without_width(*c, keys, &["silu"])?;
            rope::write(*c, rope_settings(*c), head_dim, keys)
        },
        interleaved_in_gguf: true,
        // Gate above up.
        arrange: Some(|spec| {
            let first = match spec.slot.part {
                Part::Gate => 0,
                Part::Up => spec.rows,
                _ => return,
            };
            let whole = spec.name.replace("ffn_gate.", "ffn_gate_up.");
            spec.inside = Some((whole.replace("ffn_up.", "ffn_gate_up."), first));
        }),
        ..ROW
    },
    Declaration {
        model_type: "rwkv7",
        architecture: "rwkv7",
        names: &[DELTA_RULES],
        keys: hybrid::delta_rules,
        // Each blend is a tensor of its own.
        arrange: Some(|spec| spec.inside = None),
        ..ROW
    },
    Declaration {
        model_type: "falcon_h1",
        architecture: "falcon-h1",
        names: &[SIDE_BY_SIDE, HYBRID, PLAIN],
        keys: hybrid::side_by_side,
        scaled_in_gguf: true,
        ..ROW
    },
    Declaration {
        model_type: "bert",
        architecture: "bert",
        names: &[BERT],
        keys: |c, keys| encoder::absolute(*c, keys, 0),
        prefix: "bert.",
        ..ROW
    },
    Declaration {
        model_type: "distilbert",
        architecture: "bert",
        names: &[DISTILBERT, BERT],
        keys: encoder::distilled,
        prefix: "distilbert.",
        ..ROW
    },
    Declaration {
        model_type: "mobilebert",
        architecture: "mobilebert",
        names: &[MOBILEBERT, BERT],
        keys: encoder::narrow,
        prefix: "mobilebert.",
        ..ROW
    },
    Declaration {
        model_type: "roberta",
        names: &[ROBERTA, BERT],
        ..SHIFTED
    },
    Declaration {
        model_type: "xlm-roberta",
        names: &[ROBERTA, BERT],
        ..SHIFTED
    },
    Declaration {
        model_type: "camembert",
        names: &[ROBERTA, BERT],
        ..SHIFTED
    },
    Declaration {
        model_type: "nomic_bert",
        architecture: "nomic-bert",
        names: &[ROTARY_BERT, BERT],
        keys: encoder::rotary,
        prefix: "nomic_bert.",
        ..ROW
    },
    Declaration {
        model_type: "modernbert",
        architecture: "modern-bert",
        names: &[MODERNBERT],
        keys: encoder::alternating,
        prefix: "model.",
        ..ROW
    },
    Declaration {
        model_type: "t5",
        architecture: "t5encoder",
        names: &[STACKS],
        keys: encoder_decoder::encoder,
        class: Some("EncoderModel"),
        ..ROW
    },
    Declaration {
        model_type: "t5",
        ..BOTH_STACKS
    },
    Declaration {
        model_type: "mt5",
        ..BOTH_STACKS
    },
    Declaration {
        model_type: "umt5",
        ..BOTH_STACKS
    },
];

/// An encoder and a decoder.
const BOTH_STACKS: Declaration = Declaration {
    architecture: "t5",
    names: &[STACKS],
    keys: encoder_decoder::both,
    tied: Some(encoder_decoder::tied),
    ..ROW
};

/// Encoders whose first two positions stand for padding.
const SHIFTED: Declaration = Declaration {
    architecture: "bert",
    keys: |c, keys| {
        c.only("pad_token_id", &["1"])?;
        encoder::absolute(*c, keys, 2)
    },
    prefix: "roberta.",
    unused_positions: 2,
    ..ROW
};

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
    multipliers(*c, keys)?;
    plain(c, keys)
}

fn multipliers(c: ConfigJson<'_>, keys: &mut Writer) -> Result<()> {
    for (from, key) in [
        ("embedding_multiplier", "embedding_scale"),
        ("residual_multiplier", "residual_scale"),
        ("attention_multiplier", "attention.scale"),
        ("logits_scaling", "logit_scale"),
    ] {
        keys.copy_number(c, from, key)?;
    }
    Ok(())
}
