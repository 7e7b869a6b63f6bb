// Saved sessions: what was evaluated is taken up again, in this page and in the next, counted in tokens that were not evaluated.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { LIMIT, MODEL_PATH, stage } from "./package/stage.mjs";

describe("saved sessions", LIMIT, () => {
  let page;
  const cleanups = [];
  before(async () => {
    ({ page } = await stage({ after: (work) => cleanups.push(work) }));
    await page.evaluate((path) => load(path), MODEL_PATH);
  });
  after(async () => {
    for (const work of cleanups.reverse()) await work();
  });

  test("a saved session comes back without prefill and says the same, also in a new page", async () => {
    const messages = [
      { role: "system", content: "You know these facts. ".repeat(40) },
      { role: "user", content: "What is the capital of France?" },
    ];
    const ask = () =>
      page.evaluate(
        (messages) =>
          llm.chat.completions.create({
            messages,
            temperature: 0,
            max_tokens: 8,
          }),
        messages,
      );
    const first = await ask();
    const found = await page.evaluate(async () => {
      const kept = await llm.sessions.save("facts");
      const state = await llm.saveState();
      await llm.reset();
      return {
        kept,
        bytes: state.byteLength,
        list: await llm.sessions.list(),
        tokens: await llm.restoreState(state),
      };
    });
    assert.equal(found.kept.bytes, found.bytes);
    assert.deepEqual(
      found.list.map(({ name }) => name),
      ["facts"],
    );
    assert.ok(found.tokens >= first.usage.prompt_tokens);
    const again = await ask();
    assert.equal(
      again.usage.prompt_tokens_details.cached_tokens,
      first.usage.prompt_tokens - 1,
    );
    assert.equal(again.timings.prefillTokens, 1);
    assert.equal(
      again.choices[0].message.content,
      first.choices[0].message.content,
    );

    await page.reload();
    await page.waitForFunction(() => window.ready);
    await page.evaluate((path) => load(path), MODEL_PATH);
    await page.evaluate(() => llm.sessions.restore("facts"));
    const later = await ask();
    assert.equal(later.timings.prefillTokens, 1);
    assert.ok(
      later.timings.timeToFirstTokenMs < first.timings.timeToFirstTokenMs / 2,
      `${later.timings.timeToFirstTokenMs} ms after ${first.timings.timeToFirstTokenMs} ms`,
    );
    assert.equal(
      later.choices[0].message.content,
      first.choices[0].message.content,
    );
  });

  test("what is no session of this model is refused, and changes nothing", async () => {
    const found = await page.evaluate(async () => {
      await generate(llm, { prompt: "One two three", maxTokens: 2 });
      const state = await llm.saveState();
      const other = state.slice();
      other[9] ^= 1;
      const tries = [
        new Uint8Array(0),
        new Uint8Array(40),
        state.slice(0, 30),
        state.slice(0, -2),
        other,
      ];
      const codes = [];
      for (const bad of tries) {
        codes.push((await caught(llm.restoreState(bad)))?.code);
      }
      const gone = await caught(llm.sessions.restore("nowhere"));
      const after = await llm.saveState();
      return {
        codes,
        gone: gone.code,
        same: after.every((byte, at) => byte === state[at]),
        deleted: [
          await llm.sessions.delete("facts"),
          await llm.sessions.delete("facts"),
        ],
        left: await llm.sessions.list(),
      };
    });
    assert.deepEqual(found.codes, Array(5).fill("bad_argument"));
    assert.equal(found.gone, "session_not_stored");
    assert.ok(found.same);
    assert.deepEqual(found.deleted, [true, false]);
    assert.deepEqual(found.left, []);
  });
});
