// `LanguageModel` of the Prompt API over the real engine and model in Chromium: its life, its errors, its aborts, its overflow.

import { Ajv } from "ajv";
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { clients } from "./clients/stage.mjs";
import { LIMIT } from "./package/stage.mjs";

describe("the Prompt API", LIMIT, () => {
  let page;
  const cleanups = [];
  before(async () => {
    const context = { after: (work) => cleanups.push(work) };
    ({ page } = await clients(context, "prompt.js"));
  });
  after(async () => {
    for (const work of cleanups.reverse()) await work();
  });

  test("availability, progress from 0 to 1, one load for all sessions, installed once", async () => {
    const found = await page.evaluate(async () => {
      const before = await LanguageModel.availability();
      const events = [];
      const monitor = (monitor) => {
        monitor.addEventListener("downloadprogress", (event) => {
          events.push([event.loaded, event.total, event.lengthComputable]);
        });
      };
      const [one, two] = await Promise.all([
        LanguageModel.create({ monitor }),
        LanguageModel.create(),
      ]);
      window.session = one;
      return {
        before,
        events,
        after: await LanguageModel.availability(),
        image: await LanguageModel.availability({
          expectedInputs: [{ type: "image" }],
        }),
        installed,
        loads: loads(),
        window: one.contextWindow,
        usage: two.contextUsage,
        mode: two.samplingMode,
        context: llm.info.contextLength,
      };
    });
    assert.equal(found.before, "downloadable");
    assert.equal(found.after, "available");
    assert.equal(found.image, "unavailable");
    assert.deepEqual(found.installed, [true, false]);
    assert.equal(found.loads, 1);
    assert.equal(found.window, found.context);
    assert.equal(found.usage, 0);
    assert.equal(found.mode, "balanced");
    assert.deepEqual(found.events[0], [0, 1, true]);
    assert.deepEqual(found.events.at(-1), [1, 1, true]);
    const loaded = found.events.map(([loaded]) => loaded);
    assert.deepEqual(
      loaded,
      [...loaded].sort((a, b) => a - b),
    );
    assert.equal(new Set(loaded).size, loaded.length);
    assert.ok(loaded.every((value) => Number.isInteger(value * 65536)));
  });

  test("a prompt, a stream, a system prompt, a beginning, and what they use of the context", async () => {
    const found = await page.evaluate(async () => {
      const session = await LanguageModel.create({
        samplingMode: "most-predictable",
        initialPrompts: [
          { role: "system", content: "You answer in one short sentence." },
        ],
      });
      const started = session.contextUsage;
      const twin = await session.clone();
      const question = "What is the capital of France?";
      const cost = await session.measureContextUsage(question);
      const whole = await session.prompt(question);
      const used = session.contextUsage;
      let streamed = "";
      const reader = twin.promptStreaming(question).getReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        streamed += value;
      }
      const begun = await twin.prompt([
        {
          role: "user",
          content: [
            { type: "text", value: "Name a " },
            { type: "text", value: "colour." },
          ],
        },
        { role: "assistant", content: "The colour is", prefix: true },
      ]);
      return {
        started,
        cost,
        whole,
        used,
        streamed,
        begun,
        after: session.contextUsage,
      };
    });
    assert.ok(found.started > 0);
    assert.ok(found.cost > 5);
    assert.ok(found.used >= found.started + found.cost);
    assert.match(found.whole, /Paris/);
    assert.equal(found.streamed, found.whole);
    assert.doesNotMatch(found.begun, /^The colour is/);
    assert.equal(found.after, found.used);
  });

  test("constraints: a schema, a regular expression, and their errors", async () => {
    const schema = {
      type: "object",
      properties: { rating: { type: "integer", minimum: 0, maximum: 5 } },
      required: ["rating"],
      additionalProperties: false,
    };
    const found = await page.evaluate(async (schema) => {
      const session = await LanguageModel.create();
      const ask = (responseConstraint, more) =>
        session.prompt("Rate this film.", { responseConstraint, ...more });
      return {
        json: await ask(schema),
        silent: await ask(schema, { omitResponseConstraintInput: true }),
        regex: await ask(/^(good|BAD) [0-9]{2}$/i),
        kind: await caught(() => ask("x")),
        alone: await caught(() =>
          session.prompt("x", { omitResponseConstraintInput: true }),
        ),
        wrong: await caught(() => ask({ type: "wizard" })),
        unknown: await caught(() =>
          ask({ type: "object", unevaluatedProperties: false }),
        ),
      };
    }, schema);
    const validate = new Ajv().compile(schema);
    assert.ok(validate(JSON.parse(found.json)), found.json);
    assert.ok(validate(JSON.parse(found.silent)), found.silent);
    assert.match(found.regex, /^(good|bad) \d{2}$/i);
    assert.ok(found.kind.type && found.alone.type);
    assert.equal(found.wrong.name, "SyntaxError");
    assert.equal(found.unknown.name, "NotSupportedError");
  });

  test("wrong prompts are refused as the specification says", async () => {
    const found = await page.evaluate(async () => {
      const session = await LanguageModel.create();
      const user = { role: "user", content: "x" };
      const image = [{ type: "image", value: new Blob([]) }];
      return {
        late: await caught(() =>
          session.prompt([user, { role: "system", content: "x" }]),
        ),
        role: await caught(() =>
          session.prompt([{ role: "wizard", content: "x" }]),
        ),
        prefix: await caught(() => session.prompt([{ ...user, prefix: true }])),
        middle: await caught(() =>
          session.prompt([
            { role: "assistant", content: "x", prefix: true },
            user,
          ]),
        ),
        image: await caught(() =>
          session.prompt([{ role: "user", content: image }]),
        ),
        value: await caught(() =>
          session.prompt([
            { role: "user", content: [{ type: "text", value: 5 }] },
          ]),
        ),
        create: await caught(() =>
          LanguageModel.create({ expectedInputs: [{ type: "image" }] }),
        ),
        tongue: await caught(() =>
          LanguageModel.availability({
            expectedInputs: [{ type: "text", languages: ["not a tag"] }],
          }),
        ),
        bare: await caught(async () => new LanguageModel()),
        usage: session.contextUsage,
      };
    });
    assert.ok(
      found.late.type && found.role.type && found.value.type && found.bare.type,
    );
    assert.equal(found.prefix.name, "SyntaxError");
    assert.equal(found.middle.name, "SyntaxError");
    assert.equal(found.image.name, "NotSupportedError");
    assert.equal(found.create.name, "NotSupportedError");
    assert.equal(found.tongue.name, "RangeError");
    assert.equal(found.usage, 0);
  });

  test("aborts: before, queued, running; what is destroyed stays so; no trace is left", async () => {
    const found = await page.evaluate(async () => {
      const session = await LanguageModel.create();
      const before = await caught(() =>
        session.prompt("x", { signal: AbortSignal.abort() }),
      );
      const running = new AbortController();
      const queued = new AbortController();
      const first = caught(() =>
        session.prompt("Write a long story.", { signal: running.signal }),
      );
      const second = caught(() =>
        session.prompt("y", { signal: queued.signal }),
      );
      const third = session.prompt("Say hello.");
      queued.abort();
      const waiting = await second;
      setTimeout(
        () => running.abort(new DOMException("mine", "TimeoutError")),
        300,
      );
      const stopped = await first;
      const reply = await third;
      const clone = await session.clone();
      const late = caught(() => clone.prompt("Write a long story."));
      setTimeout(() => clone.destroy(), 100);
      const destroyed = await late;
      return {
        before,
        waiting,
        stopped,
        reply,
        destroyed,
        again: await caught(() => clone.prompt("x")),
        create: await caught(() =>
          LanguageModel.create({ signal: AbortSignal.abort() }),
        ),
      };
    });
    assert.equal(found.before.name, "AbortError");
    assert.equal(found.waiting.name, "AbortError");
    assert.equal(found.stopped.name, "TimeoutError");
    assert.ok(found.reply.length > 0);
    assert.equal(found.destroyed.name, "AbortError");
    assert.equal(found.again.name, "InvalidStateError");
    assert.equal(found.create.name, "AbortError");
  });

  test("overflow drops the oldest turns, never the initial prompts, and tells; what cannot fit changes nothing", async () => {
    const found = await page.evaluate(async () => {
      const session = await LanguageModel.create({
        initialPrompts: [{ role: "system", content: "Be brief." }],
      });
      let overflows = 0;
      let handled = 0;
      session.addEventListener("contextoverflow", () => overflows++);
      session.oncontextoverflow = () => handled++;
      const half = "word ".repeat(Math.floor(session.contextWindow * 0.6));
      await session.append(half);
      const usage = session.contextUsage;
      await session.append(half);
      const after = session.contextUsage;
      const error = await caught(() => session.append(half + half));
      return {
        overflows,
        handled,
        usage,
        after,
        error,
        last: session.contextUsage,
      };
    });
    assert.equal(found.overflows, 1);
    assert.equal(found.handled, 1);
    assert.equal(found.after, found.usage);
    assert.equal(found.error.name, "QuotaExceededError");
    assert.ok(found.error.dom);
    assert.ok(found.error.requested > found.error.quota);
    assert.equal(found.last, found.after);
  });

  test("tools are described to the model, and their errors reach it and not the caller", async () => {
    const found = await page.evaluate(async () => {
      const tool = {
        name: "clock",
        description: "Tells the time",
        inputSchema: { type: "object", properties: {} },
        execute: async () => {
          throw new Error("no clock");
        },
      };
      const session = await LanguageModel.create({
        tools: [tool],
        samplingMode: "most-predictable",
      });
      return {
        usage: await session.measureContextUsage("x"),
        reply: await session.prompt("Hello!"),
        wrong: await caught(() =>
          LanguageModel.create({ tools: [{ name: "x" }] }),
        ),
      };
    });
    assert.equal(typeof found.reply, "string");
    assert.ok(found.wrong.type);
  });
});
