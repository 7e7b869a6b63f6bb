// Reads a stored file chunk by chunk, each checked against its SHA-256, the next fetched while the caller uses the last.

import { SmidgenError } from "../errors.ts";
import { sha256Of } from "../hash.ts";
import type { FileRecord, StorageBackEnd } from "./types.ts";

/** Two chunks in memory at most. Throws `storage_corrupt` where a chunk is gone or differs. */
export async function* readFile(
  storage: StorageBackEnd,
  record: FileRecord,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
  const count = record.chunks.length;
  const read = (index: number) => {
    const chunk = readChecked(storage, record, index);
    // It may fail before anyone waits for it.
    chunk.catch(() => {});
    return chunk;
  };
  let next = count > 0 ? read(0) : undefined;
  for (let index = 0; index < count; index++) {
    const chunk = await next!;
    next = index + 1 < count ? read(index + 1) : undefined;
    yield chunk;
  }
}

async function readChecked(
  storage: StorageBackEnd,
  record: FileRecord,
  index: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const expected = record.chunks[index]!;
  let unreadable: unknown;
  const chunk = await storage
    .readChunk(record, index)
    .catch((error: unknown) => {
      unreadable = error;
      return undefined;
    });
  const problem =
    chunk === undefined
      ? unreadable === undefined
        ? "is gone"
        : `cannot be read (${String(unreadable)})`
      : chunk.length !== expected.bytes
        ? `has ${chunk.length} bytes instead of ${expected.bytes}`
        : (await sha256Of(chunk)) !== expected.sha256
          ? "has another SHA-256 than when it was stored"
          : undefined;
  if (problem !== undefined) {
    throw new SmidgenError(
      "storage_corrupt",
      `the stored copy of ${record.name} is damaged: chunk ${index + 1} of ${record.chunks.length} ${problem}`,
      { details: { id: record.id, chunk: index } },
    );
  }
  return chunk!;
}
