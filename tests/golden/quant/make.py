"""Writes the golden vectors of every block format: reference dequantisation and reference rounding.

    pip install -r tests/golden/quant/requirements.txt
    python tests/golden/quant/make.py            # writes inputs.bin and one FORMAT.bin each, beside this file
    python tests/golden/quant/make.py --grids    # prints the tables of src/quant/grid.rs

Two independent references have to agree on every block: the numpy code of the `gguf` package and the C code of
libggml-base (from the wheel of pywhispercpp). Where `gguf` has no code for a format
the C code stands alone.

FORMAT.bin, little-endian: u32 ggml type, u32 values a block, u32 bytes a block, u32 blocks; the blocks; their values as
f32; then, for a format that can be made, the bytes of `inputs.bin` (f32, ROWS x 256) in that format.
"""

import ctypes
import importlib.metadata
import pathlib
import struct
import sys

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType as T, quants

HERE = pathlib.Path(__file__).parent
COLS = 256
# Where the f16 scales stand in a block: bytes, for content that has to have chosen scales.
SCALES = {
    T.Q4_0: [0], T.Q4_1: [0, 2], T.Q5_0: [0], T.Q5_1: [0, 2], T.Q8_0: [0],
    T.Q2_K: [80, 82], T.Q3_K: [108], T.Q4_K: [0, 2], T.Q5_K: [0, 2], T.Q6_K: [208],
    T.IQ4_NL: [0], T.IQ4_XS: [0], T.TQ1_0: [52], T.TQ2_0: [64], T.MXFP4: [], T.NVFP4: [], T.Q1_0: [0],
    T.IQ2_XXS: [0], T.IQ2_XS: [0], T.IQ2_S: [0], T.IQ3_XXS: [0], T.IQ3_S: [0],
    T.IQ1_S: [0], T.IQ1_M: [], T.F16: [0], T.BF16: [],
}
READ_ONLY = {T.IQ2_XXS, T.IQ2_XS, T.IQ2_S, T.IQ3_XXS, T.IQ3_S, T.IQ1_S, T.IQ1_M}


def load_ggml():
    """libggml-base out of the installed pywhispercpp."""
    files = importlib.metadata.files("pywhispercpp") or []
    paths = [f.locate() for f in files if "ggml-base" in f.name and "pywhispercpp.libs" in str(f)]
    lib = ctypes.CDLL(str(paths[0]))
    lib.ggml_quantize_chunk.restype = ctypes.c_size_t
    lib.ggml_quantize_chunk.argtypes = (
        [ctypes.c_int] + [ctypes.c_void_p] * 2 + [ctypes.c_int64] * 3 + [ctypes.c_void_p]
    )
    return lib


def c_dequantise(lib, t, blocks, count):
    name = {"IQ1_M": "iq1_m"}.get(t.name, t.name.lower().replace("_k", "_K"))
    row = getattr(lib, f"dequantize_row_{name}")
    row.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64]
    row.restype = None
    out = np.empty(count, np.float32)
    row(blocks.ctypes.data, out.ctypes.data, count)
    return out


def c_quantise(lib, t, rows):
    size, bytes_ = GGML_QUANT_SIZES[t]
    out = np.zeros(rows.size // size * bytes_, np.uint8)
    lib.ggml_quantize_chunk(t, rows.ctypes.data, out.ctypes.data, 0, rows.shape[0], rows.shape[1], None)
    return out


def inputs():
    """Rows of every kind of content, 256 values each."""
    rng = np.random.default_rng(20240229)
    normal = lambda scale: rng.standard_normal(COLS) * scale
    spike = np.zeros(COLS)
    spike[[3, 77, 250]] = [1.5, -0.25, 1e-3]
    groups = normal(0.05)
    groups[16:48] = 0
    groups[96:128] = 0.03
    return np.array(
        [
            normal(1.0),
            normal(0.02),
            normal(1e-3),
            normal(300.0),
            rng.uniform(-1, 1, COLS),
            normal(1.0) ** 3,
            np.abs(normal(0.1)),
            -np.abs(normal(0.1)),
            normal(0.01) + 0.5,
            np.round(normal(4.0)) / 2,
            rng.integers(-1, 2, COLS) * 0.7,
            np.zeros(COLS),
            np.full(COLS, 0.125),
            np.full(COLS, -3.0),
            spike,
            groups,
            np.repeat(10.0 ** rng.uniform(-6, 2, 16), 16) * normal(1.0),
            normal(1e-9),
            normal(1e-20),
            normal(2e4),
            normal(1e6),
        ],
        np.float32,
    )


def blocks_of(t, rng):
    """Blocks of random, extreme and subnormal content as (n, bytes)."""
    size, bytes_ = GGML_QUANT_SIZES[t]
    n = 9 * max(1, 128 // max(size, 32)) if size > 1 else 64
    out = rng.integers(0, 256, (n, bytes_), np.uint8)
    half = lambda x: np.frombuffer(np.float16(x).tobytes(), np.uint8)
    # Scales: ordinary, negative, zero, subnormal, smallest, largest.
    chosen = [0.01, 1.0, -0.37, 0.0, 3.1e-5, 6e-8, 65504.0, -0.0, 2e-3]
    for i in range(n):
        for k, at in enumerate(SCALES[t]):
            out[i, at : at + 2] = half(chosen[(i + 4 * k) % len(chosen)])
        if t == T.IQ1_M:
            bits = int(np.float16(chosen[i % len(chosen)]).view(np.uint16))
            for word in range(4):
                low = int(out[i, 49 + 2 * word]) & 0x0F
                out[i, 49 + 2 * word] = low | ((bits >> (4 * word)) & 15) << 4
    # Every quant lowest, and every quant highest, under an ordinary scale.
    for i, fill in ((0, 0), (1, 255)):
        keep = np.zeros(bytes_, bool)
        for at in SCALES[t]:
            keep[at : at + 2] = True
        out[i, ~keep] = fill if t != T.IQ1_M and size > 1 else out[i, ~keep]
    return out


def same(a, b):
    """Equal bits, or both NaN."""
    return ((a.view(np.uint32) == b.view(np.uint32)) | (np.isnan(a) & np.isnan(b))).all()


def write_format(lib, t, rows):
    size, bytes_ = GGML_QUANT_SIZES[t]
    blocks = blocks_of(t, np.random.default_rng(int(t) + 1))
    if t in (T.F16, T.BF16):
        values = quants.dequantize(blocks.copy(), t).ravel()
    else:
        values = c_dequantise(lib, t, blocks, len(blocks) * size)
    try:
        numpy_values = quants.dequantize(blocks.copy(), t).astype(np.float32).ravel()
    except NotImplementedError:
        numpy_values = values
    assert same(values, numpy_values), f"{t.name}: references disagree"
    data = struct.pack("<4I", t, size, bytes_, len(blocks)) + blocks.tobytes() + values.tobytes()
    if t not in READ_ONLY:
        made = c_quantise(lib, t, rows)
        try:
            numpy_made = quants.quantize(rows, t).view(np.uint8).ravel()
        except NotImplementedError:
            numpy_made = made
        differ = (made != numpy_made).reshape(rows.shape[0], -1).any(axis=1)
        assert not differ.any(), f"{t.name}: references make different bytes of rows {np.flatnonzero(differ)}"
        data += made.tobytes()
    path = HERE / f"{t.name.lower()}.bin"
    path.write_bytes(data)
    print(f"{path.name}: {len(blocks)} blocks, {len(data)} bytes")


def print_grids():
    tables = [
        ("IQ2_XXS", quants.IQ2_XXS, 2), ("IQ2_XS", quants.IQ2_XS, 2), ("IQ2_S", quants.IQ2_S, 2),
        ("IQ3_XXS", quants.IQ3_XXS, 3), ("IQ3_S", quants.IQ3_S, 3), ("IQ1", quants.IQ1_S, 2),
    ]
    for name, quant, bits in tables:
        quant.init_grid()
        code = {value: i for i, value in enumerate(quant.grid_map)}
        rows = quant.grid.reshape(quant.grid_shape)
        packed = [sum(code[int(v)] << (bits * k) for k, v in enumerate(row)) for row in rows]
        print(f"{name} {len(packed)}:", *packed, sep=", ")


def main():
    if "--grids" in sys.argv:
        return print_grids()
    lib = load_ggml()
    rows = inputs()
    (HERE / "inputs.bin").write_bytes(rows.tobytes())
    with np.errstate(all="ignore"):
        for t in SCALES:
            write_format(lib, t, rows)


if __name__ == "__main__":
    main()
