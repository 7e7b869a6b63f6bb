// What is open on the screen: the list of conversations, the open one and its messages, each change also kept.
import { computed, signal } from "@preact/signals";
import {
  type Conversation,
  type Message,
  newConversation,
  titleFrom,
} from "./conversation";
import * as library from "./library";

export const conversations = signal<Conversation[]>([]);
export const openId = signal("");
export const messages = signal<Message[]>([]);

/** Not yet in the list: a conversation is kept from its first message on. */
const blank = signal<Conversation>(newConversation());

export const open = computed<Conversation>(
  () =>
    conversations.value.find(({ id }) => id === openId.value) ?? blank.value,
);

const LAST_OPEN = "smidgen:conversation";

/** Storage that fails (full, switched off) must not cost the conversation on the screen. */
export const storageFailed = signal(false);
async function keep(work: Promise<void>): Promise<void> {
  try {
    await work;
    storageFailed.value = false;
  } catch {
    storageFailed.value = true;
  }
}

/** A reply marked `writing` that no tab is writing any more was cut off by a crash or a closed page. */
async function settle(list: Message[]): Promise<Message[]> {
  const writing = list.filter(({ outcome }) => outcome === "writing");
  if (writing.length === 0) return list;
  const held = (await navigator.locks?.query())?.held ?? [];
  const alive = new Set(held.map(({ name }) => name));
  return list.map((message) =>
    message.outcome === "writing" && !alive.has(replyLock(message.id))
      ? { ...message, outcome: "interrupted" }
      : message,
  );
}

/** Held by the tab that writes this reply. */
export const replyLock = (messageId: string) => `smidgen:reply:${messageId}`;

export async function startDesk(): Promise<void> {
  try {
    conversations.value = await library.allConversations();
  } catch {
    storageFailed.value = true;
  }
  const last = remembered();
  const known = conversations.value.some(({ id }) => id === last);
  await openConversation(known ? last! : blank.value.id);
}

export async function openConversation(id: string): Promise<void> {
  openId.value = id;
  remember(id);
  messages.value = [];
  try {
    const list = await settle(await library.messagesOf(id));
    if (openId.value === id) messages.value = list;
  } catch {
    storageFailed.value = true;
  }
}

export function startConversation(): void {
  blank.value = newConversation();
  openId.value = blank.value.id;
  messages.value = [];
  remember(openId.value);
}

export function changeConversation(
  id: string,
  change: Partial<Conversation>,
): void {
  const known = conversations.value.find((each) => each.id === id);
  if (!known) {
    if (blank.value.id === id) blank.value = { ...blank.value, ...change };
    return;
  }
  const next = { ...known, ...change };
  conversations.value = conversations.value.map((each) =>
    each.id === id ? next : each,
  );
  void keep(library.saveConversation(next));
}

/** Adds messages to a conversation, which thereby enters the list. */
export async function say(
  conversationId: string,
  ...added: Message[]
): Promise<void> {
  const now = Date.now();
  if (
    blank.value.id === conversationId &&
    !conversations.value.some(({ id }) => id === conversationId)
  )
    conversations.value = [blank.value, ...conversations.value];
  const known = conversations.value.find(({ id }) => id === conversationId);
  const first = added.find(({ role }) => role === "user");
  changeConversation(conversationId, {
    updatedAt: now,
    ...(known && !known.renamed && known.title === "" && first
      ? { title: titleFrom(first.content) }
      : {}),
  });
  if (openId.value === conversationId)
    messages.value = [...messages.value, ...added];
  await keep(library.saveMessages(...added));
}

/** Replaces a message on the screen and in storage. */
export async function changeMessage(next: Message): Promise<void> {
  messages.value = messages.value.map((each) =>
    each.id === next.id ? next : each,
  );
  await keep(library.saveMessages(next));
}

/** Keeps a reply that is still being written, without redrawing the list for it. */
export const saveQuietly = (message: Message) =>
  keep(library.saveMessages(message));

/** Removes a message and everything after it. */
export async function cutFrom(messageId: string): Promise<void> {
  const at = messages.value.findIndex(({ id }) => id === messageId);
  if (at < 0) return;
  const cut = messages.value.slice(at).map(({ id }) => id);
  messages.value = messages.value.slice(0, at);
  await keep(library.deleteMessages(cut));
}

export async function removeConversation(id: string): Promise<void> {
  conversations.value = conversations.value.filter((each) => each.id !== id);
  if (openId.value === id) startConversation();
  await keep(library.deleteConversation(id));
}

function remembered(): string | null {
  try {
    return localStorage.getItem(LAST_OPEN);
  } catch {
    return null;
  }
}

function remember(id: string): void {
  try {
    localStorage.setItem(LAST_OPEN, id);
  } catch {
    // The next visit opens an empty conversation.
  }
}
