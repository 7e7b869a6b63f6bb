"""Writes texts.jsonl: texts of many kinds with a hash of the ids that the `tokenizers` package gives them.

    pip install tokenizers==0.23.3 gguf==0.19.0
    python tests/golden/tokenizer/make.py MODEL.gguf

The vocabulary and merges are the model file's; each pre-tokenizer is written as its `tokenizer.json` writes it.
One line of output is [text, repeats, hash, hash, …]: the text repeated so often, then FNV-1a (32 bits) over the
ids as little-endian u32, first with control tokens parsed (smollm), then as plain text for each of SPLITS.
"""

import json
import random
import sys
import unicodedata
from pathlib import Path

import gguf
from tokenizers import AddedToken, Regex, Tokenizer, models, pre_tokenizers

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
CL100K = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
TAIL = r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
SUFFIX = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
LEAD = r"[^\r\n\p{L}\p{N}]?"
O200K = f"{LEAD}{UPPER}*{LOWER}+{SUFFIX}|{LEAD}{UPPER}+{LOWER}*{SUFFIX}" + r"|\p{N}{1,3}" + TAIL
TEKKEN = f"{LEAD}{UPPER}*{LOWER}+|{LEAD}{UPPER}+{LOWER}*" + r"|\p{N}" + TAIL
HAN_UPPER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]"
HAN_LOWER = r"[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]"
KIMI = (
    r"[\p{Han}]+|" + f"{LEAD}{HAN_UPPER}*{HAN_LOWER}+{SUFFIX}|{LEAD}{HAN_UPPER}+{HAN_LOWER}*{SUFFIX}"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
DEEPSEEK = [
    r"\p{N}{1,3}",
    "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+",
    r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"""
    r"""| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+""",
]


def split(*patterns):
    parts = [pre_tokenizers.Split(Regex(p), behavior="isolated") for p in patterns]
    return pre_tokenizers.Sequence(
        parts + [pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )


# Name in `tokenizer.ggml.pre` → pre-tokenizer, and whether whole words skip the merges.
SPLITS = {
    "smollm": (
        pre_tokenizers.Sequence(
            [
                pre_tokenizers.Digits(individual_digits=True),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
            ]
        ),
        False,
    ),
    "gpt-2": (pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True), False),
    "llama-bpe": (split(CL100K), True),
    "stablelm2": (split(CL100K.replace(r"\p{N}{1,3}", r"\p{N}")), False),
    "gpt-4o": (split(O200K), False),
    "tekken": (split(TEKKEN), True),
    "kimi-k2": (split(KIMI), False),
    "deepseek-v3": (split(*DEEPSEEK), False),
}

SCRIPTS = [
    (0x00C0, 0x024F), (0x0370, 0x03FF), (0x0400, 0x04FF), (0x0531, 0x0587), (0x05D0, 0x05EA),
    (0x0620, 0x06D3), (0x0900, 0x0963), (0x0985, 0x09B9), (0x0B85, 0x0BCD), (0x0E01, 0x0E4E),
    (0x10D0, 0x10FA), (0x1200, 0x1248), (0x1780, 0x17D2), (0x3041, 0x3096), (0x30A1, 0x30FA),
    (0x4E00, 0x9FFF), (0xAC00, 0xD7A3), (0x10400, 0x1044F), (0x20000, 0x20100), (0x1E900, 0x1E943),
]  # fmt: skip
NUMBERS = ["0", "7", "42", "123", "1234", "123456789", "3.14", "1,000,000", "٠١٢٣", "१२३", "²", "½", "Ⅷ", "①", "〇"]
SPACES = [" ", "  ", "   ", "\t", "\n", "\n\n", "\r\n", "\r", "\u00a0", "\u2003", "\u3000", "\u0085", "\u200b", "\v", "\f", "\u2028"]
SIGNS = list("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~") + ["...", "—", "…", "«", "»", "“", "”", "’", "€", "→", "♥", "™", "\u0301", "。", "，"]
EMOJI = ["😀", "👍🏽", "👨‍👩‍👧‍👦", "🇫🇷", "🏳️‍🌈", "❤️", "1️⃣", "🤖", "☕", "🧑‍🚀"]
CONTRACTIONS = ["it's", "don't", "I'M", "we'LL", "they've", "you'd", "WE'RE", "'s", "'S", "rock'n'roll", "a's's", "l’été", "'tis"]
WORDS = (
    "the of and to in a is that for it was on with as be by at from are this Paris France model token "
    "language small browser WebAssembly kernel function return value String Vec unsigned HTTPServer "
    "getElementById snake_case camelCase SCREAMING_CASE naïve café Straße Ångström ΑΒΓ привет мир "
    "你好 世界 こんにちは 안녕하세요 مرحبا שלום नमस्ते"
).split()
CODE = [
    "fn main() {\n    println!(\"{}\", x);\n}\n", "def f(x: int) -> str:\n\treturn f'{x!r}'\n",
    "for (let i = 0; i < n; i++) {\n  a[i] += 0x1F;\n}", "<div class=\"a b\">&nbsp;</div>\n", "SELECT * FROM t WHERE a >= 10;--",
    "#include <stdio.h>\nint main(void){return 0;}", "{\"key\": [1, 2.5e-3, null, true]}", "if (a&&b||!c) { /* … */ }",
    "https://example.org/a/b?c=d&e=%20#f", "\\documentclass{article}\n\\begin{equation}\n\\frac{1}{2}\n", "PATH=$PATH:/usr/bin; ls -la | grep '^d'",
]  # fmt: skip


def texts(rng, controls):
    pick = rng.choice
    anything = lambda: chr(pick([rng.randrange(0x20, 0xD800), rng.randrange(0xE000, 0x30000)]))
    script = lambda: "".join(chr(rng.randint(*pick(SCRIPTS))) for _ in range(rng.randint(1, 6)))
    same_script = lambda r=None: (lambda r: "".join(chr(rng.randint(*r)) for _ in range(rng.randint(1, 12))))(pick(SCRIPTS))
    fragment = lambda: (lambda c: c[: rng.randint(1, len(c))])(pick(controls))
    kinds = {
        "prose": lambda: " ".join(pick(WORDS) for _ in range(rng.randint(1, 14))) + pick([".", "!", "?", "", "\n"]),
        "code": lambda: pick(CODE) + pick(SPACES) + pick(CODE),
        "scripts": lambda: "".join(same_script() + pick(["", " ", "、", "-"]) for _ in range(rng.randint(1, 5))),
        "mixed scripts": lambda: "".join(script() + pick(["", " "]) for _ in range(rng.randint(1, 6))),
        "emoji": lambda: "".join(pick(EMOJI) + pick(["", " ", "x"]) for _ in range(rng.randint(1, 8))),
        "spaces": lambda: "".join(pick(SPACES) for _ in range(rng.randint(1, 10))) + pick(["", "x", "1", "!"]),
        "spaces between": lambda: "".join(pick(WORDS + NUMBERS + SIGNS) + pick(SPACES) * rng.randint(0, 3) for _ in range(rng.randint(1, 10))),
        "control characters": lambda: "".join(pick([chr(rng.randrange(0x20)), chr(rng.randrange(0x7F, 0xA0)), "a", " "]) for _ in range(rng.randint(1, 12))),
        "numbers": lambda: "".join(pick(NUMBERS) + pick(["", " ", ".", "-", "x"]) for _ in range(rng.randint(1, 8))),
        "signs": lambda: "".join(pick(SIGNS + [" ", "a", "1", "\n"]) for _ in range(rng.randint(1, 16))),
        "composed and not": lambda: "".join(unicodedata.normalize(pick(["NFC", "NFD", "NFKD"]), pick(["é", "Å", "ế", "한국", "が", "क़", "ﬁ", "Ω", "①", "안녕하세요", "Straße", "naïve "])) for _ in range(rng.randint(1, 8))),
        "contractions": lambda: "".join(pick(CONTRACTIONS) + pick(["", " ", "1"]) for _ in range(rng.randint(1, 6))),
        "case": lambda: "".join(pick([str.upper, str.lower, str.title])(pick(WORDS)) for _ in range(rng.randint(1, 5))),
        "control tokens": lambda: "".join(pick([pick(controls), fragment(), pick(WORDS), " ", "\n"]) for _ in range(rng.randint(1, 8))),
        "any": lambda: "".join(anything() for _ in range(rng.randint(1, 20))),
        "soup": lambda: "".join(pick([pick(WORDS), pick(NUMBERS), pick(SIGNS), pick(SPACES), pick(EMOJI), script(), pick(CONTRACTIONS), anything()]) for _ in range(rng.randint(2, 24))),
    }
    yield "", 1
    for byte in range(128):
        yield chr(byte), 1
    for _ in range(160):
        for kind in kinds.values():
            yield kind(), 1
    for unit in ["a", "ab", " ", "\n", "1", "!", "é", "漢", "😀", "=-", "\r\n", "Aa", "’", "\u0301", "\x04", "<|", "a'"]:
        for repeats in [63, 64, 65, 127, 1000, 4_000]:
            yield unit, repeats
    for _ in range(40):
        yield pick(list(kinds.values()))(), rng.randint(2, 200)


def fnv(ids):
    h = 0x811C9DC5
    for i in ids:
        for byte in i.to_bytes(4, "little"):
            h = (h ^ byte) * 0x01000193 & 0xFFFFFFFF
    return f"{h:08x}"


def main():
    fields = gguf.GGUFReader(sys.argv[1]).fields
    tokens = fields["tokenizer.ggml.tokens"].contents()
    types = fields["tokenizer.ggml.token_type"].contents()
    merges = [tuple(m.split(" ")) for m in fields["tokenizer.ggml.merges"].contents()]
    controls = [t for t, kind in zip(tokens, types) if kind == 3]

    def build(pre_tokenizer, whole_words):
        vocab = {t: i for i, t in enumerate(tokens)}
        tokenizer = Tokenizer(models.BPE(vocab, merges, ignore_merges=whole_words))
        tokenizer.pre_tokenizer = pre_tokenizer
        tokenizer.add_special_tokens([AddedToken(c, normalized=False, special=True) for c in controls])
        return tokenizer

    parsing = build(*SPLITS["smollm"])
    plain = [build(*s) for s in SPLITS.values()]
    for tokenizer in plain:
        tokenizer.encode_special_tokens = True
    rng = random.Random(20260101)
    lines = [json.dumps(list(SPLITS))]
    for unit, repeats in texts(rng, controls):
        text = unit * repeats
        hashes = [fnv(t.encode(text, add_special_tokens=False).ids) for t in [parsing, *plain]]
        lines.append(json.dumps([unit, repeats, *hashes], ensure_ascii=False, separators=(",", ":")))
    Path(__file__).with_name("texts.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
