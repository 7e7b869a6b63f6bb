// The real `openai` client over the real engine and model in Chromium: every field that a device can honour.

import { Ajv } from "ajv";
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { clients } from "./clients/stage.mjs";
import { LIMIT } from "./package/stage.mjs";

describe("the openai client", LIMIT, () => {
  let page;
  const cleanups = [];
  before(async () => {
    ({ page } = await clients({ after: (work) => cleanups.push(work) }));
  });
  after(async () => {
    for (const work of cleanups.reverse()) await work();
  });

  /** chat.completions.create in the page. */
  const create = (fields) =>
    page.evaluate(
      (fields) =>
        openai.chat.completions.create({
          model: "any",
          temperature: 0,
          messages: [
            { role: "user", content: "What is the capital of France?" },
          ],
          ...fields,
        }),
      fields,
    );
  const streamed = (fields) =>
    page.evaluate(
      (fields) =>
        chunksOf(
          openai.chat.completions.create({
            model: "any",
            temperature: 0,
            stream: true,
            messages: [
              { role: "user", content: "What is the capital of France?" },
            ],
            ...fields,
          }),
        ),
      fields,
    );

  test("whole, streamed, through fetch and without: the same greedy reply", async () => {
    const whole = await create({ max_tokens: 12 });
    const { content } = whole.choices[0].message;
    assert.match(content, /\w/);
    const chunks = await streamed({ max_tokens: 12 });
    assert.equal(
      chunks.map((chunk) => chunk.choices[0]?.delta.content ?? "").join(""),
      content,
    );
    const own = await page.evaluate(() =>
      llm.chat.completions.create({
        messages: [{ role: "user", content: "What is the capital of France?" }],
        temperature: 0,
        max_tokens: 12,
      }),
    );
    assert.equal(own.choices[0].message.content, content);
    const raw = await page.evaluate(async () => {
      const prompt = await llm.applyTemplate([
        { role: "user", content: "What is the capital of France?" },
      ]);
      return openai.completions.create({
        model: "any",
        prompt,
        temperature: 0,
        max_tokens: 12,
      });
    });
    assert.equal(raw.object, "text_completion");
    assert.equal(raw.choices[0].text, content);
    assert.equal(raw.usage.prompt_tokens, whole.usage.prompt_tokens);
  });

  test("n replies, each from a seed of its own, the prompt evaluated once", async () => {
    const fields = { n: 3, seed: 5, temperature: 1.5, max_tokens: 12 };
    const reply = await create(fields);
    assert.deepEqual(
      reply.choices.map(({ index }) => index),
      [0, 1, 2],
    );
    const texts = reply.choices.map(({ message }) => message.content);
    assert.ok(new Set(texts).size > 1, `all say ${texts[0]}`);
    assert.deepEqual(
      (await create(fields)).choices.map(({ message }) => message.content),
      texts,
    );
    const single = await create({ ...fields, n: 1 });
    assert.equal(single.choices[0].message.content, texts[0]);
    assert.equal(reply.usage.prompt_tokens, single.usage.prompt_tokens);
    const chunks = await streamed(fields);
    const joined = ["", "", ""];
    for (const { choices } of chunks) {
      for (const { index, delta } of choices) {
        joined[index] += delta.content ?? "";
      }
    }
    assert.deepEqual(joined, texts);
  });

  test("logprobs are the engine's own softmax, with the most probable beside them", async () => {
    const reply = await create({
      logprobs: true,
      top_logprobs: 4,
      max_tokens: 8,
      logit_bias: { 0: 1 },
    });
    const { content } = reply.choices[0].logprobs;
    assert.equal(
      content.map(({ token }) => token).join(""),
      reply.choices[0].message.content,
    );
    const scores = await page.evaluate(async (text) => {
      const prompt = await llm.applyTemplate([
        { role: "user", content: "What is the capital of France?" },
      ]);
      const head = await llm.tokenize(prompt, { parseSpecial: true });
      const tail = await llm.tokenize(text);
      const reply = await openai.completions.create({
        model: "any",
        prompt: [...head, ...tail.slice(0, 3)],
        temperature: 0,
        max_tokens: 1,
        logprobs: 5,
      });
      return reply.choices[0].logprobs;
    }, reply.choices[0].message.content);
    // The fourth token, evaluated in another call with another split into slices.
    assert.ok(Math.abs(scores.token_logprobs[0] - content[3].logprob) < 0.02);
    for (const entry of content) {
      assert.equal(entry.top_logprobs.length, 4);
      const sum = entry.top_logprobs.reduce(
        (sum, { logprob }) => sum + Math.exp(logprob),
        0,
      );
      assert.ok(sum <= 1.0001, `probabilities sum to ${sum}`);
      // Greedy: the token is the most probable one.
      assert.equal(entry.top_logprobs[0].token, entry.token);
      assert.equal(entry.top_logprobs[0].logprob, entry.logprob);
      assert.equal(
        new TextDecoder().decode(Uint8Array.from(entry.bytes)),
        entry.token,
      );
    }
    const chunks = await streamed({ logprobs: true, max_tokens: 8 });
    assert.deepEqual(
      chunks
        .flatMap(({ choices }) => choices[0]?.logprobs?.content ?? [])
        .map(({ token }) => token),
      content.map(({ token }) => token),
    );
  });

  test("logit_bias bans and forces, penalties change a reply", async () => {
    const [id] = await page.evaluate(() => llm.tokenize(" Paris"));
    const forced = await create({ max_tokens: 3, logit_bias: { [id]: 100 } });
    assert.equal(forced.choices[0].message.content, " Paris Paris Paris");
    const banned = await create({ max_tokens: 16, logit_bias: { [id]: -100 } });
    assert.doesNotMatch(banned.choices[0].message.content, / Paris/);
    const repeated = { max_tokens: 10, logit_bias: { [id]: 12 } };
    const penalised = await create({
      ...repeated,
      frequency_penalty: 2,
      presence_penalty: 2,
    });
    assert.notEqual(
      penalised.choices[0].message.content,
      (await create(repeated)).choices[0].message.content,
    );
  });

  test("usage counts true cache hits, and include_usage comes last", async () => {
    await page.evaluate(() => llm.reset());
    const first = await create({ max_tokens: 4 });
    assert.equal(first.usage.prompt_tokens_details.cached_tokens, 0);
    const chunks = await streamed({
      max_tokens: 4,
      stream_options: { include_usage: true },
    });
    const last = chunks.at(-1);
    assert.deepEqual(last.choices, []);
    assert.equal(
      last.usage.prompt_tokens_details.cached_tokens,
      first.usage.prompt_tokens - 1,
    );
    assert.ok(chunks.slice(0, -1).every(({ usage }) => usage === null));
  });

  test("json_object and json_schema: always JSON, always as the schema says, also when drawn at random", async () => {
    const schema = {
      type: "object",
      properties: {
        city: { type: "string", maxLength: 20 },
        country: { enum: ["France", "Spain"] },
        people: { type: "integer", minimum: 0, maximum: 100000000 },
        tags: {
          type: "array",
          items: { type: "string", maxLength: 8 },
          maxItems: 3,
        },
      },
      required: ["city", "country", "people", "tags"],
      additionalProperties: false,
    };
    const validate = new Ajv().compile(schema);
    for (const options of [
      { temperature: 0 },
      { temperature: 1.2, top_p: 0.9, seed: 3 },
      { temperature: 2, top_k: 0, min_p: 0, top_p: 1, seed: 4 },
    ]) {
      const reply = await create({
        ...options,
        max_tokens: 200,
        response_format: {
          type: "json_schema",
          json_schema: { name: "city", schema, strict: true },
        },
      });
      const { message, finish_reason } = reply.choices[0];
      assert.equal(finish_reason, "stop", message.content);
      assert.ok(
        validate(JSON.parse(message.content)),
        `${message.content}: ${JSON.stringify(validate.errors)}`,
      );
    }
    const object = await create({
      max_tokens: 160,
      response_format: { type: "json_object" },
    });
    const { message, finish_reason } = object.choices[0];
    assert.equal(message.content[0], "{");
    if (finish_reason === "stop") JSON.parse(message.content);
    else assert.equal(finish_reason, "length");
  });

  test("grammars: regular expression, Lark, GBNF, choices", async () => {
    const said = async (grammar, temperature = 1) => {
      const reply = await create({
        grammar,
        temperature,
        seed: 1,
        max_tokens: 40,
      });
      assert.equal(reply.choices[0].finish_reason, "stop");
      return reply.choices[0].message.content;
    };
    assert.match(
      await said({ type: "regex", pattern: "[A-Z][a-z]{2,5}-[0-9]{3}" }),
      /^[A-Z][a-z]{2,5}-\d{3}$/,
    );
    assert.match(
      await said('start: "yes" | "no" ", " /[a-z]{3,6}/'),
      /^(yes|no, [a-z]{3,6})$/,
    );
    assert.match(
      await said(
        'root ::= item ("," item){0,3}\nitem ::= [0-9]{1,3} # digits\n',
      ),
      /^\d{1,3}(,\d{1,3}){0,3}$/,
    );
    assert.equal(
      await said({ type: "choice", choices: ["Paris", "Rome"] }, 0),
      "Paris",
    );
  });

  test("tools: a call when one is required, its deltas in a stream, its result in the next turn", async () => {
    const tools = [
      {
        type: "function",
        function: {
          name: "get_weather",
          description: "The weather in a city",
          parameters: {
            type: "object",
            properties: {
              city: { type: "string", maxLength: 24 },
              unit: { enum: ["C", "F"] },
            },
            required: ["city", "unit"],
            additionalProperties: false,
          },
        },
      },
      {
        type: "function",
        function: {
          name: "get_time",
          parameters: {
            type: "object",
            properties: {},
            additionalProperties: false,
          },
        },
      },
    ];
    const messages = [
      { role: "user", content: "What is the weather in Oslo?" },
    ];
    const named = { type: "function", function: { name: "get_weather" } };
    const fields = {
      messages,
      tools,
      tool_choice: named,
      max_tokens: 120,
      parallel_tool_calls: false,
    };
    const reply = await create(fields);
    const { message, finish_reason } = reply.choices[0];
    assert.equal(finish_reason, "tool_calls");
    assert.equal(message.content, null);
    const [call] = message.tool_calls;
    assert.equal(call.function.name, "get_weather");
    const validate = new Ajv().compile(tools[0].function.parameters);
    assert.ok(
      validate(JSON.parse(call.function.arguments)),
      call.function.arguments,
    );

    const chunks = await streamed(fields);
    const deltas = chunks.flatMap(
      ({ choices }) => choices[0]?.delta.tool_calls ?? [],
    );
    assert.ok(deltas.length > 3, "the arguments came in one piece");
    assert.equal(deltas[0].function.name, "get_weather");
    assert.equal(
      deltas.map((delta) => delta.function.arguments).join(""),
      call.function.arguments,
    );
    assert.equal(chunks.at(-1).choices[0].finish_reason, "tool_calls");

    const any = await create({ ...fields, tool_choice: "required" });
    assert.equal(any.choices[0].finish_reason, "tool_calls");

    const second = await create({
      messages: [
        ...messages,
        message,
        { role: "tool", tool_call_id: call.id, content: "Rain, 4 degrees" },
      ],
      tools,
      tool_choice: "none",
      max_tokens: 24,
    });
    assert.ok(second.choices[0].message.content.length > 0);
  });

  test("runTools of the client calls our function", async () => {
    const found = await page.evaluate(async () => {
      const asked = [];
      const runner = openai.chat.completions.runTools({
        model: "any",
        temperature: 0,
        max_tokens: 80,
        messages: [{ role: "user", content: "Weather in Oslo?" }],
        tool_choice: { type: "function", function: { name: "get_weather" } },
        tools: [
          {
            type: "function",
            function: {
              name: "get_weather",
              function: (given) => {
                asked.push(given);
                return "sunny";
              },
              parse: JSON.parse,
              description: "The weather",
              parameters: {
                type: "object",
                properties: { city: { type: "string", maxLength: 16 } },
                required: ["city"],
                additionalProperties: false,
              },
            },
          },
        ],
      });
      await runner.done();
      return asked;
    });
    assert.equal(typeof found[0]?.city, "string");
  });

  test("embeddings: as floats and as base64, of several texts, shortened", async () => {
    const found = await page.evaluate(async () => {
      const ask = (fields) =>
        openai.embeddings.create({ model: "any", ...fields });
      const input = ["A cat sleeps.", "Stocks fell sharply."];
      const [floats, packed, short] = [
        await ask({ input, encoding_format: "float" }),
        // What the client asks for by itself is base64, which it unpacks.
        await ask({ input }),
        await ask({ input: input[0], dimensions: 16 }),
      ];
      const messages = [{ role: "user", content: "x" }];
      return {
        floats,
        packed,
        short,
        ids: await caught(ask({ input: [1, 2] })),
        empty: await caught(ask({ input: [] })),
        wide: await caught(ask({ input: "x", dimensions: 1e6 })),
        classify: await caught(llm.classify("x")),
        chat: (
          await openai.chat.completions.create({
            model: "any",
            messages,
            max_tokens: 2,
          })
        ).object,
      };
    });
    const { floats, packed, short } = found;
    assert.equal(floats.data.length, 2);
    assert.deepEqual(
      floats.data.map(({ index }) => index),
      [0, 1],
    );
    assert.ok(floats.usage.prompt_tokens > 6);
    packed.data.forEach(({ embedding }, index) => {
      assert.equal(embedding.length, floats.data[index].embedding.length);
      embedding.forEach((value, at) =>
        assert.ok(Math.abs(value - floats.data[index].embedding[at]) < 1e-6),
      );
    });
    const length = Math.hypot(...short.data[0].embedding);
    assert.equal(short.data[0].embedding.length, 16);
    assert.ok(Math.abs(length - 1) < 1e-4);
    assert.equal(found.ids.param, "input");
    assert.equal(found.empty.param, "input");
    assert.equal(found.wide.param, "dimensions");
    assert.equal(found.classify.code, "wrong_state");
    assert.equal(found.chat, "chat.completion");
  });

  test("models, and errors like a server's", async () => {
    const found = await page.evaluate(async () => {
      const ids = [];
      for await (const model of openai.models.list()) ids.push(model.id);
      const messages = [{ role: "user", content: "x" }];
      const ask = (fields) =>
        caught(
          openai.chat.completions.create({ model: "any", messages, ...fields }),
        );
      const schema = (schema) => ({
        response_format: {
          type: "json_schema",
          json_schema: { name: "x", schema },
        },
      });
      return {
        ids,
        id: llm.info.id,
        wrong: await ask({ n: 0 }),
        schema: await ask(schema({ type: "wizard" })),
        never: await ask(schema({ type: "integer", minimum: 5, maximum: 1 })),
        regex: await ask({ grammar: { type: "regex", pattern: "(" } }),
        lark: await ask({ grammar: "start: nowhere" }),
        huge: await ask({
          grammar: { type: "regex", pattern: "((a{1,999}){1,999}){1,999}" },
        }),
        // Overflows the stack of the grammar module, and only that module's.
        deep: await ask({ grammar: `start: ${"(".repeat(200_000)}` }),
        deeper: await ask({ grammar: `start: ${"(".repeat(300_000)}` }),
        again: (
          await openai.chat.completions.create({
            model: "any",
            messages,
            grammar: { type: "choice", choices: ["yes"] },
          })
        ).choices[0].message.content,
        long: await ask({
          messages: [{ role: "user", content: "word ".repeat(9000) }],
        }),
        image: await ask({
          messages: [
            {
              role: "user",
              content: [{ type: "image_url", image_url: { url: "x" } }],
            },
          ],
        }),
        model: await caught(openai.models.retrieve("other")),
        route: await caught(
          openai.images.generate({ model: "any", prompt: "x" }),
        ),
      };
    });
    assert.deepEqual(found.ids, [found.id]);
    assert.deepEqual([found.wrong.status, found.wrong.param], [400, "n"]);
    for (const name of [
      "schema",
      "never",
      "regex",
      "lark",
      "huge",
      "deep",
      "deeper",
    ]) {
      assert.equal(
        found[name]?.status,
        400,
        `${name}: ${JSON.stringify(found[name])}`,
      );
      assert.equal(found[name].code, "bad_grammar", name);
    }
    assert.equal(found.again, "yes");
    assert.equal(found.long.code, "context_length_exceeded");
    assert.equal(found.image.code, "unsupported_content");
    assert.equal(found.model.status, 404);
    assert.equal(found.route.status, 404);
    const after = await create({ max_tokens: 4 });
    assert.match(after.choices[0].message.content, /\w/);
  });
});
