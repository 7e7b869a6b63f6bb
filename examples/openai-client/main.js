// A program for OpenAI's servers, moved onto the device by one option: `fetch`.

import OpenAI from "openai";
import { Smidgen } from "smidgen";

const form = document.querySelector("form");
const output = document.querySelector("output");

const llm = await Smidgen.load(
  new URLSearchParams(location.search).get("model"),
);
const openai = new OpenAI({
  apiKey: "none",
  baseURL: "https://on-device.invalid/v1",
  dangerouslyAllowBrowser: true,
  fetch: llm.fetch,
});
form.elements[1].disabled = false;

const tools = [
  {
    type: "function",
    function: {
      name: "remember",
      description: "Keeps the subject of a question",
      parameters: {
        type: "object",
        properties: { subject: { type: "string", maxLength: 40 } },
        required: ["subject"],
        additionalProperties: false,
      },
    },
  },
];

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const messages = [{ role: "user", content: form.question.value }];
  const stream = await openai.chat.completions.create({
    model: "on-device",
    messages,
    stream: true,
    max_tokens: 64,
  });
  let text = "";
  for await (const chunk of stream) {
    text += chunk.choices[0]?.delta.content ?? "";
    output.value = text;
  }
  const called = await openai.chat.completions.create({
    model: "on-device",
    messages,
    tools,
    tool_choice: "required",
    parallel_tool_calls: false,
    max_tokens: 80,
  });
  const [call] = called.choices[0].message.tool_calls ?? [];
  output.value += `\n${call?.function.name}(${call?.function.arguments})`;
  output.dataset.done = "true";
});
