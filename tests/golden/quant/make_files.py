"""Writes small GGUF files: mini.gguf in f16, and the same model in several mixtures as `gguf` and libggml make them.

    pip install -r tests/golden/quant/requirements.txt
    python tests/golden/quant/make_files.py

The formats of each mixture are written out here by hand from the rules of llama.cpp's `llama-quant.cpp`.
"""

import numpy as np
from gguf import GGUFReader, GGUFWriter, GGMLQuantizationType as T, quants

from make import HERE, c_quantise, load_ggml

LAYERS = 8
ROWS, COLS, ODD_COLS = 2, 256, 96
F16 = 1


def model(rng):
    """Name and values of each tensor."""
    matrix = lambda rows, cols: (rng.standard_normal((rows, cols)) * 0.05).astype(np.float32)
    yield "token_embd.weight", matrix(5, COLS)
    for layer in range(LAYERS):
        yield f"blk.{layer}.attn_norm.weight", np.ones(COLS, np.float32)
        yield f"blk.{layer}.attn_q.weight", matrix(ROWS, COLS)
        yield f"blk.{layer}.attn_v.weight", matrix(ROWS, COLS)
        yield f"blk.{layer}.attn_output.weight", matrix(ROWS, COLS)
        yield f"blk.{layer}.ffn_up.weight", matrix(ROWS, ODD_COLS)
        yield f"blk.{layer}.ffn_down.weight", matrix(ROWS, COLS)
    yield "blk.0.odd.weight", matrix(3, 40)
    yield "output_norm.weight", np.ones(COLS, np.float32)


def by_layer(*names):
    return [T[name] for name in names]


# token_embd (tied to the output), attn_v and ffn_down by layer, attn_output, attn_q, ffn_up (96 columns: fallback).
Q4, Q5, Q6 = "Q4_K", "Q5_K", "Q6_K"
MIXTURES = {
    "q4_k_m": (15, T.Q6_K, by_layer(Q6, Q4, Q4, Q6, Q4, Q4, Q6, Q6), by_layer(Q6, Q4, Q4, Q6, Q4, Q4, Q6, Q6), T.Q4_K, T.Q4_K, T.Q5_0),
    "q4_k_s": (14, T.Q6_K, by_layer(*[Q5] * 4, *[Q4] * 4), by_layer(Q5, *[Q4] * 7), T.Q4_K, T.Q4_K, T.Q5_0),
    "q3_k_m": (12, T.Q6_K, by_layer(Q5, Q5, *[Q4] * 6), by_layer(*[Q4] * 8), T.Q4_K, T.Q3_K, T.Q4_0),
    "q4_0": (2, T.Q6_K, [T.Q4_0] * 8, [T.Q4_0] * 8, T.Q4_0, T.Q4_0, T.Q4_0),
}


def format_of(name, mixture):
    _, embedding, attn_v, ffn_down, attn_output, attn_q, ffn_up = mixture
    if "norm" in name:
        return T.F32
    if name == "token_embd.weight":
        return embedding
    if "odd" in name:
        return T.F16  # 40 columns: no blocks of 32 fit
    layer = int(name.split(".")[1])
    formats = {
        "attn_v": attn_v[layer],
        "ffn_down": ffn_down[layer],
        "attn_output": attn_output,
        "attn_q": attn_q,
        "ffn_up": ffn_up,
    }
    return formats[name.split(".")[2]]


def keys(writer, file_type):
    writer.add_name("mini")
    writer.add_file_type(file_type)
    writer.add_uint32("mini.attention.head_count", 9)
    writer.add_uint32("mini.attention.head_count_kv", 3)
    writer.add_array("tokenizer.ggml.tokens", ["a", "é", "<|end|>"])
    writer.add_float32("mini.rope.freq_base", 1e5)


def write(path, file_type, tensors, quantised):
    writer = GGUFWriter(path, "mini")
    keys(writer, file_type)
    if quantised:
        writer.add_quantization_version(2)
    for name, values, raw_type in tensors:
        writer.add_tensor(name, values, raw_dtype=raw_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    print(f"{path.name}: {path.stat().st_size} bytes")


def main():
    lib = load_ggml()
    half = lambda name, x: x if x.ndim == 1 else x.astype(np.float16)
    tensors = [(name, half(name, x)) for name, x in model(np.random.default_rng(7))]
    write(HERE / "mini.gguf", F16, [(name, x, None) for name, x in tensors], False)
    for mixture_name, mixture in MIXTURES.items():
        out = []
        for name, x in tensors:
            t = format_of(name, mixture)
            if t in (T.F32, T.F16):
                out.append((name, x, None))
                continue
            x = x.astype(np.float32)
            raw = c_quantise(lib, t, x)
            out.append((name, raw.reshape(x.shape[0], -1), t))
        path = HERE / f"mini.{mixture_name}.gguf"
        write(path, mixture[0], out, True)
        for tensor in GGUFReader(path).tensors:  # the reader of the same package agrees on what was written
            assert tensor.tensor_type == format_of(tensor.name, mixture), tensor.name
            quants.dequantize(tensor.data, tensor.tensor_type)


main()
