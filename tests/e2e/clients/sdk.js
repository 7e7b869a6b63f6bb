// The page of the AI SDK's tests: `ai` 7 and 6 and the package's provider, on `window`.

import * as ai from "ai";
import * as ai6 from "ai6";
import { Smidgen } from "/pkg/index.js";
import { createSmidgen } from "../../../pkg/dist/ai-sdk.js";

async function load(path) {
  const llm = await Smidgen.load(path);
  const model = createSmidgen(llm)();
  const model6 = createSmidgen(llm, { specificationVersion: "v3" })();
  Object.assign(window, { llm, model, model6, ai, ai6, createSmidgen });
}

/** A thrown error as data: tests run outside the page. */
async function caught(promise) {
  try {
    await promise;
    return undefined;
  } catch (error) {
    const { name, message, statusCode } = error;
    return { name, message, statusCode };
  }
}

Object.assign(window, { caught, load });
window.ready = true;
