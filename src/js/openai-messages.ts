// OpenAI's messages and tools → what the engine's templates take, each checked.

import {
  isEmpty,
  isFields,
  missing,
  RequestError,
  show,
  wrongType,
  wrongValue,
  type Fields,
} from "./openai-fields.ts";
import type { Message, TemplateToolCall } from "./types.ts";

/** A tool that the model may call. */
export interface Tool {
  type: "function";
  function: {
    name: string;
    description?: string;
    /** A JSON Schema of the arguments. */
    parameters?: Record<string, unknown>;
    strict?: boolean | null;
  };
}

/** More would fit no small model's context, and its grammar no page's patience. */
const MAX_TOOLS = 128;

/** Messages, and how the reply begins where the last is an assistant's with `prefix: true`. */
export function parseMessages(value: unknown): {
  messages: Message[];
  prefix?: string;
} {
  if (value === undefined || value === null) throw missing("messages");
  if (!Array.isArray(value)) throw wrongType("messages", "an array");
  if (value.length === 0) {
    throw new RequestError(
      "empty_array",
      "messages",
      "messages is empty; at least one message is needed",
    );
  }
  const messages = value.map((message: unknown, index) =>
    parseMessage(message, `messages[${index}]`),
  );
  const last: unknown = value.at(-1);
  if (!isFields(last) || last.prefix !== true) return { messages };
  const begun = messages.pop();
  if (begun?.role !== "assistant") {
    throw wrongType(
      `messages[${messages.length}].prefix`,
      "for a last message of an assistant",
    );
  }
  return { messages, prefix: begun.content };
}

function parseMessage(message: unknown, at: string): Message {
  if (!isFields(message)) throw wrongType(at, "an object");
  const { role } = message;
  const content = () => parseContent(message, `${at}.content`);
  switch (role) {
    // Chat templates of open models know `system` only.
    case "developer":
      return { role: "system", content: content() };
    case "system":
    case "user":
      return { role, content: content() };
    case "assistant":
      return parseAssistant(message, content(), at);
    case "tool": {
      const id = message.tool_call_id;
      if (typeof id !== "string")
        throw wrongType(`${at}.tool_call_id`, "a string");
      const { name } = message;
      return {
        role,
        content: content(),
        tool_call_id: id,
        ...(typeof name === "string" ? { name } : {}),
      };
    }
    default:
      throw wrongValue(
        `${at}.role`,
        role,
        `"system", "developer", "user", "assistant" or "tool"`,
      );
  }
}

function parseAssistant(message: Fields, content: string, at: string): Message {
  const thoughts = message.reasoning_content ?? message.reasoning;
  const calls = message.tool_calls ?? [];
  if (!Array.isArray(calls)) throw wrongType(`${at}.tool_calls`, "an array");
  return {
    role: "assistant",
    content,
    ...(typeof thoughts === "string" ? { reasoning_content: thoughts } : {}),
    ...(isEmpty(calls)
      ? {}
      : {
          tool_calls: calls.map((call: unknown, index) =>
            parseCall(call, `${at}.tool_calls[${index}]`),
          ),
        }),
  };
}

function parseCall(call: unknown, at: string): TemplateToolCall {
  const made = isFields(call) ? call.function : undefined;
  if (
    !isFields(call) ||
    !isFields(made) ||
    typeof made.name !== "string" ||
    typeof made.arguments !== "string"
  ) {
    throw wrongType(
      at,
      '{ id, type: "function", function: { name, arguments } }',
    );
  }
  return {
    ...(typeof call.id === "string" ? { id: call.id } : {}),
    type: "function",
    function: { name: made.name, arguments: parsed(made.arguments) },
  };
}

/** Templates write arguments as JSON themselves; what is no JSON goes in as the text it is. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function parseContent(message: Fields, at: string): string {
  const { content, role } = message;
  if (typeof content === "string") return content;
  if ((content === null || content === undefined) && role === "assistant") {
    return "";
  }
  if (!Array.isArray(content)) {
    throw wrongType(at, "a string or an array of text parts");
  }
  if (content.length === 0) {
    throw new RequestError("empty_array", at, `${at} has no parts`);
  }
  return content
    .map((part: unknown, index) => {
      if (isFields(part)) {
        const text = part.type === "refusal" ? part.refusal : part.text;
        const readable =
          part.type === "text" ||
          (part.type === "refusal" && role === "assistant");
        if (readable && typeof text === "string") return text;
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

export function parseTools(value: unknown): Tool[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw wrongType("tools", "an array");
  if (value.length > MAX_TOOLS) {
    throw new RequestError(
      "array_above_max_length",
      "tools",
      `tools has ${value.length} entries, at most ${MAX_TOOLS} are taken`,
    );
  }
  const names = new Set<string>();
  return value.map((tool: unknown, index) => {
    const at = `tools[${index}]`;
    const made = isFields(tool) ? tool.function : undefined;
    if (!isFields(tool) || tool.type !== "function" || !isFields(made)) {
      throw wrongType(at, '{ type: "function", function: { name, … } }');
    }
    const { name, description, parameters } = made;
    if (typeof name !== "string" || !/^[\w.-]{1,64}$/.test(name)) {
      throw wrongValue(
        `${at}.function.name`,
        name,
        "1 to 64 letters, digits, dots, dashes and underscores",
      );
    }
    if (names.has(name)) {
      throw wrongValue(`${at}.function.name`, name, "a name not used before");
    }
    names.add(name);
    if (
      parameters !== undefined &&
      parameters !== null &&
      !isFields(parameters)
    )
      throw wrongType(`${at}.function.parameters`, "a JSON Schema");
    return {
      type: "function",
      function: {
        name,
        ...(typeof description === "string" ? { description } : {}),
        ...(isFields(parameters) ? { parameters } : {}),
      },
    };
  });
}

/** Which tools may be called, and whether one has to be. */
export interface ToolChoice {
  allowed: Tool[];
  required: boolean;
}

export function parseToolChoice(value: unknown, tools: Tool[]): ToolChoice {
  const known = (name: unknown, at: string) => {
    const tool = tools.find((tool) => tool.function.name === name);
    if (!tool) throw wrongValue(at, name, "the name of one of the tools");
    return tool;
  };
  if (value === undefined || value === null || value === "auto")
    return { allowed: tools, required: false };
  if (value === "none") return { allowed: [], required: false };
  if (value === "required") {
    if (tools.length === 0)
      throw wrongValue("tool_choice", value, "tools to choose from");
    return { allowed: tools, required: true };
  }
  if (isFields(value) && isFields(value.function)) {
    const tool = known(value.function.name, "tool_choice.function.name");
    return { allowed: [tool], required: true };
  }
  if (isFields(value) && isFields(value.allowed_tools)) {
    const { mode, tools: listed } = value.allowed_tools;
    if (!Array.isArray(listed))
      throw wrongType("tool_choice.allowed_tools.tools", "an array");
    const allowed = listed.map((tool: unknown) =>
      known(
        isFields(tool) && isFields(tool.function)
          ? tool.function.name
          : undefined,
        "tool_choice.allowed_tools.tools",
      ),
    );
    return { allowed, required: mode === "required" };
  }
  throw wrongValue(
    "tool_choice",
    value,
    '"none", "auto", "required", a function or allowed_tools',
  );
}
