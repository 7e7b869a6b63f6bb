// Models on the device in Chromium: offline visits, resumed downloads, damage, quota, several tabs, honest errors.

import assert from "node:assert/strict";
import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import {
  browse,
  LIMIT,
  MODEL,
  MODEL_BYTES,
  MODEL_PATH,
  serve,
  stage,
  visit,
} from "./package/stage.mjs";

const CHUNK = 4 * 1024 * 1024;

const answer = () =>
  generate(llm, { prompt: "The capital of France is", maxTokens: 3, seed: 1 });

const loadModel = (page, source = MODEL_PATH, options = {}) =>
  page.evaluate(
    ([source, options]) => load(source, options),
    [source, options],
  );

const failure = (page, source, options = {}) =>
  page.evaluate(
    ([source, options]) => caught(load(source, options)),
    [source, options],
  );

/** Waits until a download under way has stored so many bytes. */
async function storedAtLeast(page, bytes) {
  for (;;) {
    const [model] = await page.evaluate(() => Smidgen.models.list());
    if (model?.storedBytes >= bytes) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** Runs `work(transaction)` on the package's own database and waits for it to complete. */
const tamper = (page, work) =>
  page.evaluate(
    ([source]) =>
      new Promise((resolve, reject) => {
        const opening = indexedDB.open("smidgen");
        opening.onerror = () => reject(opening.error);
        opening.onsuccess = () => {
          const database = opening.result;
          const transaction = database.transaction(
            ["complete", "partial", "chunks"],
            "readwrite",
          );
          transaction.oncomplete = () => {
            database.close();
            resolve();
          };
          transaction.onabort = () => reject(transaction.error);
          new Function("transaction", source)(transaction);
        };
      }),
    [`(${work})(transaction)`],
  );

describe("models on the device", LIMIT, () => {
  test("the second visit, in a new browser and without the model's server, uses no network for weights", async (context) => {
    const profile = await mkdtemp(join(tmpdir(), "smidgen-"));
    // The browser may still be writing; a folder left behind is no fault of what is tested.
    context.after(() =>
      rm(profile, { recursive: true, force: true, maxRetries: 5 }).catch(
        () => {},
      ),
    );
    const server = await serve();
    context.after(() => server.stop());

    const first = await browse(context, { profile });
    const page = await visit(first.browser, server);
    const loaded = await loadModel(page);
    assert.equal(loaded.info.fromCache, false);
    assert.equal(loaded.info.cached, true);
    assert.deepEqual(loaded.warnings, []);
    assert.equal(server.sent.get(MODEL_PATH), MODEL_BYTES);
    const last = loaded.progress.at(-1);
    assert.deepEqual(last, {
      phase: "download",
      loadedBytes: MODEL_BYTES,
      totalBytes: MODEL_BYTES,
    });
    for (const [index, entry] of loaded.progress.slice(1).entries()) {
      assert.ok(entry.loadedBytes >= loaded.progress[index].loadedBytes);
    }
    const text = (await page.evaluate(answer)).text;
    await first.close();

    server.faults.set(MODEL_PATH, { status: 500 });
    server.log.length = 0;
    const second = await browse(context, { profile });
    const again = await visit(second.browser, server);
    const cached = await loadModel(again);
    assert.equal(cached.info.fromCache, true);
    assert.equal(cached.progress.at(-1).phase, "cache");
    assert.equal(server.count(MODEL_PATH), 0);
    assert.equal((await again.evaluate(answer)).text, text);

    const listed = await again.evaluate(() => Smidgen.models.list());
    assert.equal(listed.length, 1);
    assert.equal(listed[0].complete, true);
    assert.equal(listed[0].storedBytes, MODEL_BYTES);
    assert.ok(listed[0].lastUsedAt >= listed[0].createdAt);
    const estimate = await again.evaluate(() => Smidgen.models.estimate());
    assert.equal(estimate.modelBytes, MODEL_BYTES);
    assert.ok(estimate.usageBytes > 0);
    assert.ok(estimate.freeBytes <= estimate.quotaBytes - MODEL_BYTES);
    assert.equal(
      typeof (await again.evaluate(() => Smidgen.models.persist())),
      "boolean",
    );

    const byId = await loadModel(again, { id: listed[0].id });
    assert.equal(byId.info.fromCache, true);
    assert.deepEqual(
      await again.evaluate(async (id) => {
        const gone = await Smidgen.models.delete(id);
        return [gone, await Smidgen.models.delete(id)];
      }, listed[0].id),
      [true, false],
    );
    assert.equal(
      (await failure(again, { id: listed[0].id })).code,
      "model_not_stored",
    );
  });

  test("a tab closed in mid-download goes on from its last whole chunk", async (context) => {
    const { server, browser, page } = await stage(context);
    server.faults.set(MODEL_PATH, { holdAt: MODEL_BYTES / 2 });
    await page.evaluate((path) => {
      caught(load(path));
    }, MODEL_PATH);
    await storedAtLeast(page, 2 * CHUNK);
    await page.close();
    server.faults.delete(MODEL_PATH);

    const next = await visit(browser, server);
    const [partial] = await next.evaluate(() => Smidgen.models.list());
    assert.equal(partial.complete, false);
    assert.equal(partial.storedBytes % CHUNK, 0);
    server.sent.clear();
    const loaded = await loadModel(next);
    assert.equal(
      server.sent.get(MODEL_PATH),
      MODEL_BYTES - partial.storedBytes,
    );
    assert.equal(loaded.info.cached, true);
    assert.ok((await next.evaluate(answer)).text.length > 0);
    const [whole] = await next.evaluate(() => Smidgen.models.list());
    assert.equal(whole.complete, true);
    assert.equal(whole.storedBytes, MODEL_BYTES);
    // Every chunk is checked against its SHA-256 on the way back.
    assert.equal((await loadModel(next)).info.fromCache, true);
  });

  test("a stopped download starts over when the file has changed meanwhile", async (context) => {
    const { server, page } = await stage(context);
    const path = "/changed.gguf";
    server.files.set(path, {
      body: "GGUF".padEnd(40_000_000, "x"),
      etag: '"old"',
    });
    server.faults.set(path, { cutAfter: 20_000_000 });
    // Not a real model: the header is refused before anything is stored.
    assert.equal((await failure(page, path)).own, true);

    server.faults.set(MODEL_PATH, { holdAt: MODEL_BYTES / 2 });
    await page.evaluate((source) => {
      window.stop = new AbortController();
      window.result = caught(load(source, { signal: stop.signal }));
    }, MODEL_PATH);
    // All that comes before the hold: then nothing moves, and no connection is about to be opened.
    await storedAtLeast(page, Math.floor(MODEL_BYTES / 2 / CHUNK) * CHUNK);
    const error = await page.evaluate(() => {
      stop.abort();
      return result;
    });
    assert.equal(error.name, "AbortError");
    // The page has its answer before its connections have ended.
    while (server.sending > 0) await new Promise((go) => setTimeout(go, 20));
    server.faults.delete(MODEL_PATH);
    await tamper(page, (transaction) => {
      const store = transaction.objectStore("partial");
      store.openCursor().onsuccess = ({ target }) => {
        const cursor = target.result;
        if (cursor) cursor.update({ ...cursor.value, etag: '"older"' });
      };
    });
    server.log.length = 0;
    server.sent.clear();
    const loaded = await loadModel(page);
    assert.equal(server.sent.get(MODEL_PATH), MODEL_BYTES);
    assert.equal(loaded.info.cached, true);
    assert.equal((await loadModel(page)).info.fromCache, true);
  });

  test("a lost connection is taken up in the same load", async (context) => {
    const { server, page } = await stage(context);
    server.faults.set(MODEL_PATH, { cutAfter: 500_000, times: 4 });
    const loaded = await loadModel(page);
    assert.equal(loaded.info.cached, true);
    assert.ok((await page.evaluate(answer)).text.length > 0);
  });

  test("a damaged chunk is noticed and fetched again alone", async (context) => {
    const { server, page } = await stage(context);
    await loadModel(page);
    await page.evaluate(async () => {
      const root = await navigator.storage.getDirectory();
      const folder = await root.getDirectoryHandle("smidgen");
      const { value: name } = await folder.keys().next();
      const file = await folder.getFileHandle(name);
      const writable = await file.createWritable();
      await writable.write(new Uint8Array(16 * 1024 * 1024));
      await writable.close();
    });
    server.sent.clear();
    const loaded = await loadModel(page);
    assert.deepEqual(
      loaded.warnings.map(({ code }) => code),
      ["storage_corrupt"],
    );
    assert.ok(server.sent.get(MODEL_PATH) <= CHUNK);
    server.sent.clear();
    assert.equal((await loadModel(page)).info.fromCache, true);
    assert.equal(server.sent.get(MODEL_PATH), undefined);
    assert.equal(loaded.info.cached, true);
    assert.ok((await page.evaluate(answer)).text.length > 0);
  });

  test("a full device: the model works from memory, what fits is kept for the next time, and the user is told", async (context) => {
    const { server, page, browser } = await stage(context);
    const session = await browser.newCDPSession(page);
    await session.send("Storage.overrideQuotaForOrigin", {
      origin: new URL(page.url()).origin,
      quotaSize: 40_000_000,
    });
    const loaded = await loadModel(page);
    assert.deepEqual(
      loaded.warnings.map(({ code }) => code),
      ["storage_quota"],
    );
    assert.equal(loaded.info.cached, false);
    assert.ok((await page.evaluate(answer)).text.length > 0);
    const [begun] = await page.evaluate(() => Smidgen.models.list());
    assert.equal(begun.complete, false);
    assert.ok(begun.storedBytes > 0);
    await session.send("Storage.overrideQuotaForOrigin", {
      origin: new URL(page.url()).origin,
    });
    server.sent.clear();
    assert.equal((await loadModel(page)).info.cached, true);
    assert.equal(server.sent.get(MODEL_PATH), MODEL_BYTES - begun.storedBytes);
  });

  test("two tabs at once download one copy", async (context) => {
    const { server, browser, page } = await stage(context);
    const other = await visit(browser, server);
    server.faults.set(MODEL_PATH, { bytesPerSecond: 60e6 });
    const [a, b] = await Promise.all([loadModel(page), loadModel(other)]);
    assert.equal(server.sent.get(MODEL_PATH), MODEL_BYTES);
    assert.deepEqual([a.info.fromCache, b.info.fromCache].sort(), [
      false,
      true,
    ]);
    const waited = a.info.fromCache ? a : b;
    assert.equal(waited.progress[0].phase, "download");
    for (const tab of [page, other]) {
      assert.ok((await tab.evaluate(answer)).text.length > 0);
    }
  });

  test("a frozen tab that holds the download does not hold up the others", async (context) => {
    const { server, browser, page } = await stage(context);
    const frozen = await visit(browser, server);
    await frozen.evaluate((path) => {
      // What a tab looks like whose timers have stopped: it has the lock and says nothing.
      const name = `smidgen:${new URL(path, location).href}`;
      navigator.locks.request(name, () => new Promise(() => {}));
    }, MODEL_PATH);
    const loaded = await loadModel(page);
    assert.deepEqual(
      loaded.warnings.map(({ code }) => code),
      ["storage_busy"],
    );
    assert.equal(loaded.info.cached, false);
    assert.ok((await page.evaluate(answer)).text.length > 0);
    assert.deepEqual(await page.evaluate(() => Smidgen.models.list()), []);
  });

  test("a file of the user's is kept too, and cache: false keeps nothing", async (context) => {
    const { server, page } = await stage(context);
    const handle = await page.evaluateHandle(() => {
      const input = document.createElement("input");
      input.type = "file";
      document.body.append(input);
      return input;
    });
    await handle.setInputFiles(MODEL);
    const options = { cache: false };
    const first = await page.evaluate(
      ([input, options]) => load(input.files[0], options),
      [handle, options],
    );
    assert.equal(first.info.cached, false);
    assert.deepEqual(await page.evaluate(() => Smidgen.models.list()), []);
    const second = await page.evaluate((input) => load(input.files[0]), handle);
    assert.equal(second.info.cached, true);
    assert.equal(second.progress.at(-1).phase, "load");
    const third = await page.evaluate((input) => load(input.files[0]), handle);
    assert.equal(third.info.fromCache, true);
    assert.equal(server.count(MODEL_PATH), 0);
    assert.ok((await page.evaluate(answer)).text.length > 0);
  });

  test("a wrong SHA-256 is refused and nothing is kept; the right one loads", async (context) => {
    const { page } = await stage(context);
    const wrong = { url: MODEL_PATH, sha256: "0".repeat(64) };
    const error = await failure(page, wrong);
    assert.equal(error.code, "sha256_mismatch");
    assert.deepEqual(await page.evaluate(() => Smidgen.models.list()), []);
    const right = { url: MODEL_PATH, sha256: error.details.found };
    assert.equal((await loadModel(page, right)).info.cached, true);
    assert.equal((await loadModel(page, right)).info.fromCache, true);
    // What is stored is not what is asked for now: it is fetched, and refused again.
    assert.equal((await failure(page, wrong)).code, "sha256_mismatch");
  });

  test("files that are no models, or not whole, are told apart and leave nothing behind", async (context) => {
    const { server, page } = await stage(context);
    const head = Buffer.alloc(3_000_000);
    const file = await open(MODEL);
    await file.read(head, 0, head.length, 0);
    await file.close();
    const broken = Buffer.from(head);
    broken.fill(0xff, 1000, 2000);
    const cases = {
      "/page.gguf": ["<!doctype html><p>sign in", "download_html"],
      "/lfs.gguf": [
        "version https://git-lfs.github.com/spec/v1\n",
        "download_lfs_pointer",
      ],
      "/noise.gguf": ["no model at all, just text", "not_gguf"],
      "/empty.gguf": ["", "truncated"],
      "/short.gguf": [head, "truncated"],
      "/broken.gguf": [broken, undefined],
      "/missing.gguf": [undefined, "download_http"],
    };
    for (const [path, [body, code]] of Object.entries(cases)) {
      if (body !== undefined) server.files.set(path, { body });
      const error = await failure(page, path);
      assert.ok(error?.own, `${path} loaded`);
      assert.notEqual(error.code, "engine_trap", path);
      if (code) assert.equal(error.code, code, path);
      assert.ok(error.message.length > 20, path);
    }
    assert.deepEqual(await page.evaluate(() => Smidgen.models.list()), []);
    const elsewhere = await serve();
    delete elsewhere.headers["access-control-allow-origin"];
    const address = elsewhere.origin.replace("127.0.0.1", "localhost");
    const blocked = await failure(page, address + MODEL_PATH);
    assert.equal(blocked.code, "download_network");
    assert.match(blocked.message, /Access-Control-Allow-Origin/);
    elsewhere.headers["access-control-allow-origin"] = "*";
    assert.equal(
      (await failure(page, elsewhere.origin + MODEL_PATH))?.code,
      undefined,
    );
    await elsewhere.stop();
    const gone = await failure(page, "http://127.0.0.1:1/model.gguf");
    assert.equal(gone.code, "download_network");
  });

  test("bad options are refused with what was given", async (context) => {
    const { page } = await stage(context);
    for (const [source, options] of [
      [MODEL_PATH, { threads: 0 }],
      [MODEL_PATH, { threads: 1.5 }],
      [MODEL_PATH, { contextLength: -1 }],
      ["http://[", {}],
      [{ url: MODEL_PATH, sha256: "abc" }, {}],
      [{}, {}],
      [null, {}],
    ]) {
      const error = await failure(page, source, options);
      assert.equal(
        error.code,
        "bad_argument",
        JSON.stringify([source, options]),
      );
    }
    const long = await failure(page, MODEL_PATH, { contextLength: 10_000_000 });
    assert.equal(long.code, "context_too_long");
  });
});
