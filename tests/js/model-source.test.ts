// Sources of models as callers name them → the files the engine reads, in its order.

import assert from "node:assert/strict";
import { test } from "node:test";
import { CATALOGUE } from "../../src/js/catalogue.ts";
import { isName } from "../../src/js/catalogue-name.ts";
import { pathOf, toWireSource } from "../../src/js/model-source.ts";
import { toKnownSource } from "../../src/js/named-source.ts";
import type { ModelSource } from "../../src/js/types.ts";

const paths = (source: ModelSource) => {
  const wire = toWireSource(source);
  return wire.kind === "files" ? wire.files.map(pathOf) : pathOf(wire);
};

test("the parts of a split file come in order, a single file is a single file", () => {
  const parts = [2, 3, 1].map(
    (n) => `https://x.org/m/a-0000${n}-of-00003.gguf`,
  );
  assert.deepEqual(
    paths(parts),
    [1, 2, 3].map((n) => `m/a-0000${n}-of-00003.gguf`),
  );
  assert.deepEqual(toWireSource(["https://x.org/a.gguf"]), {
    kind: "url",
    url: "https://x.org/a.gguf",
  });
});

test("of a folder the weights come last, and what the engine never reads is left out", () => {
  const names = [
    "model-00002-of-00002.safetensors",
    "1_Pooling/config.json",
    "README.md",
    "pytorch_model.bin",
    "tokenizer.json",
    "model-00001-of-00002.safetensors",
    "chat_template.jinja",
    "config.json",
  ];
  const source = { repo: "some.body/a-model", file: names, revision: "v1/2" };
  const found = paths(source) as string[];
  assert.deepEqual(found.slice(-2), [
    "v1%2F2/model-00001-of-00002.safetensors".replace("%2F", "/"),
    "v1%2F2/model-00002-of-00002.safetensors".replace("%2F", "/"),
  ]);
  assert.equal(found.length, 6);
  assert.ok(found.includes("1_Pooling/config.json"));
  const wire = toWireSource(source);
  assert.ok(wire.kind === "files" && wire.folder);
  assert.equal(
    (wire.files.at(-1) as { url: string }).url,
    "https://huggingface.co/some.body/a-model/resolve/v1%2F2/model-00002-of-00002.safetensors",
  );
});

test("a chosen folder keeps its paths", () => {
  const file = (path: string) => {
    const made = new File(["x"], path.split("/").pop()!);
    Object.defineProperty(made, "webkitRelativePath", { value: path });
    return made;
  };
  assert.deepEqual(
    paths([file("m/model.safetensors"), file("m/1_Pooling/config.json")]),
    ["m/1_Pooling/config.json", "m/model.safetensors"],
  );
});

test("what is no model is refused with what was given", () => {
  const refused: [unknown, RegExp][] = [
    [[], /no file/],
    [["https://x.org/config.json"], /config\.json/],
    [["https://x.org/a.gguf", "https://x.org/a.safetensors"], /a\.safetensors/],
    [{ repo: "a b/c", file: "x.gguf" }, /owner\/name/],
    [{ repo: "a/b", file: 7 }, /file is 7/],
    [{ repo: "a/b", file: "x.gguf", revision: null }, /revision/],
    [{}, /none of/],
    [null, /none of/],
  ];
  for (const [source, message] of refused) {
    assert.throws(
      () => toWireSource(source as ModelSource),
      (error: Error & { code?: string }) =>
        error.code === "bad_argument" && message.test(error.message),
      JSON.stringify(source),
    );
  }
});

test("names of the catalogue stand for files on a hub", async () => {
  for (const { name, repo, file, bytes } of CATALOGUE) {
    assert.ok(isName(name), name);
    assert.ok(bytes > 1e8, name);
    const path = `${repo}/resolve/main/${file}`;
    const url = `https://huggingface.co/${path}`;
    assert.deepEqual(await toKnownSource(name), { kind: "url", url });
    assert.deepEqual(
      await toKnownSource({ name, hub: "http://hub.localhost/files/" }),
      { kind: "url", url: `http://hub.localhost/files/${path}` },
    );
  }
  const names = CATALOGUE.map(({ name }) => name);
  assert.equal(new Set(names).size, names.length);
});

test("an address and a file are no names", async () => {
  for (const address of [
    "model.gguf",
    "./model",
    "models/model",
    "https://x.org/a",
    "",
    "..",
  ])
    assert.equal(isName(address), false, address);
  const file = new File(["x"], "smollm2-135m");
  assert.equal((await toKnownSource(file)).kind, "blob");
});

test("a name that the catalogue lacks is refused with those it has", async () => {
  const refused: [unknown, RegExp][] = [
    ["gpt-4", /name is gpt-4.*smollm2-135m.*smollm3-3b.*"\.\/"/],
    [{ name: "model" }, /name is model/],
    [{ name: 7 }, /name is 7, expected a text/],
  ];
  for (const [source, message] of refused) {
    await assert.rejects(
      toKnownSource(source as ModelSource),
      (error: Error & { code?: string }) =>
        error.code === "bad_argument" && message.test(error.message),
    );
  }
});
