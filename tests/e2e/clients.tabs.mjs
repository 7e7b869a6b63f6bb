// One engine for many tabs: the second loads nothing, both are answered, and the second takes over when the first is closed.

import assert from "node:assert/strict";
import { test } from "node:test";
import { browse, LIMIT, MODEL_PATH, serve, visit } from "./package/stage.mjs";
import { serveTraps } from "./package/traps.mjs";

const ask = (page, maxTokens = 6) =>
  page.evaluate(
    (max_tokens) =>
      llm.chat.completions.create({
        messages: [{ role: "user", content: "What is the capital of France?" }],
        temperature: 0,
        max_tokens,
      }),
    maxTokens,
  );

const workers = (page) => page.workers().length;

test("tabs share one engine and outlive its tab", LIMIT, async (context) => {
  const server = await serve();
  context.after(() => server.stop());
  const { browser } = await browse(context);
  const [first, second, third] = await Promise.all(
    [1, 2, 3].map(() => visit(browser, server)),
  );
  const load = (page) =>
    page.evaluate((path) => load(path, { shareTabs: true }), MODEL_PATH);
  const { info } = await load(first);
  const sent = server.count(MODEL_PATH);
  const follower = await load(second);
  assert.equal(follower.info.architecture, info.architecture);
  assert.equal(server.count(MODEL_PATH), sent, "the second tab loaded it too");
  assert.deepEqual([workers(first), workers(second)], [1, 0]);

  const [one, two] = await Promise.all([ask(first), ask(second)]);
  assert.match(one.choices[0].message.content, /\w/);
  assert.equal(two.choices[0].message.content, one.choices[0].message.content);
  const streamed = await second.evaluate(async () => {
    let text = "";
    const stream = await llm.chat.completions.create({
      messages: [{ role: "user", content: "What is the capital of France?" }],
      temperature: 0,
      max_tokens: 6,
      stream: true,
    });
    for await (const { choices } of stream) {
      text += choices[0]?.delta.content ?? "";
    }
    return text;
  });
  assert.equal(streamed, one.choices[0].message.content);
  const wrong = await second.evaluate(() =>
    caught(generate(llm, { prompt: "x", temperature: -1 })),
  );
  assert.equal(wrong.code, "bad_argument");

  // An abort in a tab that follows frees the leader's engine, and so does its end.
  const freed = await second.evaluate(async () => {
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 200);
    return caught(
      llm.chat.completions.create(
        { messages: [{ role: "user", content: "Write a long story." }] },
        { signal: controller.signal },
      ),
    );
  });
  assert.equal(freed.name, "AbortError");
  await load(third);
  await third.evaluate(() => {
    void llm.chat.completions.create({
      messages: [{ role: "user", content: "Write a long story." }],
    });
  });
  await third.close();
  const beganAt = performance.now();
  await ask(first);
  const waitedMs = performance.now() - beganAt;
  assert.ok(waitedMs < 3000, `a closed tab's reply went on for ${waitedMs} ms`);

  const running = second.evaluate(() =>
    caught(
      (async () => {
        for await (const _ of llm.generate({
          prompt: "Once",
          maxTokens: 1500,
        }));
      })(),
    ),
  );
  await new Promise((resolve) => setTimeout(resolve, 700));
  await first.close();
  const lost = await running;
  assert.equal(lost.code, "leader_lost");
  const after = await ask(second);
  assert.equal(
    after.choices[0].message.content,
    one.choices[0].message.content,
  );
  assert.equal(workers(second), 1);
  // From this device's storage.
  assert.equal(server.count(MODEL_PATH), sent);
});

test(
  "where the leader's engine breaks off, its tab hears of it and the other's reply goes on",
  LIMIT,
  async (context) => {
    const server = await serve();
    context.after(() => server.stop());
    await serveTraps(server);
    const { browser } = await browse(context);
    const [leader, follower] = await Promise.all(
      [1, 2].map(() => visit(browser, server)),
    );
    const options = { shareTabs: true, wasmBase: "/faulty/" };
    for (const page of [leader, follower]) {
      await page.evaluate(
        ([path, options]) => load(path, options),
        [MODEL_PATH, options],
      );
    }
    assert.deepEqual([workers(leader), workers(follower)], [1, 0]);
    const write = (page, maxTokens) =>
      page.evaluate(
        async (maxTokens) =>
          (
            await generate(llm, {
              prompt: "The sun is",
              temperature: 0,
              ignoreEos: true,
              maxTokens,
            })
          ).ids,
        maxTokens,
      );
    const expected = await write(follower, 120);

    // The follower's reply has begun when the leader's breaks the engine.
    await follower.evaluate(() => {
      window.begun = Promise.withResolvers();
      window.whole = (async () => {
        const ids = [];
        const request = {
          prompt: "The sun is",
          temperature: 0,
          ignoreEos: true,
          maxTokens: 120,
        };
        for await (const event of llm.generate(request)) {
          if (event.type === "token") ids.push(event.id);
          if (ids.length === 3) begun.resolve();
        }
        return ids;
      })();
      return begun.promise;
    });
    const broken = await leader.evaluate(() =>
      caught(generate(llm, { prompt: "trap", maxTokens: 50 })),
    );
    assert.equal(broken.code, "engine_trap");
    assert.deepEqual(await follower.evaluate(() => whole), expected);
    assert.deepEqual(await write(leader, 40), expected.slice(0, 40));
    assert.deepEqual(await write(follower, 40), expected.slice(0, 40));
    assert.equal(workers(leader) + workers(follower), 1);
  },
);
