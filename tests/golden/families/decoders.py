"""Decoders of causal attention: names, keys, and the model of each family."""

import tempfile
from pathlib import Path

import torch
from reference import IDS, VOCAB, causal, plain, rounded, tensors, values, write
from safetensors.numpy import save_file
from transformers import AutoConfig, AutoModelForCausalLM

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
