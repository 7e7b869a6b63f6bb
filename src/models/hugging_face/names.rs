//! What the tensors of folders are called in GGUF, without `.weight` and `.bias` at the end.

use super::Names;

pub(super) const PLAIN: Names = &[
    ("model.embed_tokens", "token_embd"),
    ("model.norm", "output_norm"),
    ("lm_head", "output"),
    ("model.layers.{}.input_layernorm", "blk.{}.attn_norm"),
    ("model.layers.{}.self_attn.q_proj", "blk.{}.attn_q"),
    ("model.layers.{}.self_attn.k_proj", "blk.{}.attn_k"),
    ("model.layers.{}.self_attn.v_proj", "blk.{}.attn_v"),
    ("model.layers.{}.self_attn.q_norm", "blk.{}.attn_q_norm"),
    ("model.layers.{}.self_attn.k_norm", "blk.{}.attn_k_norm"),
    ("model.layers.{}.self_attn.o_proj", "blk.{}.attn_output"),
    (
        "model.layers.{}.post_attention_layernorm",
        "blk.{}.ffn_norm",
    ),
    ("model.layers.{}.mlp.gate_proj", "blk.{}.ffn_gate"),
    ("model.layers.{}.mlp.up_proj", "blk.{}.ffn_up"),
    ("model.layers.{}.mlp.down_proj", "blk.{}.ffn_down"),
];

/// Where a norm stands behind attention, others have the one before the feed-forward.
pub(super) const NORMED_BEHIND: Names = &[
    (
        "model.layers.{}.post_attention_layernorm",
        "blk.{}.post_attention_norm",
    ),
    (
        "model.layers.{}.pre_feedforward_layernorm",
        "blk.{}.ffn_norm",
    ),
    (
        "model.layers.{}.post_feedforward_layernorm",
        "blk.{}.post_ffw_norm",
    ),
];

pub(super) const FUSED: Names = &[
    ("model.layers.{}.self_attn.qkv_proj", "blk.{}.attn_qkv"),
    ("model.layers.{}.mlp.gate_up_proj", "blk.{}.ffn_up"),
];

pub(super) const EXPERTS: Names = &[
    ("model.layers.{}.mlp.gate", "blk.{}.ffn_gate_inp"),
    (
        "model.layers.{}.mlp.experts.{}.gate_proj",
        "blk.{}.ffn_gate_exps.{}",
    ),
    (
        "model.layers.{}.mlp.experts.{}.up_proj",
        "blk.{}.ffn_up_exps.{}",
    ),
    (
        "model.layers.{}.mlp.experts.{}.down_proj",
        "blk.{}.ffn_down_exps.{}",
    ),
];

pub(super) const STACKED_EXPERTS: Names = &[
    (
        "model.layers.{}.block_sparse_moe.router.layer",
        "blk.{}.ffn_gate_inp",
    ),
    (
        "model.layers.{}.block_sparse_moe.input_linear",
        "blk.{}.ffn_gate_up_exps",
    ),
    (
        "model.layers.{}.block_sparse_moe.output_linear",
        "blk.{}.ffn_down_exps",
    ),
];

pub(super) const BERT: Names = &[
    ("embeddings.word_embeddings", "token_embd"),
    ("embeddings.position_embeddings", "position_embd"),
    ("embeddings.token_type_embeddings", "token_types"),
    ("embeddings.LayerNorm", "token_embd_norm"),
    ("encoder.layer.{}.attention.self.query", "blk.{}.attn_q"),
    ("encoder.layer.{}.attention.self.key", "blk.{}.attn_k"),
    ("encoder.layer.{}.attention.self.value", "blk.{}.attn_v"),
    (
        "encoder.layer.{}.attention.output.dense",
        "blk.{}.attn_output",
    ),
    (
        "encoder.layer.{}.attention.output.LayerNorm",
        "blk.{}.attn_output_norm",
    ),
    ("encoder.layer.{}.intermediate.dense", "blk.{}.ffn_up"),
    ("encoder.layer.{}.output.dense", "blk.{}.ffn_down"),
    (
        "encoder.layer.{}.output.LayerNorm",
        "blk.{}.layer_output_norm",
    ),
    ("pooler.dense", "cls"),
    ("classifier", "cls.output"),
    ("cls.predictions.transform.dense", "mlm.dense"),
    ("cls.predictions.transform.LayerNorm", "mlm.norm"),
    ("cls.predictions", "output"),
];

/// Beside those of BERT.
pub(super) const MOBILEBERT: Names = &[
    ("embeddings.embedding_transformation", "token_embd_proj"),
    ("encoder.layer.{}.bottleneck.input.dense", "blk.{}.narrow"),
    (
        "encoder.layer.{}.bottleneck.input.LayerNorm",
        "blk.{}.narrow_norm",
    ),
    (
        "encoder.layer.{}.bottleneck.attention.dense",
        "blk.{}.attn_narrow",
    ),
    (
        "encoder.layer.{}.bottleneck.attention.LayerNorm",
        "blk.{}.attn_narrow_norm",
    ),
    (
        "encoder.layer.{}.ffn.{}.intermediate.dense",
        "blk.{}.ffn_up.{}",
    ),
    ("encoder.layer.{}.ffn.{}.output.dense", "blk.{}.ffn_down.{}"),
    (
        "encoder.layer.{}.ffn.{}.output.LayerNorm",
        "blk.{}.layer_output_norm.{}",
    ),
    ("encoder.layer.{}.output.bottleneck.dense", "blk.{}.widen"),
    (
        "encoder.layer.{}.output.bottleneck.LayerNorm",
        "blk.{}.widen_norm",
    ),
    ("cls.predictions.dense", "output_rest"),
];

pub(super) const ROBERTA: Names = &[
    ("classifier.dense", "cls"),
    ("classifier.out_proj", "cls.output"),
    ("lm_head.dense", "mlm.dense"),
    ("lm_head.layer_norm", "mlm.norm"),
    ("lm_head", "output"),
];

pub(super) const DISTILBERT: Names = &[
    ("transformer.layer.{}.attention.q_lin", "blk.{}.attn_q"),
    ("transformer.layer.{}.attention.k_lin", "blk.{}.attn_k"),
    ("transformer.layer.{}.attention.v_lin", "blk.{}.attn_v"),
    (
        "transformer.layer.{}.attention.out_lin",
        "blk.{}.attn_output",
    ),
    (
        "transformer.layer.{}.sa_layer_norm",
        "blk.{}.attn_output_norm",
    ),
    ("transformer.layer.{}.ffn.lin1", "blk.{}.ffn_up"),
    ("transformer.layer.{}.ffn.lin2", "blk.{}.ffn_down"),
    (
        "transformer.layer.{}.output_layer_norm",
        "blk.{}.layer_output_norm",
    ),
    ("pre_classifier", "cls"),
    ("vocab_transform", "mlm.dense"),
    ("vocab_layer_norm", "mlm.norm"),
    ("vocab_projector", "output"),
];

pub(super) const MODERNBERT: Names = &[
    ("embeddings.tok_embeddings", "token_embd"),
    ("embeddings.norm", "token_embd_norm"),
    ("layers.{}.attn_norm", "blk.{}.attn_norm"),
    ("layers.{}.attn.Wqkv", "blk.{}.attn_qkv"),
    ("layers.{}.attn.Wo", "blk.{}.attn_output"),
    ("layers.{}.mlp_norm", "blk.{}.ffn_norm"),
    ("layers.{}.mlp.Wi", "blk.{}.ffn_up"),
    ("layers.{}.mlp.Wo", "blk.{}.ffn_down"),
    ("final_norm", "output_norm"),
    ("head.dense", "cls"),
    ("head.norm", "cls.norm"),
    ("decoder", "output"),
    ("classifier", "cls.output"),
];

pub(super) const SHORT_CONVOLUTIONS: Names = &[
    ("model.embedding_norm", "token_embd_norm"),
    ("model.layers.{}.operator_norm", "blk.{}.attn_norm"),
    ("model.layers.{}.ffn_norm", "blk.{}.ffn_norm"),
    ("model.layers.{}.self_attn.out_proj", "blk.{}.attn_output"),
    (
        "model.layers.{}.self_attn.q_layernorm",
        "blk.{}.attn_q_norm",
    ),
    (
        "model.layers.{}.self_attn.k_layernorm",
        "blk.{}.attn_k_norm",
    ),
    ("model.layers.{}.conv.in_proj", "blk.{}.shortconv.in_proj"),
    ("model.layers.{}.conv.conv", "blk.{}.shortconv.conv"),
    ("model.layers.{}.conv.out_proj", "blk.{}.shortconv.out_proj"),
    ("model.layers.{}.feed_forward.w1", "blk.{}.ffn_gate"),
    ("model.layers.{}.feed_forward.w2", "blk.{}.ffn_down"),
    ("model.layers.{}.feed_forward.w3", "blk.{}.ffn_up"),
];

/// Beside those of the plain decoder and of [`HYBRID`].
pub(super) const SIDE_BY_SIDE: Names = &[
    ("model.final_layernorm", "output_norm"),
    ("model.layers.{}.pre_ff_layernorm", "blk.{}.ffn_norm"),
    ("model.layers.{}.feed_forward.gate_proj", "blk.{}.ffn_gate"),
    ("model.layers.{}.feed_forward.up_proj", "blk.{}.ffn_up"),
    ("model.layers.{}.feed_forward.down_proj", "blk.{}.ffn_down"),
];

/// Beside those of the plain decoder.
pub(super) const HYBRID: Names = &[
    ("model.layers.{}.mamba.in_proj", "blk.{}.ssm_in"),
    ("model.layers.{}.mamba.conv1d", "blk.{}.ssm_conv1d"),
    ("model.layers.{}.mamba.dt_bias", "blk.{}.ssm_dt.bias"),
    ("model.layers.{}.mamba.A_log", "blk.{}.ssm_a"),
    ("model.layers.{}.mamba.D", "blk.{}.ssm_d"),
    ("model.layers.{}.mamba.norm", "blk.{}.ssm_norm"),
    ("model.layers.{}.mamba.out_proj", "blk.{}.ssm_out"),
    (
        "model.layers.{}.shared_mlp.input_linear",
        "blk.{}.ffn_gate_up",
    ),
    (
        "model.layers.{}.shared_mlp.output_linear",
        "blk.{}.ffn_down",
    ),
];

pub(super) const STATE_SPACES: Names = &[
    ("embeddings", "token_embd"),
    ("norm_f", "output_norm"),
    ("lm_head", "output"),
    ("layers.{}.norm", "blk.{}.attn_norm"),
    ("layers.{}.mixer.in_proj", "blk.{}.ssm_in"),
    ("layers.{}.mixer.conv1d", "blk.{}.ssm_conv1d"),
    ("layers.{}.mixer.dt_bias", "blk.{}.ssm_dt.bias"),
    ("layers.{}.mixer.A_log", "blk.{}.ssm_a"),
    ("layers.{}.mixer.D", "blk.{}.ssm_d"),
    ("layers.{}.mixer.norm", "blk.{}.ssm_norm"),
    ("layers.{}.mixer.out_proj", "blk.{}.ssm_out"),
];

pub(super) const DELTA_RULES: Names = &[
    ("model.embeddings", "token_embd"),
    ("model.layers.0.pre_norm", "token_embd_norm"),
    ("model.norm", "output_norm"),
    ("lm_head", "output"),
    ("model.layers.{}.attn_norm", "blk.{}.attn_norm"),
    ("model.layers.{}.ffn_norm", "blk.{}.attn_norm_2"),
    ("model.layers.{}.attn.r_proj", "blk.{}.time_mix_receptance"),
    ("model.layers.{}.attn.k_proj", "blk.{}.time_mix_key"),
    ("model.layers.{}.attn.v_proj", "blk.{}.time_mix_value"),
    ("model.layers.{}.attn.o_proj", "blk.{}.time_mix_output"),
    ("model.layers.{}.attn.g_norm", "blk.{}.time_mix_ln"),
    ("model.layers.{}.attn.k_k", "blk.{}.time_mix_k_k.weight"),
    ("model.layers.{}.attn.k_a", "blk.{}.time_mix_k_a.weight"),
    ("model.layers.{}.attn.r_k", "blk.{}.time_mix_r_k.weight"),
    ("model.layers.{}.attn.x_r", "blk.{}.time_mix_lerp_r.weight"),
    ("model.layers.{}.attn.x_w", "blk.{}.time_mix_lerp_w.weight"),
    ("model.layers.{}.attn.x_k", "blk.{}.time_mix_lerp_k.weight"),
    ("model.layers.{}.attn.x_v", "blk.{}.time_mix_lerp_v.weight"),
    ("model.layers.{}.attn.x_a", "blk.{}.time_mix_lerp_a.weight"),
    ("model.layers.{}.attn.x_g", "blk.{}.time_mix_lerp_g.weight"),
    (
        "model.layers.{}.attn.w_lora.lora.0.weight",
        "blk.{}.time_mix_w1.weight",
    ),
    (
        "model.layers.{}.attn.w_lora.lora.2.weight",
        "blk.{}.time_mix_w2.weight",
    ),
    (
        "model.layers.{}.attn.w_lora.lora.2.bias",
        "blk.{}.time_mix_w0.weight",
    ),
    (
        "model.layers.{}.attn.a_lora.lora.0.weight",
        "blk.{}.time_mix_a1.weight",
    ),
    (
        "model.layers.{}.attn.a_lora.lora.2.weight",
        "blk.{}.time_mix_a2.weight",
    ),
    (
        "model.layers.{}.attn.a_lora.lora.2.bias",
        "blk.{}.time_mix_a0.weight",
    ),
    (
        "model.layers.{}.attn.v_lora.lora.0.weight",
        "blk.{}.time_mix_v1.weight",
    ),
    (
        "model.layers.{}.attn.v_lora.lora.2.weight",
        "blk.{}.time_mix_v2.weight",
    ),
    (
        "model.layers.{}.attn.v_lora.lora.2.bias",
        "blk.{}.time_mix_v0.weight",
    ),
    (
        "model.layers.{}.attn.g_lora.lora.0.weight",
        "blk.{}.time_mix_g1.weight",
    ),
    (
        "model.layers.{}.attn.g_lora.lora.2.weight",
        "blk.{}.time_mix_g2.weight",
    ),
    (
        "model.layers.{}.ffn.x_k",
        "blk.{}.channel_mix_lerp_k.weight",
    ),
    ("model.layers.{}.ffn.key", "blk.{}.channel_mix_key"),
    ("model.layers.{}.ffn.value", "blk.{}.channel_mix_value"),
];

/// Beside those of BERT.
pub(super) const ROTARY_BERT: Names = &[
    ("emb_ln", "token_embd_norm"),
    ("encoder.layers.{}.attn.Wqkv", "blk.{}.attn_qkv"),
    ("encoder.layers.{}.attn.out_proj", "blk.{}.attn_output"),
    ("encoder.layers.{}.norm1", "blk.{}.attn_output_norm"),
    ("encoder.layers.{}.mlp.fc11", "blk.{}.ffn_up"),
    ("encoder.layers.{}.mlp.fc12", "blk.{}.ffn_gate"),
    ("encoder.layers.{}.mlp.fc2", "blk.{}.ffn_down"),
    ("encoder.layers.{}.norm2", "blk.{}.layer_output_norm"),
    ("cls.predictions.transform.layer_norm", "mlm.norm"),
];

/// An encoder and a decoder.
pub(super) const STACKS: Names = &[
    ("shared", "token_embd"),
    ("lm_head", "output"),
    ("encoder.final_layer_norm", "enc.output_norm"),
    ("decoder.final_layer_norm", "dec.output_norm"),
    (
        "encoder.block.{}.layer.0.layer_norm",
        "enc.blk.{}.attn_norm",
    ),
    (
        "encoder.block.{}.layer.0.SelfAttention.q",
        "enc.blk.{}.attn_q",
    ),
    (
        "encoder.block.{}.layer.0.SelfAttention.k",
        "enc.blk.{}.attn_k",
    ),
    (
        "encoder.block.{}.layer.0.SelfAttention.v",
        "enc.blk.{}.attn_v",
    ),
    (
        "encoder.block.{}.layer.0.SelfAttention.o",
        "enc.blk.{}.attn_o",
    ),
    (
        "encoder.block.{}.layer.0.SelfAttention.relative_attention_bias",
        "enc.blk.{}.attn_rel_b",
    ),
    ("encoder.block.{}.layer.1.layer_norm", "enc.blk.{}.ffn_norm"),
    (
        "encoder.block.{}.layer.1.DenseReluDense.wi",
        "enc.blk.{}.ffn_up",
    ),
    (
        "encoder.block.{}.layer.1.DenseReluDense.wi_0",
        "enc.blk.{}.ffn_gate",
    ),
    (
        "encoder.block.{}.layer.1.DenseReluDense.wi_1",
        "enc.blk.{}.ffn_up",
    ),
    (
        "encoder.block.{}.layer.1.DenseReluDense.wo",
        "enc.blk.{}.ffn_down",
    ),
    (
        "decoder.block.{}.layer.0.layer_norm",
        "dec.blk.{}.attn_norm",
    ),
    (
        "decoder.block.{}.layer.0.SelfAttention.q",
        "dec.blk.{}.attn_q",
    ),
    (
        "decoder.block.{}.layer.0.SelfAttention.k",
        "dec.blk.{}.attn_k",
    ),
    (
        "decoder.block.{}.layer.0.SelfAttention.v",
        "dec.blk.{}.attn_v",
    ),
    (
        "decoder.block.{}.layer.0.SelfAttention.o",
        "dec.blk.{}.attn_o",
    ),
    (
        "decoder.block.{}.layer.0.SelfAttention.relative_attention_bias",
        "dec.blk.{}.attn_rel_b",
    ),
    (
        "decoder.block.{}.layer.1.layer_norm",
        "dec.blk.{}.cross_attn_norm",
    ),
    (
        "decoder.block.{}.layer.1.EncDecAttention.q",
        "dec.blk.{}.cross_attn_q",
    ),
    (
        "decoder.block.{}.layer.1.EncDecAttention.k",
        "dec.blk.{}.cross_attn_k",
    ),
    (
        "decoder.block.{}.layer.1.EncDecAttention.v",
        "dec.blk.{}.cross_attn_v",
    ),
    (
        "decoder.block.{}.layer.1.EncDecAttention.o",
        "dec.blk.{}.cross_attn_o",
    ),
    ("decoder.block.{}.layer.2.layer_norm", "dec.blk.{}.ffn_norm"),
    (
        "decoder.block.{}.layer.2.DenseReluDense.wi",
        "dec.blk.{}.ffn_up",
    ),
    (
        "decoder.block.{}.layer.2.DenseReluDense.wi_0",
        "dec.blk.{}.ffn_gate",
    ),
    (
        "decoder.block.{}.layer.2.DenseReluDense.wi_1",
        "dec.blk.{}.ffn_up",
    ),
    (
        "decoder.block.{}.layer.2.DenseReluDense.wo",
        "dec.blk.{}.ffn_down",
    ),
];
