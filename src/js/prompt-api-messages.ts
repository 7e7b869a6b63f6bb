// The Prompt API's prompts → messages, each rule of its specification checked before anything changes.

import type { Message } from "./types.ts";

export type PromptRole = "system" | "user" | "assistant";

export interface PromptContent {
  type: "text" | "image" | "audio" | "tool-call" | "tool-response";
  value: unknown;
}

export interface PromptMessage {
  role: PromptRole;
  content: string | PromptContent[];
  /** On a last assistant message: how the reply begins. */
  prefix?: boolean;
}

export type Prompt = string | PromptMessage[];

export interface ReadPrompt {
  messages: Message[];
  /** How the reply begins. */
  prefix?: string;
}

/** `first`: whether a system message may lead. */
export function readPrompt(input: unknown, first: boolean): ReadPrompt {
  if (!Array.isArray(input)) {
    // WebIDL makes a string of whatever is no sequence.
    return { messages: [{ role: "user", content: String(input) }] };
  }
  if (input.length === 0) return { messages: [{ role: "user", content: "" }] };
  const messages: Message[] = [];
  let prefix: string | undefined;
  input.forEach((given: unknown, index) => {
    const { role, content, prefix: begins } = asMessage(given);
    if (role === "system" && !(first && index === 0)) {
      throw new TypeError(
        "a system message can only be the first message of a session",
      );
    }
    const text = readContent(content, role);
    if (begins === true) {
      if (role !== "assistant" || index !== input.length - 1) {
        throw new DOMException(
          "prefix is for the last message, and only for an assistant's",
          "SyntaxError",
        );
      }
      prefix = text;
    } else {
      messages.push({ role, content: text });
    }
  });
  return { messages, ...(prefix === undefined ? {} : { prefix }) };
}

function asMessage(given: unknown): PromptMessage {
  const message = given as Partial<PromptMessage> | null;
  if (typeof message !== "object" || message === null) {
    throw new TypeError("a message is not an object");
  }
  const { role, content } = message;
  if (role !== "system" && role !== "user" && role !== "assistant") {
    throw new TypeError(
      `a message's role is ${String(role)}, expected system, user or assistant`,
    );
  }
  if (content === undefined) throw new TypeError("a message has no content");
  return message as PromptMessage;
}

export const CONTENT_TYPES = [
  "text",
  "image",
  "audio",
  "tool-call",
  "tool-response",
];

function readContent(content: unknown, role: PromptRole): string {
  if (!Array.isArray(content)) return String(content);
  return content
    .map((part: unknown) => {
      const { type, value } = (part ?? {}) as Partial<PromptContent>;
      if (type === undefined || !CONTENT_TYPES.includes(type)) {
        throw new TypeError(`a content's type is ${String(type)}`);
      }
      if (value === undefined) throw new TypeError("a content has no value");
      if (type !== "text") {
        throw new DOMException(
          role === "assistant"
            ? `an assistant's message cannot hold ${type}`
            : `${type} was not among expectedInputs, and this model reads text only`,
          "NotSupportedError",
        );
      }
      if (typeof value !== "string") {
        throw new TypeError("a text content's value is not a string");
      }
      return value;
    })
    .join("");
}
