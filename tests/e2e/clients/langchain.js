// The page of LangChain's tests: `@langchain/openai` over the package's `fetch`, on `window`.

import {
  HumanMessage,
  SystemMessage,
  ToolMessage,
} from "@langchain/core/messages";
import { ChatPromptTemplate } from "@langchain/core/prompts";
import { StringOutputParser } from "@langchain/core/output_parsers";
import { ChatOpenAI, OpenAIEmbeddings } from "@langchain/openai";
import { Smidgen } from "/pkg/index.js";

async function load(path) {
  const llm = await Smidgen.load(path);
  const configuration = {
    baseURL: "https://smidgen.invalid/v1",
    fetch: llm.fetch,
    dangerouslyAllowBrowser: true,
  };
  const options = { model: "on-device", apiKey: "none", configuration };
  const chat = (fields) =>
    new ChatOpenAI({ ...options, temperature: 0, maxRetries: 0, ...fields });
  const embeddings = new OpenAIEmbeddings(options);
  Object.assign(window, { llm, chat, embeddings });
}

Object.assign(window, {
  ChatPromptTemplate,
  HumanMessage,
  StringOutputParser,
  SystemMessage,
  ToolMessage,
  load,
});
window.ready = true;
