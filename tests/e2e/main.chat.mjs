// What `cargo xtask demo` promises, in every browser given: an answer, each flavour the same one, a free main thread.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { basename } from "node:path";
import { open } from "./drive/browser.mjs";
import { events } from "./drive/run.mjs";
import { browsers, model, serve } from "./drive/server.mjs";

/** A task longer than this is one that a user notices (W3C Long Tasks). */
const LONGEST_TASK_MS = 50;

let server;
before(async () => (server = await serve()));
after(() => server.stop());

const run = (more = {}) => ({
  model: `/models/${basename(model())}`,
  prompt: "What is the capital of France?",
  maxTokens: 24,
  seed: 1,
  temperature: 0,
  ...more,
});

/** All events of one run, by type. */
async function collect(page, run) {
  const happened = { progress: [], longtask: [], text: "" };
  for await (const event of events(page, server.origin, run)) {
    if (event.type === "text") happened.text += event.text;
    else if (Array.isArray(happened[event.type]))
      happened[event.type].push(event);
    else happened[event.type] = event;
  }
  return happened;
}

/** That a free main thread was reported means something only if a busy one is. */
async function seesLongTasks(page) {
  await page.evaluate(
    `setTimeout(() => { for (const end = performance.now() + 80; performance.now() < end; ); })`,
  );
  await new Promise((resolve) => setTimeout(resolve, 500));
  const events = JSON.parse(await page.evaluate("takeEvents()"));
  assert.ok(events.some(({ type }) => type === "longtask"));
}

assert.ok(browsers.length > 0, "SMIDGEN_BROWSERS names no browser");

for (const driven of browsers) {
  test(`a chat in ${driven.name}`, { timeout: 300_000 }, async (t) => {
    const page = await open(driven);
    t.after(() => page.close());
    const { loaded, done, text, progress, longtask } = await collect(
      page,
      run(),
    );
    assert.match(text, /\p{L}{3}/u);
    assert.equal(done.promptTokens, 37);
    assert.ok(done.generated > 0 && done.generated <= 24);
    assert.ok(done.timings.decodeTps > 0 && done.timings.prefillTps > 0);
    assert.ok(
      done.timings.timeToFirstTokenMs >= done.timings.prefillMs,
      "the first token comes after the prompt",
    );
    assert.equal(loaded.info.layers, 30);
    assert.deepEqual(
      longtask.filter(({ duration }) => duration > LONGEST_TASK_MS),
      [],
    );
    if (driven.name === "chromium") await seesLongTasks(page);
    const { loadedBytes, totalBytes } = progress.at(-1);
    assert.equal(loadedBytes, totalBytes);
    assert.ok(progress.length > 5, "progress moves");

    // The second visit: not one byte of weights from the server, and the same words.
    const again = await collect(page, run());
    assert.equal(again.loaded.info.fromCache, true);
    assert.equal(again.text, text);
  });

  test(`every flavour in ${driven.name}`, { timeout: 600_000 }, async (t) => {
    const page = await open(driven);
    t.after(() => page.close());
    const relaxed = driven.name === "webkit" ? [] : ["relaxed"];
    for (const kind of ["simd128", ...relaxed]) {
      const one = await collect(page, run({ flavour: kind }));
      assert.equal(one.loaded.info.flavour, kind);
      assert.equal(one.loaded.info.threads, 1);
      if (driven.name === "webkit") continue;
      const name = `${kind}-threads`;
      const two = await collect(page, run({ flavour: name, threads: 2 }));
      assert.equal(two.loaded.info.flavour, name);
      assert.equal(two.loaded.info.threads, 2);
      assert.equal(two.text, one.text, "threads do not change the answer");
    }
  });
}

test(
  "bad input ends in an error with its code",
  { timeout: 300_000 },
  async (t) => {
    const page = await open(browsers[0]);
    t.after(() => page.close());
    const code = async (more) => {
      try {
        await collect(page, run(more));
      } catch (error) {
        assert.ok(error.message.length > 20, error.message);
        return error.code;
      }
      return "none";
    };
    assert.equal(
      await code({ model: "/models/missing.gguf" }),
      "download_http",
    );
    assert.equal(await code({ model: "/pkg/worker.js" }), "not_gguf");
    assert.equal(await code({ model: "/bench/index.html" }), "download_html");
    const { info } = (await collect(page, run())).loaded;
    const tooLong = info.maxContextLength + 1;
    assert.equal(await code({ contextLength: tooLong }), "context_too_long");
    // The page and the stored model have come to no harm.
    assert.match((await collect(page, run())).text, /\p{L}{3}/u);
  },
);
