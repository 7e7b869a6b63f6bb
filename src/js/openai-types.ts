// The request and reply shapes of OpenAI's chat.completions that this package speaks. No behaviour.

import type { FinishReason, Timings } from "./types.ts";

export interface ChatTextPart {
  type: "text";
  text: string;
}

export interface ChatMessageParam {
  role: "system" | "developer" | "user" | "assistant";
  content: string | ChatTextPart[] | null;
  name?: string;
}

export interface ChatCompletionCreateParams {
  messages: ChatMessageParam[];
  /** Replies always name the loaded model, whatever is asked for. */
  model?: string;
  stream?: boolean | null;
  stream_options?: { include_usage?: boolean } | null;
  temperature?: number | null;
  top_p?: number | null;
  top_k?: number | null;
  min_p?: number | null;
  repetition_penalty?: number | null;
  seed?: number | null;
  max_tokens?: number | null;
  max_completion_tokens?: number | null;
  stop?: string | string[] | null;
  n?: number | null;
  /** Fields this package does not know: refused where they would change the reply, ignored where not. */
  [field: string]: unknown;
}

export interface CompletionUsage {
  prompt_tokens: number;
  completion_tokens: number;
  total_tokens: number;
  prompt_tokens_details: { cached_tokens: number };
}

export interface ChatCompletion {
  id: string;
  object: "chat.completion";
  created: number;
  model: string;
  choices: {
    index: 0;
    message: { role: "assistant"; content: string; refusal: null };
    finish_reason: FinishReason;
    logprobs: null;
  }[];
  usage: CompletionUsage;
  /** Not of OpenAI. */
  timings: Timings;
}

export interface ChatCompletionChunk {
  id: string;
  object: "chat.completion.chunk";
  created: number;
  model: string;
  choices: {
    index: 0;
    delta: { role?: "assistant"; content?: string };
    finish_reason: FinishReason | null;
    logprobs: null;
  }[];
  usage?: CompletionUsage | null;
  /** Not of OpenAI; on the chunk that carries `finish_reason`. */
  timings?: Timings;
}

export interface RequestOptions {
  signal?: AbortSignal | null;
}

/** Leaving a `for await` loop early stops the generation. */
export interface ChatCompletionStream extends AsyncIterable<ChatCompletionChunk> {
  readonly controller: AbortController;
}

export interface ChatCompletions {
  create(
    params: ChatCompletionCreateParams & { stream: true },
    options?: RequestOptions,
  ): Promise<ChatCompletionStream>;
  create(
    params: ChatCompletionCreateParams & { stream?: false | null },
    options?: RequestOptions,
  ): Promise<ChatCompletion>;
  create(
    params: ChatCompletionCreateParams,
    options?: RequestOptions,
  ): Promise<ChatCompletion | ChatCompletionStream>;
}

export interface ErrorBody {
  error: {
    message: string;
    type: string;
    param: string | null;
    code: string;
  };
}
