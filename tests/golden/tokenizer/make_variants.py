"""Writes variants.json: what the `tokenizers` package makes of texts.jsonl with small vocabularies and many settings.

    pip install tokenizers==0.23.3
    python tests/golden/tokenizer/make_variants.py

Trains bpe.json (byte-level) and fallback.json (BPE with byte tokens, as the SentencePiece models have it), and takes
unigram.json and wordpiece.json as make_families.py wrote them. A variant is one of these with some top-level keys
replaced; the test replaces the same keys. Ids are hashed as make_families.py hashes them: with special tokens parsed,
and as plain text. The texts are those of texts.jsonl, each also with an added token put into it (`mixed`).
"""

import json
from pathlib import Path

from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from make import CL100K, GPT2, WORDS
from make_families import BLOCK, HERE, PROSE, blocks, corpus, plain

DIGITS = {"type": "Digits", "individual_digits": False}
BYTES = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
SPELL = {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}


def added(first, special=()):
    """Tokens of every kind, from the id `first` on: name → flags."""
    kinds = {
        "[left]": {"lstrip": True},
        "[right]": {"rstrip": True},
        "[both]": {"lstrip": True, "rstrip": True},
        "[whole]": {"single_word": True},
        "whole": {"single_word": True, "lstrip": True},
        "[late Éx]": {"normalized": True},
        "[late left]": {"normalized": True, "lstrip": True},
        "[late whole]": {"normalized": True, "single_word": True},
        "<end>": {"rstrip": True, "special": True},
        "<mask>": {"lstrip": True, "special": True},
        "<one>": {"single_word": True, "special": True},
    }
    plain_token = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": False}
    rows = [{"id": i, "content": t} | plain_token | {"special": True} for t, i in special]
    return rows + [{"id": first + i, "content": t} | plain_token | kind for i, (t, kind) in enumerate(kinds.items())]


def metaspace(scheme, split):
    return {"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": split}


def split(pattern):
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}


def sequence(*steps, of="pretokenizers"):
    return {"type": "Sequence", of: list(steps)}


def punctuation(behavior):
    return {"type": "Punctuation", "behavior": behavior}


NFC_LOWER = sequence({"type": "NFC"}, {"type": "Lowercase"}, of="normalizers")
PREPEND = sequence({"type": "Prepend", "prepend": "▁"}, SPELL, of="normalizers")
# Name → base, replaced keys.
VARIANTS = {
    "traits": ("bpe", {"normalizer": None, "pre_tokenizer": BYTES}),
    "traits, rewritten": ("bpe", {"normalizer": NFC_LOWER, "pre_tokenizer": BYTES}),
    "space before": ("bpe", {"pre_tokenizer": BYTES | {"add_prefix_space": True}}),
    "falcon": (
        "bpe",
        {"pre_tokenizer": sequence(punctuation("Contiguous"), BYTES, DIGITS, split("[0-9][0-9][0-9]"))},
    ),
    "behind bytes": (
        "bpe",
        {"pre_tokenizer": sequence(BYTES, punctuation("Isolated"), DIGITS | {"individual_digits": True}, split("[Ġa-eÃ]+"))},
    ),
    "bytes only": ("bpe", {"pre_tokenizer": sequence(split(CL100K), BYTES | {"use_regex": False}, split(GPT2))}),
    "prepended": ("fallback", {"normalizer": PREPEND, "pre_tokenizer": None}),
    "spelled": ("fallback", {"normalizer": SPELL, "pre_tokenizer": None}),
    "metaspace, always": ("fallback", {"normalizer": None, "pre_tokenizer": metaspace("always", False)}),
    "metaspace, first": ("fallback", {"normalizer": None, "pre_tokenizer": metaspace("first", False)}),
    "metaspace, never": ("fallback", {"normalizer": None, "pre_tokenizer": metaspace("never", False)}),
    "metaspace, split": ("fallback", {"normalizer": None, "pre_tokenizer": metaspace("always", True)}),
    "unigram, first": ("unigram", {"normalizer": None, "pre_tokenizer": metaspace("first", True)}),
    "unigram, always": ("unigram", {"normalizer": None, "pre_tokenizer": metaspace("always", False)}),
    "unigram, never": ("unigram", {"normalizer": None, "pre_tokenizer": metaspace("never", True)}),
    "wordpiece": ("wordpiece", {}),
}


def train_bytes():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    trainer = trainers.BpeTrainer(
        vocab_size=1000, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), special_tokens=[], show_progress=False
    )
    tokenizer.train_from_iterator(WORDS * 3 + PROSE, trainer)
    return tokenizer


def train_fallback():
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always", split=False)
    byte_tokens = [f"<0x{byte:02X}>" for byte in range(256)]
    trainer = trainers.BpeTrainer(
        vocab_size=1400, special_tokens=["<unk>", "<s>", "</s>"] + byte_tokens, limit_alphabet=200, show_progress=False
    )
    # Without spaces at their ends, texts teach words with one before them, and runs of them.
    lines = PROSE + [f"{a}    {b}" for a, b in zip(PROSE[::2], PROSE[1::2])]
    tokenizer.train_from_iterator(WORDS * 3 + [line[:200] for line in lines], trainer)
    data = json.loads(tokenizer.to_str())
    data["added_tokens"] = []
    return data


def mixed(texts, tokens):
    """The test puts the same tokens into the same places."""
    out = []
    for i, text in enumerate(texts):
        at = i * 7 % (len(text) + 1)
        out.append(text[:at] + " " * (i % 3) + tokens[i % len(tokens)] + " \n"[: i // 3 % 3] + text[at:])
    return out


def main():
    (HERE / "bpe.json").write_text(train_bytes().to_str() + "\n", encoding="utf-8")
    (HERE / "fallback.json").write_text(json.dumps(train_fallback(), ensure_ascii=False) + "\n", encoding="utf-8")
    texts = [text for text in corpus() if len(text) < 1000]
    bases = {name: json.loads((HERE / f"{name}.json").read_text(encoding="utf-8")) for name in ["bpe", "fallback", "unigram", "wordpiece"]}
    golden = {"block": BLOCK, "variants": {}}
    for name, (base, keys) in VARIANTS.items():
        vocab = bases[base]["model"]["vocab"]
        ids = {piece[0]: i for i, piece in enumerate(vocab)} if isinstance(vocab, list) else vocab
        # As plain text a Unigram model finds these in its vocabulary: control tokens by another door.
        special = [(t, ids[t]) for t in ["<s>", "</s>"] if t in ids and base != "unigram"]
        keys = keys | {"added_tokens": added(max(ids.values()) + 1, special)}
        tokenizer = Tokenizer.from_str(json.dumps(bases[base] | keys))
        tokens = [t["content"] for t in keys["added_tokens"]]
        all_texts = texts + mixed(texts, tokens) + mixed(tokens * 40, tokens[1:])
        row = {"base": base, "keys": keys, "parsed": blocks(all_texts, plain(tokenizer))}
        tokenizer.encode_special_tokens = True
        row["plain"] = blocks(all_texts, plain(tokenizer))
        golden["variants"][name] = row
    print(len(all_texts), "texts")
    Path(HERE, "variants.json").write_text(json.dumps(golden, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
