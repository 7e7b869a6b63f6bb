// The OpenAI façade: what it refuses, what it passes on, and the order of its chunks; then the real `openai` client over it.

import assert from "node:assert/strict";
import { test } from "node:test";
import OpenAI from "openai";
import { SmidgenError } from "../../src/js/errors.ts";
import { createFetch, type Route } from "../../src/js/openai-fetch.ts";
import { parseRequest, RequestError } from "../../src/js/openai-request.ts";
import { createChatCompletions, type Generate } from "../../src/js/openai.ts";
import type { ChatCompletionChunk } from "../../src/js/openai-types.ts";
import type { GenerateEvent, GenerateRequest } from "../../src/js/types.ts";

const user = [{ role: "user" as const, content: "hi" }];

const TIMINGS = {
  prefillMs: 10,
  decodeMs: 20,
  prefillTokens: 5,
  decodeTokens: 3,
  timeToFirstTokenMs: 12,
  prefillTps: 500,
  decodeTps: 150,
};

/** The engine's events for a reply of "Hello!" to a prompt of seven tokens, two of them cached. */
const REPLY: GenerateEvent[] = [
  { type: "begun", promptTokens: 7, cachedTokens: 2, tail: "" },
  { type: "token", id: 11, text: "Hel" },
  { type: "token", id: 12, text: "" },
  { type: "token", id: 13, text: "lo!" },
  {
    type: "done",
    finish: "stop",
    promptTokens: 7,
    cachedTokens: 2,
    timings: TIMINGS,
  },
];

/** An engine that replays events, and records what it was asked and whether it was stopped. */
function replay(events: (GenerateEvent | Error)[]) {
  const seen = { requests: [] as GenerateRequest[], stopped: false };
  const generate: Generate = async function* (request, { signal }) {
    seen.requests.push(request);
    try {
      for (const event of events) {
        await new Promise((resolve) => setTimeout(resolve, 1));
        if (signal?.aborted) throw new SmidgenError("aborted", "aborted");
        if (event instanceof Error) throw event;
        yield event;
      }
    } finally {
      seen.stopped = true;
    }
  };
  return { generate, seen };
}

/** A model without tools in its template. */
function facade(generate: Generate, id = "m") {
  const controlToken = async () => undefined;
  return createChatCompletions({
    id,
    chatTemplate: "",
    vocabSize: 100,
    generate,
    controlToken,
  });
}

function served(id: string, generate: Generate) {
  const card = {
    id,
    object: "model" as const,
    created: 1,
    owned_by: "smidgen",
    name: "m",
  };
  const { create } = facade(generate, id);
  return createFetch(
    card,
    new Map<string, Route>([["/chat/completions", create]]),
  );
}

const parse = (body: unknown) =>
  parseRequest(body, { chatTemplate: "", vocabSize: 100 });

test("fields become the engine's, with OpenAI's names and nulls", () => {
  const { generate, stream, includeUsage } = parse({
    model: "anything",
    messages: [
      { role: "developer", content: "be brief" },
      {
        role: "user",
        content: [
          { type: "text", text: "a" },
          { type: "text", text: "b" },
        ],
      },
      { role: "assistant", content: null },
    ],
    temperature: 0,
    top_p: 0.5,
    top_k: 3,
    min_p: 0.1,
    repetition_penalty: 1.1,
    seed: -1,
    max_tokens: 5,
    stop: "END",
    stream: true,
    stream_options: { include_usage: true },
    n: 1,
    tools: [],
    tool_choice: "auto",
    response_format: { type: "text" },
    logit_bias: null,
    frequency_penalty: 0,
    user: "someone",
  });
  assert.deepEqual(generate, {
    messages: [
      { role: "system", content: "be brief" },
      { role: "user", content: "ab" },
      { role: "assistant", content: "" },
    ],
    temperature: 0,
    topP: 0.5,
    topK: 3,
    minP: 0.1,
    repetitionPenalty: 1.1,
    frequencyPenalty: 0,
    seed: 2 ** 53 - 1,
    maxTokens: 5,
    stop: ["END"],
  });
  assert.equal(stream, true);
  assert.equal(includeUsage, true);
});

test("max_completion_tokens stands above max_tokens", () => {
  const both = { messages: user, max_tokens: 5, max_completion_tokens: 7 };
  assert.equal(parse(both).generate.maxTokens, 7);
});

for (const [param, value] of Object.entries({
  tools: {},
  tool_choice: "required",
  response_format: "json",
  n: 0,
  logprobs: 3,
  top_logprobs: 2,
  logit_bias: { x: 1 },
  frequency_penalty: 2.5,
  presence_penalty: -3,
  grammar: 5,
  functions: [{ name: "f" }],
  audio: { voice: "x" },
  reasoning_effort: "much",
  temperature: -1,
  top_p: 1.5,
  top_k: 1.5,
  max_tokens: 0,
  seed: "1",
  stop: ["a", ""],
  stream: "yes",
  messages: [],
})) {
  test(`refused with its name: ${param} = ${JSON.stringify(value)}`, () => {
    assert.throws(
      () => parse({ messages: user, [param]: value }),
      (error: RequestError) => {
        assert.ok(error instanceof RequestError);
        assert.equal(error.status, 400);
        assert.equal(error.param, param);
        assert.equal(error.error.type, "invalid_request_error");
        assert.ok(error.message.includes(param));
        return true;
      },
    );
  });
}

test("malformed bodies and messages are refused, whatever they are", () => {
  const bodies: unknown[] = [null, undefined, 5, "x", [], {}];
  const messages: unknown[] = [
    "hi",
    [null],
    [[]],
    [{ role: "wizard", content: "x" }],
    [{ role: "user", content: null }],
    [{ role: "user", content: 5 }],
    [{ role: "user", content: [{ type: "image_url", image_url: {} }] }],
    [{ role: "user", content: ["x"] }],
    [{ role: "tool", content: "x" }],
    [{ role: "assistant", content: "x", tool_calls: [{ id: "1" }] }],
  ];
  for (const body of [...bodies, ...messages.map((m) => ({ messages: m }))]) {
    assert.throws(() => parse(body), RequestError, JSON.stringify(body));
  }
});

test("a whole reply has OpenAI's shape", async () => {
  const { generate, seen } = replay(REPLY);
  const reply = await facade(generate).create({
    messages: user,
  });
  assert.match(reply.id, /^chatcmpl-/);
  assert.deepEqual(
    { ...reply, id: "", created: 0 },
    {
      id: "",
      object: "chat.completion",
      created: 0,
      model: "m",
      choices: [
        {
          index: 0,
          message: { role: "assistant", content: "Hello!", refusal: null },
          finish_reason: "stop",
          logprobs: null,
        },
      ],
      usage: {
        prompt_tokens: 7,
        completion_tokens: 3,
        total_tokens: 10,
        prompt_tokens_details: { cached_tokens: 2 },
      },
      timings: TIMINGS,
    },
  );
  assert.deepEqual(seen.requests, [{ messages: user }]);
});

test("a stream: role first, text as it comes, an empty delta with the reason, then usage", async () => {
  const { generate } = replay(REPLY);
  const stream = await facade(generate).create({
    messages: user,
    stream: true,
    stream_options: { include_usage: true },
  });
  const chunks: ChatCompletionChunk[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  assert.equal(new Set(chunks.map((chunk) => chunk.id)).size, 1);
  assert.deepEqual(
    chunks.map((chunk) => chunk.choices[0]?.delta),
    [
      { role: "assistant", content: "" },
      { content: "Hel" },
      { content: "lo!" },
      {},
      undefined,
    ],
  );
  assert.deepEqual(
    chunks.map((chunk) => chunk.choices[0]?.finish_reason),
    [null, null, null, "stop", undefined],
  );
  assert.deepEqual(
    chunks.map((chunk) => chunk.usage?.total_tokens ?? null),
    [null, null, null, null, 10],
  );
  assert.deepEqual(chunks[3]!.timings, TIMINGS);
});

test("leaving a stream early stops the engine", async () => {
  const { generate, seen } = replay(REPLY);
  const stream = await facade(generate).create({
    messages: user,
    stream: true,
  });
  for await (const chunk of stream) {
    if (chunk.choices[0]?.delta.content === "Hel") break;
  }
  assert.equal(seen.stopped, true);
});

test("an abort rejects with AbortError, before and during a reply", async () => {
  const { generate } = replay(REPLY);
  const { create } = facade(generate);
  const before = AbortSignal.abort();
  await assert.rejects(create({ messages: user }, { signal: before }), {
    name: "AbortError",
  });
  const during = new AbortController();
  const stream = await create(
    { messages: user, stream: true },
    { signal: during.signal },
  );
  await assert.rejects(
    async () => {
      for await (const chunk of stream) {
        if (chunk.choices[0]?.delta.content) during.abort();
      }
    },
    { name: "AbortError" },
  );
});

test("the engine's refusals of a request come as OpenAI's, at create()", async () => {
  for (const stream of [false, true]) {
    const { generate } = replay([
      new SmidgenError("context_full", "the prompt has 9 tokens"),
    ]);
    await assert.rejects(facade(generate).create({ messages: user, stream }), {
      code: "context_length_exceeded",
      status: 400,
      param: "messages",
    });
  }
});

function client(events: (GenerateEvent | Error)[]) {
  const { generate, seen } = replay(events);
  const openai = new OpenAI({
    apiKey: "none",
    baseURL: "https://smidgen.invalid/v1",
    fetch: served("https://example.com/m.gguf", generate),
  });
  return { openai, seen };
}

test("openai client: a whole reply and the list of models", async () => {
  const { openai } = client(REPLY);
  const reply = await openai.chat.completions.create({
    model: "m",
    messages: user,
  });
  assert.equal(reply.choices[0]?.message.content, "Hello!");
  assert.equal(reply.usage?.prompt_tokens_details?.cached_tokens, 2);
  const ids: string[] = [];
  for await (const model of openai.models.list()) ids.push(model.id);
  assert.deepEqual(ids, ["https://example.com/m.gguf"]);
  const card = await openai.models.retrieve("https://example.com/m.gguf");
  assert.equal(card.object, "model");
  await assert.rejects(openai.models.retrieve("other"), { status: 404 });
});

test("openai client: a stream, and its abort", async () => {
  const { openai, seen } = client(REPLY);
  const stream = await openai.chat.completions.create({
    model: "m",
    messages: user,
    stream: true,
    stream_options: { include_usage: true },
  });
  let text = "";
  let total: number | undefined;
  for await (const chunk of stream) {
    text += chunk.choices[0]?.delta.content ?? "";
    total = chunk.usage?.total_tokens ?? total;
  }
  assert.equal(text, "Hello!");
  assert.equal(total, 10);

  seen.stopped = false;
  const other = await openai.chat.completions.create({
    model: "m",
    messages: user,
    stream: true,
  });
  for await (const chunk of other) {
    if (chunk.choices[0]?.delta.content) break;
  }
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(seen.stopped, true);
});

test("openai client: errors keep status, code and param, and are not tried again", async () => {
  const { openai, seen } = client(REPLY);
  await assert.rejects(
    openai.chat.completions.create({ model: "m", messages: user, n: 0 }),
    { status: 400, code: "integer_below_min_value", param: "n" },
  );
  assert.equal(seen.requests.length, 0);

  const broken = client([new SmidgenError("engine_trap", "broke off")]);
  await assert.rejects(
    broken.openai.chat.completions.create({ model: "m", messages: user }),
    { status: 500, code: "engine_trap" },
  );
  assert.equal(broken.seen.requests.length, 1);
});

test("openai client: an error in the middle of a stream is thrown from it", async () => {
  const { openai } = client([
    ...REPLY.slice(0, 2),
    new SmidgenError("engine_trap", "broke off"),
  ]);
  const stream = await openai.chat.completions.create({
    model: "m",
    messages: user,
    stream: true,
  });
  let text = "";
  await assert.rejects(async () => {
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? "";
    }
  }, /broke off/);
  assert.equal(text, "Hel");
});

test("fetch: other addresses, methods and bodies are answered like a server would", async () => {
  const { generate } = replay(REPLY);
  const fetch = served("m", generate);
  const at = "https://smidgen.invalid/v1";
  assert.equal((await fetch(`${at}/embeddings`)).status, 404);
  assert.equal((await fetch(`${at}/chat/completions`)).status, 405);
  const garbled = await fetch(`${at}/chat/completions`, {
    method: "POST",
    body: "{",
  });
  assert.equal(garbled.status, 400);
  assert.equal((await garbled.json()).error.code, "invalid_json");
});

/** An engine that takes at most `most` messages. */
function narrow(most: number) {
  const { generate, seen } = replay(REPLY);
  const limited: Generate = async function* (request, options) {
    if ((request.messages?.length ?? 0) > most) {
      throw new SmidgenError("context_full", "the prompt has too many tokens");
    }
    yield* generate(request, options);
  };
  return { create: facade(limited).create, seen };
}

test("drop_oldest leaves out whole turns, never a system message nor the last turn", async () => {
  const { create, seen } = narrow(4);
  const messages = [
    { role: "system" as const, content: "s" },
    { role: "user" as const, content: "1" },
    { role: "assistant" as const, content: "one" },
    { role: "user" as const, content: "2" },
    { role: "assistant" as const, content: "two" },
    { role: "user" as const, content: "3" },
  ];
  await create({ messages, context_overflow: "drop_oldest" });
  assert.deepEqual(
    seen.requests[0]?.messages?.map(({ content }) => content),
    ["s", "2", "two", "3"],
  );
  await assert.rejects(create({ messages }), {
    code: "context_length_exceeded",
  });
  const few = narrow(1);
  await assert.rejects(
    few.create({ messages, context_overflow: "drop_oldest" }),
    { code: "context_length_exceeded" },
  );
  assert.equal(few.seen.requests.length, 0);
});

test("context_overflow: shift goes to the engine, and what it is not is refused", async () => {
  const { create, seen } = narrow(4);
  const messages = [{ role: "user" as const, content: "1" }];
  await create({ messages, context_overflow: "shift" });
  await create({ messages, context_overflow: "error" });
  assert.deepEqual(
    seen.requests.map(({ contextOverflow }) => contextOverflow),
    ["shift", undefined],
  );
  for (const wrong of ["Shift", 1, {}, ""]) {
    await assert.rejects(
      create({ messages, context_overflow: wrong as "shift" }),
      { param: "context_overflow" },
    );
  }
});

test("runTools calls functions, tells the model of their failures, and ends", async () => {
  const call = (name: string): GenerateEvent[] => [
    REPLY[0]!,
    {
      type: "token",
      id: 1,
      text: `<tool_call>{"name": "${name}", "arguments": {"x": 1}}</tool_call>`,
    },
    REPLY.at(-1)!,
  ];
  const replies = [call("good"), call("bad"), call("none"), REPLY];
  const requests: GenerateRequest[] = [];
  const scripted: Generate = async function* (request) {
    requests.push(request);
    yield* replies[requests.length - 1]!;
  };
  const { runTools } = facade(scripted);
  const given: unknown[] = [];
  const tool = (name: string, execute: (given: unknown) => unknown) => ({
    type: "function" as const,
    function: { name, execute },
  });
  const run = await runTools({
    messages: user,
    tools: [
      tool("good", (value) => {
        given.push(value);
        return { ok: true };
      }),
      tool("bad", () => {
        throw new Error("out of order");
      }),
    ],
  });
  assert.deepEqual(given, [{ x: 1 }]);
  assert.equal(run.steps, 4);
  assert.equal(run.completion.choices[0]?.message.content, "Hello!");
  assert.deepEqual(
    run.messages.filter(({ role }) => role === "tool").map((m) => m.content),
    ['{"ok":true}', "error: out of order", "error: there is no tool none"],
  );
  requests.length = 0;
  const short = await runTools({
    messages: user,
    tools: [tool("good", () => "")],
    max_steps: 1,
  });
  assert.equal(short.steps, 1);
  await assert.rejects(
    runTools({
      messages: user,
      tools: [{ ...tool("x", () => ""), function: { name: "x" } as never }],
    }),
    { param: "tools[0].function.execute" },
  );
});
