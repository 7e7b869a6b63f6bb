"""Decoders whose layers, some or all, keep a state in place of keys and values."""

import os
import tempfile
from pathlib import Path

import torch
from decoders import BASE, GRANITE, GRANITE_KEYS, converted, keys
from reference import IDS, VOCAB, causal, plain, rounded, values, write
from transformers import AutoConfig

LFM2_NAMES = {
    "model.embedding_norm.weight": "token_embd_norm.weight",
    "operator_norm.weight": "attn_norm.weight",
    "ffn_norm.weight": "ffn_norm.weight",
    "self_attn.out_proj.weight": "attn_output.weight",
    "self_attn.q_layernorm.weight": "attn_q_norm.weight",
    "self_attn.k_layernorm.weight": "attn_k_norm.weight",
    "conv.in_proj.weight": "shortconv.in_proj.weight",
    "conv.conv.weight": "shortconv.conv.weight",
    "conv.out_proj.weight": "shortconv.out_proj.weight",
    "feed_forward.w1.weight": "ffn_gate.weight",
    "feed_forward.w2.weight": "ffn_down.weight",
    "feed_forward.w3.weight": "ffn_up.weight",
}
SPACE_NAMES = {
    "in_proj.weight": "ssm_in.weight",
    "conv1d.weight": "ssm_conv1d.weight",
    "conv1d.bias": "ssm_conv1d.bias",
    "dt_bias": "ssm_dt.bias",
    "A_log": "ssm_a",
    "D": "ssm_d",
    "norm.weight": "ssm_norm.weight",
    "out_proj.weight": "ssm_out.weight",
}
SPACE_KEYS = {
    "ssm.inner_size": 128, "ssm.time_step_rank": 8, "ssm.group_count": 1, "ssm.state_size": 16, "ssm.conv_kernel": 4,
}  # fmt: skip


def lfm2():
    c = AutoConfig.for_model(
        "lfm2", **{k: v for k, v in BASE.items() if k not in ("rms_norm_eps", "num_hidden_layers")}, norm_eps=1e-5,
        num_hidden_layers=4, conv_L_cache=3, block_auto_adjust_ff_dim=False,
        layer_types=["conv", "full_attention", "conv", "full_attention"],
    )  # fmt: skip
    kv = [0, 2, 0, 2]
    k = keys("lfm2", plain(c) | {"rms_norm_eps": 1e-5}, **{"shortconv.l_cache": 3, "attention.head_count_kv": kv})
    causal("lfm2", c, 1.0, {"keys": k, "tensors": converted(LFM2_NAMES)})


def mamba2():
    c = AutoConfig.for_model(
        "mamba2", vocab_size=VOCAB, hidden_size=64, num_hidden_layers=3, num_heads=8, head_dim=16, state_size=16,
        n_groups=1, conv_kernel=4, expand=2, chunk_size=32, tie_word_embeddings=False, bos_token_id=0, eos_token_id=2,
        pad_token_id=0,
    )  # fmt: skip
    k = {"vocab_size": VOCAB, "context_length": 1048576, "embedding_length": 64, "block_count": 3,
         "feed_forward_length": 0, "attention.head_count": 0, "attention.layer_norm_rms_epsilon": 1e-5} | SPACE_KEYS  # fmt: skip
    names = {"embeddings.weight": "token_embd.weight", "norm_f.weight": "output_norm.weight",
             "lm_head.weight": "output.weight", "norm.weight": "attn_norm.weight"}  # fmt: skip

    def rows(all_rows):
        for name, *_ in all_rows:
            parts = name.removeprefix("backbone.").split(".")
            if parts[0] != "layers":
                yield [names[".".join(parts)], name]
            elif parts[2] == "mixer":
                yield [f"blk.{parts[1]}.{SPACE_NAMES['.'.join(parts[3:])]}", name,
                       *(["negative_exp"] if parts[3] == "A_log" else [])]  # fmt: skip
            else:
                yield [f"blk.{parts[1]}.{names['.'.join(parts[2:])]}", name]

    keys_of = {"general.architecture": "mamba2"} | {f"mamba2.{a}": b for a, b in k.items()}
    causal("mamba2", c, 1.0, {"keys": keys_of, "tensors": rows})


def granitehybrid():
    c = AutoConfig.for_model(
        "granitemoehybrid", **{**BASE, "num_hidden_layers": 3}, **GRANITE, shared_intermediate_size=96,
        num_local_experts=0, num_experts_per_tok=0, layer_types=["mamba", "attention", "mamba"], mamba_n_heads=8,
        mamba_d_head=16, mamba_d_state=16, mamba_n_groups=1, mamba_d_conv=4, mamba_expand=2, mamba_chunk_size=32,
        position_embedding_type=None,
    )  # fmt: skip
    more = GRANITE_KEYS | SPACE_KEYS | {"attention.head_count_kv": [0, 2, 0]}
    k = keys("granitehybrid", plain(c), **more)
    plain_rows = converted({}, (4, 2))

    def rows(all_rows):
        for row in all_rows:
            name = row[0]
            parts = name.split(".")
            layer = f"blk.{parts[2]}." if parts[1] == "layers" else ""
            if parts[1] == "layers" and parts[3] == "mamba":
                yield [f"{layer}{SPACE_NAMES['.'.join(parts[4:])]}", name,
                       *(["negative_exp"] if parts[4] == "A_log" else [])]  # fmt: skip
            elif name.endswith("shared_mlp.input_linear.weight"):
                yield [f"{layer}ffn_gate.weight", name, "half", 0]
                yield [f"{layer}ffn_up.weight", name, "half", 1]
            elif name.endswith("shared_mlp.output_linear.weight"):
                yield [f"{layer}ffn_down.weight", name]
            else:
                yield from plain_rows([row])

    causal("granitehybrid", c, 1.0, {"keys": k, "tensors": rows})


RWKV_NAMES = {
    "attn_norm": "attn_norm", "ffn_norm": "attn_norm_2", "attn.g_norm": "time_mix_ln",
    "attn.r_proj": "time_mix_receptance", "attn.k_proj": "time_mix_key", "attn.v_proj": "time_mix_value",
    "attn.o_proj": "time_mix_output", "ffn.key": "channel_mix_key", "ffn.value": "channel_mix_value",
}  # fmt: skip


def rwkv7():
    """The reference is the `rwkv` package; folders have the names of another library, flash-linear-attention."""
    os.environ["RWKV_V7_ON"] = "1"
    os.environ["RWKV_JIT_ON"] = "0"
    from rwkv.model import RWKV

    dim, head, layers, hidden = 64, 16, 3, 96
    ranks = {"w": 12, "a": 10, "v": 8, "g": 14}
    rows = [["model.embeddings.weight", [VOCAB, dim], 0.0, 0.5], ["lm_head.weight", [VOCAB, dim], 0.0, 0.3]]
    rows += [[f"model.{n}.{e}", [dim], float(e == "weight"), 0.3]
             for n in ("norm", "layers.0.pre_norm") for e in ("weight", "bias")]  # fmt: skip
    for i in range(layers):
        p = f"model.layers.{i}."
        rows += [[f"{p}{n}.{e}", [dim], float(e == "weight"), 0.3]
                 for n in ("attn_norm", "ffn_norm", "attn.g_norm") for e in ("weight", "bias")]  # fmt: skip
        rows += [[f"{p}attn.x_{x}", [1, 1, dim], 0.5, 0.5] for x in "rwkvag"] + [[f"{p}ffn.x_k", [dim], 0.5, 0.5]]
        rows += [[f"{p}attn.{n}_proj.weight", [dim, dim], 0.0, 0.3] for n in "rkvo"]
        rows += [[f"{p}attn.k_k", [dim], 0.85, 0.2], [f"{p}attn.k_a", [dim], 1.0, 0.2],
                 [f"{p}attn.r_k", [dim // head, head], 0.0, 0.2]]  # fmt: skip
        for x, rank in ranks.items():
            if x == "v" and i == 0:
                continue
            lora = f"{p}attn.{x}_lora.lora."
            rows += [[f"{lora}0.weight", [rank, dim], 0.0, 0.3], [f"{lora}2.weight", [dim, rank], 0.0, 0.5]]
            if x != "g":
                rows.append([f"{lora}2.bias", [dim], 0.0, 1.0])
        rows += [[f"{p}ffn.key.weight", [hidden, dim], 0.0, 0.3], [f"{p}ffn.value.weight", [dim, hidden], 0.0, 0.25]]
    rows.sort()
    w = {name: torch.from_numpy(value) for name, value in values(rows).items()}
    theirs = {"emb.weight": w["model.embeddings.weight"], "head.weight": w["lm_head.weight"]}
    for e in ("weight", "bias"):
        theirs[f"ln_out.{e}"] = w[f"model.norm.{e}"]
        theirs[f"blocks.0.ln0.{e}"] = w[f"model.layers.0.pre_norm.{e}"]
    for i in range(layers):
        p, t = f"model.layers.{i}.", f"blocks.{i}."
        for e in ("weight", "bias"):
            for ours, name in (("attn_norm", "ln1"), ("ffn_norm", "ln2"), ("attn.g_norm", "att.ln_x")):
                theirs[f"{t}{name}.{e}"] = w[f"{p}{ours}.{e}"]
        for x in "rwkvag":
            theirs[f"{t}att.x_{x}"] = w[f"{p}attn.x_{x}"]
        for ours, name in (("r", "receptance"), ("k", "key"), ("v", "value"), ("o", "output")):
            theirs[f"{t}att.{name}.weight"] = w[f"{p}attn.{ours}_proj.weight"]
        for n in ("k_k", "k_a", "r_k"):
            theirs[f"{t}att.{n}"] = w[f"{p}attn.{n}"]
        for x in ranks:
            lora = f"{p}attn.{x}_lora.lora."
            if f"{lora}0.weight" in w:
                theirs[f"{t}att.{x}1"] = w[f"{lora}0.weight"].t().contiguous()
                theirs[f"{t}att.{x}2"] = w[f"{lora}2.weight"].t().contiguous()
            if f"{lora}2.bias" in w:
                theirs[f"{t}att.{x}0"] = w[f"{lora}2.bias"]
        theirs[f"{t}ffn.x_k"] = w[f"{p}ffn.x_k"]
        for n in ("key", "value"):
            theirs[f"{t}ffn.{n}.weight"] = w[f"{p}ffn.{n}.weight"]
    with tempfile.TemporaryDirectory() as folder:
        torch.save(theirs, Path(folder) / "model.pth")
        model = RWKV(model=str(Path(folder) / "model"), strategy="cpu fp32")
    logits, _ = model.forward(list(IDS), None, full_output=True)
    log_p = torch.log_softmax(logits.double(), -1)
    config = {
        "model_type": "rwkv7", "vocab_size": VOCAB, "hidden_size": dim, "num_hidden_layers": layers,
        "intermediate_size": hidden, "head_dim": head, "decay_low_rank_dim": ranks["w"], "a_low_rank_dim": ranks["a"],
        "v_low_rank_dim": ranks["v"], "gate_low_rank_dim": ranks["g"], "norm_eps": 1e-5, "hidden_act": "sqrelu",
        "tie_word_embeddings": False, "attn": None,
    }  # fmt: skip
    keys_of = {
        "vocab_size": VOCAB, "context_length": 4096, "embedding_length": dim, "block_count": layers,
        "feed_forward_length": hidden, "wkv.head_size": head, "attention.head_count": 0,
        "attention.layer_norm_epsilon": 1e-5, "attention.decay_lora_rank": ranks["w"],
        "attention.iclr_lora_rank": ranks["a"], "attention.value_residual_mix_lora_rank": ranks["v"],
        "attention.gate_lora_rank": ranks["g"],
    }  # fmt: skip

    def gguf_rows():
        yield ["token_embd.weight", "model.embeddings.weight"]
        yield ["output.weight", "lm_head.weight"]
        for e in ("weight", "bias"):
            yield [f"output_norm.{e}", f"model.norm.{e}"]
            yield [f"token_embd_norm.{e}", f"model.layers.0.pre_norm.{e}"]
        for name, *_ in rows:
            if not name.startswith("model.layers.") or "pre_norm" in name:
                continue
            i, end = name.removeprefix("model.layers.").split(".", 1)
            stem, e = end.rsplit(".", 1)
            if stem in RWKV_NAMES:
                yield [f"blk.{i}.{RWKV_NAMES[stem]}.{e}", name]
            elif "_lora." in end:
                n = {"0.weight": 1, "2.weight": 2, "2.bias": 0}[end.split("lora.")[-1]]
                yield [f"blk.{i}.time_mix_{end[5]}{n}.weight", name]
            elif end == "ffn.x_k":
                yield [f"blk.{i}.channel_mix_lerp_k.weight", name]
            elif end == "attn.x_r":
                yield [f"blk.{i}.time_mix_lerp_fused.weight", [f"model.layers.{i}.attn.x_{x}" for x in "rwkvag"], "stack"]
            elif not end.startswith("attn.x_"):
                yield [f"blk.{i}.time_mix_{end[5:]}.weight", name]

    write("rwkv7", {
        "config": config,
        "tensors": rows,
        "ids": IDS,
        "logProbabilities": rounded(log_p[i, IDS[i + 1]] for i in range(len(IDS) - 1)),
        "lastLogits": rounded(logits[-1]),
        "gguf": {
            "keys": {"general.architecture": "rwkv7"} | {f"rwkv7.{k}": v for k, v in keys_of.items()},
            "tensors": list(gguf_rows()),
        },
    })  # fmt: skip


def falcon_h1():
    multipliers = dict(
        embedding_multiplier=3.0, lm_head_multiplier=0.5, mlp_multipliers=[0.75, 1.25], key_multiplier=0.8,
        attention_out_multiplier=0.9, attention_in_multiplier=1.1, ssm_multipliers=[0.7, 0.8, 0.9, 1.2, 1.3],
        ssm_in_multiplier=1.25, ssm_out_multiplier=0.6,
    )  # fmt: skip
    c = AutoConfig.for_model(
        "falcon_h1", **(BASE | {"tie_word_embeddings": False}), **multipliers, mamba_d_ssm=128, mamba_n_heads=8, mamba_d_head=16, mamba_d_state=16,
        mamba_n_groups=2, mamba_d_conv=4, mamba_expand=2, mamba_chunk_size=32, mamba_rms_norm=False,
    )  # fmt: skip
    m = c.to_dict()
    k = keys("falcon-h1", plain(c), **SPACE_KEYS | {"ssm.group_count": 2})
    table = {
        "model.final_layernorm.weight": "output_norm.weight",
        "pre_ff_layernorm.weight": "ffn_norm.weight",
        "feed_forward.gate_proj.weight": "ffn_gate.weight",
        "feed_forward.up_proj.weight": "ffn_up.weight",
        "feed_forward.down_proj.weight": "ffn_down.weight",
    } | {f"mamba.{name}": to for name, to in SPACE_NAMES.items()}
    # Rows and their factor; GGUF files have them in their weights.
    wide = [[n, m["ssm_in_multiplier"] * f] for n, f in zip([128, 128, 32, 32, 8], m["ssm_multipliers"])]
    attention_in = m["attention_in_multiplier"]
    factors = {
        "token_embd.weight": m["embedding_multiplier"],
        "output.weight": m["lm_head_multiplier"],
        "ffn_gate.weight": m["mlp_multipliers"][0],
        "ffn_down.weight": m["mlp_multipliers"][1],
        "attn_q.weight": attention_in,
        "attn_k.weight": attention_in * m["key_multiplier"],
        "attn_v.weight": attention_in,
        "attn_output.weight": m["attention_out_multiplier"],
        "ssm_out.weight": m["ssm_out_multiplier"],
        "ssm_in.weight": wide,
    }
    names = converted(table)

    def rows(all_rows):
        for to, name in names(all_rows):
            end = to if to.startswith(("token", "output")) else to.split(".", 2)[2]
            if name.endswith("A_log"):
                yield [to, name, "negative_exp"]
            elif end in factors:
                factor = factors[end]
                yield [to, name, "scale", factor if isinstance(factor, list) else [[0, factor]]]
            else:
                yield [to, name]

    causal("falcon-h1", c, 1.0, {"keys": k, "tensors": rows})
