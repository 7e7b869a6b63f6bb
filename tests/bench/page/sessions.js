// One conversation over the package as it ships: what its turns wait for, and what they evaluate.

import { Smidgen } from "/pkg/index.js";

const FACT = "The ferry to the island leaves at nine, at noon and at five. ";
const QUESTIONS = ["When does the first ferry leave?", "And the last one?"];
/** Of the system message, in tokens. */
const FACT_TOKENS = 15;

/** A system message of about `tokens` tokens. */
function facts(tokens) {
  return FACT.repeat(Math.max(1, Math.round(tokens / FACT_TOKENS))).trim();
}

let llm;

/** One turn: its reply, the milliseconds to its first words, and its tokens. */
async function turn(messages) {
  const startedAt = performance.now();
  const stream = await llm.chat.completions.create({
    messages,
    temperature: 0,
    max_tokens: 16,
    stream: true,
    stream_options: { include_usage: true },
  });
  let firstMs;
  let text = "";
  let usage;
  for await (const chunk of stream) {
    usage = chunk.usage ?? usage;
    const { content } = chunk.choices[0]?.delta ?? {};
    if (!content) continue;
    firstMs ??= performance.now() - startedAt;
    text += content;
  }
  const { prompt_tokens: prompt, prompt_tokens_details: details } = usage;
  return { text, firstMs, prompt, evaluated: prompt - details.cached_tokens };
}

globalThis.sessions = {
  async load({ model, flavour, contextLength }) {
    const startedAt = performance.now();
    llm = await Smidgen.load(new URL(model, location.href), {
      threads: 1,
      flavour,
      contextLength,
    });
    return performance.now() - startedAt;
  },

  /** The first two turns, and what keeping both takes. */
  async talk(tokens) {
    await llm.reset();
    const messages = [
      { role: "system", content: facts(tokens) },
      { role: "user", content: QUESTIONS[0] },
    ];
    const first = await turn(messages);
    messages.push(
      { role: "assistant", content: first.text },
      { role: "user", content: QUESTIONS[1] },
    );
    const second = await turn(messages);
    const startedAt = performance.now();
    const { bytes } = await llm.sessions.save("bench");
    const saveMs = performance.now() - startedAt;
    return { messages, first, second, bytes, saveMs };
  },

  /** The last turn of `messages` once more, from what was kept. */
  async goOn(messages) {
    const startedAt = performance.now();
    await llm.sessions.restore("bench");
    const restoreMs = performance.now() - startedAt;
    return { restoreMs, ...(await turn(messages)) };
  },
};
