// The page of the Prompt API's tests: `LanguageModel` over the package, as a polyfill puts it on the page.

import { Smidgen } from "/pkg/index.js";
import {
  createLanguageModel,
  installPromptApi,
} from "../../../pkg/dist/prompt-api.js";

async function load(path) {
  let loads = 0;
  const backEnd = {
    load: async (options) => {
      loads++;
      window.llm = await Smidgen.load(path, options);
      return window.llm;
    },
  };
  // Chromium may bring its own, without a model.
  delete window.LanguageModel;
  window.installed = [installPromptApi(backEnd), installPromptApi(backEnd)];
  Object.assign(window, { createLanguageModel, loads: () => loads });
}

/** A thrown error as data: tests run outside the page. */
async function caught(work) {
  try {
    await work();
    return undefined;
  } catch (error) {
    const { name, message, requested, quota } = error;
    return {
      name,
      message,
      requested,
      quota,
      dom: error instanceof DOMException,
      type: error instanceof TypeError,
    };
  }
}

Object.assign(window, { caught, load, Smidgen });
window.ready = true;
