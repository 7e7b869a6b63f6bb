// completions.create, OpenAI's older interface: text or ids go in as they are, without a chat template.

import {
  flag,
  integer,
  isFields,
  missing,
  RequestError,
  wrongType,
} from "./openai-fields.ts";
import {
  answer,
  endedEarly,
  newId,
  now,
  nth,
  tokenLogprob,
  Usage,
  type Blame,
  type Generate,
} from "./openai-reply.ts";
import {
  blamed,
  parseGrammar,
  parseSampling,
  parseStreaming,
} from "./openai-request.ts";
import type {
  Completion,
  CompletionCreateParams,
  CompletionLogprobs,
  Completions,
  RequestOptions,
} from "./openai-types.ts";
import { together } from "./together.ts";
import type { GenerateRequest, Logprob } from "./types.ts";

/** OpenAI's own bound. */
const MAX_LOGPROBS = 5;
/** What OpenAI makes without `max_tokens`. */
const DEFAULT_TOKENS = 16;
const MAX_PROMPTS = 64;

interface ParsedCompletion {
  /** One for each prompt. */
  requests: GenerateRequest[];
  n: number;
  echo: boolean;
  stream: boolean;
  includeUsage: boolean;
  blame: Blame;
}

function parse(body: unknown, vocabSize: number): ParsedCompletion {
  if (!isFields(body)) {
    throw new RequestError(
      "invalid_type",
      null,
      "the request is not an object",
    );
  }
  for (const field of ["suffix", "best_of"]) {
    const value = body[field] ?? undefined;
    if (value === undefined || (field === "best_of" && value === 1)) continue;
    throw new RequestError(
      "unsupported_parameter",
      field,
      `${field} is something this engine cannot do; leave the field out`,
    );
  }
  const logprobs = integer(body, "logprobs", 0, MAX_LOGPROBS);
  const grammar = parseGrammar(body);
  const options = {
    maxTokens: DEFAULT_TOKENS,
    ...parseSampling(body, vocabSize),
    ...(logprobs === undefined ? {} : { logprobs }),
    ...(grammar ? { grammar } : {}),
  };
  return {
    requests: parsePrompts(body.prompt, vocabSize).map((prompt) => ({
      ...options,
      ...prompt,
    })),
    n: integer(body, "n", 1, 128) ?? 1,
    echo: flag(body, "echo") ?? false,
    ...parseStreaming(body),
    blame: { context_full: "prompt", bad_grammar: blamed(body) },
  };
}

function parsePrompts(
  value: unknown,
  vocabSize: number,
): ({ prompt: string } | { ids: number[] })[] {
  const isIds = (value: unknown): value is number[] =>
    Array.isArray(value) &&
    value.length > 0 &&
    value.every((id) => Number.isInteger(id) && id >= 0 && id < vocabSize);
  if (value === undefined || value === null) throw missing("prompt");
  if (typeof value === "string") return [{ prompt: value }];
  if (isIds(value)) return [{ ids: value }];
  const list = Array.isArray(value) ? (value as unknown[]) : [];
  if (list.length === 0 || list.length > MAX_PROMPTS) {
    throw wrongType(
      "prompt",
      `a text, token ids below ${vocabSize}, or an array of 1 to ${MAX_PROMPTS} of either`,
    );
  }
  return list.map((prompt, index) => {
    if (typeof prompt === "string") return { prompt };
    if (isIds(prompt)) return { ids: prompt };
    throw wrongType(
      `prompt[${index}]`,
      `a text or token ids below ${vocabSize}`,
    );
  });
}

export function createCompletions(model: {
  id: string;
  vocabSize: number;
  generate: Generate;
}): Completions {
  const create = async (
    params: CompletionCreateParams,
    options: RequestOptions = {},
  ) => {
    const request = parse(params, model.vocabSize);
    return answer(
      options,
      request,
      (signal) => toChunks(model, request, signal),
      collect,
    );
  };
  return { create } as Completions;
}

async function* toChunks(
  model: { id: string; generate: Generate },
  { requests, n, echo, stream, includeUsage }: ParsedCompletion,
  signal: AbortSignal,
): AsyncGenerator<Completion, void, undefined> {
  const head = {
    id: newId("cmpl"),
    object: "text_completion" as const,
    created: now(),
    model: model.id,
  };
  const tail = includeUsage ? { usage: null } : {};
  const usage = new Usage();
  async function* choice(
    index: number,
    signal: AbortSignal,
  ): AsyncGenerator<Completion, void, undefined> {
    const request = requests[Math.floor(index / n)]!;
    const again = index % n;
    let offset = 0;
    const chunk = (
      text: string,
      finish_reason: "stop" | "length" | null,
      logprobs?: Logprob[],
    ): Completion => {
      const told = logprobs ? toLogprobs(logprobs, offset) : null;
      offset += text.length;
      return {
        ...head,
        choices: [{ index, text, finish_reason, logprobs: told }],
        ...tail,
      };
    };
    if (echo && request.prompt !== undefined) yield chunk(request.prompt, null);
    let ended = false;
    const events = model.generate(nth(request, again), { signal });
    for await (const event of events) {
      if (event.type === "token" && (event.text || event.logprobs)) {
        yield chunk(event.text, null, event.logprobs);
      } else if (event.type === "done") {
        ended = true;
        usage.add(event, again > 0);
        yield chunk("", event.finish);
      }
    }
    if (!ended) throw endedEarly();
  }
  yield* together(requests.length * n, signal, choice);
  if (includeUsage || !stream) {
    yield { ...head, choices: [], usage: usage.total };
  }
}

function toLogprobs(told: Logprob[], offset: number): CompletionLogprobs {
  const [own, ...top] = told.map(tokenLogprob);
  return {
    tokens: [own!.token],
    token_logprobs: [own!.logprob],
    top_logprobs: [
      Object.fromEntries(top.map(({ token, logprob }) => [token, logprob])),
    ],
    text_offset: [offset],
  };
}

async function collect(chunks: AsyncIterable<Completion>): Promise<Completion> {
  const choices: Completion["choices"] = [];
  let last: Completion | undefined;
  for await (const chunk of chunks) {
    last = chunk;
    for (const choice of chunk.choices) {
      const whole = (choices[choice.index] ??= {
        ...choice,
        text: "",
        logprobs: null,
      });
      whole.text += choice.text;
      whole.finish_reason = choice.finish_reason;
      if (choice.logprobs) {
        whole.logprobs ??= {
          tokens: [],
          token_logprobs: [],
          top_logprobs: [],
          text_offset: [],
        };
        whole.logprobs.tokens.push(...choice.logprobs.tokens);
        whole.logprobs.token_logprobs.push(...choice.logprobs.token_logprobs);
        whole.logprobs.top_logprobs.push(...choice.logprobs.top_logprobs);
        whole.logprobs.text_offset.push(...choice.logprobs.text_offset);
      }
    }
  }
  if (!last) throw endedEarly();
  return { ...last, choices };
}
