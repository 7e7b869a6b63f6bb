// One greedy reply through every façade in the same words, and its log-probabilities against the engine's own softmax.

import { HumanMessage } from "@langchain/core/messages";
import { ChatOpenAI } from "@langchain/openai";
import * as ai from "ai";
import * as ai6 from "ai6";
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { pathToFileURL } from "node:url";
import OpenAI from "openai";
import { bareEngine } from "./clients/draw.mjs";
import { DIST, LIMIT, MODEL } from "./package/stage.mjs";

const BASE = "https://smidgen.invalid/v1";
const TOKENS = 24;
const QUESTION = "Why is the sky blue?";
const MESSAGES = [{ role: "user", content: QUESTION }];
const GREEDY = { messages: MESSAGES, temperature: 0, max_tokens: TOKENS };

/** Rounding between a prompt evaluated as one and token by token. */
const TOLERANCE = 2e-3;

const entry = (name) => import(pathToFileURL(join(DIST, name)).href);

async function joined(parts, textOf) {
  let text = "";
  for await (const part of parts) text += textOf(part) ?? "";
  return text;
}

describe("every façade", LIMIT, () => {
  let llm;
  let openai;
  let own;

  before(async () => {
    const { Smidgen } = await entry("node.js");
    llm = await Smidgen.load(MODEL);
    openai = new OpenAI({ apiKey: "none", baseURL: BASE, fetch: llm.fetch });
    own = await llm.chat.completions.create({
      ...GREEDY,
      logprobs: true,
      top_logprobs: 20,
    });
  });
  after(() => llm?.unload());

  const delta = ({ choices }) => choices[0]?.delta.content;
  const prompt = () => llm.applyTemplate(MESSAGES);

  const FACADES = {
    "llm, streamed": async () =>
      joined(
        await llm.chat.completions.create({ ...GREEDY, stream: true }),
        delta,
      ),
    "llm.generate": () =>
      joined(
        llm.generate({
          messages: MESSAGES,
          temperature: 0,
          maxTokens: TOKENS,
        }),
        ({ text }) => text,
      ),
    "llm.completions": async () => {
      const reply = await llm.completions.create({
        prompt: await prompt(),
        temperature: 0,
        max_tokens: TOKENS,
      });
      return reply.choices[0].text;
    },
    "llm.completions, from ids": async () => {
      const reply = await llm.completions.create({
        prompt: await llm.tokenize(await prompt(), { parseSpecial: true }),
        temperature: 0,
        max_tokens: TOKENS,
      });
      return reply.choices[0].text;
    },
    "llm.fetch": async () => {
      const response = await llm.fetch(`${BASE}/chat/completions`, {
        method: "POST",
        body: JSON.stringify(GREEDY),
      });
      return (await response.json()).choices[0].message.content;
    },
    "llm.fetch, streamed": async () => {
      const response = await llm.fetch(`${BASE}/chat/completions`, {
        method: "POST",
        body: JSON.stringify({ ...GREEDY, stream: true }),
      });
      const events = (await response.text()).trim().split("\n\n");
      assert.equal(events.pop(), "data: [DONE]");
      const chunks = events.map((event) =>
        JSON.parse(event.slice("data: ".length)),
      );
      return joined(chunks, delta);
    },
    "the openai client": async () => {
      const reply = await openai.chat.completions.create({
        ...GREEDY,
        model: "any",
      });
      return reply.choices[0].message.content;
    },
    "the openai client, streamed": async () =>
      joined(
        await openai.chat.completions.create({
          ...GREEDY,
          model: "any",
          stream: true,
        }),
        delta,
      ),
    "LangChain.js": async () => {
      const chat = new ChatOpenAI({
        model: "any",
        apiKey: "none",
        temperature: 0,
        maxTokens: TOKENS,
        configuration: { baseURL: BASE, fetch: llm.fetch },
      });
      return (await chat.invoke([new HumanMessage(QUESTION)])).content;
    },
    ...Object.fromEntries(
      [
        ["the AI SDK 7", ai, "v4"],
        ["the AI SDK 6", ai6, "v3"],
      ].flatMap(([name, { generateText, streamText }, version]) => {
        const options = async () => {
          const { createSmidgen } = await entry("ai-sdk.js");
          return {
            model: createSmidgen(llm, { specificationVersion: version })(),
            prompt: QUESTION,
            temperature: 0,
            maxOutputTokens: TOKENS,
          };
        };
        return [
          [name, async () => (await generateText(await options())).text],
          [
            `${name}, streamed`,
            async () => joined(streamText(await options()).textStream, String),
          ],
        ];
      }),
    ),
  };

  for (const [name, reply] of Object.entries(FACADES)) {
    test(name, async () => {
      assert.equal(await reply(), own.choices[0].message.content);
    });
  }

  // It has no bound for the length of a reply: the first words are compared.
  test("the Prompt API", async () => {
    const { createLanguageModel } = await entry("prompt-api.js");
    const LanguageModel = createLanguageModel({ load: async () => llm });
    const session = await LanguageModel.create({
      samplingMode: "most-predictable",
    });
    const reader = session.promptStreaming(QUESTION).getReader();
    let text = "";
    const { content } = own.choices[0].message;
    while (text.length < content.length) {
      const { done, value } = await reader.read();
      if (done) break;
      text += value;
    }
    await reader.cancel();
    session.destroy();
    assert.ok(text.startsWith(content), text);
  });

  test("log-probabilities are the engine's own softmax, in every façade that tells them", async () => {
    const head = await llm.tokenize(await prompt(), { parseSpecial: true });
    const tail = [];
    for await (const event of llm.generate({
      messages: MESSAGES,
      temperature: 0,
      maxTokens: TOKENS,
    })) {
      if (event.type === "token") tail.push(event.id);
    }
    const engine = await bareEngine(llm.info.flavour);
    const scores = engine.score(Uint32Array.from([...head, ...tail]));
    engine.free();
    /** ln p of each token of the reply, and the id that was likeliest there. */
    const expected = tail.map((_, index) => {
      const at = 2 * (head.length - 1 + index);
      return { logprob: scores[at], likeliest: scores[at + 1] };
    });
    expected.forEach(({ likeliest }, index) =>
      assert.equal(likeliest, tail[index], `token ${index} is the likeliest`),
    );

    const same = (logprobs, facade) => {
      assert.equal(logprobs.length, tail.length, facade);
      logprobs.forEach((logprob, index) => {
        const off = Math.abs(logprob - expected[index].logprob);
        assert.ok(off < TOLERANCE, `${facade}, token ${index}: off by ${off}`);
      });
    };
    const { content } = own.choices[0].logprobs;
    same(
      content.map(({ logprob }) => logprob),
      "llm",
    );
    for (const { top_logprobs, logprob } of content) {
      const told = top_logprobs.map((top) => top.logprob);
      assert.equal(told.length, 20);
      assert.deepEqual(
        told,
        [...told].sort((a, b) => b - a),
      );
      assert.equal(told[0], logprob);
      const sum = told.reduce((sum, value) => sum + Math.exp(value), 0);
      assert.ok(sum > 0 && sum < 1.0001, `they sum to ${sum}`);
    }
    const client = await openai.chat.completions.create({
      ...GREEDY,
      model: "any",
      logprobs: true,
    });
    same(
      client.choices[0].logprobs.content.map(({ logprob }) => logprob),
      "the openai client",
    );
    const completion = await openai.completions.create({
      model: "any",
      prompt: head,
      temperature: 0,
      max_tokens: TOKENS,
      logprobs: 1,
    });
    same(completion.choices[0].logprobs.token_logprobs, "completions");
  });
});
