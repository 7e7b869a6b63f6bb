// Many callers of one engine: replies made side by side are those made alone, each can be cancelled, and memory stays within its bound.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { LIMIT, MODEL_PATH, stage } from "./package/stage.mjs";

describe("many callers", LIMIT, () => {
  let page;
  const cleanups = [];
  before(async () => {
    ({ page } = await stage({ after: (work) => cleanups.push(work) }));
    await page.evaluate((path) => load(path), MODEL_PATH);
    await page.evaluate(() => {
      /** A greedy reply of `maxTokens` to a question of its own. */
      window.ask = (question, maxTokens, options) =>
        generate(
          llm,
          {
            messages: [{ role: "user", content: question }],
            temperature: 0,
            ignoreEos: true,
            maxTokens,
          },
          options,
        );
    });
  });
  after(async () => {
    for (const work of cleanups.reverse()) await work();
  });

  test("replies made side by side are those made one after the other", async () => {
    const found = await page.evaluate(async () => {
      const asked = [3, 40, 17, 25, 9, 31, 12, 20, 5, 14].map((n) => [
        `Tell me about the number ${n}. `.repeat(n % 7),
        n,
      ]);
      const alone = [];
      for (const [question, n] of asked) {
        alone.push((await ask(question, n)).ids);
      }
      await llm.reset();
      // More than the engine makes at once: the last wait.
      const together = await Promise.all(
        asked.map(([question, n]) => ask(question, n)),
      );
      return {
        batch: llm.info.batch,
        alone,
        together: together.map(({ ids }) => ids),
      };
    });
    assert.ok(found.batch < found.alone.length);
    assert.deepEqual(found.together, found.alone);
  });

  test("n replies come side by side, and their prompt is evaluated once", async () => {
    const found = await page.evaluate(async () => {
      const request = {
        messages: [{ role: "user", content: "Once upon a time. ".repeat(30) }],
        n: 4,
        seed: 3,
        temperature: 1,
        max_tokens: 16,
        ignoreEos: true,
      };
      await llm.reset();
      const order = [];
      const prefilled = [];
      const texts = ["", "", "", ""];
      const stream = await llm.chat.completions.create({
        ...request,
        stream: true,
        stream_options: { include_usage: true },
      });
      let usage;
      for await (const chunk of stream) {
        usage = chunk.usage ?? usage;
        if (chunk.timings) prefilled.push(chunk.timings.prefillTokens);
        for (const { index, delta } of chunk.choices) {
          if (delta.content) order.push(index);
          texts[index] += delta.content ?? "";
        }
      }
      const alone = [];
      for (let index = 0; index < 4; index++) {
        const reply = await llm.chat.completions.create({
          ...request,
          n: 1,
          seed: 3 + index,
        });
        alone.push(reply.choices[0].message.content);
      }
      return { order, prefilled, texts, alone, usage };
    });
    assert.deepEqual(found.texts, found.alone);
    assert.ok(
      found.order.indexOf(3) < found.order.lastIndexOf(0),
      `one after the other: ${found.order}`,
    );
    const tokens = found.prefilled.sort((a, b) => a - b);
    assert.deepEqual(tokens, [1, 1, 1, found.usage.prompt_tokens]);
    assert.equal(found.usage.prompt_tokens_details.cached_tokens, 0);
  });

  test("a running and a waiting reply are cancelled, and the others go on as if nothing were", async () => {
    const found = await page.evaluate(async () => {
      const expected = (await ask("What is a cat?", 30)).ids;
      const running = new AbortController();
      const begun = Promise.withResolvers();
      const long = caught(
        (async () => {
          const events = llm.generate(
            { prompt: "Once", maxTokens: 1500, ignoreEos: true },
            { signal: running.signal },
          );
          for await (const { type } of events) {
            if (type === "token") begun.resolve();
          }
        })(),
      );
      await begun.promise;
      const stays = ask("What is a cat?", 30);
      const others = Array.from({ length: llm.info.batch }, () => {
        const controller = new AbortController();
        const { signal } = controller;
        const ended = caught(ask("Count to a thousand.", 1000, { signal }));
        return { controller, ended };
      });
      // The last of them has no place yet.
      const waiting = others.at(-1);
      waiting.controller.abort();
      const refused = await waiting.ended;
      running.abort();
      const stopped = await long;
      const { ids } = await stays;
      for (const { controller } of others) controller.abort();
      const rest = await Promise.all(others.map(({ ended }) => ended));
      return {
        expected,
        ids,
        refused,
        stopped,
        rest: rest.map(({ name }) => name),
        next: (await ask("What is a cat?", 30)).ids,
      };
    });
    assert.equal(found.refused.name, "AbortError");
    assert.equal(found.stopped.name, "AbortError");
    assert.deepEqual(found.ids, found.expected);
    assert.deepEqual(found.next, found.expected);
    assert.deepEqual(new Set(found.rest), new Set(["AbortError"]));
  });

  test("conversations that take turns are not evaluated again", async () => {
    const cached = await page.evaluate(async () => {
      await llm.reset();
      const told = (name) => [
        { role: "system", content: `You are ${name}. `.repeat(20) },
        { role: "user", content: "Who are you?" },
      ];
      const conversations = ["Ada", "Bob", "Cleo"].map(told);
      const left = [];
      for (let turn = 0; turn < 3; turn++) {
        for (const messages of conversations) {
          const { done, text, begun } = await generate(llm, {
            messages,
            temperature: 0,
            maxTokens: 8,
          });
          left.push(begun.promptTokens - done.cachedTokens);
          messages.push(
            { role: "assistant", content: text },
            { role: "user", content: "And now?" },
          );
        }
      }
      // Reading a text in between forgets none of them.
      await llm.embed(["Something else entirely"]);
      const { begun } = await generate(llm, {
        messages: conversations[0].slice(0, -1),
        maxTokens: 1,
      });
      return { left, after: begun.promptTokens - begun.cachedTokens };
    });
    for (const tokens of cached.left.slice(3)) {
      assert.ok(tokens < 30, `${tokens} tokens of a later turn were evaluated`);
    }
    assert.ok(cached.after < 30);
  });

  test("replies that together need more than the cache holds all come out right", async () => {
    const found = await page.evaluate(async (path) => {
      const small = await Smidgen.load(path, { contextLength: 256 });
      const run = (index) =>
        generate(small, {
          prompt: `Story number ${index}:`,
          temperature: 0,
          maxTokens: 100,
          ignoreEos: true,
        });
      const together = await Promise.all([0, 1, 2].map(run));
      const alone = [];
      for (const index of [0, 1, 2]) alone.push(await run(index));
      await small.unload();
      return {
        plan: small.info.plan,
        together: together.map(({ ids }) => ids),
        alone: alone.map(({ ids }) => ids),
      };
    }, MODEL_PATH);
    assert.equal(found.plan.cacheLength, 256);
    assert.deepEqual(found.together, found.alone);
  });

  test("a cache of eight bits takes half, and a reply goes on beyond its context", async () => {
    const found = await page.evaluate(async (path) => {
      const halves = await Smidgen.load(path, { contextLength: 384 });
      const refused = await Smidgen.load(path, { cacheFormat: "q4_0" }).catch(
        ({ code }) => code,
      );
      const bytes = await Smidgen.load(path, {
        contextLength: 384,
        cacheFormat: "q8_0",
      });
      const request = {
        messages: [
          { role: "system", content: "You tell stories." },
          { role: "user", content: "Tell me a long story about a fox." },
        ],
        temperature: 0,
        ignoreEos: true,
        maxTokens: 420,
        contextOverflow: "shift",
      };
      const first = await generate(bytes, request);
      await bytes.reset();
      const again = await generate(bytes, request);
      const state = await bytes.saveState();
      const other = await halves.restoreState(state).catch(({ code }) => code);
      const ended = await generate(halves, {
        ...request,
        contextOverflow: "error",
      });
      const kept = await bytes.restoreState(state);
      await Promise.all([halves.unload(), bytes.unload()]);
      return {
        refused,
        other,
        plans: [halves.info.plan, bytes.info.plan],
        first: first.ids,
        again: again.ids,
        text: first.text,
        ended: ended.begun.promptTokens + ended.ids.length,
        held: kept - first.begun.promptTokens,
      };
    }, MODEL_PATH);
    assert.deepEqual(
      [found.refused, found.other],
      Array(2).fill("bad_argument"),
    );
    const [halves, bytes] = found.plans;
    assert.deepEqual([halves.cacheFormat, bytes.cacheFormat], ["q16_0", "q8_0"]);
    // Heads of 64 numbers: 68 bytes in the place of 132.
    assert.equal(bytes.cacheBytes / halves.cacheBytes, 68 / 132);
    assert.equal(found.first.length, 420);
    assert.deepEqual(found.again, found.first);
    assert.match(found.text, /fox/i);
    assert.equal(found.ended, 384);
    assert.equal(found.held, 419);
  });

  test("over the memory budget the model that was used least recently rests, and answers all the same", async () => {
    const found = await page.evaluate(async (path) => {
      const before = (await ask("What is a cat?", 12)).ids;
      const one = llm.info.plan.totalBytes;
      const used = [Smidgen.memory.usedBytes];
      Smidgen.memory.bytes = 1.5 * one;
      const other = await Smidgen.load(path);
      const say = async () =>
        (await generate(other, { prompt: "The sun is", maxTokens: 3 })).ids;
      await say();
      used.push(Smidgen.memory.usedBytes);
      const after = (await ask("What is a cat?", 12)).ids;
      await say();
      used.push(Smidgen.memory.usedBytes);
      // Two that are busy both stay.
      await Promise.all([ask("What is a cat?", 12), say()]);
      let refused;
      try {
        Smidgen.memory.bytes = -1;
      } catch (error) {
        refused = error.name;
      }
      Smidgen.memory.bytes = Infinity;
      await other.unload();
      return { one, used, before, after, refused };
    }, MODEL_PATH);
    assert.deepEqual(found.used, Array(3).fill(found.one));
    assert.deepEqual(found.after, found.before);
    assert.equal(found.refused, "RangeError");
  });

  test("a grammar begins to rule where its opening was written", async () => {
    const found = await page.evaluate(async () => {
      const choices = [" is where tea is drunk.", " is a colour."];
      const say = (fields) =>
        generate(llm, {
          prompt: "The capital of France is Paris. The capital of Italy is",
          temperature: 0,
          maxTokens: 24,
          grammarAfter: {
            grammar: { type: "choice", choices },
            after: ["Rome"],
            ...fields,
          },
        });
      return {
        choices,
        once: await say({}),
        again: await say({ again: true }),
        never: await say({ after: ["Tokyo and Kyoto"] }),
        part: await say({
          after: [" Ro"],
          included: true,
          grammar: { type: "choice", choices: [" Rome, and no other"] },
        }),
        beyond: await say({ grammar: { type: "lark", source: "" } }),
      };
    });
    const [free, ruled] = [/^ Rome/, found.once.text.slice(5)];
    assert.match(found.once.text, free);
    assert.ok(found.choices.includes(ruled), found.once.text);
    assert.equal(found.once.done.finish, "stop");
    assert.ok(found.again.text.startsWith(` Rome${ruled}`));
    assert.ok(found.again.ids.length > found.once.ids.length);
    assert.equal(found.never.text.length > 6, true);
    assert.equal(found.part.text, " Rome, and no other");
    // A grammar that cannot be had is not asked of a reply that need not follow it.
    assert.equal(found.beyond.text, found.never.text);
  });

  test("a tool that may be called is called by its schema, once the call has begun", async () => {
    const found = await page.evaluate(async () => {
      const parameters = {
        type: "object",
        properties: {
          city: { enum: ["Oslo", "Lima"] },
          days: { type: "integer", minimum: 1, maximum: 5 },
        },
        required: ["city", "days"],
        additionalProperties: false,
      };
      const tools = [
        { type: "function", function: { name: "forecast", parameters } },
      ];
      const asked = (content, id) => [
        { role: "user", content },
        {
          role: "assistant",
          content: null,
          tool_calls: [
            {
              id,
              type: "function",
              function: {
                name: "forecast",
                arguments: '{"city": "Oslo", "days": 3}',
              },
            },
          ],
        },
      ];
      return llm.chat.completions.create({
        messages: [
          ...asked("Forecast for Oslo?", "1"),
          ...asked("Forecast for Oslo again?", "2"),
          ...asked("Forecast for Oslo, 3 days?", "3"),
          { role: "user", content: "Forecast for Berlin, 90 days?" },
        ],
        tools,
        temperature: 0,
        max_tokens: 80,
      });
    });
    const { message, finish_reason } = found.choices[0];
    assert.equal(finish_reason, "tool_calls", message.content);
    const given = JSON.parse(message.tool_calls[0].function.arguments);
    assert.ok(["Oslo", "Lima"].includes(given.city), given.city);
    assert.ok(given.days >= 1 && given.days <= 5, given.days);
  });
});
