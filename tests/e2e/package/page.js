// The page under test: the built package on `window`, and what the tests ask of it again and again.

import { Smidgen, SmidgenError } from "/pkg/index.js";

/** Tasks of the main thread over 50 ms, in milliseconds. */
const longTasks = [];
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) longTasks.push(entry.duration);
}).observe({ type: "longtask" });

/** A thrown error as data: tests run outside the page. */
async function caught(promise) {
  try {
    await promise;
    return undefined;
  } catch (error) {
    const { name, code, message, details } = error;
    return { name, code, message, details, own: error instanceof SmidgenError };
  }
}

/** Everything `llm.generate` says. */
async function generate(llm, request, options) {
  const seen = { text: "", ids: [], begun: undefined, done: undefined };
  for await (const event of llm.generate(request, options)) {
    if (event.type === "token") {
      seen.text += event.text;
      seen.ids.push(event.id);
    } else {
      seen[event.type] = event;
    }
  }
  return seen;
}

/** Loads, keeps every progress and warning, and waits until the model is stored too. */
async function load(source, options = {}) {
  const progress = [];
  const warnings = [];
  const llm = await Smidgen.load(source, {
    ...options,
    onProgress: (entry) => {
      progress.push(entry);
      options.onProgress?.(entry);
    },
    onWarning: (entry) => warnings.push(entry),
  });
  window.llm = llm;
  await llm.stored;
  return { info: llm.info, progress, warnings };
}

Object.assign(window, {
  Smidgen,
  SmidgenError,
  longTasks,
  caught,
  generate,
  load,
});
window.ready = true;
