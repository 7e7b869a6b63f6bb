// The chat API on the real engine and model in Chromium: right tokens, KV reuse, abort, stop strings, a free main thread.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { LIMIT, MODEL_PATH, ROOT, stage } from "./package/stage.mjs";

const oracle = JSON.parse(
  await readFile(join(ROOT, "tests/golden/oracle/smollm2-greedy.json"), "utf8"),
);

describe("chat on the real model", LIMIT, () => {
  let page;
  const cleanups = [];

  before(async () => {
    ({ page } = await stage({ after: (work) => cleanups.push(work) }));
    await page.evaluate((path) => load(path), MODEL_PATH);
  });
  after(async () => {
    for (const work of cleanups.reverse()) await work();
  });

  test("info tells what was loaded", async () => {
    const info = await page.evaluate(() => llm.info);
    assert.equal(info.architecture, "llama");
    assert.equal(info.threads, 1);
    assert.equal(info.fromCache, false);
    assert.equal(info.cached, true);
    assert.equal(info.storage, "opfs");
    assert.ok(info.loadMs > 0);
    assert.ok(info.plan.weightsBytes > 0);
    assert.ok(info.id.endsWith(MODEL_PATH));
  });

  test("template, tokens and text agree with the oracle's prompts", async () => {
    const cases = oracle.cases.filter((entry) => entry.kind === "chat");
    assert.ok(cases.length > 0);
    for (const { messages, text, prompt_ids } of cases) {
      const found = await page.evaluate(async (messages) => {
        const text = await llm.applyTemplate(messages);
        const ids = await llm.tokenize(text, { parseSpecial: true });
        return { text, ids };
      }, messages);
      assert.equal(found.text, text);
      assert.deepEqual(found.ids, prompt_ids);
    }
    const text = "Grüße, 世界 🐘";
    const back = await page.evaluate(
      async (text) => llm.detokenize(await llm.tokenize(text)),
      text,
    );
    assert.equal(back, text);
  });

  test("a user cannot write control tokens", async () => {
    const ids = await page.evaluate(() => llm.tokenize("<|im_end|>"));
    assert.ok(ids.length > 1, "<|im_end|> became one token");
  });

  test("greedy decoding follows the exact engine while its choice is clear", async () => {
    /** Below this gap between the two best logits, quantised activations may choose otherwise. */
    const CLEAR = 1;
    let compared = 0;
    for (const entry of oracle.cases) {
      const { output_ids, gap_top1_top2 } = entry.fp32;
      const clear = gap_top1_top2.findIndex((gap) => gap < CLEAR);
      const count = clear < 0 ? output_ids.length : clear;
      if (count === 0) continue;
      const seen = await page.evaluate(
        ([ids, maxTokens]) =>
          generate(llm, { ids, maxTokens, temperature: 0, ignoreEos: true }),
        [entry.prompt_ids, count],
      );
      assert.deepEqual(seen.ids, output_ids.slice(0, count), entry.id);
      compared += count;
    }
    assert.ok(compared > 0, "no clear token in the whole oracle");
  });

  test("a stream and a whole reply say the same, and the second turn reuses the first's cache", async () => {
    const found = await page.evaluate(async () => {
      await llm.reset();
      const messages = [{ role: "user", content: "Name three colours." }];
      const fields = { messages, temperature: 0, seed: 1, max_tokens: 16 };
      let text = "";
      let usage;
      let timings;
      const stream = await llm.chat.completions.create({
        ...fields,
        stream: true,
        stream_options: { include_usage: true },
      });
      for await (const chunk of stream) {
        text += chunk.choices[0]?.delta.content ?? "";
        usage = chunk.usage ?? usage;
        timings = chunk.timings ?? timings;
      }
      const whole = await llm.chat.completions.create(fields);
      messages.push(whole.choices[0].message, {
        role: "user",
        content: "And three more.",
      });
      const second = await llm.chat.completions.create({
        messages,
        max_tokens: 4,
      });
      return { text, usage, timings, whole, second };
    });
    const { text, usage, timings, whole, second } = found;
    assert.ok(text.length > 0);
    assert.equal(whole.choices[0].message.content, text);
    assert.equal(usage.prompt_tokens_details.cached_tokens, 0);
    assert.equal(timings.prefillTokens, usage.prompt_tokens);
    assert.equal(timings.decodeTokens, usage.completion_tokens);
    assert.ok(timings.decodeTps > 0 && timings.prefillTps > 0);
    assert.ok(timings.timeToFirstTokenMs >= timings.prefillMs);
    // The same prompt again: at least the last token has to be evaluated for its logits.
    assert.ok(
      whole.usage.prompt_tokens_details.cached_tokens >=
        usage.prompt_tokens - 1,
    );
    assert.ok(
      second.usage.prompt_tokens_details.cached_tokens >= usage.prompt_tokens,
    );
    assert.ok(
      second.usage.prompt_tokens_details.cached_tokens <
        second.usage.prompt_tokens,
    );
  });

  test("a seed repeats a reply, another one does not", async () => {
    const [a, b, c] = await page.evaluate(async () => {
      const texts = [];
      for (const seed of [7, 7, 8]) {
        const messages = [{ role: "user", content: "Tell me a story." }];
        const fields = { messages, temperature: 1, max_tokens: 24 };
        const reply = await llm.chat.completions.create({ ...fields, seed });
        texts.push(reply.choices[0].message.content);
      }
      return texts;
    });
    assert.equal(a, b);
    assert.notEqual(a, c);
  });

  test("a stop string ends a reply before itself, also when it spans tokens", async () => {
    const { full, cut } = await page.evaluate(async () => {
      const messages = [{ role: "user", content: "Count from one to ten." }];
      const fields = { messages, temperature: 0, max_tokens: 24 };
      const full = await llm.chat.completions.create(fields);
      const text = full.choices[0].message.content;
      const stop = text.slice(7, 12);
      const cut = await llm.chat.completions.create({ ...fields, stop });
      return { full: text, cut: cut.choices[0] };
    });
    assert.equal(
      cut.message.content,
      full.slice(0, full.indexOf(full.slice(7, 12))),
    );
    assert.equal(cut.finish_reason, "stop");
  });

  test("an abort acts within a token, in decode and in prefill, and leaves a working model", async () => {
    const found = await page.evaluate(async () => {
      const decode = new AbortController();
      let tokens = 0;
      let abortedAt;
      let endedAt;
      const messages = [{ role: "user", content: "Write a long essay." }];
      const error = await caught(
        (async () => {
          const stream = await llm.chat.completions.create(
            { messages, stream: true, max_tokens: 500 },
            { signal: decode.signal },
          );
          for await (const _ of stream) {
            if (++tokens === 5) {
              abortedAt = performance.now();
              decode.abort();
            }
          }
        })(),
      );
      // Answered only when the worker is free again.
      await llm.tokenize("free?");
      endedAt = performance.now();

      const prefill = new AbortController();
      const long = [{ role: "user", content: "many words ".repeat(600) }];
      setTimeout(() => prefill.abort(), 30);
      const startedAt = performance.now();
      const second = await caught(
        llm.chat.completions.create(
          { messages: long, max_tokens: 1 },
          { signal: prefill.signal },
        ),
      );
      await llm.tokenize("free?");
      const prefillMs = performance.now() - startedAt;
      const whole = await llm.chat.completions.create({
        messages: long,
        max_tokens: 1,
      });
      const after = await llm.chat.completions.create({
        messages: [{ role: "user", content: "What is the capital of France?" }],
        temperature: 0,
        max_tokens: 12,
      });
      return {
        error,
        second,
        freeMs: endedAt - abortedAt,
        prefillMs,
        wholeMs: whole.timings.prefillMs,
        after: after.choices[0].message.content,
      };
    });
    assert.equal(found.error.name, "AbortError");
    assert.equal(found.second.name, "AbortError");
    assert.ok(found.freeMs < 500, `free after ${found.freeMs} ms`);
    assert.ok(
      found.prefillMs < found.wholeMs,
      `an aborted prefill took ${found.prefillMs} ms, a whole one ${found.wholeMs}`,
    );
    assert.match(found.after, /\w/);
  });

  test("leaving a stream and asking again at once works; queued calls keep their order", async () => {
    const order = await page.evaluate(async () => {
      const messages = [{ role: "user", content: "Hello" }];
      for await (const _ of await llm.chat.completions.create({
        messages,
        stream: true,
      })) {
        break;
      }
      const order = [];
      await Promise.all(
        ["a", "b", "c"].map(async (name) => {
          await llm.chat.completions.create({ messages, max_tokens: 3 });
          order.push(name);
        }),
      );
      return order;
    });
    assert.deepEqual(order, ["a", "b", "c"]);
  });

  test("wrong arguments and a full context are errors with codes, and do no harm", async () => {
    const found = await page.evaluate(async () => {
      const { contextLength } = llm.info;
      const content = "word ".repeat(contextLength + 10);
      const user = [{ role: "user", content }];
      return {
        full: await caught(llm.chat.completions.create({ messages: user })),
        none: await caught(generate(llm, {})),
        badId: await caught(generate(llm, { ids: [4_000_000_000] })),
        minus: await caught(generate(llm, { prompt: "x", temperature: -1 })),
        text: (await generate(llm, { prompt: "The", maxTokens: 2 })).text,
      };
    });
    assert.equal(found.full.code, "context_length_exceeded");
    for (const name of ["none", "badId", "minus"]) {
      assert.equal(found[name].code, "bad_argument", name);
    }
    assert.equal(typeof found.text, "string");
  });

  test("the real fetch handler streams server-sent events", async () => {
    const body = await page.evaluate(async () => {
      const reply = await llm.fetch(
        "https://smidgen.invalid/v1/chat/completions",
        {
          method: "POST",
          body: JSON.stringify({
            messages: [{ role: "user", content: "Hi" }],
            max_tokens: 4,
            stream: true,
          }),
        },
      );
      return reply.text();
    });
    const events = body.trim().split("\n\n");
    assert.equal(events.at(-1), "data: [DONE]");
    const first = JSON.parse(events[0].slice("data: ".length));
    assert.equal(first.choices[0].delta.role, "assistant");
  });

  test("the main thread had no task over 50 ms since the page came up", async () => {
    const tasks = await page.evaluate(() => longTasks);
    assert.deepEqual(tasks, []);
  });

  test("after unload every call says so", async () => {
    const error = await page.evaluate(async () => {
      const waiting = caught(generate(llm, { prompt: "x", maxTokens: 400 }));
      await llm.unload();
      return [await waiting, await caught(llm.tokenize("x"))];
    });
    assert.deepEqual(
      error.map(({ code }) => code),
      ["unloaded", "unloaded"],
    );
  });
});
