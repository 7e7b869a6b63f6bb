// Every architecture in the wasm that ships, in Node: what it computes at every position is what the reference computes.
// The models are those of tests/golden/families; weights follow from their tensors' names.

import assert from "node:assert/strict";
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { setFlagsFromString } from "node:v8";
import { weights } from "./families/weights.mjs";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const GOLDEN = join(ROOT, "tests/golden/families");
const FLAVOURS = ["simd128", "relaxed"];
/** As in tests/rust/families.rs: of the largest logit, what a difference may be. */
const RELATIVE = 1e-3;

async function engines(flavour) {
  // Those that read folders.
  const folder = join(ROOT, "pkg/dist/wasm", `${flavour}-folders`);
  const { default: init, Loader } = await import(join(folder, "smidgen.js"));
  const bytes = await readFile(join(folder, "smidgen_bg.wasm"));
  // Older versions of Node want to be asked.
  if (!WebAssembly.validate(bytes))
    setFlagsFromString("--experimental-wasm-relaxed-simd");
  await init({ module_or_path: await WebAssembly.compile(bytes) });
  return Loader;
}

/** Words that are ids: `w7` is 7. */
const WORDS = {
  model: {
    type: "WordPiece",
    unk_token: "w0",
    vocab: Object.fromEntries(
      Array.from({ length: 304 }, (_, id) => [`w${id}`, id]),
    ),
  },
  normalizer: { type: "BertNormalizer", lowercase: true },
  pre_tokenizer: { type: "BertPreTokenizer" },
};

/** A folder's files in the order a loader wants them. */
function files(golden) {
  const config = { ...golden.config };
  // Nothing is put around a text.
  for (const key of ["cls_token_id", "sep_token_id"]) delete config[key];
  const json = (name, value) => [name, Buffer.from(JSON.stringify(value))];
  return [
    json("config.json", config),
    json("tokenizer.json", WORDS),
    json("tokenizer_config.json", {
      add_bos_token: false,
      add_eos_token: false,
    }),
    ["model.safetensors", weights(golden.tensors)],
  ];
}

/** The largest difference and the largest expected value. */
function distance(expected, found) {
  assert.equal(found.length, expected.length);
  const far = expected.map((value, i) => Math.abs(value - found[i]));
  // A NaN is as far as can be.
  return {
    far: Math.max(...far.map((x) => (Number.isNaN(x) ? Infinity : x))),
    size: Math.max(...expected.map(Math.abs)),
  };
}

const names = (await readdir(GOLDEN)).filter((name) => name.endsWith(".json"));
const families = new Map();
for (const name of names) {
  const golden = JSON.parse(await readFile(join(GOLDEN, name), "utf8"));
  families.set(name.replace(".json", ""), { golden, files: files(golden) });
}

for (const flavour of FLAVOURS)
  test(`every architecture in ${flavour}`, async (t) => {
    assert.ok(families.size >= 20);
    const Loader = await engines(flavour);
    for (const [name, { golden, files }] of families) {
      await t.test(name, () => {
        const { ids } = golden;
        // As the references round keys and values.
        const options = { contextLength: ids.length, cacheFormat: "f16" };
        const loader = new Loader(JSON.stringify(options));
        for (const [file, bytes] of files) {
          loader.file(file);
          for (let at = 0; at < bytes.length; at += 1 << 20)
            loader.push(bytes.subarray(at, at + (1 << 20)));
        }
        const engine = loader.finish();
        const check = (what, expected, found, size) => {
          const { far, ...own } = distance(expected, found);
          const most = RELATIVE * (size ?? own.size);
          assert.ok(far <= most, `${what}: ${far}, at most ${most}`);
        };
        if (golden.lastLogits) {
          const { size } = distance(golden.lastLogits, golden.lastLogits);
          // For each position what the next token is expected with, and the likeliest one.
          const scores = Array.from(engine.score(Uint32Array.from(ids)));
          const found = scores.filter((_, i) => i % 2 === 0).slice(0, -1);
          check("positions", golden.logProbabilities, found, size);
        } else {
          const text = ids.map((id) => `w${id}`).join(" ");
          assert.deepEqual([...engine.tokenize(text, false)], ids);
          for (const pooling of ["mean", "first"]) {
            const found = engine.embed(JSON.stringify([text]), pooling, false);
            check(pooling, golden[pooling], found);
          }
        }
        engine.free();
      });
    }
  });
