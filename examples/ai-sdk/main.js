// The AI SDK on the device: a streamed text, then an object that a schema describes.

import { generateText, jsonSchema, Output, streamText } from "ai";
import { Smidgen } from "smidgen";
import { createSmidgen } from "smidgen/ai-sdk";

const form = document.querySelector("form");
const output = document.querySelector("output");

const llm = await Smidgen.load(
  new URLSearchParams(location.search).get("model"),
);
const model = createSmidgen(llm)();
form.elements[1].disabled = false;

const schema = jsonSchema({
  type: "object",
  properties: {
    topic: { enum: ["geography", "history", "other"] },
    stars: { type: "integer", minimum: 1, maximum: 5 },
  },
  required: ["topic", "stars"],
  additionalProperties: false,
});

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const prompt = form.question.value;
  let text = "";
  const { textStream } = streamText({ model, prompt, maxOutputTokens: 64 });
  for await (const delta of textStream) {
    text += delta;
    output.value = text;
  }
  const { output: rated } = await generateText({
    model,
    prompt: `Rate this question: ${prompt}`,
    output: Output.object({ schema }),
  });
  output.value += `\n${rated.topic}: ${"★".repeat(rated.stars)}`;
  output.dataset.done = "true";
});
