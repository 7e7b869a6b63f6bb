// An OpenAI request body → the engine's request, or an OpenAI error for what cannot be done. Never guesses, never drops.

import { SmidgenError } from "./errors.ts";
import type { ErrorBody } from "./openai-types.ts";
import type { GenerateRequest, Message } from "./types.ts";

/** A request that OpenAI's servers would answer with a status of 4xx. */
export class RequestError extends SmidgenError {
  readonly status: number;
  readonly type = "invalid_request_error";
  readonly param: string | null;

  constructor(
    code: string,
    param: string | null,
    message: string,
    status = 400,
  ) {
    super(code, message, { details: { param, status } });
    this.status = status;
    this.param = param;
  }

  get error(): ErrorBody["error"] {
    const { message, type, param, code } = this;
    return { message, type, param, code };
  }
}

export interface ParsedRequest {
  generate: GenerateRequest;
  stream: boolean;
  includeUsage: boolean;
}

type Fields = Record<string, unknown>;

/** Fields that change the reply and that this engine cannot honour, with the values that ask for nothing. */
const REFUSED: Record<string, (value: unknown) => boolean> = {
  tools: isEmpty,
  functions: isEmpty,
  function_call: (value) => value === "none",
  tool_choice: (value) => value === "none" || value === "auto",
  response_format: (value) =>
    isFields(value) && (value as Fields)["type"] === "text",
  n: (value) => value === 1,
  logprobs: (value) => value === false,
  top_logprobs: (value) => value === 0,
  logit_bias: isEmpty,
  frequency_penalty: (value) => value === 0,
  presence_penalty: (value) => value === 0,
  modalities: (value) =>
    Array.isArray(value) && value.every((entry) => entry === "text"),
  audio: () => false,
  grammar: () => false,
};

export function parseRequest(body: unknown): ParsedRequest {
  if (!isFields(body)) {
    throw new RequestError(
      "invalid_type",
      null,
      "the request is not an object",
    );
  }
  for (const [field, asksNothing] of Object.entries(REFUSED)) {
    const value = body[field];
    if (value === undefined || value === null || asksNothing(value)) continue;
    throw new RequestError(
      "unsupported_parameter",
      field,
      `${field} is ${show(value)}, which this engine cannot do; leave the field out`,
    );
  }
  const generate: GenerateRequest = { messages: parseMessages(body.messages) };
  const maxTokens =
    integer(body, "max_completion_tokens", 1) ?? integer(body, "max_tokens", 1);
  if (maxTokens !== undefined) generate.maxTokens = maxTokens;
  const seed = integer(body, "seed", Number.MIN_SAFE_INTEGER);
  // The engine's seed is unsigned; OpenAI's may be negative.
  if (seed !== undefined) generate.seed = seed < 0 ? seed + 2 ** 53 : seed;
  const temperature = number(body, "temperature", 0, 100);
  if (temperature !== undefined) generate.temperature = temperature;
  const topK = integer(body, "top_k", 0);
  if (topK !== undefined) generate.topK = topK;
  const topP = number(body, "top_p", 0, 1);
  if (topP !== undefined) generate.topP = topP;
  const minP = number(body, "min_p", 0, 1);
  if (minP !== undefined) generate.minP = minP;
  const penalty = number(body, "repetition_penalty", 0, 100);
  if (penalty !== undefined) generate.repetitionPenalty = penalty;
  const stop = parseStop(body.stop);
  if (stop !== undefined) generate.stop = stop;

  const stream = body.stream ?? false;
  if (typeof stream !== "boolean") throw wrongType("stream", "true or false");
  const streamOptions = body.stream_options ?? {};
  if (!isFields(streamOptions)) throw wrongType("stream_options", "an object");
  return {
    generate,
    stream,
    includeUsage: streamOptions.include_usage === true,
  };
}

function parseMessages(value: unknown): Message[] {
  if (!Array.isArray(value)) throw wrongType("messages", "an array");
  if (value.length === 0) {
    throw new RequestError(
      "empty_array",
      "messages",
      "messages is empty; at least one message is needed",
    );
  }
  return value.map((message: unknown, index) =>
    parseMessage(message, `messages[${index}]`),
  );
}

function parseMessage(message: unknown, at: string): Message {
  if (!isFields(message)) throw wrongType(at, "an object");
  const { role, content } = message;
  switch (role) {
    case "system":
    case "developer":
    case "user":
    case "assistant":
      break;
    default:
      throw new RequestError(
        "invalid_value",
        `${at}.role`,
        `${at}.role is ${show(role)}, expected "system", "developer", "user" or "assistant"`,
      );
  }
  if (!isEmpty(message.tool_calls ?? [])) {
    throw new RequestError(
      "unsupported_parameter",
      `${at}.tool_calls`,
      `${at} carries tool calls, which this engine cannot do`,
    );
  }
  return {
    // Chat templates of open models know `system` only.
    role: role === "developer" ? "system" : role,
    content: parseContent(content, role, `${at}.content`),
  };
}

function parseContent(content: unknown, role: string, at: string): string {
  if (typeof content === "string") return content;
  if (content === null && role === "assistant") return "";
  if (!Array.isArray(content)) {
    throw wrongType(at, "a string or an array of text parts");
  }
  return content
    .map((part: unknown, index) => {
      if (
        isFields(part) &&
        part.type === "text" &&
        typeof part.text === "string"
      ) {
        return part.text;
      }
      const type = isFields(part) ? part.type : part;
      throw new RequestError(
        "unsupported_content",
        `${at}[${index}]`,
        `${at}[${index}] is ${show(type)}; this model reads text only`,
      );
    })
    .join("");
}

function parseStop(value: unknown): string[] | undefined {
  if (value === undefined || value === null) return undefined;
  const list: unknown[] = Array.isArray(value) ? value : [value];
  for (const entry of list) {
    if (typeof entry !== "string" || entry === "") {
      throw wrongType("stop", "a non-empty string or an array of them");
    }
  }
  return list as string[];
}

function number(
  body: Fields,
  field: string,
  min: number,
  max: number,
): number | undefined {
  const value = body[field];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "number" || !(value >= min && value <= max)) {
    throw new RequestError(
      "invalid_value",
      field,
      `${field} is ${show(value)}, expected a number from ${min} to ${max}`,
    );
  }
  return value;
}

function integer(body: Fields, field: string, min: number): number | undefined {
  const value = body[field];
  if (value === undefined || value === null) return undefined;
  if (!Number.isSafeInteger(value) || (value as number) < min) {
    throw new RequestError(
      "invalid_value",
      field,
      `${field} is ${show(value)}, expected a whole number, ${min} or more`,
    );
  }
  return value as number;
}

function wrongType(param: string, expected: string): RequestError {
  return new RequestError(
    "invalid_type",
    param,
    `${param} is not what it should be: ${expected}`,
  );
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isEmpty(value: unknown): boolean {
  if (Array.isArray(value)) return value.length === 0;
  return isFields(value) && Object.keys(value).length === 0;
}

/** A value in a message, short whatever it is. */
function show(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length <= 80 ? text : `${text.slice(0, 80)}…`;
}
