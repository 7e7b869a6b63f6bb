"""Writes what `transformers` computes with a small model of each architecture: configuration, names of all tensors, and
expected numbers. Weights follow from the tensors' names (`noise`, which tests/rust/family_model.rs has too), so that no
file holds them.

    pip install -r tests/golden/families/requirements.txt
    python tests/golden/families/make.py [FAMILY…]
"""

import sys
import tempfile
from pathlib import Path

import torch
from reference import IDS, VOCAB, causal, loaded, plain, rounded, tensors, values, write
from safetensors.numpy import save_file
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
)

# The names and keys below are those that llama.cpp's convert_hf_to_gguf.py writes.
NAMES = {
    "model.embed_tokens.weight": "token_embd.weight",
    "model.norm.weight": "output_norm.weight",
    "lm_head.weight": "output.weight",
    "input_layernorm.weight": "attn_norm.weight",
    "post_attention_layernorm.weight": "ffn_norm.weight",
    "self_attn.q_proj.weight": "attn_q.weight",
    "self_attn.k_proj.weight": "attn_k.weight",
    "self_attn.v_proj.weight": "attn_v.weight",
    "self_attn.o_proj.weight": "attn_output.weight",
    "self_attn.q_norm.weight": "attn_q_norm.weight",
    "self_attn.k_norm.weight": "attn_k_norm.weight",
    "mlp.gate_proj.weight": "ffn_gate.weight",
    "mlp.up_proj.weight": "ffn_up.weight",
    "mlp.down_proj.weight": "ffn_down.weight",
}
BEHIND = {
    "post_attention_layernorm.weight": "post_attention_norm.weight",
    "pre_feedforward_layernorm.weight": "ffn_norm.weight",
    "post_feedforward_layernorm.weight": "post_ffw_norm.weight",
}
FUSED = {"self_attn.qkv_proj.weight": "attn_qkv.weight", "mlp.gate_up_proj.weight": "ffn_up.weight"}
STACKED = {
    "block_sparse_moe.router.layer.weight": "ffn_gate_inp.weight",
    "block_sparse_moe.output_linear.weight": "ffn_down_exps.weight",
}


def renamed(name, table):
    """(GGUF name, layer) of a folder's tensor, or nothing."""
    parts = name.split(".")
    if parts[1] == "layers":
        end = table.get(".".join(parts[3:]))
        return end and f"blk.{parts[2]}.{end}"
    return table.get(name)


def converted(table, interleave=None, norm_offset=0.0):
    """Rows of the recipe: `interleave` is (query heads, key heads)."""
    names = {**NAMES, **table}

    def rows(all_rows):
        stacks = {}
        for name, shape, *_ in all_rows:
            if ".mlp.experts." in name:
                before, rest = name.split(".mlp.experts.")
                part = rest.split(".")[1].removesuffix("_proj")
                stacks.setdefault(f"blk.{before.split('.')[-1]}.ffn_{part}_exps.weight", []).append(
                    (int(rest.split(".")[0]), name)
                )
                continue
            if name.endswith("block_sparse_moe.input_linear.weight"):
                layer = name.split(".")[2]
                yield [f"blk.{layer}.ffn_gate_exps.weight", name, "half", 0]
                yield [f"blk.{layer}.ffn_up_exps.weight", name, "half", 1]
                continue
            to = renamed(name, names)
            assert to, name
            if interleave and (".attn_q." in to or ".attn_k." in to):
                yield [to, name, "interleave", interleave[".attn_k." in to]]
            elif norm_offset and to.endswith("norm.weight"):
                yield [to, name, "add", norm_offset]
            else:
                yield [to, name]
        for to, sources in stacks.items():
            yield [to, [name for _, name in sorted(sources)], "stack"]

    return rows


def keys(arch, c, **more):
    """Keys of a decoder; those of `more` follow under the architecture's name."""
    rope = c.get("rope_parameters") or {}
    rope = rope.get("full_attention", rope)
    base = {
        "vocab_size": c["vocab_size"],
        "context_length": c["max_position_embeddings"],
        "embedding_length": c["hidden_size"],
        "block_count": c["num_hidden_layers"],
        "feed_forward_length": c["intermediate_size"],
        "attention.head_count": c["num_attention_heads"],
        "attention.head_count_kv": c["num_key_value_heads"],
        "attention.layer_norm_rms_epsilon": c["rms_norm_eps"],
        "rope.freq_base": float(rope.get("rope_theta", c.get("rope_theta", 10000.0))),
    }
    if c.get("head_dim"):
        base |= {"attention.key_length": c["head_dim"], "attention.value_length": c["head_dim"]}
    base |= more
    return {"general.architecture": arch} | {f"{arch}.{k}": v for k, v in base.items()}


BASE = dict(
    vocab_size=VOCAB,
    hidden_size=64,
    intermediate_size=96,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=512,
    rms_norm_eps=1e-5,
    tie_word_embeddings=True,
    bos_token_id=0,
    eos_token_id=2,
    pad_token_id=0,
)


def case(name, model_type, arch, table=None, interleave=False, norm_mean=1.0, norm_offset=0.0, more=None, **config):
    c = AutoConfig.for_model(model_type, **{**BASE, **config})
    gguf = None
    if arch:
        heads = (c.num_attention_heads, c.num_key_value_heads) if interleave else None
        gguf = {
            "keys": keys(arch, plain(c), **(more or {})),
            "tensors": converted(table or {}, heads, norm_offset),
        }
    causal(name, c, norm_mean, gguf)


def rope(kind, theta=10000.0, **settings):
    return {"rope_type": kind, "rope_theta": theta, **settings}


def llama_linear():
    case("llama-linear", "llama", "llama", interleave=True, rope_parameters=rope("linear", factor=4.0),
         more={"rope.scaling.type": "linear", "rope.scaling.factor": 4.0})  # fmt: skip


def llama_dynamic():
    case("llama-dynamic", "llama", None, max_position_embeddings=48, rope_parameters=rope("dynamic", factor=2.0))


def qwen3_yarn():
    case("qwen3-yarn", "qwen3", "qwen3", head_dim=32,
         rope_parameters=rope("yarn", 1e6, factor=4.0, original_max_position_embeddings=128),
         more={"rope.scaling.type": "yarn", "rope.scaling.factor": 4.0,
               "rope.scaling.original_context_length": 128})  # fmt: skip


def gemma2():
    case("gemma2", "gemma2", "gemma2", BEHIND, norm_mean=0.0, norm_offset=1.0, num_hidden_layers=3, head_dim=32,
         sliding_window=24, query_pre_attn_scalar=32, attn_logit_softcapping=4.0, final_logit_softcapping=5.0,
         more={"attention.sliding_window": 24, "attn_logit_softcapping": 4.0, "final_logit_softcapping": 5.0})  # fmt: skip


def gemma3():
    parameters = {"full_attention": rope("linear", 1e6, factor=8.0), "sliding_attention": rope("default", 1e4)}
    case("gemma3", "gemma3_text", "gemma3", BEHIND, norm_mean=0.0, norm_offset=1.0, num_hidden_layers=6,
         num_key_value_heads=1, head_dim=32, sliding_window=24, query_pre_attn_scalar=32, rope_parameters=parameters,
         more={"attention.sliding_window": 24, "rope.scaling.type": "linear", "rope.scaling.factor": 8.0})  # fmt: skip


def phi3():
    case("phi3", "phi3", "phi3", FUSED, sliding_window=40, partial_rotary_factor=0.75,
         more={"attention.sliding_window": 40, "rope.dimension_count": 12})  # fmt: skip


def phi3_longrope():
    half = 8
    parameters = rope(
        "longrope",
        short_factor=[round(1 + 0.1 * i, 2) for i in range(half)],
        long_factor=[round(1.5 + 2.0 * i, 2) for i in range(half)],
        original_max_position_embeddings=64,
    )
    case("phi3-longrope", "phi3", None, rope_parameters=parameters, original_max_position_embeddings=64)


def smollm3():
    case("smollm3", "smollm3", "smollm3", interleave=True, num_hidden_layers=5, rope_theta=5e6)


def olmo2():
    case("olmo2", "olmo2", "olmo2", BEHIND, tie_word_embeddings=False)


GRANITE = dict(embedding_multiplier=3.0, residual_multiplier=0.5, attention_multiplier=0.2, logits_scaling=2.0)
GRANITE_KEYS = {"embedding_scale": 3.0, "residual_scale": 0.5, "attention.scale": 0.2, "logit_scale": 2.0}


def granite():
    case("granite", "granite", "granite", interleave=True, more=GRANITE_KEYS, **GRANITE)


def granitemoe():
    case("granitemoe", "granitemoe", "granitemoe", STACKED, interleave=True, num_local_experts=6,
         num_experts_per_tok=2, more=GRANITE_KEYS | {"expert_count": 6, "expert_used_count": 2}, **GRANITE)  # fmt: skip


def qwen3moe():
    case("qwen3moe", "qwen3_moe", "qwen3moe", {"mlp.gate.weight": "ffn_gate_inp.weight"}, head_dim=32, num_experts=6,
         num_experts_per_tok=3, moe_intermediate_size=40, norm_topk_prob=True,
         more={"expert_count": 6, "expert_used_count": 3, "expert_feed_forward_length": 40})  # fmt: skip


def mobilellm():
    """The published code repeats each layer; `transformers` has no such model, but a llama with every layer twice."""
    once = AutoConfig.for_model("llama", **{**BASE, "num_hidden_layers": 2})
    twice = AutoConfig.for_model("llama", **{**BASE, "num_hidden_layers": 4})
    rows = tensors(AutoModelForCausalLM.from_config(once), 1.0)
    weights = values(rows)
    with tempfile.TemporaryDirectory() as folder:
        repeated = {}
        for name, value in weights.items():
            parts = name.split(".")
            if parts[1] == "layers":
                for i in (0, 1):
                    repeated[".".join(["model.layers", str(2 * int(parts[2]) + i), *parts[3:]])] = value.copy()
            else:
                repeated[name] = value
        save_file(repeated, Path(folder) / "model.safetensors", {"format": "pt"})
        twice.save_pretrained(folder)
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="half_cache")
    with torch.no_grad():
        logits = model.double().eval()(torch.tensor([IDS]), use_cache=False).logits[0]
    log_p = torch.log_softmax(logits, -1)
    c = plain(once) | {"model_type": "mobilellm", "layer_sharing": True, "share_embedding": True}
    write("mobilellm", {
        "config": c,
        "tensors": rows,
        "ids": IDS,
        "logProbabilities": rounded(log_p[i, IDS[i + 1]] for i in range(len(IDS) - 1)),
        "lastLogits": rounded(logits[-1]),
    })  # fmt: skip


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
    import os

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


SECOND = 30
MASKED = 5


def encoder(name, config, gguf=None):
    """One encoder: its base under a classifier and under a head for masked tokens."""
    autos = [AutoModelForSequenceClassification, AutoModelForMaskedLM]
    each = [tensors(auto.from_config(config), 1.0) for auto in autos]
    models = [loaded(auto, config, rows) for auto, rows in zip(autos, each)]
    ids = torch.tensor([IDS])
    types = torch.zeros_like(ids)
    if getattr(config, "type_vocab_size", 0) > 1:
        types[:, SECOND:] = 1
    typed = {"token_type_ids": types} if getattr(config, "type_vocab_size", 0) else {}
    with torch.no_grad():
        classes = models[0](ids, **typed).logits[0]
        base = models[0].base_model(ids, **{k: torch.zeros_like(ids) for k in typed})
        masked = models[1](ids, **{k: torch.zeros_like(ids) for k in typed}).logits[0, MASKED]
    rows = {row[0]: row for rows in each for row in rows}
    golden = {
        "config": plain(config),
        "tensors": sorted(rows.values()),
        "ids": IDS,
        "second": SECOND,
        "masked": MASKED,
        "mean": rounded(base.last_hidden_state[0].mean(0)),
        "first": rounded(base.last_hidden_state[0, 0]),
        "classScores": rounded(classes),
        "maskedLogits": rounded(masked),
    }
    if gguf:
        golden["gguf"] = {"keys": gguf["keys"], "tensors": list(gguf["tensors"](golden["tensors"]))}
    write(name, golden)


BERT_NAMES = {
    "embeddings.word_embeddings": "token_embd",
    "embeddings.position_embeddings": "position_embd",
    "embeddings.token_type_embeddings": "token_types",
    "embeddings.LayerNorm": "token_embd_norm",
    "attention.self.query": "attn_q",
    "attention.self.key": "attn_k",
    "attention.self.value": "attn_v",
    "attention.output.dense": "attn_output",
    "attention.output.LayerNorm": "attn_output_norm",
    "intermediate.dense": "ffn_up",
    "output.dense": "ffn_down",
    "output.LayerNorm": "layer_output_norm",
}
MODERN_NAMES = {
    "embeddings.tok_embeddings": "token_embd",
    "embeddings.norm": "token_embd_norm",
    "attn_norm": "attn_norm",
    "attn.Wqkv": "attn_qkv",
    "attn.Wo": "attn_output",
    "mlp_norm": "ffn_norm",
    "mlp.Wi": "ffn_up",
    "mlp.Wo": "ffn_down",
    "final_norm": "output_norm",
    "head.dense": "cls",
    "head.norm": "cls.norm",
    "classifier": "cls.output",
}


def encoder_rows(names, prefix, skip=0):
    """Rows of the recipe; heads that llama.cpp does not know are left out."""

    def rows(all_rows):
        for name, *_ in all_rows:
            stem, end = name.removeprefix(prefix).rsplit(".", 1)
            parts = stem.split(".")
            numbers = [i for i, part in enumerate(parts) if part.isdigit()]
            layer = f"blk.{parts[numbers[0]]}." if numbers else ""
            to = names.get(".".join(parts[numbers[0] + 1 :] if numbers else parts))
            if to is None:
                continue
            yield [f"{layer}{to}.{end}", name, *(["skip", skip] if to == "position_embd" and skip else [])]

    return rows


def encoder_keys(arch, c, **more):
    base = {
        "vocab_size": c.vocab_size,
        "context_length": c.max_position_embeddings,
        "embedding_length": c.hidden_size,
        "block_count": c.num_hidden_layers,
        "feed_forward_length": c.intermediate_size,
        "attention.head_count": c.num_attention_heads,
        "attention.layer_norm_epsilon": 1e-5,
        "attention.causal": False,
        "pooling_type": 1,
    } | more
    return {"general.architecture": arch} | {f"{arch}.{k}": v for k, v in base.items()}


READERS = dict(
    vocab_size=VOCAB, hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4,
    max_position_embeddings=96, num_labels=3, pad_token_id=0, cls_token_id=0, sep_token_id=2, eos_token_id=2,
    bos_token_id=0,
)  # fmt: skip


def bert():
    c = AutoConfig.for_model("bert", **READERS, layer_norm_eps=1e-5)
    gguf_keys = encoder_keys("bert", c) | {"tokenizer.ggml.token_type_count": 2}
    encoder("bert", c, {"keys": gguf_keys, "tensors": encoder_rows(BERT_NAMES, "bert.")})


def roberta():
    c = AutoConfig.for_model("roberta", **(READERS | {"pad_token_id": 1}), layer_norm_eps=1e-5, type_vocab_size=1)
    gguf_keys = encoder_keys("bert", c, context_length=94) | {"tokenizer.ggml.token_type_count": 1}
    encoder("roberta", c, {"keys": gguf_keys, "tensors": encoder_rows(BERT_NAMES, "roberta.", 2)})


def distilbert():
    c = AutoConfig.for_model("distilbert", vocab_size=VOCAB, dim=64, hidden_dim=96, n_layers=2, n_heads=4,
                             max_position_embeddings=96, num_labels=3)  # fmt: skip
    encoder("distilbert", c)


def modernbert():
    c = AutoConfig.for_model("modernbert", **(READERS | {"num_hidden_layers": 4}), local_attention=20, norm_eps=1e-5)
    more = {"rope.freq_base": 160000.0, "rope.freq_base_swa": 10000.0, "attention.sliding_window": 20,
            "classifier.output_labels": ["a", "b", "c"], "attention.sliding_window_pattern": 3}  # fmt: skip
    encoder("modernbert", c, {"keys": encoder_keys("modern-bert", c, **more), "tensors": encoder_rows(MODERN_NAMES, "model.")})


NOMIC_NAMES = {
    "embeddings.word_embeddings": "token_embd",
    "embeddings.token_type_embeddings": "token_types",
    "emb_ln": "token_embd_norm",
    "attn.Wqkv": "attn_qkv",
    "attn.out_proj": "attn_output",
    "norm1": "attn_output_norm",
    "mlp.fc11": "ffn_up",
    "mlp.fc12": "ffn_gate",
    "mlp.fc2": "ffn_down",
    "norm2": "layer_output_norm",
}


def nomic_bert():
    c = AutoConfig.for_model("nomic_bert", **READERS, layer_norm_eps=1e-5)
    gguf_keys = encoder_keys("nomic-bert", c, **{"rope.freq_base": 1000.0}) | {"tokenizer.ggml.token_type_count": 2}
    encoder("nomic-bert", c, {"keys": gguf_keys, "tensors": encoder_rows(NOMIC_NAMES, "nomic_bert.")})


FAMILIES = [
    llama_linear, llama_dynamic, qwen3_yarn, gemma2, gemma3, phi3, phi3_longrope, smollm3, olmo2, granite, granitemoe,
    qwen3moe, mobilellm, lfm2, mamba2, granitehybrid, falcon_h1, rwkv7, bert, roberta, distilbert, modernbert, nomic_bert,
]  # fmt: skip

if __name__ == "__main__":
    for family in FAMILIES:
        if len(sys.argv) == 1 or family.__name__ in sys.argv[1:]:
            family()
