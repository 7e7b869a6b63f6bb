"""Writes real.json: hashes of what `transformers` makes of the templates of real models with the cases of make.py.

    pip install transformers==5.23.0 jinja2==3.1.6
    python tests/golden/chat/make_real.py FOLDER

FOLDER holds NAME/tokenizer_config.json, as `cargo xtask test formats` fetches them. A hash is FNV-1a (32 bits) over the
UTF-8 of a text; a refusal has none.
"""

import json
import sys
from pathlib import Path

from make import CONVERSATIONS, OPTIONS, render

NAMES = ["llama3", "qwen3", "gemma3", "deepseek_v3"]


def fnv(text):
    h = 0x811C9DC5
    for byte in text.encode():
        h = (h ^ byte) * 0x01000193 & 0xFFFFFFFF
    return f"{h:08x}"


def main():
    golden = {}
    for name in NAMES:
        source = json.loads(Path(sys.argv[1], name, "tokenizer_config.json").read_text(encoding="utf-8"))["chat_template"]
        results = [render(source, messages, options) for messages in CONVERSATIONS for options in OPTIONS]
        golden[name] = [fnv(result["text"]) if "text" in result else None for result in results]
        print(name, len(results), "cases,", golden[name].count(None), "refused", {r["error"] for r in results if "error" in r})
    Path(__file__).with_name("real.json").write_text(json.dumps(golden) + "\n", encoding="utf-8")


main()
