// The storage back ends, one row each, chosen by trying them.

import type { StorageChoice, StorageEstimate, StoredModel } from "../types.ts";
import { IndexedDbStorage } from "./indexeddb.ts";
import { MemoryStorage } from "./memory.ts";
import { storedBytes, type FileRecord, type StorageBackEnd } from "./types.ts";

interface Row {
  open(): Promise<StorageBackEnd>;
  /** Part of `"auto"`. */
  lasting: boolean;
}

const BACK_ENDS: Record<Exclude<StorageChoice, "auto">, Row> = {
  indexeddb: { open: () => IndexedDbStorage.open(), lasting: true },
  memory: { open: async () => new MemoryStorage(), lasting: false },
};

/** Undefined where the wanted back end does not work here; `reason` tells why. */
export async function openStorage(
  choice: StorageChoice,
): Promise<{ storage: StorageBackEnd | undefined; reason?: unknown }> {
  const rows =
    choice === "auto"
      ? Object.values(BACK_ENDS).filter((row) => row.lasting)
      : [BACK_ENDS[choice]];
  let reason: unknown;
  for (const row of rows) {
    try {
      return { storage: await row.open() };
    } catch (error) {
      reason = error;
    }
  }
  return { storage: undefined, reason };
}

export async function listModels(
  storage: StorageBackEnd,
): Promise<StoredModel[]> {
  const complete = await storage.listComplete();
  const have = new Set(complete.map((record) => record.id));
  // A partial copy of a complete model is a replacement under way.
  const partial = (await storage.listPartial()).filter(
    (record) => !have.has(record.id),
  );
  return [
    ...complete.map((record) => describe(record, true)),
    ...partial.map((record) => describe(record, false)),
  ].sort((a, b) => b.lastUsedAt - a.lastUsedAt);
}

function describe(record: FileRecord, complete: boolean): StoredModel {
  const { id, name, url, totalBytes, sha256, createdAt, lastUsedAt } = record;
  return {
    id,
    name,
    ...(url === undefined ? {} : { url }),
    storedBytes: storedBytes(record),
    ...(totalBytes === undefined ? {} : { totalBytes }),
    complete,
    ...(sha256 === undefined ? {} : { sha256 }),
    createdAt,
    lastUsedAt,
  };
}

export async function estimate(
  storage: StorageBackEnd | undefined,
): Promise<StorageEstimate> {
  const records = storage
    ? [...(await storage.listComplete()), ...(await storage.listPartial())]
    : [];
  const { usage, quota } = await browserEstimate();
  return {
    usageBytes: usage,
    quotaBytes: quota,
    modelBytes: records.reduce((sum, record) => sum + storedBytes(record), 0),
    persisted: (await globalThis.navigator?.storage?.persisted?.()) ?? false,
  };
}

/** Bytes that the browser says are left for this origin; undefined where it does not say. */
export async function freeBytes(): Promise<number | undefined> {
  const { usage, quota } = await browserEstimate();
  if (usage === undefined || quota === undefined) return undefined;
  return Math.max(0, quota - usage);
}

async function browserEstimate(): Promise<{
  usage: number | undefined;
  quota: number | undefined;
}> {
  const given = await globalThis.navigator?.storage
    ?.estimate?.()
    .catch(() => undefined);
  return { usage: given?.usage, quota: given?.quota };
}
