// chat.completions.create over the engine's token stream, with OpenAI's objects and order of chunks.

import { isAbort, SmidgenError } from "./errors.ts";
import { parseRequest, RequestError } from "./openai-request.ts";
import type {
  ChatCompletion,
  ChatCompletionChunk,
  ChatCompletions,
  ChatCompletionStream,
  CompletionUsage,
  RequestOptions,
} from "./openai-types.ts";
import type { GenerateEvent, GenerateRequest } from "./types.ts";

export type Generate = (
  request: GenerateRequest,
  options: { signal?: AbortSignal | null },
) => AsyncGenerator<GenerateEvent, void, undefined>;

export function createChatCompletions(
  model: string,
  generate: Generate,
): ChatCompletions {
  async function create(
    params: unknown,
    options: RequestOptions = {},
  ): Promise<ChatCompletion | ChatCompletionStream> {
    const { generate: request, stream, includeUsage } = parseRequest(params);
    const head = {
      id: `chatcmpl-${crypto.randomUUID?.() ?? randomHex()}`,
      created: Math.floor(Date.now() / 1000),
      model,
    };
    const controller = new AbortController();
    const forward = () => controller.abort();
    if (options.signal?.aborted) forward();
    else options.signal?.addEventListener("abort", forward, { once: true });
    const release = () => options.signal?.removeEventListener("abort", forward);

    const events = generate(request, { signal: controller.signal });
    if (!stream) {
      try {
        return await collect(head, events);
      } catch (error) {
        throw asRequestError(error);
      } finally {
        release();
      }
    }
    // A request that cannot be begun fails here, like a server's status would, and not in the stream.
    const first = await events.next().catch((error: unknown) => {
      release();
      throw asRequestError(error);
    });
    const chunks = toChunks(head, first, events, includeUsage, release);
    return {
      controller,
      [Symbol.asyncIterator]: () => chunks,
    };
  }
  return { create } as ChatCompletions;
}

interface Head {
  id: string;
  created: number;
  model: string;
}

type Done = Extract<GenerateEvent, { type: "done" }>;

async function collect(
  head: Head,
  events: AsyncIterable<GenerateEvent>,
): Promise<ChatCompletion> {
  let content = "";
  let done: Done | undefined;
  for await (const event of events) {
    if (event.type === "token") content += event.text;
    else if (event.type === "done") done = event;
  }
  if (done === undefined) throw endedEarly();
  const { id, created, model } = head;
  return {
    id,
    object: "chat.completion",
    created,
    model,
    choices: [
      {
        index: 0,
        message: { role: "assistant", content, refusal: null },
        finish_reason: done.finish,
        logprobs: null,
      },
    ],
    usage: usageOf(done),
    timings: done.timings,
  };
}

async function* toChunks(
  head: Head,
  first: IteratorResult<GenerateEvent, void>,
  events: AsyncGenerator<GenerateEvent, void, undefined>,
  includeUsage: boolean,
  release: () => void,
): AsyncGenerator<ChatCompletionChunk, void, undefined> {
  const { id, created, model } = head;
  const chunk = (
    delta: ChatCompletionChunk["choices"][0]["delta"],
    finish_reason: ChatCompletionChunk["choices"][0]["finish_reason"],
  ): ChatCompletionChunk => ({
    id,
    object: "chat.completion.chunk",
    created,
    model,
    choices: [{ index: 0, delta, finish_reason, logprobs: null }],
    // OpenAI: with include_usage every chunk has the field, null but on the last.
    ...(includeUsage ? { usage: null } : {}),
  });
  try {
    yield chunk({ role: "assistant", content: "" }, null);
    for (let next = first; !next.done; next = await events.next()) {
      const event = next.value;
      if (event.type === "token" && event.text !== "") {
        yield chunk({ content: event.text }, null);
      } else if (event.type === "done") {
        yield { ...chunk({}, event.finish), timings: event.timings };
        if (includeUsage) {
          yield { ...chunk({}, null), choices: [], usage: usageOf(event) };
        }
        return;
      }
    }
    throw endedEarly();
  } finally {
    release();
    await events.return();
  }
}

function usageOf(done: Done): CompletionUsage {
  const { promptTokens, cachedTokens, timings } = done;
  return {
    prompt_tokens: promptTokens,
    completion_tokens: timings.decodeTokens,
    total_tokens: promptTokens + timings.decodeTokens,
    prompt_tokens_details: { cached_tokens: cachedTokens },
  };
}

/** Codes of the engine that mean: this request, not this engine, is at fault. */
const CLIENT_CODES = new Set(["context_full", "bad_argument", "bad_template"]);

function asRequestError(error: unknown): unknown {
  if (error instanceof RequestError || isAbort(error)) return error;
  if (error instanceof SmidgenError && CLIENT_CODES.has(error.code)) {
    // OpenAI's own code for it, which clients know.
    const full = error.code === "context_full";
    return new RequestError(
      full ? "context_length_exceeded" : error.code,
      full ? "messages" : null,
      error.message,
    );
  }
  return error;
}

function endedEarly(): SmidgenError {
  return new SmidgenError(
    "engine_trap",
    "the engine ended a reply without a reason for it",
  );
}

/** Pages without TLS have no crypto.randomUUID. */
function randomHex(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) =>
    byte.toString(16).padStart(2, "0"),
  ).join("");
}
