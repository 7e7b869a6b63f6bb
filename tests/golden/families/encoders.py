"""Models that read texts."""

import torch
from reference import IDS, VOCAB, loaded, plain, rounded, tensors, write
from transformers import AutoConfig, AutoModelForMaskedLM, AutoModelForSequenceClassification

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
            inner = parts[numbers[0] + 1 :] if numbers else parts
            place = [part for part in inner if part.isdigit()]
            to = names.get(".".join("{}" if part.isdigit() else part for part in inner))
            if to is None:
                continue
            to = to.format(*place)
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


MOBILE_NAMES = BERT_NAMES | {
    "embeddings.embedding_transformation": "token_embd_proj",
    "bottleneck.input.dense": "narrow",
    "bottleneck.input.LayerNorm": "narrow_norm",
    "bottleneck.attention.dense": "attn_narrow",
    "bottleneck.attention.LayerNorm": "attn_narrow_norm",
    "ffn.{}.intermediate.dense": "ffn_up.{}",
    "ffn.{}.output.dense": "ffn_down.{}",
    "ffn.{}.output.LayerNorm": "layer_output_norm.{}",
    "output.bottleneck.dense": "widen",
    "output.bottleneck.LayerNorm": "widen_norm",
}


def mobilebert():
    c = AutoConfig.for_model("mobilebert", **READERS, embedding_size=32, intra_bottleneck_size=32, layer_norm_eps=1e-5,
                             num_feedforward_networks=3)  # fmt: skip
    more = {"bottleneck_length": 32, "attention.key_length": 8, "feed_forward_count": 3, "token_embedding_length": 32,
            "token_embedding_count": 3, "classifier.output_labels": ["a", "b", "c"]}  # fmt: skip
    gguf_keys = encoder_keys("mobilebert", c, **more) | {"tokenizer.ggml.token_type_count": 2}
    encoder("mobilebert", c, {"keys": gguf_keys, "tensors": encoder_rows(MOBILE_NAMES, "mobilebert.")})


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
