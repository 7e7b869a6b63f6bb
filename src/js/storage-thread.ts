// The storage thread of an engine's worker: hashes, reads and writes the chunks that the worker asks for.

import { openStorage } from "./storage/index.ts";
import type { StorageBackEnd } from "./storage/types.ts";
import {
  toStorageWire,
  type FromStorage,
  type ToStorage,
} from "./storage/wire.ts";
import type { StorageChoice } from "./types.ts";

const scope = globalThis as unknown as {
  onmessage: ((message: MessageEvent<ToStorage>) => void) | null;
  postMessage(message: FromStorage, transfer?: Transferable[]): void;
};

let storage: StorageBackEnd | undefined;
/** What is under way. */
const running = new Set<Promise<unknown>>();

async function open(choice: StorageChoice): Promise<void> {
  const opened = await openStorage(choice);
  if (!opened.storage) throw opened.reason;
  storage = opened.storage;
}

async function answer({ name, args }: ToStorage): Promise<unknown> {
  if (name === "open") return open(args[0] as StorageChoice);
  if (!storage) throw new Error("no storage is open");
  if (name === "close") {
    await Promise.allSettled(running);
    storage.close();
    return undefined;
  }
  const method = storage[name] as (...args: unknown[]) => Promise<unknown>;
  return method.apply(storage, args);
}

scope.onmessage = async ({ data }) => {
  const { id, name, args } = data;
  const work = answer(data);
  if (name !== "close") running.add(work);
  const given = args.find((value) => value instanceof Uint8Array)?.buffer;
  let lent = given ?? args.find((value) => value instanceof ArrayBuffer);
  try {
    const value = await work;
    const transfer: Transferable[] = [];
    if (value instanceof Uint8Array) {
      transfer.push(value.buffer);
      if (lent === value.buffer) lent = undefined;
    }
    if (lent) transfer.push(lent as ArrayBuffer);
    const message = { id, value, lent: lent as ArrayBuffer | undefined };
    scope.postMessage(message, transfer);
  } catch (error) {
    scope.postMessage({ id, error: toStorageWire(error) });
  } finally {
    running.delete(work);
  }
};

scope.postMessage({ type: "ready" });
