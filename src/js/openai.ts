// chat.completions.create over the engine's token stream, with OpenAI's objects and order of chunks.

import {
  answer,
  endedEarly,
  newId,
  now,
  nth,
  tokenLogprob,
  Usage,
  type Generate,
} from "./openai-reply.ts";
import { runTools } from "./openai-run-tools.ts";
import {
  parseRequest,
  toolGrammar,
  type ParsedRequest,
} from "./openai-request.ts";
import type {
  ChatCompletion,
  ChatCompletionChunk,
  ChatCompletionCreateParams,
  ChatCompletions,
  ChatDelta,
  ChatFinishReason,
  ChoiceLogprobs,
  RequestOptions,
} from "./openai-types.ts";
import { ReplyParts, type ReplyPart } from "./reply-parts.ts";
import { together } from "./together.ts";
import type {
  GenerateEvent,
  GenerateRequest,
  Logprob,
  Message,
} from "./types.ts";

export type { Generate } from "./openai-reply.ts";

/** What the façade needs of a model. */
export interface ChatModel {
  id: string;
  chatTemplate: string;
  vocabSize: number;
  generate: Generate;
  /** The id of the control token with this name, if there is one. */
  controlToken(name: string): Promise<number | undefined>;
}

export function createChatCompletions(model: ChatModel): ChatCompletions {
  const create = async (
    params: ChatCompletionCreateParams,
    options: RequestOptions = {},
  ) => {
    const request = parseRequest(params, model);
    if (request.tools) {
      const { tools, generate } = request;
      const grammars = await toolGrammar(tools, generate.grammar, (name) =>
        model.controlToken(name),
      );
      Object.assign(generate, grammars);
    }
    return answer(
      options,
      request,
      (signal) => toChunks(model, request, signal),
      collect,
    );
  };
  const completions = { create } as ChatCompletions;
  completions.runTools = (params, options) =>
    runTools(completions.create, params, options);
  return completions;
}

type Choice = ChatCompletionChunk["choices"][number];

async function* toChunks(
  model: ChatModel,
  { generate, n, tools, stream, includeUsage, dropOldest }: ParsedRequest,
  signal: AbortSignal,
): AsyncGenerator<ChatCompletionChunk, void, undefined> {
  const head = {
    id: newId("chatcmpl"),
    object: "chat.completion.chunk" as const,
    created: now(),
    model: model.id,
  };
  // OpenAI: with include_usage every chunk has the field, null but on the last.
  const tail = includeUsage ? { usage: null } : {};
  const usage = new Usage();
  const fitting: Generate = (request, options) =>
    generateFitting(model.generate, request, options);
  const run = dropOldest ? fitting : model.generate;
  async function* choice(
    index: number,
    signal: AbortSignal,
  ): AsyncGenerator<ChatCompletionChunk, void, undefined> {
    const reply = new Reply(index, tools?.format, {
      constrained: generate.grammar !== undefined,
      logprobs: generate.logprobs !== undefined,
    });
    let ended = false;
    for await (const event of run(nth(generate, index), { signal })) {
      for (const choice of reply.take(event)) {
        yield { ...head, choices: [choice], ...tail };
      }
      if (event.type === "done") {
        ended = true;
        usage.add(event, index > 0);
        yield {
          ...head,
          choices: [reply.last(event.finish)],
          ...tail,
          timings: event.timings,
        };
      }
    }
    if (!ended) throw endedEarly();
  }
  yield* together(n, signal, choice);
  if (includeUsage || !stream) {
    yield { ...head, choices: [], usage: usage.total };
  }
}

/** Without the oldest turns, where all of them are too many. */
async function* generateFitting(
  generate: Generate,
  request: GenerateRequest,
  options: Parameters<Generate>[1],
): AsyncGenerator<GenerateEvent, void, undefined> {
  for (let messages = request.messages ?? []; ;) {
    try {
      return yield* generate({ ...request, messages }, options);
    } catch (error) {
      const full = (error as { code?: unknown }).code === "context_full";
      const fewer = full ? withoutOldest(messages) : undefined;
      if (!fewer) throw error;
      messages = fewer;
    }
  }
}

/** The messages without their first turn, from a user's message to the next; undefined where that is the last. */
function withoutOldest(messages: Message[]): Message[] | undefined {
  const first = messages.findIndex(({ role }) => role !== "system");
  const next = messages.findIndex(
    ({ role }, index) => role === "user" && index > first,
  );
  if (first < 0 || next < 0) return undefined;
  return [
    ...messages.slice(0, first),
    // A system message in between stays too.
    ...messages.slice(first, next).filter(({ role }) => role === "system"),
    ...messages.slice(next),
  ];
}

/** One choice's chunks. */
class Reply {
  readonly #index: number;
  readonly #format: ConstructorParameters<typeof ReplyParts>[0];
  readonly #constrained: boolean;
  #parts: ReplyParts | undefined;
  /** Of tokens whose text has not been told; undefined where nobody asked. */
  #logprobs: ChoiceLogprobs["content"] | undefined;

  constructor(
    index: number,
    format: ConstructorParameters<typeof ReplyParts>[0],
    options: { constrained: boolean; logprobs: boolean },
  ) {
    this.#index = index;
    this.#format = format;
    this.#constrained = options.constrained;
    this.#logprobs = options.logprobs ? [] : undefined;
  }

  take(event: GenerateEvent): Choice[] {
    switch (event.type) {
      case "begun":
        // What a grammar rules begins with itself, and not with thoughts.
        this.#parts = new ReplyParts(
          this.#format,
          this.#constrained ? "" : event.tail,
        );
        return [this.#choice({ role: "assistant", content: "" })];
      case "token":
        this.#keep(event.logprobs);
        return this.#tell(this.#parts?.push(event.text, event.control) ?? []);
      case "done":
        return this.#tell(this.#parts?.end() ?? []);
    }
  }

  last(finish: "stop" | "length"): Choice {
    const called = finish === "stop" && (this.#parts?.calls ?? 0) > 0;
    return this.#choice({}, called ? "tool_calls" : finish);
  }

  #keep(logprobs: Logprob[] | undefined): void {
    if (!logprobs || !this.#logprobs) return;
    const [own, ...top] = logprobs.map(tokenLogprob);
    if (own) this.#logprobs.push({ ...own, top_logprobs: top });
  }

  #tell(parts: ReplyPart[]): Choice[] {
    return parts.map((part) => this.#choice(toDelta(part)));
  }

  #choice(
    delta: ChatDelta,
    finish_reason: ChatFinishReason | null = null,
  ): Choice {
    const content = this.#logprobs;
    const told = content !== undefined && content.length > 0;
    if (told) this.#logprobs = [];
    return {
      index: this.#index,
      delta,
      finish_reason,
      logprobs: told ? { content, refusal: null } : null,
    };
  }
}

function toDelta(part: ReplyPart): ChatDelta {
  switch (part.type) {
    case "content":
      return { content: part.text };
    case "reasoning":
      return { reasoning_content: part.text };
    case "call":
      return {
        tool_calls: [
          {
            index: part.index,
            id: newId("call"),
            type: "function",
            function: { name: part.name, arguments: "" },
          },
        ],
      };
    case "arguments":
      return {
        tool_calls: [{ index: part.index, function: { arguments: part.text } }],
      };
  }
}

async function collect(
  chunks: AsyncIterable<ChatCompletionChunk>,
): Promise<ChatCompletion> {
  const choices: ChatCompletion["choices"] = [];
  let last: ChatCompletionChunk | undefined;
  let timings: ChatCompletion["timings"] | undefined;
  for await (const chunk of chunks) {
    last = chunk;
    timings = chunk.timings ?? timings;
    for (const choice of chunk.choices) merge(choices, choice);
  }
  if (!last?.usage || !timings) throw endedEarly();
  for (const { message } of choices) {
    if (message.tool_calls && message.content === "") message.content = null;
  }
  const { id, created, model, usage } = last;
  return {
    id,
    object: "chat.completion",
    created,
    model,
    choices,
    usage,
    timings,
  };
}

function merge(choices: ChatCompletion["choices"], choice: Choice): void {
  const { index, delta, finish_reason, logprobs } = choice;
  const whole = (choices[index] ??= {
    index,
    message: { role: "assistant", content: "", refusal: null },
    finish_reason: "stop",
    logprobs: null,
  });
  const { message } = whole;
  message.content = (message.content ?? "") + (delta.content ?? "");
  if (delta.reasoning_content !== undefined) {
    message.reasoning_content =
      (message.reasoning_content ?? "") + delta.reasoning_content;
  }
  for (const call of delta.tool_calls ?? []) {
    const calls = (message.tool_calls ??= []);
    const made = (calls[call.index] ??= {
      id: call.id ?? "",
      type: "function",
      function: { name: "", arguments: "" },
    });
    made.function.name += call.function?.name ?? "";
    made.function.arguments += call.function?.arguments ?? "";
  }
  if (finish_reason) whole.finish_reason = finish_reason;
  if (logprobs) {
    whole.logprobs ??= { content: [], refusal: null };
    whole.logprobs.content.push(...logprobs.content);
  }
}
