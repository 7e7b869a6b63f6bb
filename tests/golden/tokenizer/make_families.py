"""Writes families.json: what the `tokenizers` and `sentencepiece` packages make of the texts of texts.jsonl.

    pip install tokenizers==0.23.3 sentencepiece==0.2.3 gguf==0.19.0 protobuf
    python tests/golden/tokenizer/make_families.py MODEL.gguf FOLDER

FOLDER holds NAME/tokenizer.json for each of REAL, as `cargo xtask test formats` fetches them. Ids are hashed
together for BLOCK texts each, as make.py hashes those of one text, with u32::MAX after each text.

- "patterns": the model file's vocabulary with pre-tokenizers as the models' own tokenizer.json files write them.
- "real": whole tokenizer.json files, as plain text and with special tokens parsed, and texts made of their tokens.
- "unigram", "wordpiece": vocabularies trained here, in unigram.json and wordpiece.json, and their hashes.
"""

import io
import json
import random
import sys
import tempfile
import unicodedata
from pathlib import Path
from pydoc_data import topics

import gguf
import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from make import CL100K, DEEPSEEK, O200K, WORDS

BLOCK = 16
REAL = ["llama2", "llama3", "qwen3", "gemma3", "deepseek_v3", "gptoss", "minilm"]
HERE = Path(__file__).parent

HAN = "[一-龥ࠀ-一가-퟿]+"
CASED = (
    "\\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-\\x{1f7d}ᾀ-ᾴ"
    "ᾶ-ᾼ\\x{1fbe}ῂ-ῄῆ-ῌῐ-\\x{1fd3}ῖ-\\x{1fdb}ῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤ\\x{2126}ℨ\\x{212a}-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃]+"
)
CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"


def isolated(pattern):
    return pre_tokenizers.Split(Regex(pattern), behavior="isolated")


def byte_level(own=False):
    return pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=own)


def sequence(*steps, own=False):
    return pre_tokenizers.Sequence([isolated(s) if isinstance(s, str) else s for s in steps] + [byte_level(own)])


NFC = normalizers.NFC()
# English that comes with Python itself (3.11).
PROSE = [line.strip() for topic in sorted(topics.topics) for line in topics.topics[topic].split("\n") if line.strip()]
# Name in `tokenizer.ggml.pre` → normalizer, pre-tokenizer, whether whole words skip the merges.
PATTERNS = {
    "qwen2": (NFC, sequence(CL100K.replace(r"\p{N}{1,3}", r"\p{N}")), False),
    "olmo": (NFC, byte_level(True), False),
    "qwen35": (
        None,
        sequence(
            CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
        ),
        False,
    ),
    "deepseek-coder": (
        None,
        sequence("[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", HAN, pre_tokenizers.Digits(individual_digits=True)),
        False,
    ),
    "deepseek-llm": (
        None,
        sequence(
            "[\r\n]",
            CASED,
            r"\s?[!-/:-~！-／：-～‘-‟　-。]+",
            r"\s+$",
            HAN,
            pre_tokenizers.Digits(individual_digits=False),
        ),
        False,
    ),
    "falcon": (
        None,
        pre_tokenizers.Sequence(
            [
                pre_tokenizers.Punctuation(behavior="contiguous"),
                byte_level(True),
                pre_tokenizers.Digits(individual_digits=False),
                isolated("[0-9][0-9][0-9]"),
            ]
        ),
        False,
    ),
    "jais-2": (
        None,
        sequence(
            CL100K.removesuffix(r"\s+(?!\S)|\s+")
            + "".join(r"\s{%d}(?!\S)|" % n for n in [512, 256, 128, 64, 32, 16, 8, 4])
            + r"\s{1,2}(?!\S)|\s{1}"
        ),
        False,
    ),
    "youtu": (
        None,
        sequence(
            "[가-힣ㄱ-ㆎ]+|[！…“”‘’—：；，、-〿︰-﹏]+|[ㄅ-ㄯ]+|[一-龥぀-ゟ゠-ヿ]+", O200K.replace(r"\p{N}{1,3}", r"\p{N}")
        ),
        True,
    ),
    "spark2_5": (
        None,
        sequence(
            *DEEPSEEK[:2],
            DEEPSEEK[2].replace(r"[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+", r"[\p{P}\p{S}]+|[\r\n]"),
            r"\p{N}",
        ),
        False,
    ),
    "afmoe": (
        None,
        sequence(
            # From the end of a number, as its readers have it.
            r"\p{N}{1,3}(?=(?:\p{N}{3})*(?!\p{N}))",
            "[一-鿿㐀-䶿\uf900-\ufaff぀-ゟ゠-ヿ･-ﾟ⼀-\u2fdfเ-\u0e7f\u0e80-\u0effក-\u17ffက-႟ꩠ-ꩿꧠ-\ua9ff가-\ud7afᄀ-ᇿ]+",
            DEEPSEEK[2],
        ),
        False,
    ),
    "ufakzeka": (
        None,
        sequence(CL100K.removeprefix(CONTRACTIONS + "|").replace(r"\p{N}{1,3}", r"\p{N}")),
        False,
    ),
    "glm4": (None, sequence(CL100K), True),
    "bloom": (None, sequence(" ?[^(\\s|[.,!?…。，、।۔،])]+"), False),
    "viking": (
        None,
        sequence(" ?[^(\\s|[.,!?…。，、।۔،])]+", pre_tokenizers.Digits(individual_digits=True)),
        False,
    ),
    "seed-coder": (
        None,
        sequence(
            CONTRACTIONS + "|[^\r\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1}| ?[^\\s\\p{L}\\p{N}\r\n]+|\\s*[\r\n]+|\\s+(?!\\S)|\\s+"
        ),
        False,
    ),
    "bailingmoe": (
        None,
        sequence(
            r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"
        ),
        False,
    ),
    "exaone-moe": (
        None,
        sequence(
            CONTRACTIONS
            + r"|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+"
        ),
        False,
    ),
    "tiny_aya": (None, sequence(r"\d{1,3}(?=(?:\d{3})*\b)", O200K), False),
    "superbpe": (None, sequence(r"\p{N}+", r"(?=(\d{3})+(?!\d))"), False),
    "minicpm5": (None, sequence(r"\p{N}{1,3}", CL100K.replace(r"\p{N}{1,3}", r"\p{N}+")), True),
    "laguna": (None, sequence("[^\n]+|[\n]+", CL100K.replace(r"\p{N}{1,3}", r"\p{N}")), False),
    "chameleon": (
        None,
        sequence(
            "<sentinel:[0-9]+>",
            "(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z",
            r"([\t\n]|    |  )",
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.Punctuation(behavior="isolated"),
            own=True,
        ),
        False,
    ),
}


def corpus():
    lines = (HERE / "texts.jsonl").read_text(encoding="utf-8").strip("\n").split("\n")[1:]
    rows = [json.loads(line) for line in lines]
    return [row[0] * row[1] for row in rows]


def blocks(texts, encode):
    hashes = []
    for start in range(0, len(texts), BLOCK):
        h = 0x811C9DC5
        for text in texts[start : start + BLOCK]:
            for i in [*encode(text), 0xFFFFFFFF]:
                for byte in i.to_bytes(4, "little"):
                    h = (h ^ byte) * 0x01000193 & 0xFFFFFFFF
        hashes.append(f"{h:08x}")
    return hashes


def plain(tokenizer):
    return lambda text: tokenizer.encode(text, add_special_tokens=False).ids


def look_alikes(tokens):
    """Texts made of a tokenizer's own added tokens, whole and damaged."""
    texts = []
    for token in tokens[:150]:
        texts += [token, f"a{token}b", f" {token} {token}\n", token[1:], token[:-1], token * 3]
    return texts


def framed(token):
    return any(token.startswith(a) and token.endswith(b) and len(token) > 4 for a, b in [("<|", "|>"), ("<｜", "｜>")])


def real(path, texts):
    data = json.loads(path.read_text(encoding="utf-8"))
    # Chat markup is a control token whatever the file says: a user must not be able to write it.
    for token in data["added_tokens"]:
        if framed(token["content"]):
            token.update(special=True, normalized=False)
    tokens = [t["content"] for t in data["added_tokens"]]
    texts = texts + look_alikes(tokens)
    parsed = Tokenizer.from_str(json.dumps(data))
    parsed.no_truncation()
    parsed.no_padding()
    hashes = {"parsed": blocks(texts, plain(parsed))}
    parsed.encode_special_tokens = True
    hashes["plain"] = blocks(texts, plain(parsed))
    return hashes


def patterns(model, texts):
    fields = gguf.GGUFReader(model).fields
    vocab = {t: i for i, t in enumerate(fields["tokenizer.ggml.tokens"].contents())}
    merges = [tuple(m.split(" ")) for m in fields["tokenizer.ggml.merges"].contents()]
    result = {}
    for name, (normalizer, pre_tokenizer, whole_words) in PATTERNS.items():
        tokenizer = Tokenizer(models.BPE(vocab, merges, ignore_merges=whole_words))
        if normalizer is not None:
            tokenizer.normalizer = normalizer
        tokenizer.pre_tokenizer = pre_tokenizer
        result[name] = blocks(texts, plain(tokenizer))
    return result


def rules():
    """A part of NFKC as SentencePiece's rules have it: code points, a tab, code points."""
    show = lambda text: " ".join(f"{ord(c):X}" for c in text)
    lines = []
    ranges = [(0x00A0, 0x017F), (0x2000, 0x200A), (0x2460, 0x24EA), (0x3000, 0x3000), (0xFB00, 0xFB06), (0xFF01, 0xFF5E)]
    for first, last in ranges:
        for code in range(first, last + 1):
            c = chr(code)
            form = unicodedata.normalize("NFKC", c)
            apart = unicodedata.normalize("NFD", c)
            if form != c:
                lines.append(f"{show(c)}\t{show(form)}")
            elif apart != c:
                lines.append(f"{show(apart)}\t{show(c)}")
    lines += ["9\t20", "A\t20", "D\t20", "200B\t20", "AD\t", "FDFA\t" + show(unicodedata.normalize("NFKC", "\ufdfa"))]
    return "\n".join(lines) + "\n"


def unigram(texts):
    words = PROSE + [line for text in texts for line in text.split("\n") if line and max(line) < "\u0500" and len(line) < 400]
    model = io.BytesIO()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "rules.tsv")
        path.write_text(rules(), encoding="utf-8")
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(WORDS * 3 + words),
            model_writer=model,
            model_type="unigram",
            vocab_size=1500,
            hard_vocab_limit=False,
            character_coverage=0.995,
            normalization_rule_tsv=str(path),
            pad_id=0,
            eos_id=1,
            unk_id=2,
            bos_id=-1,
            user_defined_symbols=["<extra_id_0>", "<tool>"],
            minloglevel=2,
        )
    proto = sentencepiece_model_pb2.ModelProto.FromString(model.getvalue())
    processor = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    charsmap = proto.normalizer_spec.precompiled_charsmap
    tokenizer = Tokenizer(models.Unigram([(p.piece, p.score) for p in proto.pieces], unk_id=2, byte_fallback=False))
    tokenizer.normalizer = normalizers.Precompiled(charsmap)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.add_special_tokens([AddedToken(t, normalized=False) for t in ["<pad>", "</s>", "<unk>"]])
    tokenizer.add_tokens([AddedToken(t, normalized=False) for t in ["<extra_id_0>", "<tool>"]])
    (HERE / "unigram.json").write_text(tokenizer.to_str(), encoding="utf-8")
    # What a user-defined piece cuts is spaced apart in one package and not in the other; zero ends a text of one.
    usable = [t for t in texts if "\0" not in t and not any(u in t for u in ["<extra_id_0>", "<tool>"])]
    # The reference: SentencePiece normalises (`tokenizers` replaces a grapheme by what its first part becomes), and
    # `tokenizers` finds the way, adding scores in f64 (SentencePiece has f32 and takes other ways of the same score
    # through long repetitions).
    way = Tokenizer(tokenizer.model)
    ours, theirs = lambda text: plain(way)(processor.Normalize(text)), processor.EncodeAsIds
    differ = [t for t in usable if ours(t) != theirs(t)]
    print("unigram:", len(usable), "texts,", len(differ), "differ between tokenizers and sentencepiece")
    for text in differ:
        print("  ", ascii(text[:80]), ours(text)[:12], theirs(text)[:12])
    return {"reference": blocks(usable, ours)}


def wordpiece(texts):
    tokenizer = Tokenizer(models.WordPiece({"[UNK]": 0}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False, strip_accents=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(
        vocab_size=1200, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"], limit_alphabet=400, show_progress=False
    )
    tokenizer.train_from_iterator(WORDS * 3 + PROSE + [t for t in texts if len(t) < 400], trainer)
    tokenizer.encode_special_tokens = True
    (HERE / "wordpiece.json").write_text(tokenizer.to_str(), encoding="utf-8")
    return {"cased": blocks(texts, plain(tokenizer))}


def main():
    random.seed(20260303)
    texts = corpus()
    golden = {
        "block": BLOCK,
        "patterns": patterns(sys.argv[1], texts),
        "real": {name: real(Path(sys.argv[2], name, "tokenizer.json"), texts) for name in REAL},
        "unigram": unigram(texts),
        "wordpiece": wordpiece(texts),
    }
    (HERE / "families.json").write_text(json.dumps(golden) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
