// A chat in one module: load, ask, stream the reply, keep the conversation.

import { Smidgen } from "smidgen";

const form = document.querySelector("form");
const output = document.querySelector("output");
const messages = [];

const llm = await Smidgen.load(
  new URLSearchParams(location.search).get("model"),
  {
    onProgress: ({ phase, loadedBytes, totalBytes }) => {
      output.value = `${phase}: ${Math.round((100 * loadedBytes) / totalBytes)} %`;
    },
  },
);
output.value = "";
form.elements[1].disabled = false;

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  messages.push({ role: "user", content: form.question.value });
  const reply = { role: "assistant", content: "" };
  const stream = await llm.chat.completions.create({
    messages,
    stream: true,
    max_tokens: 64,
  });
  for await (const chunk of stream) {
    reply.content += chunk.choices[0]?.delta.content ?? "";
    output.value = reply.content;
  }
  messages.push(reply);
  output.dataset.done = "true";
});
