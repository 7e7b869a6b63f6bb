"""Reads GGUF files with the `gguf` package, the reader that llama.cpp ships, and dequantises every tensor of them.

    python tests/golden/hf/read_gguf.py FILE...

Fails on what that package cannot read, and on values that are not finite.
"""

import sys

import numpy as np
from gguf import GGUFReader, quants

for path in sys.argv[1:]:
    reader = GGUFReader(path)
    formats = {}
    for tensor in reader.tensors:
        values = quants.dequantize(tensor.data, tensor.tensor_type)
        assert values.size == tensor.n_elements, f"{path}: {tensor.name} has {values.size} values"
        assert np.isfinite(values).all(), f"{path}: {tensor.name} is not finite"
        formats[tensor.tensor_type.name] = formats.get(tensor.tensor_type.name, 0) + 1
    keys = [name for name in reader.fields if not name.startswith("GGUF.")]
    print(f"{path}: {len(keys)} keys, {len(reader.tensors)} tensors, {formats}")
