// What a conversation is: its messages, its settings, and the plain operations on them. No storage, no screen.
import { type Choices, ROOT } from "./branches";
import type { Source } from "./documents/documents";
import type { Problem } from "./problem";

/** Speed of one reply as the engine measured it. */
export interface Speed {
  tokens: number;
  tokensPerSecond: number;
  firstTokenMs: number;
  /** Of the prompt, those taken from the KV cache included. */
  promptTokens?: number;
  contextLength?: number;
  threads?: number;
}

/** A file whose text goes with a message. */
export interface Attachment {
  name: string;
  text: string;
  /** While it waits in the composer: the picture whose text this is (reading/pictures.ts). */
  picture?: string;
}

/** Characters: more would be kept, exported and searched for nothing, as no small model reads so far. */
export const MOST_ATTACHED = 200_000;

export type Outcome =
  | "writing"
  | "complete"
  | "stopped"
  | "length"
  | "failed"
  /** The page was closed or crashed while it was written. */
  | "interrupted";

export interface Message {
  id: string;
  conversationId: string;
  role: "user" | "assistant";
  content: string;
  /** Milliseconds since 1970; also the order within the conversation. */
  at: number;
  /** The message that this one follows; `ROOT` for a first one. */
  parent?: string;
  attachments?: Attachment[];
  /** Of replies only, as all below: the passages of documents it was given. */
  sources?: Source[];
  /** So many older messages did not fit into the model's context. */
  leftOut?: number;
  outcome?: Outcome;
  problem?: Problem;
  speed?: Speed;
}

export interface Sampling {
  temperature?: number;
  topP?: number;
  topK?: number;
  minP?: number;
  repetitionPenalty?: number;
  maxTokens?: number;
  seed?: number;
}

/** What the engine accepts, and the steps that make sense by hand. */
export const SAMPLING_LIMITS: Record<
  keyof Sampling,
  { min: number; max: number; step: number }
> = {
  temperature: { min: 0, max: 2, step: 0.05 },
  topP: { min: 0, max: 1, step: 0.01 },
  topK: { min: 0, max: 1000, step: 1 },
  minP: { min: 0, max: 1, step: 0.01 },
  repetitionPenalty: { min: 1, max: 2, step: 0.01 },
  maxTokens: { min: 1, max: 1_000_000, step: 1 },
  seed: { min: 0, max: 0xffff_ffff, step: 1 },
};

export interface Conversation {
  id: string;
  /** Empty until the first message names it. */
  title: string;
  /** True once a person gave the title. */
  renamed: boolean;
  pinned: boolean;
  createdAt: number;
  updatedAt: number;
  systemPrompt: string;
  sampling: Sampling;
  /** What stands in the composer, not yet sent. */
  draft: string;
  /** What will go with it. */
  attached?: Attachment[];
  /** Answers look into the documents of this device. */
  fromDocuments?: boolean;
  /** Which branch is shown. */
  choices?: Choices;
}

export const TITLE_LENGTH = 60;

/** The first line of the first message, cut at a word. */
export function titleFrom(text: string): string {
  const line = text.trim().split(/\s*\n/)[0] ?? "";
  const characters = [...line];
  if (characters.length <= TITLE_LENGTH) return line;
  const cut = characters.slice(0, TITLE_LENGTH).join("");
  return cut.replace(/\s+\S*$/, "") + "…";
}

/** 128 random bits. `crypto.randomUUID` is missing where a page comes over plain http from another machine. */
export const newId = () =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) =>
    byte.toString(16).padStart(2, "0"),
  ).join("");

export function newConversation(now = Date.now()): Conversation {
  return {
    id: newId(),
    title: "",
    renamed: false,
    pinned: false,
    createdAt: now,
    updatedAt: now,
    systemPrompt: "",
    sampling: {},
    draft: "",
  };
}

let lastAt = 0;

/** Times order messages, so two within one millisecond still differ. */
export function newMessage(
  conversationId: string,
  role: Message["role"],
  content: string,
  parent = ROOT,
): Message {
  lastAt = Math.max(Date.now(), lastAt + 1);
  return { id: newId(), conversationId, role, content, at: lastAt, parent };
}
