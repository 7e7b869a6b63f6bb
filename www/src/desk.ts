// What is open on the screen: the list of conversations, the open one and its messages, each change also kept.
import { computed, signal } from "@preact/signals";
import { linked, path, siblings } from "./branches";
import {
  type Conversation,
  type Message,
  newConversation,
  titleFrom,
} from "./conversation";
import type { Archived } from "./archive";
import * as library from "./library";
import { read, write } from "./remember";

export const conversations = signal<Conversation[]>([]);
/** All messages of the open conversation, in the order of time. */
const branches = signal<Message[]>([]);

/** Not yet in the list: a conversation is kept from its first message on. */
const blank = signal<Conversation>(newConversation());
export const openId = signal(blank.value.id);

/** The conversation of this id; the new one where it is not in the list. */
export const conversation = (wanted: string): Conversation =>
  conversations.value.find(({ id }) => id === wanted) ?? blank.value;

export const open = computed(() => conversation(openId.value));

const choices = computed(() => open.value.choices);
/** Those on the screen: one branch of the open conversation. */
export const messages = computed(() =>
  path(branches.value, choices.value ?? {}),
);

/** What stands where this message stands: itself, and what was asked or written there before or after. */
export const alternatives = (message: Message): Message[] =>
  siblings(branches.value, message.parent ?? "");

export function show(message: Message): void {
  const { id, choices = {} } = open.peek();
  changeConversation(id, {
    choices: { ...choices, [message.parent ?? ""]: message.id },
  });
}

const LAST_OPEN = "smidgen:conversation";
const BLANK = "smidgen:blank";

/** Other tabs show the same desk. */
const channel =
  typeof BroadcastChannel === "function"
    ? new BroadcastChannel("smidgen-desk")
    : undefined;
const changed = (conversationId: string) =>
  channel?.postMessage(conversationId);

/** Belongs to the tab that it is written in. */
const unsent = ({ draft, attached = [] }: Conversation) => ({
  draft,
  attached,
});

async function follow(conversationId: string): Promise<void> {
  const mine = open.peek();
  const list = await library.allConversations();
  const kept = list.map((each) =>
    each.id === mine.id ? { ...each, ...unsent(mine) } : each,
  );
  // The one just begun here may not be in storage yet.
  const begun =
    conversationId !== mine.id &&
    conversations.value.includes(mine) &&
    !list.some(({ id }) => id === mine.id);
  conversations.value = begun ? [mine, ...kept] : kept;
  if (conversationId !== openId.peek()) return;
  if (!list.some(({ id }) => id === conversationId)) startConversation();
  else await readMessages(conversationId);
}
if (channel)
  channel.onmessage = ({ data }) =>
    void follow(String(data)).catch(() => undefined);

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

/** Reads what is kept. Whoever was faster than the storage keeps what they have begun. */
export async function startDesk(): Promise<void> {
  restoreBlank();
  const untouched = openId.value;
  const blankDraft = blank.value.draft;
  let kept: Conversation[] = [];
  try {
    kept = await library.allConversations();
  } catch {
    storageFailed.value = true;
  }
  const begun = conversations.value.filter(
    ({ id }) => !kept.some((each) => each.id === id),
  );
  conversations.value = [...begun, ...kept];
  const last = read(LAST_OPEN);
  const begunHere =
    branches.value.length > 0 || open.value.draft !== blankDraft;
  if (openId.value !== untouched || begunHere) return;
  if (kept.some(({ id }) => id === last)) await openConversation(last!);
}

async function readMessages(id: string): Promise<void> {
  try {
    const list = linked(await settle(await library.messagesOf(id)));
    if (openId.value === id) branches.value = list;
  } catch {
    storageFailed.value = true;
  }
}

export async function openConversation(id: string): Promise<void> {
  openId.value = id;
  write(LAST_OPEN, id);
  branches.value = [];
  await readMessages(id);
}

export function startConversation(): void {
  // Words not yet sent stay in the composer.
  const { id, draft, attached = [] } = blank.value;
  const used = conversations.value.some((each) => each.id === id);
  blank.value = used
    ? newConversation()
    : // The same one to whoever is about to add to it: a file that is being read.
      { ...newConversation(), id, draft, attached };
  openId.value = blank.value.id;
  branches.value = [];
  write(LAST_OPEN, openId.value);
}

export function changeConversation(
  id: string,
  change: Partial<Conversation>,
): void {
  const known = conversations.value.find((each) => each.id === id);
  if (!known) {
    if (blank.value.id !== id) return;
    blank.value = { ...blank.value, ...change };
    write(BLANK, JSON.stringify(blank.value));
    return;
  }
  const next = { ...known, ...change };
  conversations.value = conversations.value.map((each) =>
    each.id === id ? next : each,
  );
  void keep(library.saveConversation(next)).then(() => {
    const own = ["draft", "attached"];
    if (Object.keys(change).some((field) => !own.includes(field))) changed(id);
  });
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
  ) {
    conversations.value = [blank.value, ...conversations.value];
    write(BLANK, undefined);
    write(LAST_OPEN, conversationId);
  }
  const known = conversations.value.find(({ id }) => id === conversationId);
  const first = added.find(({ role }) => role === "user");
  const chosen = { ...known?.choices };
  // What is said now is what is shown.
  for (const { id, parent = "" } of added) chosen[parent] = id;
  changeConversation(conversationId, {
    updatedAt: now,
    choices: chosen,
    ...(known && !known.renamed && known.title === "" && first
      ? { title: titleFrom(first.content) }
      : {}),
  });
  if (openId.value === conversationId)
    branches.value = [...branches.value, ...added];
  await keep(library.saveMessages(...added));
  changed(conversationId);
}

/** Replaces a message on the screen and in storage. */
export async function changeMessage(next: Message): Promise<void> {
  branches.value = branches.value.map((each) =>
    each.id === next.id ? next : each,
  );
  await keep(library.saveMessages(next));
  changed(next.conversationId);
}

/** Keeps a reply that is still being written, without redrawing the list for it. */
export async function saveQuietly(message: Message): Promise<void> {
  await keep(library.saveMessages(message));
  changed(message.conversationId);
}

export async function removeConversation(id: string): Promise<void> {
  conversations.value = conversations.value.filter((each) => each.id !== id);
  if (openId.value === id) startConversation();
  await keep(library.deleteConversation(id));
  changed(id);
}

/** Adds conversations that came from a file. */
export async function addArchived(
  archived: readonly Archived[],
): Promise<void> {
  conversations.value = [
    ...archived.map(({ conversation }) => conversation),
    ...conversations.value,
  ];
  for (const { conversation, messages } of archived) {
    await keep(library.saveConversation(conversation));
    await keep(library.saveMessages(...messages));
    changed(conversation.id);
  }
}

export async function archive(id: string): Promise<Archived | undefined> {
  const conversation = conversations.value.find((each) => each.id === id);
  if (!conversation) return undefined;
  const list =
    id === openId.value ? branches.value : linked(await library.messagesOf(id));
  return { conversation, messages: list };
}

/** Every conversation, its messages and what was being written. */
export async function removeAllConversations(): Promise<void> {
  const ids = conversations.value.map(({ id }) => id);
  conversations.value = [];
  blank.value = newConversation();
  write(BLANK, undefined);
  startConversation();
  for (const id of ids) {
    await keep(library.deleteConversation(id));
    changed(id);
  }
}

/** Pinned first, then the latest. */
export const shelf = computed(() =>
  [...conversations.value].sort(
    (a, b) => Number(b.pinned) - Number(a.pinned) || b.updatedAt - a.updatedAt,
  ),
);

/** A new conversation that was being prepared when the page was last closed. */
function restoreBlank(): void {
  const text = read(BLANK);
  if (!text) return;
  try {
    blank.value = { ...newConversation(), ...JSON.parse(text) };
    openId.value = blank.value.id;
  } catch {
    write(BLANK, undefined);
  }
}
