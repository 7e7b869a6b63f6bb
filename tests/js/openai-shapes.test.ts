// Types: what this package takes and gives is what the real `openai` and AI SDK packages take and give. Checked by tsc.

import type { LanguageModelV4 } from "@ai-sdk/provider";
import assert from "node:assert/strict";
import { test } from "node:test";
import type OpenAI from "openai";
import type { createSmidgen } from "../../src/js/ai-sdk.ts";
import type {
  ChatCompletion,
  ChatCompletionChunk,
  ChatCompletionCreateParams,
  Completion,
  CompletionCreateParams,
  ModelCard,
} from "../../src/js/openai-types.ts";

/** Compiles only where a `From` may stand for a `To`. */
type Fits<From extends To, To> = From;

type ChatFields =
  | "temperature"
  | "top_p"
  | "n"
  | "seed"
  | "stop"
  | "logit_bias"
  | "logprobs"
  | "top_logprobs"
  | "frequency_penalty"
  | "presence_penalty"
  | "max_tokens"
  | "max_completion_tokens"
  | "response_format"
  | "stream_options"
  | "parallel_tool_calls"
  | "reasoning_effort";

type TextFields = "echo" | "logprobs" | "n" | "stop";

/** Each line is a proof; the tuple keeps them from being unused. */
type Proofs = [
  Fits<ChatCompletion, OpenAI.Chat.ChatCompletion>,
  Fits<ChatCompletionChunk, OpenAI.Chat.ChatCompletionChunk>,
  Fits<ModelCard, OpenAI.Model>,
  Fits<ReturnType<ReturnType<typeof createSmidgen>>, LanguageModelV4>,
  Fits<
    Pick<OpenAI.Chat.ChatCompletionCreateParams, ChatFields>,
    Pick<ChatCompletionCreateParams, ChatFields>
  >,
  Fits<
    Pick<OpenAI.CompletionCreateParams, TextFields>,
    Pick<CompletionCreateParams, TextFields>
  >,
];

test("the types of replies are OpenAI's", () => {
  // tsc is the test; this keeps the proofs in use, and fails if the shapes were to become `any`.
  const proofs: Proofs["length"] = 6;
  assert.equal(proofs, 6);
  const completion: Pick<Completion, "object"> = { object: "text_completion" };
  assert.equal(completion.object, "text_completion");
});
