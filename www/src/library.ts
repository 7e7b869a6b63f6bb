// Where conversations are kept: IndexedDB, one record per conversation and one per message.
// It refuses to keep anything else; model weights have a database of their own, the package's.
import { type DBSchema, type IDBPDatabase, openDB } from "idb";
import type { Conversation, Message } from "./conversation";

interface Schema extends DBSchema {
  conversations: { key: string; value: Conversation };
  messages: {
    key: string;
    value: Message;
    indexes: { conversation: [conversationId: string, at: number] };
  };
}

let opening: Promise<IDBPDatabase<Schema> | undefined> | undefined;

/** Undefined where the browser keeps nothing (some private windows): the page then works for this visit only. */
function database(): Promise<IDBPDatabase<Schema> | undefined> {
  opening ??= openDB<Schema>("smidgen-conversations", 1, {
    upgrade(db) {
      db.createObjectStore("conversations", { keyPath: "id" });
      db.createObjectStore("messages", { keyPath: "id" }).createIndex(
        "conversation",
        ["conversationId", "at"],
      );
    },
    // Another tab wants a newer layout: let it, and open again on the next call.
    blocking(_current, _blocked, event) {
      (event.target as IDBDatabase).close();
      opening = undefined;
    },
    terminated() {
      opening = undefined;
    },
  }).catch(() => undefined);
  return opening;
}

const range = (conversationId: string) =>
  IDBKeyRange.bound([conversationId, -Infinity], [conversationId, Infinity]);

export async function allConversations(): Promise<Conversation[]> {
  return (await (await database())?.getAll("conversations")) ?? [];
}

export async function messagesOf(conversationId: string): Promise<Message[]> {
  const db = await database();
  if (!db) return [];
  return db.getAllFromIndex("messages", "conversation", range(conversationId));
}

export async function saveConversation(value: Conversation): Promise<void> {
  await (await database())?.put("conversations", value);
}

export async function saveMessages(
  ...values: readonly Message[]
): Promise<void> {
  const transaction = (await database())?.transaction("messages", "readwrite");
  if (!transaction) return;
  await Promise.all([
    ...values.map((value) => transaction.store.put(value)),
    transaction.done,
  ]);
}

export async function deleteMessages(ids: readonly string[]): Promise<void> {
  const transaction = (await database())?.transaction("messages", "readwrite");
  if (!transaction) return;
  await Promise.all([
    ...ids.map((id) => transaction.store.delete(id)),
    transaction.done,
  ]);
}

export async function deleteConversation(id: string): Promise<void> {
  const transaction = (await database())?.transaction(
    ["conversations", "messages"],
    "readwrite",
  );
  if (!transaction) return;
  const messages = transaction.objectStore("messages");
  const keys = await messages.index("conversation").getAllKeys(range(id));
  await Promise.all([
    transaction.objectStore("conversations").delete(id),
    ...keys.map((key) => messages.delete(key)),
    transaction.done,
  ]);
}

/** Ids of conversations with a message that holds `text`, whatever its case. */
export async function conversationsSaying(text: string): Promise<Set<string>> {
  const found = new Set<string>();
  const wanted = text.toLocaleLowerCase();
  const db = await database();
  let cursor = await db?.transaction("messages").store.openCursor();
  while (cursor) {
    if (cursor.value.content.toLocaleLowerCase().includes(wanted))
      found.add(cursor.value.conversationId);
    cursor = await cursor.continue();
  }
  return found;
}
