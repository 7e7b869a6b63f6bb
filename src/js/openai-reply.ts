// What OpenAI's two kinds of replies share: ids, usage, log-probabilities, and streams that begin before they are returned.

import { isAbort, SmidgenError } from "./errors.ts";
import { RequestError } from "./openai-fields.ts";
import type {
  CompletionUsage,
  ReplyStream,
  RequestOptions,
  TokenLogprob,
} from "./openai-types.ts";
import type { GenerateEvent, GenerateRequest, Logprob } from "./types.ts";

export type Generate = (
  request: GenerateRequest,
  options: { signal?: AbortSignal | null },
) => AsyncGenerator<GenerateEvent, void, undefined>;

export type Done = Extract<GenerateEvent, { type: "done" }>;

/** Adds up over the replies to one request. */
export class Usage {
  #prompt = 0;
  #cached = 0;
  #completion = 0;

  /** `again`: another reply to the same prompt, which counts once. */
  add({ promptTokens, cachedTokens, timings }: Done, again: boolean): void {
    if (!again) {
      this.#prompt += promptTokens;
      this.#cached += cachedTokens;
    }
    this.#completion += timings.decodeTokens;
  }

  get total(): CompletionUsage {
    return {
      prompt_tokens: this.#prompt,
      completion_tokens: this.#completion,
      total_tokens: this.#prompt + this.#completion,
      prompt_tokens_details: { cached_tokens: this.#cached },
    };
  }
}

/** The request of reply number `index`: every reply draws from a seed of its own. */
export function nth(request: GenerateRequest, index: number): GenerateRequest {
  const { seed } = request;
  return index === 0 || seed === undefined
    ? request
    : { ...request, seed: (seed + index) % 2 ** 53 };
}

export function tokenLogprob({ bytes, logprob }: Logprob): TokenLogprob {
  return {
    token: new TextDecoder().decode(Uint8Array.from(bytes)),
    bytes,
    logprob,
  };
}

/** The field to name for a code of the engine. */
export interface Blame {
  context_full: string;
  bad_grammar: string | null;
}

/** Runs `chunks` to its end, or hands it out as a stream once its first chunk is there. */
export async function answer<Chunk, Whole>(
  options: RequestOptions,
  { stream, blame }: { stream: boolean; blame: Blame },
  chunks: (signal: AbortSignal) => AsyncGenerator<Chunk, void, undefined>,
  collect: (chunks: AsyncIterable<Chunk>) => Promise<Whole>,
): Promise<Whole | ReplyStream<Chunk>> {
  const controller = new AbortController();
  const forward = () => controller.abort();
  if (options.signal?.aborted) forward();
  else options.signal?.addEventListener("abort", forward, { once: true });
  const release = () => options.signal?.removeEventListener("abort", forward);
  const source = chunks(controller.signal);
  if (!stream) {
    try {
      return await collect(source);
    } catch (error) {
      throw asRequestError(error, blame);
    } finally {
      release();
    }
  }
  // A request that cannot be begun fails here, like a server's status would, and not in the stream.
  const first = await source.next().catch((error: unknown) => {
    release();
    throw asRequestError(error, blame);
  });
  async function* all(): AsyncGenerator<Chunk, void, undefined> {
    try {
      for (let next = first; !next.done; next = await source.next()) {
        yield next.value;
      }
    } catch (error) {
      throw asRequestError(error, blame);
    } finally {
      release();
      await source.return();
    }
  }
  const iterator = all();
  return { controller, [Symbol.asyncIterator]: () => iterator };
}

/** Codes of the engine that mean: this request, not this engine, is at fault. */
const CLIENT_CODES = new Set([
  "context_full",
  "bad_argument",
  "bad_template",
  "bad_grammar",
]);

function asRequestError(error: unknown, blame: Blame): unknown {
  if (error instanceof RequestError || isAbort(error)) return error;
  if (error instanceof SmidgenError && CLIENT_CODES.has(error.code)) {
    const { code, message } = error;
    // OpenAI's own code for it, which clients know.
    const known = code === "context_full" ? "context_length_exceeded" : code;
    const param = blame[code as keyof Blame] ?? null;
    return new RequestError(known, param, message);
  }
  return error;
}

export function newId(kind: string): string {
  return `${kind}-${crypto.randomUUID?.() ?? randomHex()}`;
}

export function now(): number {
  return Math.floor(Date.now() / 1000);
}

export function endedEarly(): SmidgenError {
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
