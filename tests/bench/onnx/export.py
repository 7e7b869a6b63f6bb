"""Writes a GGUF model of the llama architecture as the folder that transformers.js loads: ONNX graph, tokenizer, settings.

The graph uses the fused operators of ONNX Runtime, as the exports on model hubs do, so that the comparison is with that
engine at its best. Usage: export.py MODEL.gguf FOLDER; packages: gguf, numpy, onnx, onnxruntime.
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnx
from gguf import GGUFReader
from gguf.quants import dequantize
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic

MICROSOFT = "com.microsoft"  # the domain of ONNX Runtime's own operators
GROUP = 32  # columns that share a scale in the embedding


class Model:
    """Metadata and float32 weights of a GGUF file."""

    def __init__(self, path):
        self.reader = GGUFReader(path)
        self.weights = {
            tensor.name: dequantize(tensor.data, tensor.tensor_type)
            .astype(np.float32)
            .reshape([int(n) for n in reversed(tensor.shape)])
            for tensor in self.reader.tensors
        }
        self.layers = self.get("llama.block_count")
        self.dim = self.get("llama.embedding_length")
        self.heads = self.get("llama.attention.head_count")
        self.kv_heads = self.get("llama.attention.head_count_kv")
        self.head_dim = self.dim // self.heads
        self.epsilon = self.get("llama.attention.layer_norm_rms_epsilon")
        self.theta = self.get("llama.rope.freq_base")
        self.context = self.get("llama.context_length")
        self.embedding = self.weights["token_embd.weight"]  # [vocab, dim]
        self.head = self.weights.get("output.weight", self.embedding)

    def get(self, key):
        return self.reader.fields[key].contents()


class Graph:
    """Nodes and constants of an ONNX graph under construction."""

    def __init__(self):
        self.nodes, self.constants, self.inputs, self.outputs = [], [], [], []

    def constant(self, name, array):
        array = np.ascontiguousarray(array)
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def add(self, kind, inputs, outputs, domain="", **attributes):
        outputs = [outputs] if isinstance(outputs, str) else outputs
        name = f"node:{outputs[0]}"
        node = helper.make_node(kind, inputs, outputs, name, domain=domain, **attributes)
        self.nodes.append(node)
        return outputs[0]

    def linear(self, x, name, weight, out):
        """weight [rows, columns], as GGUF has it."""
        return self.add("MatMul", [x, self.constant(name, weight.T)], out)

    def build(self):
        graph = helper.make_graph(
            self.nodes, "llama", self.inputs, self.outputs, self.constants
        )
        opsets = [helper.make_opsetid("", 17), helper.make_opsetid(MICROSOFT, 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=9)


def embedding(graph, model):
    """Rows of the embedding, kept as int8 with a scale for every GROUP columns: they are only gathered."""
    vocab = model.embedding.shape[0]
    blocks = model.embedding.reshape(vocab, -1, GROUP)
    scales = np.abs(blocks).max(-1, keepdims=True) / 127
    scales[scales == 0] = 1
    quants = np.rint(blocks / scales).astype(np.int8)
    rows = graph.add("Gather", [graph.constant("embedding.q", quants), "input_ids"], "e.q")
    rows = graph.add("Cast", [rows], "e.f", to=TensorProto.FLOAT)
    scale = graph.constant("embedding.scale", scales.astype(np.float32))
    scale = graph.add("Gather", [scale, "input_ids"], "e.s")
    rows = graph.add("Mul", [rows, scale], "e.scaled")
    shape = graph.constant("e.shape", np.array([0, 0, model.dim], np.int64))
    return graph.add("Reshape", [rows, shape], "e")


def lengths(graph):
    """What GroupQueryAttention wants to know of the mask: last valid position and total length."""
    axis = graph.constant("axis", np.array([1], np.int64))
    one = graph.constant("one", np.array(1, np.int64))
    count = graph.add("ReduceSum", ["attention_mask", axis], "valid", keepdims=0)
    last = graph.add("Sub", [count, one], "last64")
    last = graph.add("Cast", [last], "last", to=TensorProto.INT32)
    shape = graph.add("Shape", ["attention_mask"], "mask.shape")
    total = graph.add("Gather", [shape, one], "total64")
    return last, graph.add("Cast", [total], "total", to=TensorProto.INT32)


def skip_norm(graph, model, residual, branch, weight, prefix):
    """RMSNorm of residual + branch; returns the normed sum and the sum itself."""
    outputs = [f"{prefix}.normed", "", "", f"{prefix}.sum"]
    inputs = [residual, branch, graph.constant(f"{prefix}.norm", weight)]
    kind = "SkipSimplifiedLayerNormalization"
    graph.add(kind, inputs, outputs, MICROSOFT, epsilon=model.epsilon)
    return outputs[0], outputs[3]


def attention(graph, model, x, layer, last, total):
    of = lambda name: model.weights[f"blk.{layer}.{name}.weight"]
    prefix = f"layer{layer}"
    weight = np.concatenate([of("attn_q"), of("attn_k"), of("attn_v")])
    qkv = graph.linear(x, f"{prefix}.wqkv", weight, f"{prefix}.qkv")
    past = [f"past_key_values.{layer}.{part}" for part in ("key", "value")]
    present = [f"present.{layer}.{part}" for part in ("key", "value")]
    out = graph.add(
        "GroupQueryAttention",
        [qkv, "", "", *past, last, total, "cos", "sin"],
        [f"{prefix}.attended", *present],
        MICROSOFT,
        num_heads=model.heads,
        kv_num_heads=model.kv_heads,
        do_rotary=1,
        rotary_interleaved=1,  # GGUF keeps the rotated pairs side by side
    )
    for names, side, length in (
        (past, graph.inputs, "past_sequence_length"),
        (present, graph.outputs, "total_sequence_length"),
    ):
        shape = ["batch_size", model.kv_heads, length, model.head_dim]
        for name in names:
            side.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
    return graph.linear(out, f"{prefix}.wo", of("attn_output"), f"{prefix}.o")


def feed_forward(graph, model, x, layer):
    of = lambda name: model.weights[f"blk.{layer}.{name}.weight"]
    prefix = f"layer{layer}"
    gate = graph.linear(x, f"{prefix}.wgate", of("ffn_gate"), f"{prefix}.gate")
    up = graph.linear(x, f"{prefix}.wup", of("ffn_up"), f"{prefix}.up")
    sigmoid = graph.add("Sigmoid", [gate], f"{prefix}.sigmoid")
    silu = graph.add("Mul", [gate, sigmoid], f"{prefix}.silu")
    hidden = graph.add("Mul", [silu, up], f"{prefix}.hidden")
    return graph.linear(hidden, f"{prefix}.wdown", of("ffn_down"), f"{prefix}.down")


def forward(model):
    graph = Graph()
    vocab = model.embedding.shape[0]
    for name, length in (
        ("input_ids", "sequence_length"),
        ("attention_mask", "total_sequence_length"),
    ):
        info = helper.make_tensor_value_info(name, TensorProto.INT64, ["batch_size", length])
        graph.inputs.append(info)
    shape = ["batch_size", "sequence_length", vocab]
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, shape)
    graph.outputs.append(logits)

    exponents = -np.arange(0, model.head_dim, 2) / model.head_dim
    angles = np.outer(np.arange(model.context), model.theta**exponents)
    graph.constant("cos", np.cos(angles).astype(np.float32))
    graph.constant("sin", np.sin(angles).astype(np.float32))

    residual = embedding(graph, model)
    last, total = lengths(graph)
    first = graph.constant("first.norm", model.weights["blk.0.attn_norm.weight"])
    x = graph.add(
        "SimplifiedLayerNormalization",
        [residual, first],
        "first.normed",
        axis=-1,
        epsilon=model.epsilon,
        stash_type=1,
    )
    for layer in range(model.layers):
        branch = attention(graph, model, x, layer, last, total)
        norm = model.weights[f"blk.{layer}.ffn_norm.weight"]
        x, residual = skip_norm(graph, model, residual, branch, norm, f"layer{layer}.a")
        branch = feed_forward(graph, model, x, layer)
        following = f"blk.{layer + 1}.attn_norm.weight"
        norm = model.weights.get(following, model.weights["output_norm.weight"])
        x, residual = skip_norm(graph, model, residual, branch, norm, f"layer{layer}.f")
    graph.linear(x, "head", model.head, "logits")
    return graph.build()


def tokenizer(model):
    """tokenizer.json: byte-level BPE whose digits stand alone."""
    tokens = model.get("tokenizer.ggml.tokens")
    types = model.get("tokenizer.ggml.token_type")
    plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    added = [
        {"id": at, "content": token, "special": True, **plain}
        for at, (token, kind) in enumerate(zip(tokens, types))
        if kind in (3, 4)  # control, user defined
    ]
    bytes_ = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    digits = {"type": "Digits", "individual_digits": True}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [digits, bytes_]},
        "post_processor": None,
        "decoder": bytes_,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "vocab": {token: at for at, token in enumerate(tokens)},
            "merges": model.get("tokenizer.ggml.merges"),
        },
    }


def settings(model):
    tokens = model.get("tokenizer.ggml.tokens")
    bos = model.get("tokenizer.ggml.bos_token_id")
    eos = model.get("tokenizer.ggml.eos_token_id")
    ends = {"bos_token_id": bos, "eos_token_id": eos}
    return {
        "tokenizer.json": tokenizer(model),
        "tokenizer_config.json": {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": tokens[bos],
            "eos_token": tokens[eos],
            "pad_token": tokens[eos],
            "clean_up_tokenization_spaces": False,
            "model_max_length": model.context,
        },
        "generation_config.json": ends,
        "config.json": {
            "model_type": "llama",
            "architectures": ["LlamaForCausalLM"],
            "hidden_size": model.dim,
            "num_hidden_layers": model.layers,
            "num_attention_heads": model.heads,
            "num_key_value_heads": model.kv_heads,
            "head_dim": model.head_dim,
            "vocab_size": model.embedding.shape[0],
            "intermediate_size": model.weights["blk.0.ffn_up.weight"].shape[0],
            "max_position_embeddings": model.context,
            "rope_theta": model.theta,
            "rms_norm_eps": model.epsilon,
            "tie_word_embeddings": True,
            **ends,
        },
    }


def main(source, folder):
    folder = Path(folder)
    (folder / "onnx").mkdir(parents=True, exist_ok=True)
    model = Model(source)
    full = folder / "onnx/model.onnx"
    onnx.save(forward(model), full)
    # int8 weights and activations: the default of transformers.js for WebAssembly, and its fastest there.
    quantize_dynamic(
        full,
        folder / "onnx/model_quantized.onnx",
        op_types_to_quantize=["MatMul"],
        per_channel=True,
        weight_type=QuantType.QInt8,
        extra_options={"MatMulConstBOnly": True, "DefaultTensorType": TensorProto.FLOAT},
    )
    full.unlink()
    for name, content in settings(model).items():
        text = json.dumps(content, ensure_ascii=False)
        (folder / name).write_text(text, encoding="utf-8")


main(*sys.argv[1:3])
