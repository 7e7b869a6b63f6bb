"""Writes sentencepiece.jsonl: a small SentencePiece vocabulary and the ids that the reference gives texts with it.

    pip install sentencepiece==0.2.3 protobuf
    python tests/golden/tokenizer/make_sentencepiece.py

The vocabulary is trained here, on the texts of make.py, with everything that models use: byte fallback, user-defined
pieces, no normalisation. The first line holds it; the others are [text, repeats, hash with a space before the
text, hash without].
"""

import io
import json
import random
import re
from pathlib import Path

import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from make import WORDS, fnv, texts

USER_DEFINED = ["<tool>", "</tool>", "\n\n", "▁▁▁▁"]
CONTROLS = ["<s>", "</s>", "<|im_start|>", "<|im_end|>"]


def main():
    rng = random.Random(20260202)
    cases = [(unit, repeats) for unit, repeats in texts(rng, CONTROLS + ["<tool>", "<0x0A>"]) if "\0" not in unit]
    corpus = WORDS + [line for unit, _ in cases for line in unit.split("\n") if line and max(line) < "\u0180"]
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(corpus),
        model_writer=model,
        model_type="bpe",
        vocab_size=2000,
        character_coverage=0.99,
        byte_fallback=True,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        split_digits=True,
        allow_whitespace_only_pieces=True,
        user_defined_symbols=USER_DEFINED,
        control_symbols=["<|im_start|>", "<|im_end|>"],
        minloglevel=2,
    )
    proto = sentencepiece_model_pb2.ModelProto.FromString(model.getvalue())
    processors = []
    for prefix in [True, False]:
        proto.normalizer_spec.add_dummy_prefix = prefix
        processors.append(sentencepiece.SentencePieceProcessor(model_proto=proto.SerializeToString()))
    head = {
        "pieces": [p.piece for p in proto.pieces],
        "scores": [p.score for p in proto.pieces],
        "types": [p.type for p in proto.pieces],
    }
    lines = [json.dumps(head, ensure_ascii=False, separators=(",", ":"))]
    for unit, repeats in cases:
        text = unit * repeats
        # GGUF engines and `tokenizers` cut a text at user-defined pieces before they prefix the parts with a space;
        # SentencePiece prefixes the whole text once.
        cut = any(re.search(re.escape(p.replace("▁", " ")), text) or p in text for p in USER_DEFINED)
        hashes = [fnv(p.EncodeAsIds(text)) for p in processors]
        if cut:
            hashes[0] = ""
        lines.append(json.dumps([unit, repeats, *hashes], ensure_ascii=False, separators=(",", ":")))
    Path(__file__).with_name("sentencepiece.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


main()
