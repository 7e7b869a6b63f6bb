// An OpenAI request body → the engine's request, or an OpenAI error for what cannot be done. Never guesses, never drops.

import {
  fields,
  flag,
  integer,
  isEmpty,
  isFields,
  missing,
  number,
  RequestError,
  show,
  wrongType,
  wrongValue,
  type Fields,
} from "./openai-fields.ts";
import {
  parseMessages,
  parseToolChoice,
  parseTools,
  type Tool,
} from "./openai-messages.ts";
import type { Blame } from "./openai-reply.ts";
import {
  callRules,
  formatOf,
  openings,
  withGenericTools,
  type ToolFormat,
} from "./tool-formats.ts";
import type { GenerateRequest, Grammar, SamplingOptions } from "./types.ts";

export { RequestError } from "./openai-fields.ts";

export interface ParsedRequest {
  generate: GenerateRequest;
  /** Replies to make. */
  n: number;
  stream: boolean;
  includeUsage: boolean;
  /** Whether the oldest turns go where all are too many. */
  dropOldest: boolean;
  /** Set where tools may be called. */
  tools?: ToolPlan;
  blame: Blame;
}

export interface ToolPlan {
  format: ToolFormat;
  allowed: Tool[];
  required: boolean;
  parallel: boolean;
}

/** Replies to one request; each is a whole generation. */
const MAX_N = 128;
/** OpenAI's own bound. */
const MAX_TOP_LOGPROBS = 20;
const MAX_STOPS = 64;

/** Fields that change the reply and that this engine cannot honour, with the values that ask for nothing. */
const REFUSED: Record<string, (value: unknown) => boolean> = {
  functions: isEmpty,
  function_call: (value) => value === "none",
  modalities: (value) =>
    Array.isArray(value) && value.every((entry) => entry === "text"),
  audio: () => false,
  web_search_options: () => false,
};

const INSTEAD: Record<string, string> = {
  functions: "; write tools instead",
  function_call: "; write tool_choice instead",
};

/** What a request is checked against. */
export interface RequestModel {
  chatTemplate: string;
  vocabSize: number;
}

export function parseRequest(
  body: unknown,
  { chatTemplate, vocabSize }: RequestModel,
): ParsedRequest {
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
      `${field} is ${show(value)}, which this engine cannot do; leave the field out${INSTEAD[field] ?? ""}`,
    );
  }
  const generate: GenerateRequest = {
    ...parseMessages(body.messages),
    ...parseSampling(body, vocabSize),
  };
  const grammar = parseGrammar(body);
  if (grammar) generate.grammar = grammar;
  const variables = parseVariables(body);
  if (variables) generate.templateVariables = variables;
  const logprobs = flag(body, "logprobs") ?? false;
  const top = integer(body, "top_logprobs", 0, MAX_TOP_LOGPROBS);
  if (top !== undefined && top > 0 && !logprobs) {
    throw wrongValue("top_logprobs", top, "logprobs: true beside it");
  }
  if (logprobs) generate.logprobs = top ?? 0;

  const overflow = parseOverflow(body.context_overflow);
  if (overflow === "shift") generate.contextOverflow = overflow;

  const tools = planTools(body, generate, chatTemplate);
  return {
    generate,
    n: integer(body, "n", 1, MAX_N) ?? 1,
    ...parseStreaming(body),
    dropOldest: overflow === "drop_oldest",
    ...(tools ? { tools } : {}),
    blame: {
      context_full: "messages",
      bad_grammar: blamed(body) ?? (tools ? "tools" : null),
    },
  };
}

const OVERFLOWS = ["error", "drop_oldest", "shift"];

function parseOverflow(value: unknown): string {
  const name = value ?? "error";
  if (typeof name === "string" && OVERFLOWS.includes(name)) return name;
  const wanted = OVERFLOWS.map((name) => JSON.stringify(name)).join(", ");
  throw wrongValue("context_overflow", value, wanted);
}

export function parseStreaming(
  body: Fields,
): Pick<ParsedRequest, "stream" | "includeUsage"> {
  const stream = flag(body, "stream") ?? false;
  const options = fields(body, "stream_options");
  if (options && !stream) {
    throw wrongValue("stream_options", options, "stream: true beside it");
  }
  const usage = options?.include_usage ?? false;
  if (typeof usage !== "boolean") {
    throw wrongType("stream_options.include_usage", "true or false");
  }
  return { stream, includeUsage: usage };
}

/** What chat and text completions have in common. */
export function parseSampling(
  body: Fields,
  vocabSize: number,
): SamplingOptions {
  const sampling: SamplingOptions = {};
  const set = <K extends keyof SamplingOptions>(
    key: K,
    value: SamplingOptions[K] | undefined,
  ) => {
    if (value !== undefined) sampling[key] = value;
  };
  set(
    "maxTokens",
    integer(body, "max_completion_tokens", 1) ?? integer(body, "max_tokens", 1),
  );
  const seed = integer(body, "seed", Number.MIN_SAFE_INTEGER);
  // The engine's seed is unsigned; OpenAI's may be negative.
  set("seed", seed !== undefined && seed < 0 ? seed + 2 ** 53 : seed);
  set("temperature", number(body, "temperature", 0, 100));
  set("topK", integer(body, "top_k", 0));
  set("topP", number(body, "top_p", 0, 1));
  set("minP", number(body, "min_p", 0, 1));
  set("repetitionPenalty", number(body, "repetition_penalty", 0.01, 100));
  set("frequencyPenalty", number(body, "frequency_penalty", -2, 2));
  set("presencePenalty", number(body, "presence_penalty", -2, 2));
  set("logitBias", parseLogitBias(body, vocabSize));
  set("stop", parseStop(body.stop));
  return sampling;
}

function parseLogitBias(
  body: Fields,
  vocabSize: number,
): Record<number, number> | undefined {
  const given = fields(body, "logit_bias");
  if (!given || isEmpty(given)) return undefined;
  for (const [id, bias] of Object.entries(given)) {
    if (!/^\d{1,9}$/.test(id) || Number(id) >= vocabSize) {
      throw wrongValue(
        "logit_bias",
        id,
        `token ids below ${vocabSize} as keys`,
      );
    }
    if (typeof bias !== "number" || !(Math.abs(bias) <= 100)) {
      throw wrongValue("logit_bias", bias, "numbers from -100 to 100");
    }
  }
  return given as Record<number, number>;
}

function parseStop(value: unknown): string[] | undefined {
  if (value === undefined || value === null) return undefined;
  const list: unknown[] = Array.isArray(value) ? value : [value];
  for (const entry of list) {
    if (typeof entry !== "string" || entry === "") {
      throw wrongType("stop", "a non-empty string or an array of them");
    }
  }
  if (list.length > MAX_STOPS) {
    throw wrongType("stop", `at most ${MAX_STOPS} strings`);
  }
  return list as string[];
}

/** The field that a grammar comes from. */
export function blamed(body: Fields): string | null {
  const named = ["grammar", "response_format"];
  return named.find((field) => (body[field] ?? null) !== null) ?? null;
}

/** `response_format` and `grammar`. */
export function parseGrammar(body: Fields): Grammar | undefined {
  const format = fields(body, "response_format");
  const wanted = format && parseResponseFormat(format);
  const { grammar } = body;
  if (grammar === undefined || grammar === null) return wanted;
  if (wanted) {
    throw new RequestError(
      "invalid_value",
      "grammar",
      "grammar and response_format cannot both say what a reply must be; leave one out",
    );
  }
  if (typeof grammar === "string") {
    return {
      type: grammar.includes("::=") ? "gbnf" : "lark",
      source: grammar,
    };
  }
  if (isFields(grammar) && typeof grammar.type === "string") {
    return grammar as Grammar;
  }
  throw wrongType(
    "grammar",
    'a text in Lark or GBNF, or an object like { type: "regex", pattern }',
  );
}

function parseResponseFormat(format: Fields): Grammar | undefined {
  switch (format.type) {
    case "text":
      return undefined;
    case "json_object":
      return { type: "json_object" };
    case "json_schema": {
      const at = "response_format.json_schema";
      const { json_schema: given } = format;
      if (!isFields(given)) throw wrongType(at, "an object { name, schema }");
      if (given.name === undefined) throw missing(`${at}.name`);
      if (typeof given.name !== "string" || !/^[\w-]{1,64}$/.test(given.name)) {
        const name = "1 to 64 letters, digits, dashes and underscores";
        throw wrongValue(`${at}.name`, given.name, name);
      }
      const { schema = {} } = given;
      if (!isFields(schema)) throw wrongType(`${at}.schema`, "a JSON Schema");
      return { type: "json_schema", schema };
    }
    default:
      throw wrongValue(
        "response_format.type",
        format.type,
        '"text", "json_object" or "json_schema"',
      );
  }
}

const EFFORTS = ["none", "minimal", "low", "medium", "high", "xhigh", "max"];

function parseVariables(body: Fields): Record<string, unknown> | undefined {
  const variables = { ...fields(body, "chat_template_kwargs") };
  const effort = body.reasoning_effort;
  if (effort !== undefined && effort !== null) {
    if (typeof effort !== "string" || !EFFORTS.includes(effort)) {
      throw wrongValue("reasoning_effort", effort, EFFORTS.join(", "));
    }
    variables["reasoning_effort"] ??= effort;
    // What the templates of models that can think both ways ask for.
    variables["enable_thinking"] ??= effort !== "none";
  }
  return isEmpty(variables) ? undefined : variables;
}

function planTools(
  body: Fields,
  generate: GenerateRequest,
  template: string,
): ToolPlan | undefined {
  const tools = parseTools(body.tools);
  const { allowed, required } = parseToolChoice(body.tool_choice, tools);
  const parallel = flag(body, "parallel_tool_calls") ?? true;
  const format = formatOf(template);
  const messages = generate.messages ?? [];
  const spoken = messages.some(
    ({ role, tool_calls }) => tool_calls || role === "tool",
  );
  if (!format.native && (spoken || tools.length > 0)) {
    generate.messages = withGenericTools(messages, allowed);
  } else if (tools.length > 0) {
    generate.tools = tools;
  }
  if (allowed.length === 0) return undefined;
  if (generate.grammar && !required && !isJson(generate.grammar)) {
    throw new RequestError(
      "invalid_value",
      "grammar",
      'a grammar leaves no room for tool calls: write tool_choice: "none"',
    );
  }
  return { format, allowed, required, parallel };
}

function isJson(
  grammar: Grammar,
): grammar is Extract<Grammar, { type: "json_object" | "json_schema" }> {
  return grammar.type === "json_object" || grammar.type === "json_schema";
}

/**
 * The grammar of a reply that has to be a call, or may be one instead of the JSON that was asked for; and where it may be
 * one beside any text, what rules a call once it has begun.
 */
export async function toolGrammar(
  { format, allowed, required, parallel }: ToolPlan,
  reply: Grammar | undefined,
  /** The id of a control token with this name. */
  control: (name: string) => Promise<number | undefined>,
): Promise<Pick<GenerateRequest, "grammar" | "grammarAfter">> {
  const free = !required && !reply;
  if (free && !format.json) return {};
  const spelled = new Map<string, string>();
  for (const marker of [format.open, format.close]) {
    if (marker === undefined) continue;
    const id = await control(marker);
    spelled.set(
      marker,
      id === undefined ? JSON.stringify(marker) : `<[${id}]>`,
    );
  }
  const rules = callRules(format, allowed, parallel, (marker) =>
    spelled.get(marker)!,
  );
  if (free) {
    const opened = `"\\n"? opened`;
    return {
      grammarAfter: {
        grammar: {
          type: "lark",
          source: `start: ${format.open ? opened : "opened"}\n${rules}`,
        },
        after: openings(format, allowed),
        included: format.open === undefined,
        again: parallel && format.close !== undefined,
      },
    };
  }
  if (required || !reply || !isJson(reply)) {
    return { grammar: { type: "lark", source: `start: calls\n${rules}` } };
  }
  const schema =
    reply.type === "json_schema" ? reply.schema : { type: "object" };
  return {
    grammar: {
      type: "lark",
      source: `start: reply | calls\nreply: %json ${JSON.stringify(schema)}\n${rules}`,
    },
  };
}
