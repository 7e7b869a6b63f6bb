// The page of the client tests: the built package, and the real clients bundled against it, on `window`.

import OpenAI from "openai";
import { Smidgen, SmidgenError } from "/pkg/index.js";

/** A thrown error as data: tests run outside the page. */
async function caught(promise) {
  try {
    await promise;
    return undefined;
  } catch (error) {
    const { name, code, message, status, param, type } = error;
    return {
      name,
      code,
      message,
      status,
      param,
      type,
      own: error instanceof SmidgenError,
    };
  }
}

async function load(path) {
  const llm = await Smidgen.load(path);
  await llm.stored;
  const openai = new OpenAI({
    apiKey: "none",
    baseURL: "https://smidgen.invalid/v1",
    fetch: llm.fetch,
    dangerouslyAllowBrowser: true,
  });
  Object.assign(window, { llm, openai });
}

/** Every chunk of a stream. */
async function chunksOf(stream) {
  const chunks = [];
  for await (const chunk of await stream) chunks.push(chunk);
  return chunks;
}

Object.assign(window, { Smidgen, SmidgenError, caught, chunksOf, load });
window.ready = true;
