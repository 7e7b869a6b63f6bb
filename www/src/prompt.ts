// What the model is given for one reply: system prompt, as much of the conversation as fits its context, the text of
// attached files, and passages of documents with their numbers.
import type { Attachment, Conversation, Message } from "./conversation";
import { passagesFor, type Source, sourceOf } from "./documents/documents";
import type { Llm } from "./model";

export interface Prompt {
  messages: { role: "system" | "user" | "assistant"; content: string }[];
  sources: Source[];
  leftOut: number;
}

/** What a chat template adds around a message, about. */
const TEMPLATE_TOKENS = 10;
/** Of the context: for the reply; for all attached text; for passages of documents. */
const REPLY_SHARE = 0.25;
const ATTACHED_SHARE = 0.4;
const PASSAGES_SHARE = 0.35;
/** More passages than these distract a small model. */
const MOST_PASSAGES = 5;
/** When messages leave, so many leave that the next turns find the rest still evaluated. */
const KEEP_SHARE = 0.5;

/** Shortened to about `tokens`; the engine counts, so that every script counts right. */
async function shortened(llm: Llm, text: string, tokens: number) {
  // No token is shorter than a quarter of a character; more than this cannot fit.
  let rest = text.slice(0, tokens * 16);
  for (;;) {
    const count = (await llm.tokenize(rest)).length;
    if (count <= tokens || rest === "") return rest;
    rest = rest.slice(0, Math.floor((rest.length * tokens * 0.95) / count));
  }
}

async function withAttachments(
  llm: Llm,
  content: string,
  attachments: readonly Attachment[],
  most: number,
): Promise<string> {
  if (attachments.length === 0) return content;
  const each = Math.floor(most / attachments.length);
  const files: string[] = [];
  for (const { name, text } of attachments) {
    const part = await shortened(llm, text, each);
    const note = part.length < text.length ? ", its beginning" : "";
    files.push(`File “${name}”${note}:\n\n${part.trim()}`);
  }
  return `${files.join("\n\n---\n\n")}\n\n---\n\n${content}`;
}

/** The question after the passages, each with the number by which the reply names it. */
async function withPassages(
  llm: Llm,
  question: string,
  content: string,
  signal: AbortSignal,
): Promise<{ content: string; sources: Source[] }> {
  const found = await passagesFor(question, MOST_PASSAGES, signal);
  let left = Math.floor(llm.info.contextLength * PASSAGES_SHARE);
  const taken: string[] = [];
  const sources: Source[] = [];
  for (const passage of found) {
    const source = sourceOf(passage);
    const where = source.paged
      ? `${source.name}, page ${source.page}`
      : source.name;
    const entry = `[${taken.length + 1}] ${where}:\n${passage.text}`;
    const tokens = (await llm.tokenize(entry)).length;
    if (tokens > left) break;
    left -= tokens;
    taken.push(entry);
    sources.push(source);
  }
  if (taken.length === 0) return { content, sources };
  const asked = [
    "Passages from my documents:",
    ...taken,
    "Answer only from these passages. After each statement write the number of its passage, like [1]. If they do not hold the answer, say so.",
    content,
  ];
  return { content: asked.join("\n\n"), sources };
}

type Turn = Prompt["messages"][number];

/** The first of `turns` that stays; the same for every turn until the context is full again. */
async function firstKept(
  llm: Llm,
  turns: readonly Turn[],
  room: number,
): Promise<number> {
  const sizes = await Promise.all(
    turns.map(
      async ({ content }) =>
        (await llm.tokenize(content)).length + TEMPLATE_TOKENS,
    ),
  );
  let first = 0;
  let held = 0;
  sizes.forEach((size, at) => {
    held += size;
    if (held <= room) return;
    while (first < at && held > room * KEEP_SHARE) {
      held -= sizes[first]!;
      first += 1;
    }
    // A conversation begins with a question.
    while (first < at && turns[first]!.role === "assistant") {
      held -= sizes[first]!;
      first += 1;
    }
  });
  return first;
}

/** `begun`: what stands already of the reply that is continued. */
export async function promptFor(
  llm: Llm,
  conversation: Conversation,
  history: readonly Message[],
  signal: AbortSignal,
  begun = "",
): Promise<Prompt> {
  const { contextLength } = llm.info;
  const said = history.filter(
    ({ role, content, attachments = [] }) =>
      role === "user" || content !== "" || attachments.length > 0,
  );
  const last = said.findLastIndex(({ role }) => role === "user");
  let sources: Source[] = [];
  const turns: Turn[] = [];
  for (const [at, message] of said.entries()) {
    const { role, attachments = [] } = message;
    let content = await withAttachments(
      llm,
      message.content,
      attachments,
      Math.floor(contextLength * ATTACHED_SHARE),
    );
    if (at === last && conversation.fromDocuments)
      ({ content, sources } = await withPassages(
        llm,
        message.content,
        content,
        signal,
      ));
    turns.push({ role, content });
  }
  const system = conversation.systemPrompt.trim();
  const fixed =
    (system ? (await llm.tokenize(system)).length + TEMPLATE_TOKENS : 0) +
    (begun ? (await llm.tokenize(begun)).length : 0);
  const room = Math.floor(contextLength * (1 - REPLY_SHARE)) - fixed;
  const first = await firstKept(llm, turns, room);
  return {
    messages: [
      ...(system ? [{ role: "system" as const, content: system }] : []),
      ...turns.slice(first),
    ],
    sources,
    leftOut: first,
  };
}
