"""Writes small Hugging Face folders of each declaration, and what a plain numpy forward pass in f64 says of them.

    pip install -r tests/golden/hf/requirements.txt
    python tests/golden/hf/make.py
"""

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

HERE = Path(__file__).parent
IDS = [5, 17, 200, 33, 8, 120, 64, 77, 250, 3, 90, 141, 28, 199, 66, 12]
TEXTS = [
    "Hello world, this is 1234 tokens!",
    "  two  spaces\n\n\tand a tab",
    "naïve café — 漢字 and emoji 🙂",
    "don't I'LL we've",
    "<|im_start|>user\nhi<|im_end|>",
]
CORPUS = [
    "the model reads the text and the text reads the model",
    "hello world hello there this is a small world of tokens and merges",
    "numbers 12 123 1234 and words don't we've I'll it's",
    "spaces  and\ttabs\nand new lines and more words of the same kind",
]
QWEN2 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
LLAMA3 = QWEN2.replace(r"\p{N}| ?", r"\p{N}{1,3}| ?")
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
LLAMA3_ROPE = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}


def tokenizer(split, bos):
    t = Tokenizer(models.BPE(ignore_merges=split == LLAMA3))
    if split is None:
        t.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
        )
    else:
        t.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(split), "isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        )
    t.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    t.train_from_iterator(CORPUS, trainer)
    if bos:
        t.post_processor = processors.TemplateProcessing(
            single="<|endoftext|> $A", special_tokens=[("<|endoftext|>", 0)]
        )
    return t


def frequencies(c):
    n = c["head_dim"]
    f = c["rope_theta"] ** (-np.arange(0, n, 2) / n)
    rope = c.get("rope_scaling")
    if not rope:
        return f
    # The published rule of Llama 3.1: long waves are stretched, short ones left, those between blended.
    wave = 2 * np.pi / f
    low = rope["original_max_position_embeddings"] / rope["low_freq_factor"]
    high = rope["original_max_position_embeddings"] / rope["high_freq_factor"]
    smooth = (rope["original_max_position_embeddings"] / wave - rope["low_freq_factor"]) / (
        rope["high_freq_factor"] - rope["low_freq_factor"]
    )
    blended = (1 - smooth) * f / rope["factor"] + smooth * f
    return np.where(wave < high, f, np.where(wave > low, f / rope["factor"], blended))


def norm(x, w, eps):
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + eps) * w


def forward(c, w, ids):
    """Logits [tokens, vocab] in f64."""
    heads, kv, hd, eps = c["num_attention_heads"], c["num_key_value_heads"], c["head_dim"], c["rms_norm_eps"]
    w = {k: v.astype(np.float64) for k, v in w.items()}
    x = w["model.embed_tokens.weight"][ids]
    n = len(ids)
    angle = np.arange(n)[:, None] * frequencies(c)[None]
    cos, sin = np.cos(angle)[:, None], np.sin(angle)[:, None]

    def turn(v):
        a, b = v[..., : hd // 2], v[..., hd // 2 :]
        return np.concatenate([a * cos - b * sin, b * cos + a * sin], -1)

    for i in range(c["num_hidden_layers"]):
        at = lambda name: w[f"model.layers.{i}.{name}.weight"]
        bias = lambda name: w.get(f"model.layers.{i}.{name}.bias", 0)
        h = norm(x, at("input_layernorm"), eps)
        q, k, v = (h @ at(f"self_attn.{p}_proj").T + bias(f"self_attn.{p}_proj") for p in "qkv")
        q, k, v = q.reshape(n, heads, hd), k.reshape(n, kv, hd), v.reshape(n, kv, hd)
        if f"model.layers.{i}.self_attn.q_norm.weight" in w:
            q, k = norm(q, at("self_attn.q_norm"), eps), norm(k, at("self_attn.k_norm"), eps)
        q, k = turn(q), turn(k)
        k, v = (np.repeat(t, heads // kv, axis=1) for t in (k, v))
        s = np.einsum("thd,shd->hts", q, k) / np.sqrt(hd)
        s = np.where(np.tril(np.ones((n, n), bool)), s, -np.inf)
        s = np.exp(s - s.max(-1, keepdims=True))
        mixed = np.einsum("hts,shd->thd", s / s.sum(-1, keepdims=True), v).reshape(n, -1)
        x = x + mixed @ at("self_attn.o_proj").T
        h = norm(x, at("post_attention_layernorm"), eps)
        gate = h @ at("mlp.gate_proj").T
        x = x + (gate / (1 + np.exp(-gate)) * (h @ at("mlp.up_proj").T)) @ at("mlp.down_proj").T
    head = w.get("lm_head.weight", w["model.embed_tokens.weight"])
    return norm(x, w["model.norm.weight"], eps) @ head.T


def weights(rng, c, biases, head_norms):
    dim, hidden, hd = c["hidden_size"], c["intermediate_size"], c["head_dim"]
    q, kv = c["num_attention_heads"] * hd, c["num_key_value_heads"] * hd
    matrix = lambda rows, cols: rng.standard_normal((rows, cols)) * (1.5 / np.sqrt(cols))
    vector = lambda n, mean: mean + 0.2 * rng.standard_normal(n)
    w = {"model.embed_tokens.weight": matrix(c["vocab_size"], dim), "model.norm.weight": vector(dim, 1)}
    if not c["tie_word_embeddings"]:
        w["lm_head.weight"] = matrix(c["vocab_size"], dim)
    for i in range(c["num_hidden_layers"]):
        add = lambda name, value: w.__setitem__(f"model.layers.{i}.{name}", value)
        add("input_layernorm.weight", vector(dim, 1))
        add("post_attention_layernorm.weight", vector(dim, 1))
        for p, rows in (("q", q), ("k", kv), ("v", kv)):
            add(f"self_attn.{p}_proj.weight", matrix(rows, dim))
            if biases:
                add(f"self_attn.{p}_proj.bias", vector(rows, 0))
        if head_norms:
            add("self_attn.q_norm.weight", vector(hd, 1))
            add("self_attn.k_norm.weight", vector(hd, 1))
        add("self_attn.o_proj.weight", matrix(dim, q))
        add("mlp.gate_proj.weight", matrix(hidden, dim))
        add("mlp.up_proj.weight", matrix(hidden, dim))
        add("mlp.down_proj.weight", matrix(dim, hidden))
    return w


def rounded(w, dtype):
    """The weights as the file stores them, and the same values in f32."""
    if dtype != "bf16":
        stored = {k: v.astype({"f32": np.float32, "f16": np.float16}[dtype]) for k, v in w.items()}
        return stored, {k: v.astype(np.float32) for k, v in stored.items()}
    cut = {k: (v.astype(np.float32).view(np.uint32) + 0x8000 & 0xFFFF0000).astype(np.uint32) for k, v in w.items()}
    return {k: (v >> 16).astype(np.uint16) for k, v in cut.items()}, {k: v.view(np.float32) for k, v in cut.items()}


def write_bf16(w, path):
    """numpy has no bf16, so safetensors cannot write it: the same layout by hand."""
    header, data = {}, b""
    for name, v in w.items():
        raw = v.tobytes()
        header[name] = {"dtype": "BF16", "shape": list(v.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


def case(name, seed, dtype, split, files=1, biases=False, head_norms=False, bos=False, **config):
    folder = HERE / name
    folder.mkdir(exist_ok=True)
    t = tokenizer(split, bos)
    c = {
        "model_type": name,
        "hidden_act": "silu",
        "hidden_size": 32,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "max_position_embeddings": 512,
        "vocab_size": 304,
        "tie_word_embeddings": True,
        "eos_token_id": 2,
        **config,
    }
    stored, w = rounded(weights(np.random.default_rng(seed), c, biases, head_norms), dtype)
    parts = np.array_split(sorted(stored), files)
    paths = ["model.safetensors"] if files == 1 else [f"model-{i + 1:05}-of-{files:05}.safetensors" for i in range(files)]
    for path, names in zip(paths, parts):
        some = {str(k): stored[k] for k in names}
        write_bf16(some, folder / path) if dtype == "bf16" else save_file(some, folder / path)
    if files > 1:
        places = {str(k): path for path, names in zip(paths, parts) for k in names}
        (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": places}))
    (folder / "config.json").write_text(json.dumps(c, indent=1))
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": [2, 0]}))
    t.save(str(folder / "tokenizer.json"))
    words = {"bos_token": "<|endoftext|>", "eos_token": {"content": "<|im_end|>"}}
    if name == "llama":
        words["chat_template"] = TEMPLATE
    else:
        (folder / "chat_template.jinja").write_text(TEMPLATE)
    (folder / "tokenizer_config.json").write_text(json.dumps(words))
    logits = forward(c, w, IDS)
    log_p = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    return {
        "ids": IDS,
        "addsBos": bos,
        "logProbabilities": [float(log_p[i, IDS[i + 1]]) for i in range(len(IDS) - 1)],
        "lastLogits": [round(float(v), 6) for v in logits[-1]],
        "texts": [{"text": s, "ids": t.encode(s, add_special_tokens=False).ids} for s in TEXTS],
    }


golden = {
    "llama": case("llama", 1, "bf16", None, files=2, bos=True, rope_scaling=LLAMA3_ROPE),
    "qwen2": case("qwen2", 2, "f32", QWEN2, biases=True, tie_word_embeddings=False),
    "qwen3": case("qwen3", 3, "f16", LLAMA3, head_norms=True, head_dim=16, rope_theta=1000000.0),
}
(HERE / "golden.json").write_text(json.dumps(golden, indent=1))
