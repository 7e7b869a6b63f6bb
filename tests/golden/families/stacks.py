"""Models of two stacks: an encoder, and a decoder that attends to what it made of its text; and the encoder alone."""

import torch
from reference import VOCAB, loaded, plain, rounded, tensors, write
from transformers import AutoConfig, AutoModelForSeq2SeqLM, T5EncoderModel

# Longer than the furthest distance that buckets tell apart, and than a block of the cache.
READ = [(i * 37 + i * i * 5 + 11) % 299 + 1 for i in range(150)]
WRITTEN = [0] + [(i * 53 + i * i * 7 + 3) % 300 for i in range(149)]

# The names and keys below are those that llama.cpp's convert_hf_to_gguf.py writes.
NAMES = {
    "shared": "token_embd",
    "lm_head": "output",
    "encoder.final_layer_norm": "enc.output_norm",
    "decoder.final_layer_norm": "dec.output_norm",
}
FEEDS = {"wi": "ffn_up", "wi_0": "ffn_gate", "wi_1": "ffn_up", "wo": "ffn_down"}


def gguf_name(name):
    """A folder's name without its end → that of GGUF."""
    if name in NAMES:
        return NAMES[name]
    stack, _, block, _, step, *rest = name.split(".")
    last = {"encoder": "1", "decoder": "2"}[stack] == step
    place = "ffn_" if last else "cross_attn_" if step == "1" else "attn_"
    if rest == ["layer_norm"]:
        end = place + "norm"
    elif last:
        end = FEEDS[rest[1]]
    else:
        end = place + {"relative_attention_bias": "rel_b"}.get(rest[1], rest[1])
    return f"{stack[:3]}.blk.{block}.{end}"


def recipe(arch, c, rows):
    keys = {
        "vocab_size": VOCAB,
        "context_length": c.n_positions,
        "embedding_length": c.d_model,
        "feed_forward_length": c.d_ff,
        "block_count": c.num_layers,
        "attention.head_count": c.num_heads,
        "attention.key_length": c.d_kv,
        "attention.value_length": c.d_kv,
        "attention.layer_norm_epsilon": c.layer_norm_epsilon,
        "attention.relative_buckets_count": c.relative_attention_num_buckets,
        "attention.layer_norm_rms_epsilon": c.layer_norm_epsilon,
    }
    if arch == "t5":
        keys |= {"decoder_block_count": c.num_decoder_layers, "decoder_start_token_id": 0}
    names = [row[0].rsplit(".", 1) for row in rows]
    return {
        "keys": {"general.architecture": arch} | {f"{arch}.{k}": v for k, v in keys.items()},
        "tensors": [[f"{gguf_name(stem)}.{end}", f"{stem}.{end}"] for stem, end in names],
    }


def config(model_type, **more):
    base = dict(vocab_size=VOCAB, d_model=64, d_ff=96, num_layers=2, n_positions=256, num_heads=4, d_kv=24,
                decoder_start_token_id=0, relative_attention_num_buckets=32, is_encoder_decoder=True)  # fmt: skip
    return AutoConfig.for_model(model_type, **(base | more))


def shared_rows(model, c):
    """Queries and biases are so small that a key's last bit in f16 changes little, as nothing scales scores."""
    spreads = {"Attention.q.weight": round(0.6 / c.d_model**0.5 / c.d_kv**0.5, 4), "relative_attention_bias.weight": 0.6}

    def special(name, _):
        return next(((0.0, spread) for end, spread in spreads.items() if name.endswith(end)), None)

    return tensors(model, 1.0, special)


def public(c, tied):
    """As public folders have it: the setting says whether the head is the embedding, and nothing stands beside it."""
    c = plain(c)
    c.pop("scale_decoder_outputs", None)
    return c | {"tie_word_embeddings": tied}


def both(name, c, tied):
    torch.manual_seed(0)
    rows = shared_rows(AutoModelForSeq2SeqLM.from_config(c), c)
    if not tied and not any(row[0] == "lm_head.weight" for row in rows):
        rows.append(["lm_head.weight", [VOCAB, c.d_model], 0.0, 0.3])
        rows.sort()
    model = loaded(AutoModelForSeq2SeqLM, c, rows)
    own = model.lm_head.weight.data_ptr() != model.shared.weight.data_ptr()
    assert own != tied, "the head"
    # Some of these classes take the setting of public folders for the tying of weights alone, and scale whatever it says.
    if hasattr(c, "scale_decoder_outputs"):
        assert model.config.scale_decoder_outputs == tied
    else:
        model.config.tie_word_embeddings = tied
    with torch.no_grad():
        read = model.encoder(torch.tensor([READ])).last_hidden_state
        out = model(encoder_outputs=(read,), decoder_input_ids=torch.tensor([WRITTEN]), use_cache=False)
    logits = out.logits[0].double()
    log_p = torch.log_softmax(logits, -1)
    ids = READ + WRITTEN
    golden = {
        "config": public(c, tied),
        "tensors": rows,
        "ids": ids,
        "read": len(READ),
        # Nothing is expected of what is read.
        "logProbabilities": [0.0] * len(READ) + rounded(log_p[i, WRITTEN[i + 1]] for i in range(len(WRITTEN) - 1)),
        "firstLogits": rounded(logits[0]),
        "lastLogits": rounded(logits[-1]),
        "mean": rounded(read[0].mean(0)),
        "first": rounded(read[0, 0]),
        "gguf": recipe("t5", c, rows),
    }
    write(name, golden)


def t5():
    both("t5", config("t5", num_decoder_layers=3), True)


def t5_gated():
    both("t5-gated", config("t5", num_heads=6, d_kv=16, feed_forward_proj="gated-gelu", tie_word_embeddings=False), False)


def umt5():
    both("umt5", config("umt5", feed_forward_proj="gated-gelu", tie_word_embeddings=False), False)


def t5_encoder():
    c = config("t5", feed_forward_proj="gated-gelu")
    rows = shared_rows(T5EncoderModel(c), c)
    with torch.no_grad():
        read = loaded(T5EncoderModel, c, rows)(torch.tensor([READ])).last_hidden_state[0]
    golden = {
        "config": plain(c) | {"architectures": ["T5EncoderModel"]},
        "tensors": rows,
        "ids": READ,
        "mean": rounded(read.mean(0)),
        "first": rounded(read[0]),
        "gguf": recipe("t5encoder", c, rows),
    }
    write("t5-encoder", golden)
