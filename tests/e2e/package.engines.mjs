// The package in every browser engine at hand: load, chat, second load from the device, resume, abort. SMIDGEN_BROWSERS names them.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { open } from "./drive/browser.mjs";
import { LIMIT, MODEL_BYTES, MODEL_PATH, serve } from "./package/stage.mjs";

const BROWSERS = JSON.parse(
  process.env.SMIDGEN_BROWSERS ??
    '[{"name":"chromium","executable":"/usr/bin/chromium","sandbox":false}]',
);

/** Runs in the page; its result must survive JSON. */
async function visit(path) {
  const request = { prompt: "Two and two", maxTokens: 5, temperature: 0 };
  const first = await load(path);
  const answer = await generate(llm, request);
  await llm.unload();

  const second = await load(path);
  const again = await generate(llm, request);
  const hurry = new AbortController();
  setTimeout(() => hurry.abort(), 200);
  const abort = await caught(
    generate(
      llm,
      { prompt: "Once", maxTokens: 1000, ignoreEos: true },
      { signal: hurry.signal },
    ),
  );
  const reply = await llm.chat.completions.create({
    messages: [{ role: "user", content: "Hello" }],
    max_tokens: 4,
  });
  await llm.unload();
  const listed = await Smidgen.models.list();
  const deleted = await Smidgen.models.delete(listed[0].id);

  // Stops in mid-download, and goes on.
  const stop = new AbortController();
  const stopped = await caught(
    load(path, {
      signal: stop.signal,
      onProgress: ({ loadedBytes }) => {
        if (loadedBytes > 60_000_000) stop.abort();
      },
    }),
  );
  // The worker puts the last whole chunk away.
  let partial;
  for (let tries = 0; tries < 50; tries++) {
    [partial] = await Smidgen.models.list();
    if (partial?.storedBytes >= 3 * 8 * 1024 * 1024) break;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const resumed = await load(path);
  const last = await generate(llm, request);

  // A file of the user's.
  const blob = await (await fetch(path)).blob();
  const file = await load(new File([blob], "own.gguf", { lastModified: 1 }));
  const own = await generate(llm, request);
  const html = await caught(load("/index.html"));
  return {
    features: Smidgen.features(),
    infos: [first.info, second.info, resumed.info, file.info],
    warnings: [first, second, resumed, file].flatMap((one) => one.warnings),
    answers: [answer, again, last, own].map(({ ids }) => ids),
    abort,
    reply,
    listed,
    deleted,
    stopped,
    partial,
    html,
  };
}

describe("every browser engine", { timeout: 2 * LIMIT.timeout }, () => {
  for (const driven of BROWSERS) {
    test(driven.name, async (context) => {
      const server = await serve();
      context.after(() => server.stop());
      const page = await open(driven);
      context.after(() => page.close());
      await page.goto(`${server.origin}/index.html`);
      const value = async (expression) => {
        for (;;) {
          const found = await page.evaluate(expression);
          if (found) return found;
          await new Promise((resolve) => setTimeout(resolve, 100));
        }
      };
      await value("window.ready === true");
      await page.evaluate(
        `void (${visit})(${JSON.stringify(MODEL_PATH)}).then(
          (value) => { window.outcome = JSON.stringify({ value }); },
          (error) => { window.outcome = JSON.stringify({ error: String(error.stack) + error.message }); },
        )`,
      );
      const { value: found, error } = JSON.parse(await value("window.outcome"));
      assert.equal(error, undefined);

      const { features, infos, answers } = found;
      assert.equal(features.simd128, true);
      const flavour = features.relaxed ? "relaxed" : "simd128";
      assert.deepEqual(
        infos.map((info) => info.flavour),
        [flavour, flavour, flavour, flavour],
      );
      assert.deepEqual(found.warnings, []);
      assert.deepEqual(
        infos.map((info) => [info.fromCache, info.cached]),
        [
          [false, true],
          [true, true],
          [false, true],
          [false, true],
        ],
      );
      assert.ok(answers[0].length > 0);
      for (const answer of answers) assert.deepEqual(answer, answers[0]);
      assert.equal(found.abort.name, "AbortError");
      assert.ok(found.reply.usage.completion_tokens > 0);
      assert.equal(found.listed[0].storedBytes, MODEL_BYTES);
      assert.equal(found.deleted, true);
      assert.equal(found.stopped.name, "AbortError");
      assert.equal(found.partial.complete, false);
      assert.ok(found.partial.storedBytes >= 3 * 8 * 1024 * 1024);
      assert.equal(found.html.code, "download_html");
      // In ranges, but for the file that the page fetched by itself.
      const whole = `GET ${MODEL_PATH}`;
      const requests = server.requests(MODEL_PATH);
      assert.equal(requests.filter((line) => line === whole).length, 1);
      // Whole for the first load and the file; what was stored of the stopped one does not come again.
      const beyond = server.sent.get(MODEL_PATH) - 3 * MODEL_BYTES;
      assert.ok(beyond < 64 * 1024 * 1024);
    });
  }
});
