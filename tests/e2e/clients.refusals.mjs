// Wrong arguments by the hundred, each refused as the original would refuse it, and each followed by proof that the session is what it was.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { pathToFileURL } from "node:url";
import OpenAI from "openai";
import { WRONG_FETCHES, WRONG_REQUESTS } from "./clients/wrong-requests.mjs";
import { DIST, LIMIT, MODEL } from "./package/stage.mjs";

const BASE = "https://smidgen.invalid/v1";
const MESSAGES = [{ role: "user", content: "What is the capital of France?" }];

describe("refusals", LIMIT, () => {
  let Smidgen;
  let llm;
  let openai;
  /** What the session said and holds before anything is refused. */
  let said;
  let held;

  const ask = async () => {
    const { choices, usage } = await llm.chat.completions.create({
      messages: MESSAGES,
      temperature: 0,
      max_tokens: 8,
    });
    return { text: choices[0].message.content, usage };
  };
  const state = async () =>
    createHash("sha256")
      .update(await llm.saveState())
      .digest("hex");

  before(async () => {
    const url = pathToFileURL(join(DIST, "node.js")).href;
    ({ Smidgen } = await import(url));
    llm = await Smidgen.load(MODEL);
    openai = new OpenAI({
      apiKey: "none",
      baseURL: BASE,
      fetch: llm.fetch,
    });
    said = (await ask()).text;
    held = await state();
  });
  after(() => llm?.unload());

  const caught = async (work) => {
    try {
      return { value: await work() };
    } catch (error) {
      return { error };
    }
  };
  /** What is wrong with how `name` was refused; undefined where all is as it should be. */
  const refused = async (name, work, isRight) => {
    const { error, value } = await caught(work);
    if (!error) return `${name}: answered with ${JSON.stringify(value)}`;
    const { message, code, param, status } = error;
    if (!isRight(error)) {
      return `${name}: ${JSON.stringify({ message, code, param, status })}`;
    }
    if ((await state()) !== held) return `${name}: the session has changed`;
    return undefined;
  };
  /** Goes through rows one by one, as each is followed by a look at the session. */
  const all = async (rows, check) => {
    const wrong = [];
    for (const row of rows) wrong.push(await check(row));
    assert.deepEqual(wrong.filter(Boolean), []);
    const { text, usage } = await ask();
    assert.equal(text, said);
    const { cached_tokens } = usage.prompt_tokens_details;
    assert.equal(cached_tokens, usage.prompt_tokens - 1);
  };

  for (const [route, rows] of Object.entries(WRONG_REQUESTS)) {
    test(`${rows.length} wrong bodies of ${route}`, async () => {
      const create = {
        "/chat/completions": (body) => llm.chat.completions.create(body),
        "/completions": (body) => llm.completions.create(body),
        "/embeddings": (body) => llm.embeddings.create(body),
      }[route];
      await all(rows, async ([body, param, code]) => {
        const name = JSON.stringify(body).slice(0, 120);
        const isRight = (error) =>
          error.status === 400 &&
          error.param === param &&
          error.code === code &&
          error.type === "invalid_request_error" &&
          (param === null || error.code === "context_length_exceeded"
            ? error.message.length > 10
            : true);
        const own = await refused(name, () => create(body), isRight);
        if (own) return own;
        // The same over fetch, as any client reads it.
        const response = await llm.fetch(BASE + route, {
          method: "POST",
          body: JSON.stringify(body),
        });
        const answer = await response.json();
        const { message, type } = answer.error ?? {};
        const expected = { message, type, param, code };
        const same =
          response.status === 400 &&
          typeof message === "string" &&
          type === "invalid_request_error" &&
          JSON.stringify(answer.error) === JSON.stringify(expected);
        return same ? undefined : `${name}: ${JSON.stringify(answer)}`;
      });
    });
  }

  test("the openai client makes its own errors of them", async () => {
    const wrong = [
      [() => openai.chat.completions.create({ messages: [] }), "messages"],
      [() => openai.completions.create({ model: "x", prompt: 5 }), "prompt"],
      [() => openai.embeddings.create({ model: "x", input: "" }), "input"],
    ];
    await all(wrong, ([work, param]) =>
      refused(
        param,
        work,
        (error) =>
          error instanceof OpenAI.BadRequestError && error.param === param,
      ),
    );
    await all([openai, llm], (client) =>
      refused(
        "models",
        () => client.models.retrieve("none"),
        (error) => error.status === 404 && error.code === "model_not_found",
      ),
    );
  });

  test("what is no request gets a server's answer", async () => {
    await all(WRONG_FETCHES, async ([method, path, body, status, code]) => {
      const response = await llm.fetch(BASE + path, { method, body });
      const { error } = await response.json();
      return response.status === status &&
        error.code === code &&
        error.type === "invalid_request_error"
        ? undefined
        : `${method} ${path}: ${response.status} ${JSON.stringify(error)}`;
    });
  });

  test("arguments of the model's own calls", async () => {
    const circle = {};
    circle.circle = circle;
    const drain = async (request) => {
      for await (const _ of llm.generate(request));
    };
    const prompt = "x";
    const rows = [
      ["tokenize a number", () => llm.tokenize(5)],
      ["tokenize nothing", () => llm.tokenize()],
      ["detokenize a text", () => llm.detokenize("x")],
      ["detokenize texts", () => llm.detokenize(["x"])],
      ["detokenize a negative id", () => llm.detokenize([-1])],
      ["detokenize a fraction", () => llm.detokenize([1.5])],
      ["detokenize beyond the vocabulary", () => llm.detokenize([1e9])],
      ["detokenize null", () => llm.detokenize(null)],
      ["a template of a text", () => llm.applyTemplate("x")],
      ["a template of nothing", () => llm.applyTemplate()],
      ["a template of a message without a role", () => llm.applyTemplate([{}])],
      ["a template of a circle", () => llm.applyTemplate([circle])],
      [
        "a template with tools that are none",
        () => llm.applyTemplate([], { templateVariables: 5 }),
      ],
      ["embed a text", () => llm.embed("x")],
      ["embed numbers", () => llm.embed([5])],
      [
        "embed with another pooling",
        () => llm.embed(["x"], { pooling: "max" }),
      ],
      ["classify a number", () => llm.classify(5)],
      ["classify beside a number", () => llm.classify("x", 5)],
      ["rank a text", () => llm.rerank("x", "y")],
      ["rank nothing", () => llm.rerank()],
      ["fill a number", () => llm.fillMask(5)],
      ["fill with no candidates", () => llm.fillMask("x", 0)],
      ["restore a text", () => llm.restoreState("x")],
      ["restore nothing", () => llm.restoreState()],
      ["restore no bytes", () => llm.restoreState(new Uint8Array(0))],
      ["save a session without a name", () => llm.sessions.save()],
      ["restore a session by a number", () => llm.sessions.restore(5)],
      ["delete a session by null", () => llm.sessions.delete(null)],
      ["generate from nothing", () => drain({})],
      ["generate from null", () => drain(null)],
      ["generate from a text", () => drain("x")],
      ["generate from two prompts", () => drain({ prompt, ids: [1] })],
      ["generate from a circle", () => drain({ prompt, stop: [circle] })],
      ["generate from a bigint", () => drain({ prompt, seed: 5n })],
      ["generate from ids beyond", () => drain({ ids: [1e9] })],
      ["generate from fractions", () => drain({ ids: [0.5] })],
      ["generate from messages that are none", () => drain({ messages: "x" })],
      ["generate no tokens", () => drain({ prompt, maxTokens: 0 })],
      ["generate with a hot word", () => drain({ prompt, temperature: "hot" })],
      ["generate below zero", () => drain({ prompt, temperature: -1 })],
      ["generate with shares above one", () => drain({ prompt, topP: 2 })],
      ["generate with a share below zero", () => drain({ prompt, minP: -1 })],
      [
        "generate with no penalty at all",
        () => drain({ prompt, repetitionPenalty: 0 }),
      ],
      ["generate with many logprobs", () => drain({ prompt, logprobs: 101 })],
      [
        "generate with a wrong bias",
        () => drain({ prompt, logitBias: { x: 1 } }),
      ],
      ["generate with an unknown field", () => drain({ prompt, wizard: 1 })],
      ["generate with a stop of numbers", () => drain({ prompt, stop: [5] })],
    ];
    await all(rows, ([name, work]) =>
      refused(name, work, ({ code }) => code === "bad_argument"),
    );
    await all(
      [
        [
          "generate too much",
          () => drain({ prompt: "word ".repeat(9000) }),
          "context_full",
        ],
        [
          "a grammar that is none",
          () => drain({ prompt, grammar: 5 }),
          "bad_grammar",
        ],
        [
          "a grammar of another kind",
          () => drain({ prompt, grammar: { type: "x" } }),
          "bad_grammar",
        ],
        ["classes of a model without", () => llm.classify("x"), "wrong_state"],
        [
          "ranks of a model without",
          () => llm.rerank("x", ["y"]),
          "wrong_state",
        ],
        ["masks of a model without", () => llm.fillMask("x"), "wrong_state"],
      ],
      ([name, work, code]) =>
        refused(name, work, (error) => error.code === code),
    );
  });

  test("tools to run", async () => {
    const execute = () => "";
    const tool = { type: "function", function: { name: "x", execute } };
    const run = (fields) =>
      llm.chat.completions.runTools({ messages: MESSAGES, ...fields });
    await all(
      [
        ["tools", {}],
        ["tools", { tools: "x" }],
        ["max_steps", { tools: [tool], max_steps: 0 }],
        ["max_steps", { tools: [tool], max_steps: "2" }],
        [
          "tools[0].function.execute",
          { tools: [{ type: "function", function: { name: "x" } }] },
        ],
        ["messages", { tools: [tool], messages: "x" }],
        ["messages", { tools: [tool], messages: [] }],
      ],
      ([param, fields]) =>
        refused(
          param,
          () => run(fields),
          (error) => error.param === param,
        ),
    );
  });

  test("what cannot be loaded", async () => {
    const load = (source, options) => async () => {
      // Should it be loaded after all, it goes away again.
      const other = await Smidgen.load(source, options);
      await other.unload();
    };
    const rows = [
      ["no source", load()],
      ["a number", load(5)],
      ["null", load(null)],
      ["an empty object", load({})],
      ["an address that is none", load({ url: "http://" })],
      ["a hash that is none", load({ url: "x", sha256: "abc" })],
      ["a hash of a number", load({ url: "x", sha256: 5 })],
      ["threads in words", load(MODEL, { threads: "two" })],
      ["no threads", load(MODEL, { threads: 0 })],
      ["half a thread", load(MODEL, { threads: 1.5 })],
      ["too many threads", load(MODEL, { threads: 17 })],
      ["no context", load(MODEL, { contextLength: 0 })],
      ["a context in words", load(MODEL, { contextLength: "long" })],
      ["a context of fractions", load(MODEL, { contextLength: 10.5 })],
      ["a cache without room", load(MODEL, { cacheLength: 0 })],
      ["another flavour", load(MODEL, { flavour: "avx" })],
      ["another storage", load(MODEL, { storage: "floppy" })],
      ["the engine from nowhere", load(MODEL, { wasmBase: "http://" })],
    ];
    await all(rows, ([name, work]) =>
      refused(name, work, ({ code }) => code === "bad_argument"),
    );
    await all(
      [
        [
          "an aborted load",
          load(MODEL, { signal: AbortSignal.abort() }),
          "aborted",
        ],
        ["another file", load(join(DIST, "index.js")), "not_gguf"],
        ["a Blob of nothing", load(new Blob([])), "truncated"],
        ["a Blob of words", load(new Blob(["hello"])), "not_gguf"],
      ],
      ([name, work, code]) =>
        refused(name, work, (error) => error.code === code),
    );
  });
});
