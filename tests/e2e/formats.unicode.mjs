// The engine's tokenizers with the Unicode tables of JavaScript, which no native test touches: the wasm that ships, in
// Node.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const WASM = join(ROOT, "pkg/dist/wasm/simd128-folders");
const FOLDER = join(ROOT, "tests/golden/hf/qwen2");
const FILES = [
  "config.json",
  "generation_config.json",
  "tokenizer.json",
  "tokenizer_config.json",
  "model.safetensors",
];

const { default: init, Loader } = await import(join(WASM, "smidgen.js"));
const bytes = await readFile(join(WASM, "smidgen_bg.wasm"));
await init({ module_or_path: await WebAssembly.compile(bytes) });

/** A small model whose tokenizer.json is what `change` makes of its own. */
async function tokenize(change) {
  const loader = new Loader("{}");
  for (const name of FILES) {
    let bytes = await readFile(join(FOLDER, name));
    if (name === "tokenizer.json") {
      const changed = change(JSON.parse(bytes.toString()));
      bytes = Buffer.from(JSON.stringify(changed));
    }
    loader.file(name);
    loader.push(bytes);
  }
  const engine = loader.finish();
  return (text) => [...engine.tokenize(text, false)];
}

test("normal forms", async () => {
  const forms = {
    NFC: ["e\u0301か\u3099", "éが"],
    NFD: ["éが", "e\u0301か\u3099"],
    NFKC: ["ﬁ①", "fi1"],
    NFKD: ["ﬁé", "fie\u0301"],
    Lowercase: ["ÀΣ", "àσ"],
    StripAccents: ["e\u0301a", "ea"],
  };
  const plain = await tokenize((json) => ({ ...json, normalizer: null }));
  for (const [type, [before, after]] of Object.entries(forms)) {
    const normal = await tokenize((json) => ({
      ...json,
      normalizer: { type },
    }));
    assert.deepEqual(normal(before), plain(after), type);
    assert.notDeepEqual(plain(before), plain(after), type);
    // What is ASCII never asks.
    assert.deepEqual(normal("plain text"), plain("plain text"), type);
  }
});

test("BERT's normalisation", async () => {
  const pieces = ["[UNK]", "ecole", "a", "##b", "漢", "字", "!"];
  const vocab = Object.fromEntries(pieces.map((piece, id) => [piece, id]));
  const words = await tokenize((json) => ({
    ...json,
    added_tokens: [],
    normalizer: { type: "BertNormalizer", lowercase: true },
    pre_tokenizer: { type: "BertPreTokenizer" },
    post_processor: null,
    model: { type: "WordPiece", unk_token: "[UNK]", vocab },
  }));
  assert.deepEqual(words("ÉCOLE\u200b!"), [1, 6]);
  assert.deepEqual(words("A\u00adB 漢字"), [2, 3, 4, 5]);
  assert.deepEqual(words("école e\u0301cole Ω"), [1, 1, 0]);
});
