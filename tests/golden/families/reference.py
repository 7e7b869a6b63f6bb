"""The reference: a model of `transformers` with weights that follow from the names of its tensors, and attention over keys
and values in f16."""

import json
import tempfile
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.numpy import save_file
from transformers import AttentionInterface, AttentionMaskInterface, AutoModelForCausalLM
from transformers.masking_utils import eager_mask

HERE = Path(__file__).parent
VOCAB = 304
IDS = [(i * 37 + i * i * 5 + 11) % 300 for i in range(80)]


def half_cache(module, q, k, v, mask, scaling=None, softcap=None, position_bias=None, **_):
    """Attention over keys and values in f16, as the engine's cache keeps them, and all else in f64."""
    group = q.shape[1] // k.shape[1]
    k, v = (t.float().half().double().repeat_interleave(group, 1) for t in (k, v))
    scores = q @ k.transpose(2, 3) * (q.shape[-1] ** -0.5 if scaling is None else scaling)
    if position_bias is not None:
        scores = scores + position_bias
    if softcap:
        scores = torch.tanh(scores / softcap) * softcap
    if mask is not None:
        scores = scores + mask[..., : k.shape[-2]]
    p = torch.softmax(scores, -1)
    return (p @ v).transpose(1, 2).contiguous(), p


AttentionInterface.register("half_cache", half_cache)
AttentionMaskInterface.register("half_cache", eager_mask)


def noise(name, n):
    """n values in [-1, 1), by splitmix64 from FNV-1a of the name."""
    seed = 0xCBF29CE484222325
    for b in name.encode():
        seed = (seed ^ b) * 0x100000001B3 % 2**64
    with np.errstate(over="ignore"):
        z = np.uint64(seed) + np.arange(1, n + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    return (z >> np.uint64(40)).astype(np.float32) / np.float32(8388608) - np.float32(1)


def distribution(name, shape, norm_mean):
    """Mean and spread: norms near what leaves things as they are, matrices so that sizes are kept."""
    if name.endswith("A_log"):
        return 0.5, 0.8
    if name.endswith(("mixer.D", "mamba.D")):
        return 1.0, 0.3
    if name.endswith("dt_bias"):
        return -1.0, 1.0
    if len(shape) == 1:
        return (norm_mean, 0.3) if "norm" in name.lower() and name.endswith("weight") else (0.0, 0.3)
    return 0.0, float(np.float32(round(2.4 / shape[-1] ** 0.5, 4)))


def tensors(model, norm_mean, special=lambda name, shape: None):
    """Names and shapes as the folder's file has them, each with its distribution."""
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        with safe_open(Path(folder) / "model.safetensors", "np") as file:
            shapes = {name: file.get_slice(name).get_shape() for name in file.keys()}
    return [
        [name, shape, *(special(name, shape) or distribution(name, shape, norm_mean))]
        for name, shape in sorted(shapes.items())
    ]


def values(rows):
    f = np.float32
    return {n: noise(n, int(np.prod(s))).reshape(s) * f(spread) + f(mean) for n, s, mean, spread in rows}


def loaded(auto, config, rows):
    """The model with those weights, in f64."""
    with tempfile.TemporaryDirectory() as folder:
        save_file(values(rows), Path(folder) / "model.safetensors", {"format": "pt"})
        config.save_pretrained(folder)
        model, report = auto.from_pretrained(
            folder,
            dtype=torch.float32,
            attn_implementation="half_cache",
            experts_implementation="eager",
            output_loading_info=True,
        )
        assert not report["missing_keys"] and not report["unexpected_keys"], report
    return model.double().eval()


def plain(config):
    """The configuration as a folder's config.json has it."""
    with tempfile.TemporaryDirectory() as folder:
        config.save_pretrained(folder)
        c = json.loads((Path(folder) / "config.json").read_text())
    if "time_step_limit" in c:
        c["time_step_limit"] = [0.0, None]
    for key in ["transformers_version", "architectures", "dtype", "use_cache", "initializer_range"]:
        c.pop(key, None)
    return c


def rounded(x):
    return [round(float(v), 6) for v in x]


def write(name, golden):
    text = json.dumps(golden, separators=(",", ":"))
    (HERE / f"{name}.json").write_text(text + "\n")
    print(f"{name}: {len(text)} bytes")


def causal(name, config, norm_mean=1.0, gguf=None, rename=None):
    """One decoder. `rename` changes what is written where the folder's own code is not part of `transformers`."""
    torch.manual_seed(0)
    rows = tensors(AutoModelForCausalLM.from_config(config), norm_mean)
    model = loaded(AutoModelForCausalLM, config, rows)
    with torch.no_grad():
        logits = model(torch.tensor([IDS]), use_cache=False).logits[0].double()
    log_p = torch.log_softmax(logits, -1)
    c = plain(config)
    if rename:
        c, rows = rename(c, rows)
    golden = {
        "config": c,
        "tensors": rows,
        "ids": IDS,
        "logProbabilities": rounded(log_p[i, IDS[i + 1]] for i in range(len(IDS) - 1)),
        "lastLogits": rounded(logits[-1]),
    }
    if gguf:
        golden["gguf"] = {"keys": gguf.pop("keys"), "tensors": list(gguf["tensors"](rows))}
    write(name, golden)
