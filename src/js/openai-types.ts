// The request and reply shapes of OpenAI's chat.completions and completions that this package speaks. No behaviour.

import type { Tool } from "./openai-messages.ts";
import type { RunToolsParams, ToolRun } from "./openai-run-tools.ts";
import type { Grammar, Timings } from "./types.ts";

export interface ChatTextPart {
  type: "text";
  text: string;
}

export interface ToolCall {
  id: string;
  type: "function";
  function: { name: string; arguments: string };
}

export interface ChatMessageParam {
  role: "system" | "developer" | "user" | "assistant" | "tool";
  content?: string | ChatTextPart[] | null;
  name?: string;
  tool_calls?: ToolCall[];
  tool_call_id?: string;
  /** Not of OpenAI: what an assistant thought before its reply. */
  reasoning_content?: string | null;
  /** Not of OpenAI: on a last assistant message, how the reply begins; the model goes on with it. */
  prefix?: boolean;
}

export type ToolChoiceParam =
  | "none"
  | "auto"
  | "required"
  | { type: "function"; function: { name: string } }
  | {
      type: "allowed_tools";
      allowed_tools: { mode: "auto" | "required"; tools: unknown[] };
    };

export type ResponseFormat =
  | { type: "text" }
  | { type: "json_object" }
  | {
      type: "json_schema";
      json_schema: {
        name: string;
        description?: string;
        schema?: Record<string, unknown>;
        strict?: boolean | null;
      };
    };

/** What chat and text completions take alike. */
export interface SamplingParams {
  /** Replies always name the loaded model, whatever is asked for. */
  model?: string;
  stream?: boolean | null;
  stream_options?: { include_usage?: boolean } | null;
  temperature?: number | null;
  top_p?: number | null;
  frequency_penalty?: number | null;
  presence_penalty?: number | null;
  logit_bias?: Record<string, number> | null;
  seed?: number | null;
  max_tokens?: number | null;
  stop?: string | string[] | null;
  /** Replies to make. */
  n?: number | null;
  /** Not of OpenAI; 0 is off. */
  top_k?: number | null;
  /** Not of OpenAI; 0 is off. */
  min_p?: number | null;
  /** Not of OpenAI; 1 is off. */
  repetition_penalty?: number | null;
  /** Not of OpenAI: a text in Lark or GBNF, or one of the engine's grammars. */
  grammar?: string | Grammar | null;
  /** Fields this package does not know: refused where they would change the reply, ignored where not. */
  [field: string]: unknown;
}

export interface ChatCompletionCreateParams extends SamplingParams {
  messages: ChatMessageParam[];
  max_completion_tokens?: number | null;
  logprobs?: boolean | null;
  /** Up to 20; needs `logprobs`. */
  top_logprobs?: number | null;
  response_format?: ResponseFormat | null;
  tools?: Tool[] | null;
  tool_choice?: ToolChoiceParam | null;
  /** False: at most one call where a call is required. */
  parallel_tool_calls?: boolean | null;
  reasoning_effort?: string | null;
  /**
   * Not of OpenAI: where the messages fill the context, `"drop_oldest"` leaves out the oldest turns, never a system
   * message nor the last turn; `"shift"` keeps the system message, forgets the oldest tokens behind it and goes on, also
   * within a reply (`contextOverflow` of `generate`). Default `"error"`.
   */
  context_overflow?: "error" | "drop_oldest" | "shift" | null;
  /** Not of OpenAI: further variables of the model's chat template. */
  chat_template_kwargs?: Record<string, unknown> | null;
}

export interface CompletionCreateParams extends SamplingParams {
  prompt: string | string[] | number[] | number[][];
  echo?: boolean | null;
  /** Up to 5: that many log-probabilities for each token. */
  logprobs?: number | null;
}

export interface CompletionUsage {
  prompt_tokens: number;
  completion_tokens: number;
  total_tokens: number;
  prompt_tokens_details: { cached_tokens: number };
}

export interface TokenLogprob {
  token: string;
  bytes: number[];
  logprob: number;
}

export interface ChoiceLogprobs {
  content: (TokenLogprob & { top_logprobs: TokenLogprob[] })[];
  refusal: null;
}

export type ChatFinishReason = "stop" | "length" | "tool_calls";

export interface ChatCompletion {
  id: string;
  object: "chat.completion";
  created: number;
  model: string;
  choices: {
    index: number;
    message: {
      role: "assistant";
      content: string | null;
      refusal: null;
      tool_calls?: ToolCall[];
      /** Not of OpenAI: what the model thought before its reply. */
      reasoning_content?: string;
    };
    finish_reason: ChatFinishReason;
    logprobs: ChoiceLogprobs | null;
  }[];
  usage: CompletionUsage;
  /** Not of OpenAI; of the last reply. */
  timings: Timings;
}

export interface ChatDelta {
  role?: "assistant";
  content?: string;
  reasoning_content?: string;
  tool_calls?: {
    index: number;
    id?: string;
    type?: "function";
    function?: { name?: string; arguments?: string };
  }[];
}

export interface ChatCompletionChunk {
  id: string;
  object: "chat.completion.chunk";
  created: number;
  model: string;
  choices: {
    index: number;
    delta: ChatDelta;
    finish_reason: ChatFinishReason | null;
    logprobs: ChoiceLogprobs | null;
  }[];
  usage?: CompletionUsage | null;
  /** Not of OpenAI; on the chunk that carries `finish_reason`. */
  timings?: Timings;
}

export interface Completion {
  id: string;
  object: "text_completion";
  created: number;
  model: string;
  choices: {
    index: number;
    text: string;
    finish_reason: "stop" | "length" | null;
    logprobs: CompletionLogprobs | null;
  }[];
  usage?: CompletionUsage | null;
}

export interface CompletionLogprobs {
  tokens: string[];
  token_logprobs: number[];
  top_logprobs: Record<string, number>[];
  text_offset: number[];
}

export interface RequestOptions {
  signal?: AbortSignal | null;
}

/** Leaving a `for await` loop early stops the generation. */
export interface ReplyStream<Chunk> extends AsyncIterable<Chunk> {
  readonly controller: AbortController;
}

export type ChatCompletionStream = ReplyStream<ChatCompletionChunk>;

/** `create` of either kind: a stream where `stream` is true. */
export interface Create<Params, Whole, Chunk> {
  create(
    params: Params & { stream: true },
    options?: RequestOptions,
  ): Promise<ReplyStream<Chunk>>;
  create(
    params: Params & { stream?: false | null },
    options?: RequestOptions,
  ): Promise<Whole>;
  create(
    params: Params,
    options?: RequestOptions,
  ): Promise<Whole | ReplyStream<Chunk>>;
}

export interface ChatCompletions extends Create<
  ChatCompletionCreateParams,
  ChatCompletion,
  ChatCompletionChunk
> {
  /** Asks, calls the functions of `tools`, and asks again with their results, until a reply calls nothing. */
  runTools(params: RunToolsParams, options?: RequestOptions): Promise<ToolRun>;
}

export type Completions = Create<
  CompletionCreateParams,
  Completion,
  Completion
>;

export interface ModelCard {
  id: string;
  object: "model";
  created: number;
  owned_by: string;
  /** Not of OpenAI: the model's name in its file. */
  name: string;
}

export interface ErrorBody {
  error: {
    message: string;
    type: string;
    param: string | null;
    code: string;
  };
}
