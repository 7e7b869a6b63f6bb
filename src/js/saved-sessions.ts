// What models have evaluated, by model and name, in an IndexedDB of its own: bounded, the least recently used leaving first.

import { SmidgenError } from "./errors.ts";
import type { SavedSession } from "./types.ts";

const DATABASE = "smidgen-sessions";
/** The list, without the bytes. */
const INDEX = "index";
const STATES = "states";
/** A quarter of what one model takes; a page that needs more keeps the bytes of `saveState` itself. */
const MAX_BYTES = 256 << 20;

interface Entry extends SavedSession {
  model: string;
}

type Key = [model: string, name: string];

function asked<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(failed(request.error));
  });
}

function failed(cause: DOMException | null): SmidgenError {
  const full = cause?.name === "QuotaExceededError";
  return new SmidgenError(
    full ? "storage_quota" : "storage_failed",
    full
      ? "this device has no room for the session: delete other sessions or models"
      : `sessions cannot be kept here: ${cause?.message ?? "the browser gives no reason"}`,
    { cause },
  );
}

/** Does `work` in one transaction and waits until it is durable. */
async function transact<T>(
  mode: IDBTransactionMode,
  work: (index: IDBObjectStore, states: IDBObjectStore) => Promise<T>,
): Promise<T> {
  let opening: IDBOpenDBRequest;
  try {
    opening = indexedDB.open(DATABASE, 1);
  } catch (error) {
    throw failed(error as DOMException);
  }
  opening.onupgradeneeded = () => {
    opening.result.createObjectStore(INDEX, { keyPath: ["model", "name"] });
    opening.result.createObjectStore(STATES);
  };
  const database = await asked(opening);
  try {
    const transaction = database.transaction([INDEX, STATES], mode);
    const ended = new Promise<void>((resolve, reject) => {
      transaction.oncomplete = () => resolve();
      transaction.onabort = () => reject(failed(transaction.error));
    });
    // Its failure is met below, or is the work's own.
    ended.catch(() => {});
    const out = await work(
      transaction.objectStore(INDEX),
      transaction.objectStore(STATES),
    );
    await ended;
    return out;
  } finally {
    database.close();
  }
}

export async function keepSession(
  model: string,
  name: string,
  state: Uint8Array<ArrayBuffer>,
): Promise<SavedSession> {
  const bytes = state.byteLength;
  if (bytes > MAX_BYTES) {
    throw new SmidgenError(
      "storage_quota",
      `the session has ${bytes} bytes, and at most ${MAX_BYTES} are kept: shorten the conversation`,
    );
  }
  const saved = { name, bytes, usedAt: Date.now() };
  return transact("readwrite", async (index, states) => {
    const others = ((await asked(index.getAll())) as Entry[])
      .filter((entry) => entry.model !== model || entry.name !== name)
      .sort((a, b) => a.usedAt - b.usedAt);
    let total = others.reduce((sum, entry) => sum + entry.bytes, bytes);
    for (const entry of others) {
      if (total <= MAX_BYTES) break;
      const key: Key = [entry.model, entry.name];
      index.delete(key);
      states.delete(key);
      total -= entry.bytes;
    }
    index.put({ model, ...saved } satisfies Entry);
    states.put(state, [model, name] satisfies Key);
    return saved;
  });
}

export async function readSession(
  model: string,
  name: string,
): Promise<Uint8Array> {
  const key: Key = [model, name];
  return transact("readwrite", async (index, states) => {
    const [entry, state] = await Promise.all([
      asked(index.get(key)) as Promise<Entry | undefined>,
      asked(states.get(key)) as Promise<Uint8Array | undefined>,
    ]);
    if (!entry || !state) {
      throw new SmidgenError(
        "session_not_stored",
        `there is no saved session ${JSON.stringify(name)} of this model; the least recently used ones leave when room is short`,
      );
    }
    index.put({ ...entry, usedAt: Date.now() });
    return state;
  });
}

export function listSessions(model: string): Promise<SavedSession[]> {
  return transact("readonly", async (index) => {
    const entries = (await asked(index.getAll())) as Entry[];
    return entries
      .filter((entry) => entry.model === model)
      .map(({ name, bytes, usedAt }) => ({ name, bytes, usedAt }));
  });
}

export function deleteSession(model: string, name: string): Promise<boolean> {
  const key: Key = [model, name];
  return transact("readwrite", async (index, states) => {
    const found = (await asked(index.getKey(key))) !== undefined;
    index.delete(key);
    states.delete(key);
    return found;
  });
}
