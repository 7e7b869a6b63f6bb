// Models in several files in Chromium: Hugging Face folders by address, by repository and from disk, rounded or not, kept and mended.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { LIMIT, ROOT, browse, serve, stage, visit } from "./package/stage.mjs";

const FOLDER = join(ROOT, "tests/golden/hf/qwen2");
const MOUNTS = { "/somebody/tiny/resolve/main/": FOLDER };
// Not in the order in which they are read.
const FILES = [
  "model.safetensors",
  "tokenizer_config.json",
  "tokenizer.json",
  "generation_config.json",
  "config.json",
  "chat_template.jinja",
];
const BASE = "/somebody/tiny/resolve/main/";
const ADDRESSES = FILES.map((name) => BASE + name);

/** What the model of `source` writes, and how it was loaded. */
async function write(page, source, options = {}) {
  return page.evaluate(
    async ({ source, options }) => {
      const { info, progress, warnings } = await load(source, options);
      const request = { prompt: "the cat", maxTokens: 8, temperature: 0 };
      const { ids } = await generate(llm, { ...request, ignoreEos: true });
      await llm.unload();
      return { info, progress, warnings, ids };
    },
    { source, options },
  );
}

describe("models in several files", LIMIT, () => {
  test("a folder is loaded by addresses, by repository and from files, and next time without the network", async (context) => {
    const server = await serve({ mounts: MOUNTS });
    context.after(() => server.stop());
    const { browser } = await browse(context);
    const page = await visit(browser, server);

    const first = await write(page, ADDRESSES);
    assert.equal(first.info.architecture, "qwen2");
    assert.equal(first.ids.length, 8);
    assert.deepEqual(first.warnings, []);
    assert.equal(first.info.fromCache, false);
    assert.equal(first.info.cached, true);
    const sizes = await Promise.all(
      FILES.map(async (name) => (await readFile(join(FOLDER, name))).length),
    );
    const bytes = sizes.reduce((a, b) => a + b, 0);
    assert.equal(first.progress.at(-1).loadedBytes, bytes);
    assert.equal(first.progress.at(-1).totalBytes, bytes);
    for (const [index, { loadedBytes }] of first.progress.entries()) {
      assert.ok(loadedBytes >= (first.progress[index - 1]?.loadedBytes ?? 0));
    }

    const before = server.log.length;
    const again = await write(page, {
      repo: "somebody/tiny",
      file: FILES,
      hub: server.origin,
    });
    assert.equal(again.info.fromCache, true);
    assert.deepEqual(again.ids, first.ids);
    const asked = server.log.slice(before);
    assert.deepEqual(
      asked.filter((line) => line.includes(BASE)),
      [],
      "what is stored is not asked for",
    );

    const local = await page.evaluate(async (addresses) => {
      const files = await Promise.all(
        addresses.map(async (address) => {
          const body = await (await fetch(address)).blob();
          return new File([body], address.split("/").pop());
        }),
      );
      await load(files, { cache: false });
      const request = { prompt: "the cat", maxTokens: 8, temperature: 0 };
      const { ids } = await generate(llm, { ...request, ignoreEos: true });
      const { format } = llm.info;
      await llm.unload();
      return { ids, format };
    }, ADDRESSES);
    assert.deepEqual(local.ids, first.ids);
    assert.equal(local.format, first.info.format);
  });

  test("weights are rounded while they are read, to what the caller names", async (context) => {
    const { page } = await stage(context, { mounts: MOUNTS });
    const plain = await write(page, ADDRESSES);
    const rounded = await write(page, ADDRESSES, { quantise: "q8_0" });
    assert.equal(rounded.info.format, "q8_0");
    assert.ok(
      rounded.info.plan.weightsBytes < 0.7 * plain.info.plan.weightsBytes,
      `${rounded.info.plan.weightsBytes} of ${plain.info.plan.weightsBytes}`,
    );
    // Both flavours of folders are the same engine.
    const simd = await write(page, ADDRESSES, { flavour: "simd128-threads" });
    assert.equal(simd.info.flavour, "simd128");
    assert.deepEqual(simd.ids, plain.ids);
    const error = await page.evaluate(
      (addresses) => caught(load(addresses, { quantise: "q99" })),
      ADDRESSES,
    );
    assert.equal(error.code, "bad_argument");
    assert.match(error.message, /q99/);
  });

  test("a stored file that went bad is fetched again, the others are not", async (context) => {
    const { server, page } = await stage(context, { mounts: MOUNTS });
    const first = await write(page, ADDRESSES, { storage: "indexeddb" });
    await page.evaluate(async () => {
      const request = indexedDB.open("smidgen");
      const database = await new Promise((resolve, reject) => {
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error);
      });
      const chunks = database
        .transaction("chunks", "readwrite")
        .objectStore("chunks");
      // The weights are the one large file.
      await new Promise((resolve, reject) => {
        const cursor = chunks.openCursor();
        cursor.onerror = () => reject(cursor.error);
        cursor.onsuccess = () => {
          const at = cursor.result;
          if (!at) return resolve();
          const size = at.value.size ?? at.value.byteLength;
          if (size > 100_000) {
            const wrong = new Uint8Array(size);
            at.update(
              at.value instanceof Blob ? new Blob([wrong]) : wrong.buffer,
            );
          }
          at.continue();
        };
      });
      database.close();
    });
    const before = server.log.length;
    const mended = await write(page, ADDRESSES, { storage: "indexeddb" });
    assert.deepEqual(mended.ids, first.ids);
    assert.deepEqual(
      mended.warnings.map(({ code }) => code),
      ["storage_corrupt"],
    );
    const asked = server.log
      .slice(before)
      .filter((line) => line.includes(BASE));
    assert.ok(asked.length >= 1);
    assert.ok(
      asked.every((line) => line.includes("model.safetensors")),
      asked.join("\n"),
    );
  });

  test("what is no model, or half of one, is refused in words", async (context) => {
    const { page } = await stage(context, { mounts: MOUNTS });
    const [mixed, none, missing, repository] = await page.evaluate(
      (base) =>
        Promise.all([
          caught(load([`${base}model.safetensors`, "/models/model.gguf"])),
          caught(load([`${base}config.json`])),
          caught(load([`${base}model.safetensors`, `${base}tokenizer.json`])),
          caught(load({ repo: "tiny", file: "model.gguf" })),
        ]),
      BASE,
    );
    for (const error of [mixed, none, repository]) {
      assert.equal(error.code, "bad_argument");
    }
    assert.match(none.message, /config\.json/);
    assert.match(repository.message, /owner\/name/);
    assert.ok(missing.own && missing.code && missing.code !== "engine_trap");
    assert.match(missing.message, /config\.json|model_type|architecture/);
  });
});
