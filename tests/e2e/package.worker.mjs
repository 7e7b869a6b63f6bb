// The worker's surroundings in Chromium: traps, a strict Content-Security-Policy, flavours, wrong servers, memory.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import {
  browse,
  DIST,
  LIMIT,
  MODEL_BYTES,
  MODEL_PATH,
  serve,
  stage,
  visit,
} from "./package/stage.mjs";
import { serveTraps } from "./package/traps.mjs";

const POLICY =
  "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'; img-src data:";

describe("the worker", LIMIT, () => {
  test("after a trap the call fails with a code, the page lives, waiting and later calls are answered", async (context) => {
    const { server, page } = await stage(context);
    await serveTraps(server);
    await page.evaluate(
      (path) => load(path, { wasmBase: "/faulty/" }),
      MODEL_PATH,
    );
    const found = await page.evaluate(async () => {
      const good = { prompt: "The sun is", maxTokens: 4, temperature: 0 };
      const before = (await generate(llm, good)).text;
      const trapped = caught(generate(llm, { prompt: "trap", maxTokens: 9 }));
      const waiting = generate(llm, good);
      const error = await trapped;
      return {
        error,
        before,
        waiting: (await waiting).text,
        after: (await generate(llm, good)).text,
      };
    });
    assert.equal(found.error.code, "engine_trap");
    assert.match(found.error.details.panic, /third token/);
    assert.ok(found.before.length > 0);
    assert.equal(found.waiting, found.before);
    assert.equal(found.after, found.before);
    // The new worker had the model from storage.
    assert.equal(server.sent.get(MODEL_PATH), MODEL_BYTES);
  });

  test("a strict Content-Security-Policy without eval, blob: or other origins is enough", async (context) => {
    const { page, browser } = await stage(context, {
      headers: { "content-security-policy": POLICY },
    });
    const refused = [];
    browser.on("console", (message) => {
      if (/Content Security Policy/.test(message.text())) {
        refused.push(message.text());
      }
    });
    const { info } = await page.evaluate((path) => load(path), MODEL_PATH);
    assert.equal(info.architecture, "llama");
    const { ids } = await page.evaluate(() =>
      generate(llm, { prompt: "Hello", maxTokens: 2 }),
    );
    assert.ok(ids.length > 0);
    assert.deepEqual(refused, []);
  });

  test("a page downloads one flavour, the one its browser validates", async (context) => {
    const { server, page } = await stage(context);
    const { info, warnings } = await page.evaluate(
      (path) => load(path),
      MODEL_PATH,
    );
    const features = await page.evaluate(() => Smidgen.features());
    assert.equal(features.simd128, true);
    assert.equal(info.flavour, features.relaxed ? "relaxed" : "simd128");
    assert.deepEqual(warnings, []);
    assert.deepEqual(
      server
        .requests("/pkg/wasm/")
        .map((line) => line.split(" ")[1])
        .sort(),
      [
        `/pkg/wasm/${info.flavour}/smidgen.js`,
        `/pkg/wasm/${info.flavour}/smidgen_bg.wasm`,
      ],
    );
    const plain = await page.evaluate(
      (path) => load(path, { flavour: "simd128" }),
      MODEL_PATH,
    );
    assert.equal(plain.info.flavour, "simd128");
  });

  test("threads: as many as asked for on an isolated page, the same greedy text as with one", async (context) => {
    const { page } = await stage(context);
    const run = (threads) =>
      page.evaluate(
        async ([path, threads]) => {
          const { info, warnings } = await load(path, { threads });
          const request = { prompt: "Once upon a time", maxTokens: 12 };
          const { ids } = await generate(llm, { ...request, temperature: 0 });
          await llm.unload();
          return { info, warnings, ids };
        },
        [MODEL_PATH, threads],
      );
    const one = await run(1);
    const two = await run(2);
    assert.deepEqual(two.warnings, []);
    assert.equal(two.info.threads, 2);
    assert.match(two.info.flavour, /-threads$/);
    assert.deepEqual(two.ids, one.ids);
  });

  test("threads that cannot start are a warning and one thread, not an error", async (context) => {
    const { server, page } = await stage(context);
    server.faults.set("/pkg/thread.js", { status: 404 });
    const { info, warnings } = await page.evaluate(
      (path) => load(path, { threads: 2 }),
      MODEL_PATH,
    );
    assert.equal(info.threads, 1);
    assert.doesNotMatch(info.flavour, /-threads$/);
    assert.deepEqual(
      warnings.map(({ code }) => code),
      ["flavour_fallback"],
    );
  });

  test("without isolation everything works on one thread, whatever is asked for", async (context) => {
    const { page } = await stage(context, { isolated: false });
    const { info, warnings } = await page.evaluate(
      (path) => load(path, { threads: "auto" }),
      MODEL_PATH,
    );
    assert.equal(info.threads, 1);
    assert.deepEqual(warnings, []);
    const error = await page.evaluate(
      (path) => caught(load(path, { flavour: "simd128-threads" })),
      MODEL_PATH,
    );
    assert.equal(error.code, "flavour_unavailable");
    assert.match(error.message, /Cross-Origin-Opener-Policy/);
  });

  test("a wasm served with the wrong type still starts; one that is missing is told with its address", async (context) => {
    const { server, page } = await stage(context);
    const wasm = await readFile(join(DIST, "wasm/simd128/smidgen_bg.wasm"));
    const address = "/pkg/wasm/simd128/smidgen_bg.wasm";
    server.files.set(address, { body: wasm, type: "text/plain" });
    const tries = (options) =>
      page.evaluate(
        ([path, options]) => caught(load(path, options)),
        [MODEL_PATH, options],
      );
    assert.equal(await tries({ flavour: "simd128" }), undefined);
    server.files.set(address, { body: "not a module", type: "text/plain" });
    const broken = await tries({ flavour: "simd128" });
    assert.equal(broken.code, "engine_compile");
    server.files.delete(address);
    server.faults.set(address, { status: 404 });
    const missing = await tries({ flavour: "simd128" });
    assert.equal(missing.code, "engine_download");
    assert.ok(missing.message.includes(address));
    const nowhere = await tries({ wasmBase: "/nowhere" });
    assert.equal(nowhere.code, "engine_download");
    server.faults.set("/pkg/worker.js", { status: 404 });
    const workerless = await tries({});
    assert.equal(workerless.code, "worker_failed");
    assert.match(workerless.message, /worker\.js/);
  });

  test("an aborted load rejects at once and leaves nothing running", async (context) => {
    const { server, page } = await stage(context);
    server.faults.set(MODEL_PATH, { holdAt: 5e6 });
    const found = await page.evaluate(async (path) => {
      const controller = new AbortController();
      setTimeout(() => controller.abort(), 300);
      const startedAt = performance.now();
      const error = await caught(load(path, { signal: controller.signal }));
      const early = await caught(load(path, { signal: AbortSignal.abort() }));
      return { error, early, ms: performance.now() - startedAt };
    }, MODEL_PATH);
    assert.equal(found.error.name, "AbortError");
    assert.equal(found.early.name, "AbortError");
    assert.ok(found.ms < 2000, `${found.ms} ms`);
    for (let tries = 0; page.workers().length > 0; tries++) {
      assert.ok(tries < 50, "a worker outlived its load");
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  });

  test("two models at once, each with its own worker; the page's heap holds no weights", async (context) => {
    const server = await serve();
    context.after(() => server.stop());
    const { browser } = await browse(context, {
      args: ["--enable-precise-memory-info"],
    });
    const page = await visit(browser, server);
    const found = await page.evaluate(async (path) => {
      const a = await Smidgen.load(path);
      const b = await Smidgen.load(path, { contextLength: 256 });
      const request = { prompt: "Water is", maxTokens: 5, temperature: 0 };
      const [x, y] = await Promise.all([
        generate(a, request),
        generate(b, request),
      ]);
      return {
        same: x.text === y.text,
        contexts: [a.info.contextLength, b.info.contextLength],
        heap: performance.memory.usedJSHeapSize,
      };
    }, MODEL_PATH);
    assert.equal(found.same, true);
    assert.equal(found.contexts[1], 256);
    assert.ok(found.heap < 20e6, `${found.heap} bytes on the page's heap`);
    assert.equal(page.workers().length, 2);
  });
});
