// How model families write tool calls: one row each. The first row whose template is recognised is taken.

import type { Tool } from "./openai-messages.ts";
import type { Message } from "./types.ts";

export interface ToolFormat {
  name: string;
  /** Whether a model with this chat template writes calls this way. */
  recognise(template: string): boolean;
  /** What stands before a call and after it. Undefined: a call is the whole reply. */
  open?: string;
  /** Undefined: calls go on to the reply's end. */
  close?: string;
  /** What a model may write before the call and what is no part of it. */
  skip?: string;
  /** The key of the arguments in a call's JSON. */
  key: "arguments" | "parameters";
  /** Whether several calls stand in one JSON array. */
  list: boolean;
  /** Whether the template itself describes tools, calls and results. */
  native: boolean;
  /** Whether a call that has been opened is always JSON, so that it may be held to its schema. */
  json: boolean;
}

export const TOOL_FORMATS: readonly ToolFormat[] = [
  {
    // LFM2.
    name: "lfm2",
    recognise: (template) =>
      template.includes("<|tool_call_start|>") ||
      template.includes("<|tool_list_start|>"),
    open: "<|tool_call_start|>",
    close: "<|tool_call_end|>",
    key: "arguments",
    list: true,
    native: true,
    json: false,
  },
  {
    // Mistral, up from v3 of its tokenizer.
    name: "mistral",
    recognise: (template) => template.includes("[TOOL_CALLS]"),
    open: "[TOOL_CALLS]",
    key: "arguments",
    list: true,
    native: true,
    // Later ones write a name before the arguments.
    json: false,
  },
  {
    // Qwen 3 Coder: arguments as tags.
    name: "tags",
    recognise: (template) =>
      template.includes("<tool_call>") && template.includes("<function="),
    open: "<tool_call>",
    close: "</tool_call>",
    key: "arguments",
    list: false,
    native: true,
    json: false,
  },
  {
    // Qwen 2.5, Qwen 3, Hermes, SmolLM3 and many that were trained on them.
    name: "hermes",
    recognise: (template) => template.includes("<tool_call>"),
    open: "<tool_call>",
    close: "</tool_call>",
    key: "arguments",
    list: false,
    native: true,
    json: true,
  },
  {
    // Llama 3.1 to 3.3: the reply is the call.
    name: "llama3",
    recognise: (template) =>
      template.includes("tools") &&
      (template.includes("<|python_tag|>") ||
        (template.includes("ipython") && template.includes('"parameters"'))),
    skip: "<|python_tag|>",
    key: "parameters",
    list: false,
    native: true,
    json: true,
  },
  {
    // Templates that describe tools in their own words: JSON or Python as the whole reply.
    name: "plain",
    recognise: (template) => /\btools\b/.test(template),
    key: "arguments",
    list: false,
    native: true,
    json: true,
  },
  {
    // Templates that know no tools: they are told of them in a system message.
    name: "generic",
    recognise: () => true,
    open: "<tool_call>",
    close: "</tool_call>",
    key: "arguments",
    list: false,
    native: false,
    json: true,
  },
];

export function formatOf(template: string): ToolFormat {
  return TOOL_FORMATS.find((format) => format.recognise(template))!;
}

/** Messages for a template that knows no tools. */
export function withGenericTools(
  messages: Message[],
  tools: Tool[],
): Message[] {
  const plain = messages.map((message): Message => {
    if (message.role === "tool") {
      return {
        role: "user",
        content: `<tool_response>\n${message.content}\n</tool_response>`,
      };
    }
    if (!message.tool_calls) return message;
    const { tool_calls, ...rest } = message;
    const calls = tool_calls.map(
      (call) => `<tool_call>\n${JSON.stringify(call.function)}\n</tool_call>`,
    );
    return {
      ...rest,
      content: [message.content, ...calls].filter(Boolean).join("\n"),
    };
  });
  if (tools.length === 0) return plain;
  const list = tools.map((tool) => JSON.stringify(tool.function)).join("\n");
  const told = `You can call these tools, described as JSON:\n${list}\n\nTo call one, write\n<tool_call>\n{"name": "its name", "arguments": {…}}\n</tool_call>`;
  const [first, ...rest] = plain;
  return first?.role === "system"
    ? [{ ...first, content: `${first.content}\n\n${told}` }, ...rest]
    : [{ role: "system", content: told }, ...plain];
}

/** A schema of every call that may be made. */
function callSchema(format: ToolFormat, tools: Tool[]): unknown {
  const parameters = tools.map(({ function: { parameters } }, index) =>
    moved(parameters ?? { type: "object" }, `#/$defs/${index}`),
  );
  return {
    anyOf: tools.map(({ function: { name } }, index) => ({
      type: "object",
      properties: {
        name: { const: name },
        [format.key]: { $ref: `#/$defs/${index}` },
      },
      required: ["name", format.key],
      additionalProperties: false,
    })),
    $defs: { ...parameters },
  };
}

/** A schema that stands at `place` of another document: references name places from the document's root. */
function moved(schema: unknown, place: string): unknown {
  return JSON.parse(JSON.stringify(schema), (key, value: unknown) =>
    key === "$ref" && typeof value === "string" && value.startsWith("#")
      ? place + value.slice(1)
      : value,
  );
}

/**
 * Rules in Lark of one call or more; `calls` is the first. `spelled` gives how the grammar names a marker: control
 * tokens by id, others as text.
 */
export function callRules(
  format: ToolFormat,
  tools: Tool[],
  parallel: boolean,
  spelled: (marker: string) => string,
): string {
  const open = format.open ? `${spelled(format.open)} "\\n"? ` : "";
  const close = format.close ? ` "\\n"? ${spelled(format.close)}` : "";
  const list = parallel ? '"[" call (", " call){0,7} "]"' : '"[" call "]"';
  const repeats = parallel && !format.list && format.open;
  return [
    `calls: ${repeats ? `wrapped ("\\n" wrapped){0,7}` : "wrapped"}`,
    `wrapped: ${open}opened`,
    `opened: ${format.list ? list : "call"}${close}`,
    `call: %json ${JSON.stringify(callSchema(format, tools))}`,
  ].join("\n");
}

/** What stands in a reply once a call has begun for certain. */
export function openings({ open }: ToolFormat, tools: Tool[]): string[] {
  if (open !== undefined) return [open];
  const names = tools.map((tool) => JSON.stringify(tool.function.name));
  return names.flatMap((name) => [`{"name": ${name}`, `{"name":${name}`]);
}
