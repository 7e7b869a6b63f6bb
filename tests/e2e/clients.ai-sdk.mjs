// The real AI SDK (`ai` 7 and 6) over the real engine and model in Chromium: text, streams, objects, tools, refusals.

import { Ajv } from "ajv";
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { clients } from "./clients/stage.mjs";
import { LIMIT } from "./package/stage.mjs";

const schema = {
  type: "object",
  properties: {
    name: { type: "string", maxLength: 16 },
    age: { type: "integer", minimum: 1, maximum: 99 },
  },
  required: ["name", "age"],
  additionalProperties: false,
};

describe("the AI SDK", LIMIT, () => {
  let page;
  const cleanups = [];
  before(async () => {
    const context = { after: (work) => cleanups.push(work) };
    ({ page } = await clients(context, "sdk.js"));
  });
  after(async () => {
    for (const work of cleanups.reverse()) await work();
  });

  for (const version of ["ai", "ai6"]) {
    test(`${version}: generateText and streamText say what chat.completions says`, async () => {
      const found = await page.evaluate(async (version) => {
        const { generateText, streamText } = window[version];
        const model = version === "ai" ? window.model : window.model6;
        const options = {
          model,
          prompt: "What is the capital of France?",
          temperature: 0,
          maxOutputTokens: 4,
        };
        const own = await llm.chat.completions.create({
          messages: [{ role: "user", content: options.prompt }],
          temperature: 0,
          max_tokens: 4,
        });
        const whole = await generateText(options);
        const stream = streamText(options);
        let text = "";
        for await (const delta of stream.textStream) text += delta;
        return {
          own: own.choices[0].message.content,
          whole: whole.text,
          usage: whole.usage,
          finish: whole.finishReason,
          warnings: whole.warnings ?? [],
          text,
          streamed: await stream.usage,
        };
      }, version);
      assert.equal(found.whole, found.own);
      assert.equal(found.text, found.own);
      assert.equal(found.finish, "length");
      assert.equal(found.usage.outputTokens, 4);
      assert.equal(found.streamed.inputTokens, found.usage.inputTokens);
      assert.deepEqual(found.warnings, []);
    });

    test(`${version}: output by a schema always validates`, async () => {
      const found = await page.evaluate(
        async ([version, schema]) => {
          const { generateText, jsonSchema, Output } = window[version];
          const { output } = await generateText({
            model: version === "ai" ? window.model : window.model6,
            prompt: "Make up a person.",
            temperature: 1,
            seed: 2,
            output: Output.object({ schema: jsonSchema(schema) }),
          });
          return output;
        },
        [version, schema],
      );
      const validate = new Ajv().compile(schema);
      assert.ok(validate(found), JSON.stringify(found));
    });

    test(`${version}: a tool is called, run, and its result goes back`, async () => {
      const found = await page.evaluate(
        async ([version, schema]) => {
          const {
            generateText,
            streamText,
            jsonSchema,
            tool,
            stepCountIs,
            isStepCount,
          } = window[version];
          const asked = [];
          const options = {
            model: version === "ai" ? window.model : window.model6,
            prompt: "Register a person.",
            temperature: 0,
            maxOutputTokens: 80,
            toolChoice: { type: "tool", toolName: "register" },
            tools: {
              register: tool({
                description: "Registers a person",
                inputSchema: jsonSchema(schema),
                execute: async (given) => {
                  asked.push(given);
                  return "registered";
                },
              }),
            },
          };
          const stop = (stepCountIs ?? isStepCount)(2);
          const whole = await generateText({ ...options, stopWhen: stop });
          const types = [];
          for await (const part of streamText(options).fullStream) {
            types.push(part.type);
          }
          return {
            asked,
            steps: whole.steps.length,
            results: whole.steps[0].toolResults.map(({ output }) => output),
            types,
          };
        },
        [version, schema],
      );
      const validate = new Ajv().compile(schema);
      assert.ok(
        found.asked.length >= 3,
        "the tool ran in both steps and in the stream",
      );
      for (const given of found.asked) {
        assert.ok(validate(given), JSON.stringify(given));
      }
      assert.equal(found.steps, 2);
      assert.deepEqual([...new Set(found.results)], ["registered"]);
      for (const type of [
        "tool-input-start",
        "tool-input-delta",
        "tool-call",
        "tool-result",
        "finish",
      ]) {
        assert.ok(found.types.includes(type), `${type} in ${found.types}`);
      }
    });
  }

  test("embed and embedMany: equal texts have equal embeddings, others do not", async () => {
    const found = await page.evaluate(async () => {
      const { embed, embedMany, cosineSimilarity } = ai;
      const embedder = createSmidgen(llm).embeddingModel();
      const one = await embed({ model: embedder, value: "A cat sleeps." });
      const many = await embedMany({
        model: embedder,
        values: ["A cat sleeps.", "Stocks fell sharply."],
      });
      const [same, other] = many.embeddings;
      return {
        same: cosineSimilarity(one.embedding, same),
        other: cosineSimilarity(one.embedding, other),
        length: Math.hypot(...same),
        tokens: many.usage.tokens,
      };
    });
    assert.ok(found.same > 0.9999);
    assert.ok(found.other < 0.99, `${found.other}`);
    assert.ok(Math.abs(found.length - 1) < 1e-4);
    assert.ok(found.tokens > 6);
  });

  test("what cannot be done is refused with the SDK's own errors; an abort ends a stream", async () => {
    const found = await page.evaluate(async () => {
      const { generateText, streamText } = ai;
      const image = {
        type: "file",
        mediaType: "image/png",
        data: new Uint8Array([137, 80, 78, 71]),
      };
      const controller = new AbortController();
      const stream = streamText({
        model,
        prompt: "Write a long story.",
        abortSignal: controller.signal,
      });
      let deltas = 0;
      let aborted = false;
      for await (const part of stream.fullStream) {
        if (part.type === "text-delta" && ++deltas === 3) controller.abort();
        if (part.type === "abort") aborted = true;
      }
      return {
        image: await caught(
          generateText({
            model,
            messages: [{ role: "user", content: [image] }],
            maxRetries: 0,
          }),
        ),
        long: await caught(
          generateText({ model, prompt: "word ".repeat(9000), maxRetries: 0 }),
        ),
        none: await caught(
          (async () => createSmidgen({ small: llm }).languageModel("large"))(),
        ),
        embedding: await caught(
          (async () => createSmidgen({ small: llm }).embeddingModel("x"))(),
        ),
        aborted,
        deltas,
        after: (await generateText({ model, prompt: "Hi", maxOutputTokens: 3 }))
          .text,
      };
    });
    assert.equal(found.image.name, "AI_UnsupportedFunctionalityError");
    assert.equal(found.long.name, "AI_APICallError");
    assert.equal(found.long.statusCode, 400);
    assert.equal(found.none.name, "AI_NoSuchModelError");
    assert.equal(found.embedding.name, "AI_NoSuchModelError");
    assert.ok(found.aborted);
    assert.ok(found.deltas < 10);
    assert.ok(found.after.length > 0);
  });
});
