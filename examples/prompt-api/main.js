// The browser's Prompt API where there is one, and the package's where there is none: the program is the same.

import { Smidgen } from "smidgen";
import { installPromptApi } from "smidgen/prompt-api";

const form = document.querySelector("form");
const output = document.querySelector("output");

const address = new URLSearchParams(location.search).get("model");
installPromptApi({ load: (options) => Smidgen.load(address, options) });

const session = await LanguageModel.create({
  initialPrompts: [{ role: "system", content: "Answer in one sentence." }],
  monitor: (monitor) =>
    monitor.addEventListener("downloadprogress", ({ loaded }) => {
      output.value = `${Math.round(100 * loaded)} %`;
    }),
});
output.value = "";
form.elements[1].disabled = false;

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const reader = session.promptStreaming(form.question.value).getReader();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    text += value;
    output.value = text;
  }
  output.dataset.done = "true";
});
