// LangChain.js over the package: its OpenAI classes know nothing but another `fetch`.

import { Ajv } from "ajv";
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { clients } from "./clients/stage.mjs";
import { LIMIT } from "./package/stage.mjs";

const schema = {
  title: "person",
  type: "object",
  properties: {
    name: { type: "string", maxLength: 20 },
    age: { type: "integer", minimum: 0, maximum: 120 },
  },
  required: ["name", "age"],
  additionalProperties: false,
};

describe("LangChain", LIMIT, () => {
  let page;
  const cleanups = [];
  before(async () => {
    const context = { after: (work) => cleanups.push(work) };
    ({ page } = await clients(context, "langchain.js"));
  });
  after(async () => {
    for (const work of cleanups.reverse()) await work();
  });

  test("a chain says what the engine says, whole and streamed", async () => {
    const found = await page.evaluate(async () => {
      const content = "What is the capital of France?";
      const messages = [{ role: "user", content }];
      const own = await llm.chat.completions.create({
        messages,
        temperature: 0,
        max_tokens: 10,
      });
      const model = chat({ maxTokens: 10 });
      const whole = await model.invoke([new HumanMessage(content)]);
      const chain = ChatPromptTemplate.fromMessages([
        ["human", "What is the capital of {country}?"],
      ])
        .pipe(model)
        .pipe(new StringOutputParser());
      let streamed = "";
      let pieces = 0;
      for await (const piece of await chain.stream({ country: "France" })) {
        streamed += piece;
        pieces++;
      }
      return {
        own: own.choices[0].message.content,
        whole: whole.content,
        usage: whole.usage_metadata,
        tokens: own.usage,
        streamed,
        pieces,
      };
    });
    assert.equal(found.whole, found.own);
    assert.equal(found.streamed, found.own);
    assert.ok(found.pieces > 3);
    assert.equal(found.usage.input_tokens, found.tokens.prompt_tokens);
    assert.equal(found.usage.output_tokens, found.tokens.completion_tokens);
  });

  test("structured output validates, and a bound tool is called and answered", async () => {
    const found = await page.evaluate(async (schema) => {
      const person = await chat({ maxTokens: 100 })
        .withStructuredOutput(schema, { method: "jsonSchema", strict: true })
        .invoke("Make up a person.");
      const tool = {
        type: "function",
        function: { name: "register", parameters: schema },
      };
      const bound = chat({ maxTokens: 100 }).bindTools([tool], {
        tool_choice: "register",
      });
      const asked = [new HumanMessage("Register Ada, who is 36.")];
      const called = await bound.invoke(asked);
      const [call] = called.tool_calls;
      const answer = new ToolMessage({
        content: "registered",
        tool_call_id: call.id,
      });
      const after = await chat({ maxTokens: 8 }).invoke([
        ...asked,
        called,
        answer,
      ]);
      return { person, call, after: after.content };
    }, schema);
    const validate = new Ajv().compile(schema);
    assert.ok(validate(found.person), JSON.stringify(found.person));
    assert.equal(found.call.name, "register");
    assert.ok(validate(found.call.args), JSON.stringify(found.call.args));
    assert.match(found.after, /\S/);
  });

  test("embeddings, an abort, and a refusal", async () => {
    const found = await page.evaluate(async () => {
      const vectors = await embeddings.embedDocuments(["A cat", "A dog"]);
      const controller = new AbortController();
      const caught = (promise) =>
        promise.then(
          () => undefined,
          ({ name, status, param }) => ({ name, status, param }),
        );
      const running = chat({}).stream("Count to a thousand.", {
        signal: controller.signal,
      });
      const aborted = caught(
        (async () => {
          for await (const _ of await running) controller.abort();
        })(),
      );
      return {
        lengths: vectors.map(({ length }) => length),
        aborted: await aborted,
        refused: await caught(chat({ topP: 7 }).invoke("x")),
        after: (await chat({ maxTokens: 4 }).invoke("Hello")).content,
      };
    });
    assert.ok(found.lengths[0] > 100 && found.lengths[0] === found.lengths[1]);
    assert.ok(found.aborted, "an aborted stream ended as if it were whole");
    assert.equal(found.refused.status, 400);
    assert.equal(found.refused.param, "top_p");
    assert.match(found.after, /\S/);
  });
});
