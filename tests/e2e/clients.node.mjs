// The package in Node: the engine in a worker thread, the model from a file, the same words as in a page.

import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { pathToFileURL } from "node:url";
import OpenAI from "openai";
import { DIST, LIMIT, MODEL } from "./package/stage.mjs";

describe("Node", LIMIT, () => {
  let Smidgen;
  let llm;
  before(async () => {
    ({ Smidgen } = await import(pathToFileURL(join(DIST, "node.js")).href));
    llm = await Smidgen.load(MODEL);
  });
  after(() => llm?.unload());

  test("a chat, a stream through the openai client, and a schema", async () => {
    const messages = [
      { role: "user", content: "What is the capital of France?" },
    ];
    const fields = { messages, temperature: 0, max_tokens: 12 };
    const own = await llm.chat.completions.create(fields);
    assert.match(own.choices[0].message.content, /Paris/);
    const openai = new OpenAI({
      apiKey: "none",
      baseURL: "https://smidgen.invalid/v1",
      fetch: llm.fetch,
    });
    const stream = await openai.chat.completions.create({
      ...fields,
      model: "any",
      stream: true,
    });
    let text = "";
    for await (const { choices } of stream) {
      text += choices[0]?.delta.content ?? "";
    }
    assert.equal(text, own.choices[0].message.content);
    const chosen = await llm.chat.completions.create({
      ...fields,
      grammar: { type: "choice", choices: ["Rome", "Oslo"] },
    });
    assert.match(chosen.choices[0].message.content, /^(Rome|Oslo)$/);
  });

  test("state is saved and taken up; an abort ends a reply; nothing is kept", async () => {
    const state = await llm.saveState();
    await llm.reset();
    assert.ok((await llm.restoreState(state)) > 10);
    const events = llm.generate({ prompt: "Once", maxTokens: 1000 });
    for await (const { type } of events) if (type === "token") break;
    const cut = AbortSignal.abort();
    await assert.rejects(
      llm.chat.completions.create(
        { messages: [{ role: "user", content: "x" }] },
        { signal: cut },
      ),
      { name: "AbortError" },
    );
    assert.equal(llm.info.storage, undefined);
    await assert.rejects(Smidgen.load(join(DIST, "nothing.gguf")));
    await assert.rejects(Smidgen.load(pathToFileURL(join(DIST, "index.js"))), {
      code: "not_gguf",
    });
  });
});
