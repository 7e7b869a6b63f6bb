// How much room there is, what a model needs of it, and which models could go: least recently used first, never a pinned one.

import type { DeletableModel, StorageEstimate, StoredModel } from "../types.ts";
import { within } from "./patient.ts";
import {
  storedBytes,
  type ChunkRecord,
  type FileRecord,
  type StorageBackEnd,
} from "./types.ts";

const ESTIMATE_MS = 5000;

export async function listModels(
  storage: StorageBackEnd,
): Promise<StoredModel[]> {
  const { complete, partial } = await records(storage);
  return [
    ...complete.map((record) => describe(record, true)),
    ...partial.map((record) => describe(record, false)),
  ].sort((a, b) => b.lastUsedAt - a.lastUsedAt);
}

/** Not listed: a partial copy of a complete model, which is a replacement under way, and one that has no chunk yet. */
async function records(
  storage: StorageBackEnd,
): Promise<{ complete: FileRecord[]; partial: FileRecord[] }> {
  const complete = await storage.listComplete();
  const have = new Set(complete.map((record) => record.id));
  const partial = (await storage.listPartial()).filter(
    (record) => !have.has(record.id) && storedBytes(record) > 0,
  );
  return { complete, partial };
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
    pinned: record.pinned ?? false,
    ...(sha256 === undefined ? {} : { sha256 }),
    createdAt,
    lastUsedAt,
  };
}

/** With `wanted`, also whether that model fits. */
export async function estimate(
  storage: StorageBackEnd | undefined,
  wanted?: { id: string; totalBytes: number | undefined },
): Promise<StorageEstimate> {
  const complete = (await storage?.listComplete()) ?? [];
  const partial = (await storage?.listPartial()) ?? [];
  const { usage, quota } = await browserEstimate();
  const modelBytes = sizeOf(chunksOf([...complete, ...partial]));
  // Chromium counts files with synchronous access late.
  const free = leftOf(quota, Math.max(usage ?? 0, modelBytes));
  const deletable = storage ? await deletableModels(storage, wanted?.id) : [];
  const shared = {
    usageBytes: usage,
    quotaBytes: quota,
    freeBytes: free,
    modelBytes,
    deletable,
    persisted: (await globalThis.navigator?.storage?.persisted?.()) ?? false,
  };
  if (!wanted) return shared;
  const have = complete.find((record) => record.id === wanted.id);
  if (have) return { ...shared, neededBytes: 0, fits: true };
  if (wanted.totalBytes === undefined) return shared;
  const begun = partial.find((record) => record.id === wanted.id);
  const neededBytes = Math.max(
    0,
    wanted.totalBytes - (begun ? storedBytes(begun) : 0),
  );
  return {
    ...shared,
    neededBytes,
    ...(free === undefined ? {} : { fits: neededBytes <= free }),
  };
}

/** Least recently used first; the bytes are what deleting this model alone would free. */
export async function deletableModels(
  storage: StorageBackEnd,
  except?: string,
): Promise<DeletableModel[]> {
  const { complete, partial } = await records(storage);
  const all = [...complete, ...partial];
  return all
    .filter((record) => record.id !== except && !record.pinned)
    .sort((a, b) => a.lastUsedAt - b.lastUsedAt)
    .map((record) => {
      const { id, name, lastUsedAt } = record;
      const kept = chunksOf(all.filter((other) => other !== record));
      const own = [...chunksOf([record])].filter(([hash]) => !kept.has(hash));
      return { id, name, bytes: sizeOf(new Map(own)), lastUsedAt };
    });
}

/** Deletes models, least recently used first, until so many bytes are gone; the names of those deleted. */
export async function deleteOldest(
  storage: StorageBackEnd,
  bytes: number,
  except: string,
): Promise<string[]> {
  const names: string[] = [];
  for (let freed = 0; freed < bytes;) {
    // Asked anew each time: what two models share is freed with the second.
    const [oldest] = await deletableModels(storage, except);
    if (!oldest) break;
    await storage.delete(oldest.id);
    names.push(oldest.name);
    freed += oldest.bytes;
  }
  return names;
}

/** Bytes that the browser says are left for this origin; undefined where it does not say. */
export async function freeBytes(): Promise<number | undefined> {
  const { usage, quota } = await browserEstimate();
  return usage === undefined ? undefined : leftOf(quota, usage);
}

function leftOf(quota: number | undefined, used: number): number | undefined {
  return quota === undefined ? undefined : Math.max(0, quota - used);
}

function chunksOf(records: FileRecord[]): Map<string, ChunkRecord> {
  return new Map(
    records.flatMap((record) =>
      record.chunks.flatMap((chunk) => (chunk ? [[chunk.sha256, chunk]] : [])),
    ),
  );
}

function sizeOf(chunks: Map<string, ChunkRecord>): number {
  let sum = 0;
  for (const { bytes } of chunks.values()) sum += bytes;
  return sum;
}

async function browserEstimate(): Promise<{
  usage: number | undefined;
  quota: number | undefined;
}> {
  const asked = globalThis.navigator?.storage?.estimate?.();
  // Not known is no reason not to try.
  const given =
    asked &&
    (await within(ESTIMATE_MS, asked, "no estimate").catch(() => undefined));
  return { usage: given?.usage, quota: given?.quota };
}
