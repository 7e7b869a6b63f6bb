// The Prompt API's rules one by one: what each wrong call throws, by name, and that it leaves the session as it was.
//
// - Prompts: a system message only leads, and only the first prompt of a session without initial prompts; an empty list is
//   one empty message of the user; text parts next to each other are joined with nothing between; `prefix` is for a last
//   message of the assistant (SyntaxError); other than text is NotSupportedError; other types are TypeErrors.
// - Constraints: a schema or a RegExp (else TypeError), what is not supported NotSupportedError, what nothing satisfies
//   SyntaxError, `omitResponseConstraintInput` alone TypeError.
// - Life: aborts reject with the signal's reason, a destroyed session throws InvalidStateError, a failed download
//   NetworkError, initial prompts beyond the context QuotaExceededError.
// - `create` and `availability`: members of the wrong type TypeError, what is no language RangeError, what the model cannot
//   read or write "unavailable" and NotSupportedError; topK and temperature are ignored.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { clients } from "./clients/stage.mjs";
import { LIMIT } from "./package/stage.mjs";

/** [what is done to `session`, the error's name]; the text runs in the page. */
const WRONG_PROMPTS = {
  TypeError: [
    `prompt([null])`,
    `prompt(["x"])`,
    `prompt([{}])`,
    `prompt([{ role: "wizard", content: "x" }])`,
    `prompt([{ role: "user" }])`,
    `prompt([{ role: "user", content: [null] }])`,
    `prompt([{ role: "user", content: [{ type: "text" }] }])`,
    `prompt([{ role: "user", content: [{ type: "text", value: 5 }] }])`,
    `prompt([{ role: "user", content: [{ type: "video", value: "x" }] }])`,
    `prompt([{ role: "user", content: "x" }, { role: "system", content: "x" }])`,
    `prompt([{ role: "system", content: "x" }, { role: "system", content: "y" }])`,
    `append([{ role: "assistant", content: "x" }, { role: "system", content: "x" }])`,
    `measureContextUsage([{ role: "wizard", content: "x" }])`,
    `prompt("x", { responseConstraint: "x" })`,
    `prompt("x", { responseConstraint: 5 })`,
    `prompt("x", { responseConstraint: null })`,
    `prompt("x", { omitResponseConstraintInput: true })`,
    `prompt("x", { signal: "now" })`,
    `append("x", { signal: {} })`,
    `measureContextUsage("x", { signal: 5 })`,
    `clone({ signal: true })`,
  ],
  SyntaxError: [
    `prompt([{ role: "user", content: "x", prefix: true }])`,
    `prompt([{ role: "assistant", content: "x", prefix: true }, { role: "user", content: "x" }])`,
    `append([{ role: "assistant", content: "x", prefix: true }])`,
    `prompt("x", { responseConstraint: { type: "wizard" } })`,
    `prompt("x", { responseConstraint: { type: "integer", minimum: 3, maximum: 1 } })`,
    `prompt("x", { responseConstraint: { $ref: "#/nowhere" } })`,
  ],
  NotSupportedError: [
    `prompt([{ role: "user", content: [{ type: "image", value: new Blob([]) }] }])`,
    `prompt([{ role: "user", content: [{ type: "audio", value: new Blob([]) }] }])`,
    `prompt([{ role: "user", content: [{ type: "tool-response", value: {} }] }])`,
    `prompt([{ role: "assistant", content: [{ type: "image", value: new Blob([]) }] }])`,
    `append([{ role: "user", content: [{ type: "image", value: new Blob([]) }] }])`,
    `prompt("x", { responseConstraint: { not: {} } })`,
    `prompt("x", { responseConstraint: { type: "array", uniqueItems: true } })`,
    `prompt("x", { responseConstraint: { oneOf: [{ type: "integer" }, { type: "number" }] } })`,
    `prompt("x", { responseConstraint: { type: "string", format: "licence-plate" } })`,
    `prompt("x", { responseConstraint: { type: "string", pattern: "(?=a)a" } })`,
    `prompt("x", { responseConstraint: /(?=a)a/ })`,
    `prompt("x", { responseConstraint: /(a)\\1/ })`,
    `prompt("x", { responseConstraint: /a/v })`,
  ],
  AbortError: [
    `prompt("x", { signal: AbortSignal.abort() })`,
    `append("x", { signal: AbortSignal.abort() })`,
    `measureContextUsage("x", { signal: AbortSignal.abort() })`,
    `clone({ signal: AbortSignal.abort() })`,
  ],
  TimeoutError: [
    `prompt("x", { signal: AbortSignal.abort(new DOMException("x", "TimeoutError")) })`,
  ],
  QuotaExceededError: [
    `prompt("word ".repeat(9000))`,
    `append("word ".repeat(9000))`,
  ],
};

const WRONG_OPTIONS = {
  TypeError: [
    `create({ samplingMode: "wild" })`,
    `create({ samplingMode: "toString" })`,
    `availability({ samplingMode: "wild" })`,
    `create({ expectedInputs: [{ type: "video" }] })`,
    `availability({ expectedOutputs: [{ type: "smell" }] })`,
    `create({ expectedInputs: 5 })`,
    `create({ tools: 5 })`,
    `create({ tools: [{}] })`,
    `create({ tools: [{ name: "x", description: "x", inputSchema: {} }] })`,
    `create({ tools: [{ name: "x", inputSchema: {}, execute() {} }] })`,
    `create({ monitor: 5 })`,
    `create({ signal: 5 })`,
    `create({ initialPrompts: 5 })`,
    `create({ initialPrompts: [{ role: "wizard", content: "x" }] })`,
    `create({ initialPrompts: [{ role: "user", content: "x" }, { role: "system", content: "x" }] })`,
  ],
  SyntaxError: [
    `create({ initialPrompts: [{ role: "assistant", content: "x", prefix: true }] })`,
  ],
  RangeError: [
    `create({ expectedInputs: [{ type: "text", languages: ["not a tag"] }] })`,
    `availability({ expectedOutputs: [{ type: "text", languages: [""] }] })`,
  ],
  NotSupportedError: [
    `create({ expectedInputs: [{ type: "image" }] })`,
    `create({ expectedInputs: [{ type: "text" }, { type: "audio" }] })`,
    `create({ expectedOutputs: [{ type: "image" }] })`,
    `create({ initialPrompts: [{ role: "user", content: [{ type: "image", value: new Blob([]) }] }] })`,
  ],
  AbortError: [`create({ signal: AbortSignal.abort() })`],
  QuotaExceededError: [
    `create({ initialPrompts: [{ role: "system", content: "word ".repeat(9000) }] })`,
  ],
};

describe("the Prompt API's rules", LIMIT, () => {
  let page;
  const cleanups = [];
  before(async () => {
    const context = { after: (work) => cleanups.push(work) };
    ({ page } = await clients(context, "prompt.js"));
  });
  after(async () => {
    for (const work of cleanups.reverse()) await work();
  });

  test("wrong prompts throw what the specification names, and leave no trace", async () => {
    const wrong = [];
    for (const [name, calls] of Object.entries(WRONG_PROMPTS)) {
      for (const call of calls) {
        const found = await page.evaluate(async (call) => {
          window.subject ??= await LanguageModel.create({
            initialPrompts: [{ role: "system", content: "Be brief." }],
            samplingMode: "most-predictable",
          });
          const usage = subject.contextUsage;
          const run = new Function("session", `return session.${call}`);
          const error = await caught(async () => run(subject));
          return { error, changed: subject.contextUsage - usage };
        }, call);
        if (found.error?.name !== name || found.changed !== 0) {
          wrong.push(`${call}: ${JSON.stringify(found)}, expected ${name}`);
        }
      }
    }
    assert.deepEqual(wrong, []);
    const [reply, fresh] = await page.evaluate(async () => {
      const question = "What is the capital of France?";
      const other = await LanguageModel.create({
        initialPrompts: [{ role: "system", content: "Be brief." }],
        samplingMode: "most-predictable",
      });
      return [await subject.prompt(question), await other.prompt(question)];
    });
    assert.equal(reply, fresh);
  });

  test("wrong options make no session", async () => {
    const wrong = [];
    for (const [name, calls] of Object.entries(WRONG_OPTIONS)) {
      for (const call of calls) {
        const error = await page.evaluate(
          (call) =>
            caught(async () => new Function(`return LanguageModel.${call}`)()),
          call,
        );
        if (error?.name !== name) {
          wrong.push(`${call}: ${JSON.stringify(error)}, expected ${name}`);
        }
      }
    }
    assert.deepEqual(wrong, []);
  });

  test("what is no error: lists, parts, leading system messages, ignored sampling", async () => {
    const found = await page.evaluate(async () => {
      const create = (options) =>
        LanguageModel.create({ samplingMode: "most-predictable", ...options });
      const measured = await create();
      const led = await create();
      await led.append([
        { role: "system", content: "Be brief." },
        { role: "user", content: "Hello." },
      ]);
      const parts = ["Hel", "lo, ", "you"].map((value) => ({
        type: "text",
        value,
      }));
      const ignored = await create({ topK: -3, temperature: NaN });
      return {
        empty: await measured.measureContextUsage([]),
        blank: await measured.measureContextUsage(""),
        parts: await measured.measureContextUsage([
          { role: "user", content: parts },
        ]),
        whole: await measured.measureContextUsage("Hello, you"),
        number: await measured.measureContextUsage(12),
        text: await measured.measureContextUsage("12"),
        unchanged: measured.contextUsage,
        led: led.contextUsage,
        late: await caught(() =>
          led.append([{ role: "system", content: "x" }]),
        ),
        ignored: "topK" in ignored || "temperature" in ignored,
        unavailable: await LanguageModel.availability({
          expectedOutputs: [{ type: "audio" }],
        }),
        string: typeof (await measured.prompt("x", {
          responseConstraint: { type: "boolean" },
        })),
      };
    });
    assert.equal(found.empty, found.blank);
    assert.equal(found.parts, found.whole);
    assert.equal(found.number, found.text);
    assert.equal(found.unchanged, 0);
    assert.ok(found.led > 0);
    assert.equal(found.late.name, "TypeError");
    assert.equal(found.ignored, false);
    assert.equal(found.unavailable, "unavailable");
    assert.equal(found.string, "string");
  });

  test("a RegExp means in a reply what it means in the page", async () => {
    const cases = [
      ["^\\d{3}$", ""],
      ["^(yes|no)\\$$", ""],
      ["^a|b$", ""],
      ["^[\\w-]{4}\\s\\S{2}$", ""],
      ["^.{5}$", "s"],
      ["^ok[!.]?$", "i"],
      ["^(?<day>[0-3]\\d)/[01]\\d$", "u"],
      ["^[[&&~~-]{3}$", ""],
      ["^\\u0041\\x42\\cJ$", ""],
    ];
    const said = await page.evaluate(async (cases) => {
      const session = await LanguageModel.create({
        samplingMode: "most-creative",
      });
      const said = [];
      for (const [source, flags] of cases) {
        const responseConstraint = new RegExp(source, flags);
        const clone = await session.clone();
        said.push(await clone.prompt("Write.", { responseConstraint }));
      }
      return said;
    }, cases);
    said.forEach((text, index) =>
      assert.match(text, new RegExp(...cases[index])),
    );
  });

  test("a failed download is a NetworkError, other failures OperationErrors, and both may be tried again", async () => {
    const found = await page.evaluate(async () => {
      let tries = 0;
      const Model = createLanguageModel({
        load: async () => {
          tries++;
          if (tries === 1) {
            return Smidgen.load("/models/no-such-file.gguf");
          }
          if (tries === 2) throw new Error("out of order");
          return llm;
        },
      });
      return {
        first: await caught(() => Model.create()),
        after: await Model.availability(),
        second: await caught(() => Model.create()),
        third: await caught(() => Model.create()),
        tries,
        last: await Model.availability(),
      };
    });
    assert.equal(found.first.name, "NetworkError");
    assert.equal(found.after, "downloadable");
    assert.equal(found.second.name, "OperationError");
    assert.equal(found.third, undefined);
    assert.equal(found.tries, 3);
    assert.equal(found.last, "available");
  });

  test("a destroyed session refuses everything, and so does one of an unloaded model", async () => {
    const found = await page.evaluate(async () => {
      const session = await LanguageModel.create();
      session.destroy();
      session.destroy();
      const calls = [
        () => session.prompt("x"),
        () => session.append("x"),
        () => session.measureContextUsage("x"),
        () => session.clone(),
        () => session.promptStreaming("x").getReader().read(),
      ];
      const destroyed = [];
      for (const call of calls) destroyed.push((await caught(call)).name);
      const other = await LanguageModel.create();
      await llm.unload();
      return {
        destroyed,
        unloaded: (await caught(() => other.prompt("x"))).name,
      };
    });
    assert.deepEqual([...new Set(found.destroyed)], ["InvalidStateError"]);
    assert.equal(found.unloaded, "InvalidStateError");
  });
});
