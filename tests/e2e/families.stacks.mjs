// A model with an encoder and a decoder through the whole package, in Node: what is asked is what its encoder reads.

import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { pathToFileURL } from "node:url";
import { makeFolder, removeFolder } from "./drive/folder.mjs";
import { weights } from "./families/weights.mjs";
import { DIST, LIMIT, ROOT } from "./package/stage.mjs";

const GOLDEN = join(ROOT, "tests/golden");

/** The paths of a folder with a model whose pieces are those of tests/golden/tokenizer/unigram.json. */
async function write(folder) {
  const json = async (path) => JSON.parse(await readFile(path, "utf8"));
  const { config, tensors } = await json(join(GOLDEN, "families/t5.json"));
  const tokenizer = await json(join(GOLDEN, "tokenizer/unigram.json"));
  tokenizer.post_processor = {
    type: "TemplateProcessing",
    single: [
      { Sequence: { id: "A", type_id: 0 } },
      { SpecialToken: { id: "</s>", type_id: 0 } },
    ],
  };
  config.vocab_size = tokenizer.model.vocab.length;
  const shared = tensors.find(([name]) => name === "shared.weight");
  shared[1][0] = config.vocab_size;
  const files = {
    "config.json": JSON.stringify(config),
    "tokenizer.json": JSON.stringify(tokenizer),
    "tokenizer_config.json": JSON.stringify({
      eos_token: "</s>",
      pad_token: "<pad>",
      unk_token: "<unk>",
    }),
    "model.safetensors": weights(tensors),
  };
  const paths = [];
  for (const [name, bytes] of Object.entries(files)) {
    const path = join(folder, name);
    await writeFile(path, bytes);
    paths.push(path);
  }
  return paths;
}

describe("an encoder and a decoder", LIMIT, () => {
  const text = "translate: the model is small";
  let folder;
  let llm;
  before(async () => {
    folder = await makeFolder("stacks");
    const { Smidgen } = await import(pathToFileURL(join(DIST, "node.js")).href);
    llm = await Smidgen.load(await write(folder));
  });
  after(async () => {
    await llm?.unload();
    if (folder) await removeFolder(folder);
  });

  /** The ids made, and how many of the prompt's were held. */
  async function ids(request) {
    const made = [];
    let cached;
    const fields = { maxTokens: 12, temperature: 0, ignoreEos: true };
    for await (const event of llm.generate({ ...fields, ...request })) {
      if (event.type === "token") made.push(event.id);
      if (event.type === "done") cached = event.cachedTokens;
    }
    return { made, cached };
  }

  test("a prompt is read whole, once", async () => {
    const first = await ids({ prompt: text });
    assert.equal(first.made.length, 12);
    assert.equal(first.cached, 0);
    const again = await ids({ prompt: text });
    assert.deepEqual(again.made, first.made);
    assert.ok(again.cached > 4);
    const other = await ids({ prompt: `${text} now` });
    assert.equal(other.cached, 0);
    const messages = [{ role: "user", content: text }];
    assert.deepEqual((await ids({ messages })).made, first.made);
  });

  test("a chat is one message, and more are refused", async () => {
    const user = { role: "user", content: text };
    const fields = { temperature: 0, max_tokens: 6 };
    const chat = (messages) =>
      llm.chat.completions.create({ ...fields, messages });
    const { choices } = await chat([user]);
    const { choices: completed } = await llm.completions.create({
      ...fields,
      prompt: text,
    });
    assert.equal(completed[0].text, choices[0].message.content);
    const system = { role: "system", content: "be brief" };
    await assert.rejects(chat([system, user]), { code: "bad_argument" });
    assert.match(llm.info.templateWarning, /no turns/);
    assert.equal(await llm.applyTemplate([user]), text);
  });

  test("a saved reply is taken up, and replies take turns", async () => {
    const first = await ids({ prompt: text });
    const state = await llm.saveState();
    await llm.reset();
    const held = await llm.restoreState(state);
    const taken = await ids({ prompt: text });
    assert.deepEqual(taken.made, first.made);
    assert.ok(taken.cached > 4 && taken.cached < held);
    const texts = [text, `${text} now`, "what is read"];
    const alone = [];
    for (const prompt of texts) alone.push((await ids({ prompt })).made);
    const together = await Promise.all(texts.map((prompt) => ids({ prompt })));
    assert.deepEqual(
      together.map(({ made }) => made),
      alone,
    );
  });

  test("texts are embedded", async () => {
    const { embeddings } = await llm.embed([text, "what is read"]);
    assert.deepEqual(
      embeddings.map((embedding) => embedding.length),
      [64, 64],
    );
    const [alone] = (await llm.embed([text])).embeddings;
    assert.deepEqual(alone, embeddings[0]);
    const length = Math.hypot(...alone);
    assert.ok(Math.abs(length - 1) < 1e-5, `${length}`);
  });
});
