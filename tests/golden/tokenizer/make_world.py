"""Writes world.txt: what the `rwkv` package makes of the texts of texts.jsonl, for each text the hash of its ids, as make.py
hashes them.

    pip install rwkv==0.8.32
    python tests/golden/tokenizer/make_world.py
"""

import importlib.util
import json
from pathlib import Path

# The package itself wants torch.
package = Path(importlib.util.find_spec("rwkv").origin).parent
spec = importlib.util.spec_from_file_location("rwkv_tokenizer", package / "rwkv_tokenizer.py")
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
tokenizer = module.TRIE_TOKENIZER(str(package / "rwkv_vocab_v20230424.txt"))


def hashed(text):
    h = 0x811C9DC5
    for i in tokenizer.encode(text):
        for byte in i.to_bytes(4, "little"):
            h = (h ^ byte) * 0x01000193 & 0xFFFFFFFF
    return f"{h:08x}"


lines = Path(__file__).with_name("texts.jsonl").read_text(encoding="utf-8").strip("\n").split("\n")[1:]
rows = [json.loads(line) for line in lines]
hashes = [hashed(row[0] * row[1]) for row in rows]
Path(__file__).with_name("world.txt").write_text("\n".join(hashes) + "\n")
