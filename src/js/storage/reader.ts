// Reads stored chunks, each checked against its SHA-256, the next fetched while the caller uses the last. A bad one is fetched again alone where it can be.

import { SmidgenError } from "../errors.ts";
import { matches, type FileRecord, type StorageBackEnd } from "./types.ts";

export interface Source {
  storage: StorageBackEnd;
  record: FileRecord;
  /** The chunk's bytes from where the file came from. What does not hash to the chunk's SHA-256 is not used. */
  refetch?: (start: number, length: number) => Promise<Uint8Array<ArrayBuffer>>;
  /** A chunk was bad and is right again. */
  onRepair?: (problem: SmidgenError) => void;
}

/** Chunks asked for before the one in use is used up: then storage always has something to do. */
const AHEAD = 2;

/**
 * Three chunks in memory at most; one that was handed out is used up when the next is asked for. Throws
 * `storage_corrupt` where a chunk is gone or differs and stays so.
 */
export async function* readFile(
  source: Source,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
  const count = source.record.chunks.length;
  const coming: Promise<Uint8Array<ArrayBuffer>>[] = [];
  let asked = 0;
  const ask = () => {
    while (asked < count && coming.length < AHEAD) {
      const chunk = readChunk(source, asked++);
      // It may fail before anyone waits for it.
      chunk.catch(() => {});
      coming.push(chunk);
    }
  };
  ask();
  for (let next; (next = coming.shift());) {
    const chunk = await next;
    ask();
    yield chunk;
    source.storage.giveBack?.(chunk.buffer);
  }
}

/** One durable chunk of the record. Throws `storage_failed` where the store itself does not work. */
export async function readChunk(
  source: Source,
  index: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const { storage, record, refetch, onRepair } = source;
  const chunk = record.chunks[index]!;
  const held = await storage.readChunk(chunk).catch((error: unknown) => {
    throw new SmidgenError(
      "storage_failed",
      `the stored copy of ${record.name} cannot be read (${(error as Error).message})`,
      { cause: error, details: { id: record.id, chunk: index } },
    );
  });
  if (typeof held !== "string") return held;
  const problem = new SmidgenError(
    "storage_corrupt",
    `the stored copy of ${record.name} is damaged: chunk ${index + 1} of ${record.chunks.length} ${held}`,
    { details: { id: record.id, chunk: index } },
  );
  const fresh = await refetch?.(index * record.chunkBytes, chunk.bytes).catch(
    () => undefined,
  );
  if (!fresh || !(await matches(chunk, fresh))) throw problem;
  // A store that cannot be put right is met again at the next load.
  await storage.repairChunk(chunk, fresh).catch(() => {});
  onRepair?.(problem);
  return fresh;
}
