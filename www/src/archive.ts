// Conversations as files: Markdown to read, JSON to keep and to bring back. What comes in is checked field by field.
import { path, ROOT } from "./branches";
import {
  type Attachment,
  type Conversation,
  type Message,
  newConversation,
  newMessage,
  type Sampling,
  SAMPLING_LIMITS,
} from "./conversation";

const FORMAT = "smidgen-conversations";
const VERSION = 1;
/** A file beyond this would not fit into memory several times over on a phone. */
export const LARGEST_BYTES = 32 * 1024 * 1024;

export interface Archived {
  conversation: Conversation;
  messages: Message[];
}

export function toJson(archived: readonly Archived[]): string {
  const conversations = archived.map(({ conversation, messages }) => ({
    title: conversation.title,
    renamed: conversation.renamed,
    pinned: conversation.pinned,
    createdAt: conversation.createdAt,
    updatedAt: conversation.updatedAt,
    systemPrompt: conversation.systemPrompt,
    sampling: conversation.sampling,
    messages: messages.map((message) => {
      const { role, content, at, outcome, speed, attachments } = message;
      const parent = messages.findIndex(({ id }) => id === message.parent);
      return {
        role,
        content,
        at,
        outcome,
        speed,
        attachments,
        // The message before is what a message follows if nothing is said.
        parent: parent === -1 ? null : parent,
      };
    }),
  }));
  return JSON.stringify(
    { format: FORMAT, version: VERSION, conversations },
    undefined,
    2,
  );
}

export function toMarkdown(
  { conversation, messages }: Archived,
  names: { user: string; assistant: string; system: string },
): string {
  const parts = [`# ${conversation.title.replace(/\s+/g, " ")}`];
  const shown = path(messages, conversation.choices ?? {});
  if (conversation.systemPrompt.trim())
    parts.push(`**${names.system}**`, conversation.systemPrompt.trim());
  for (const { role, content, attachments = [] } of shown) {
    const files = attachments.map(({ name }) => `(${name})`).join(" ");
    parts.push(`**${names[role]}**`, `${content.trim()} ${files}`.trim());
  }
  return parts.join("\n\n") + "\n";
}

/** Thrown when a file is not an archive; `code` is what the page explains. */
export class NotAnArchive extends Error {
  readonly code = "bad_import";
}

const record = (value: unknown, what: string): Record<string, unknown> => {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new NotAnArchive(`${what} is not an object`);
  return value as Record<string, unknown>;
};

const list = (value: unknown, what: string): unknown[] => {
  if (!Array.isArray(value)) throw new NotAnArchive(`${what} is not a list`);
  return value;
};

const text = (value: unknown) => (typeof value === "string" ? value : "");

const time = (value: unknown, otherwise: number) =>
  typeof value === "number" && Number.isFinite(value) && value > 0
    ? value
    : otherwise;

function sampling(value: unknown): Sampling {
  const given =
    typeof value === "object" && value !== null
      ? (value as Record<string, unknown>)
      : {};
  const known: Sampling = {};
  for (const [name, { min, max }] of Object.entries(SAMPLING_LIMITS)) {
    const number = given[name];
    if (typeof number === "number" && number >= min && number <= max)
      known[name as keyof Sampling] = number;
  }
  return known;
}

function attachments(value: unknown): Attachment[] {
  if (!Array.isArray(value)) return [];
  return value
    .map((each) => ({ name: text(each?.name), text: text(each?.text) }))
    .filter(({ name, text }) => name !== "" && text !== "");
}

function message(
  value: unknown,
  conversationId: string,
  what: string,
): Message | undefined {
  const {
    role,
    content,
    outcome,
    speed,
    attachments: files,
  } = record(value, what);
  if (role !== "user" && role !== "assistant")
    throw new NotAnArchive(`${what}.role is neither "user" nor "assistant"`);
  if (typeof content !== "string")
    throw new NotAnArchive(`${what}.content is not text`);
  if (role === "assistant" && content === "") return undefined;
  const imported = newMessage(conversationId, role, content);
  const given = attachments(files);
  if (given.length > 0) imported.attachments = given;
  if (role === "assistant")
    imported.outcome =
      outcome === "length" || outcome === "stopped" ? outcome : "complete";
  if (typeof speed === "object" && speed !== null) {
    const { tokens, tokensPerSecond, firstTokenMs } = speed as Record<
      string,
      unknown
    >;
    if (
      typeof tokens === "number" &&
      typeof tokensPerSecond === "number" &&
      typeof firstTokenMs === "number"
    )
      imported.speed = { tokens, tokensPerSecond, firstTokenMs };
  }
  return imported;
}

/** Every conversation gets an id of its own, so importing twice never overwrites. */
export function fromJson(json: string): Archived[] {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    throw new NotAnArchive("the file is not JSON");
  }
  const file = record(value, "the file");
  if (file["format"] !== FORMAT)
    throw new NotAnArchive(`"format" is not "${FORMAT}"`);
  if (file["version"] !== VERSION)
    throw new NotAnArchive(
      `version ${String(file["version"])} is not ${VERSION}`,
    );
  return list(file["conversations"], "conversations").map((each, index) => {
    const what = `conversations[${index}]`;
    const given = record(each, what);
    const blank = newConversation();
    const conversation: Conversation = {
      ...blank,
      title: text(given["title"]).slice(0, 200),
      renamed: given["renamed"] === true,
      pinned: given["pinned"] === true,
      createdAt: time(given["createdAt"], blank.createdAt),
      updatedAt: time(given["updatedAt"], blank.updatedAt),
      systemPrompt: text(given["systemPrompt"]),
      sampling: sampling(given["sampling"]),
    };
    const values = list(given["messages"], `${what}.messages`);
    const read = values.map((one, at) =>
      message(one, conversation.id, `${what}.messages[${at}]`),
    );
    // A message follows the one it names, if that one came before it; else the one before.
    let before = ROOT;
    read.forEach((one, at) => {
      if (!one) return;
      const named = (values[at] as { parent?: unknown }).parent;
      const parent =
        typeof named === "number" && named < at ? read[named] : undefined;
      one.parent = parent?.id ?? (named === null ? ROOT : before);
      before = one.id;
    });
    return { conversation, messages: read.filter((one) => one !== undefined) };
  });
}

export function download(name: string, type: string, content: string): void {
  saveFile(name, new Blob([content], { type }));
}

export function saveFile(name: string, content: Blob): void {
  const url = URL.createObjectURL(content);
  const anchor = document.createElement("a");
  anchor.href = url;
  anchor.download = name;
  anchor.click();
  // The browser reads the address after this task.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** A title as a file name that every system takes. */
export function fileName(title: string, ending: string): string {
  const base = title
    .replace(/[\p{Cc}\\/:*?"<>|]+/gu, " ")
    .replace(/\s+/g, " ")
    .trim()
    .slice(0, 80)
    .replace(/^\.+|[. ]+$/g, "");
  return `${base || "conversation"}.${ending}`;
}
