// Loads a model with the package and answers one prompt. The run comes as JSON in the address, events go to events.js.

import { Smidgen } from "/pkg/index.js";

/**
 * @typedef {object} Run
 * @property {string} model address of a GGUF file
 * @property {string} prompt what the user says
 * @property {number} maxTokens
 * @property {number} seed
 * @property {number} temperature
 * @property {string} [flavour]
 * @property {number} [threads]
 * @property {number} [contextLength]
 */

/** @param {Run} run */
async function chat(run) {
  const { flavour, threads, contextLength } = run;
  const llm = await Smidgen.load(new URL(run.model, location.href), {
    ...(flavour && { flavour }),
    ...(threads && { threads }),
    ...(contextLength && { contextLength }),
    onProgress: (progress) => emit({ type: "progress", ...progress }),
  });
  // Whoever closes this browser wants to find the model in the next one.
  await llm.stored;
  emit({ type: "loaded", info: llm.info });
  let generated = 0;
  const request = {
    messages: [{ role: "user", content: run.prompt }],
    maxTokens: run.maxTokens,
    seed: run.seed,
    temperature: run.temperature,
  };
  for await (const event of llm.generate(request)) {
    if (event.type === "token") {
      generated += 1;
      if (event.text) emit({ type: "text", text: event.text });
    } else if (event.type === "done") {
      emit({ ...event, generated });
    }
  }
  await llm.unload();
}

const run = new URLSearchParams(location.search).get("run");
if (run) chat(JSON.parse(run)).catch(emitError);
