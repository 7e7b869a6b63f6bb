// Stores the chunks of one file behind the stream's back, two at a time, and commits the file last.

import { SmidgenError } from "../errors.ts";
import {
  chunkBytesFor,
  missingChunks,
  withChunk,
  type ChunkBytes,
  type FileRecord,
  type StorageBackEnd,
} from "./types.ts";

/** Chunks that are stored at a time: one is hashed and written while the other is being listed. */
const TOGETHER = 2;
/** Chunks on their way to storage before those who bring them have to wait. */
const MAX_PENDING = TOGETHER + 1;

/** Browsers give the room of what was deleted back late; in milliseconds. */
const ROOM_WAITS = [100, 1000, 3000];

export class FileWriter {
  readonly #storage: StorageBackEnd;
  readonly #makeRoom: ((bytes: number) => Promise<boolean>) | undefined;
  #record: FileRecord;
  /** Settle when the last chunks handed over have, each for one of those that may be stored at a time. */
  #turns: Promise<void>[] = Array.from({ length: TOGETHER }, () =>
    Promise.resolve(),
  );
  #pending: Promise<void>[] = [];
  #failure: unknown;
  /** How often something was deleted for a chunk. */
  #rooms = 0;
  /** One at a time: what is deleted for one chunk may do for another that found the storage full meanwhile. */
  #makingRoom: Promise<unknown> = Promise.resolve();

  /**
   * `record` was begun, or is a partial one whose chunks stand. `makeRoom` is asked where a chunk finds the storage full;
   * once it has resolved with true the chunk is tried again.
   */
  constructor(
    storage: StorageBackEnd,
    record: FileRecord,
    makeRoom?: (bytes: number) => Promise<boolean>,
  ) {
    this.#storage = storage;
    this.#record = record;
    this.#makeRoom = makeRoom;
  }

  /** The first thing that went wrong; nothing is written after it. */
  get failure(): unknown {
    return this.#failure;
  }

  /** Resolves when the bytes are durable, or have failed: they are the caller's again. Never rejects. */
  write(index: number, bytes: ChunkBytes): Promise<void> {
    if (this.#failure !== undefined) return Promise.resolve();
    const done: Promise<void> = this.#turns
      .shift()!
      .then(async () => {
        if (this.#failure === undefined) await this.#append(index, bytes);
      })
      .catch((error: unknown) => {
        this.#failure ??= error;
      })
      .finally(() => {
        this.#pending = this.#pending.filter((entry) => entry !== done);
      });
    this.#turns.push(done);
    this.#pending.push(done);
    return done;
  }

  /** Resolves when few enough chunks are on their way to bring the next one. */
  async room(): Promise<void> {
    while (this.#pending.length >= MAX_PENDING) await this.#pending[0];
  }

  /** Waits for the chunks under way. */
  async settle(): Promise<void> {
    await Promise.all(this.#pending);
  }

  /** Makes the file complete. Rejects with the failure where there was one. */
  async commit(facts: {
    totalBytes: number;
    sha256?: string | undefined;
  }): Promise<FileRecord> {
    await this.settle();
    if (this.#failure !== undefined) throw this.#failure;
    const { totalBytes, sha256 } = facts;
    const record: FileRecord = {
      ...this.#record,
      totalBytes,
      ...(sha256 === undefined ? {} : { sha256 }),
      lastUsedAt: Date.now(),
    };
    const missing = missingChunks(record)!;
    if (missing.length > 0) {
      throw new SmidgenError(
        "storage_failed",
        `chunk ${missing[0]! + 1} of ${record.name} was never stored`,
      );
    }
    await this.#storage.commit(record);
    this.#record = record;
    return record;
  }

  async #append(index: number, bytes: ChunkBytes): Promise<void> {
    const rooms = this.#rooms;
    try {
      await this.#store(index, bytes);
    } catch (error) {
      if (!isFull(error)) throw error;
      const stored = this.#makingRoom.then(() =>
        this.#storeInRoom(index, bytes, { rooms, error }),
      );
      this.#makingRoom = stored.catch(() => {});
      await stored;
    }
  }

  async #store(index: number, bytes: ChunkBytes): Promise<void> {
    const chunk = await this.#storage.append(this.#record, index, bytes);
    this.#record = withChunk(this.#record, index, chunk);
  }

  /** `found`: what the chunk met, and how often room had been made before it. */
  async #storeInRoom(
    index: number,
    bytes: ChunkBytes,
    found: { rooms: number; error: unknown },
  ): Promise<void> {
    let { rooms, error } = found;
    let asked = false;
    for (const wait of ROOM_WAITS) {
      if (this.#rooms === rooms && !asked) {
        asked = true;
        if (!(await this.#makeRoom?.(bytes.length))) throw error;
        this.#rooms += 1;
      }
      await new Promise((resolve) => setTimeout(resolve, wait));
      // Room that was made for another chunk may not do.
      rooms = this.#rooms;
      try {
        return await this.#store(index, bytes);
      } catch (again) {
        if (!isFull(again)) throw again;
        error = again;
      }
    }
    throw error;
  }
}

function isFull(error: unknown): boolean {
  return (error as Error)?.name === "QuotaExceededError";
}

export function newRecord(facts: {
  id: string;
  name: string;
  url?: string | undefined;
  etag?: string | undefined;
  lastModified?: string | undefined;
  totalBytes?: number | undefined;
}): FileRecord {
  const now = Date.now();
  const [a, b] = crypto.getRandomValues(new Uint32Array(2));
  const present = Object.fromEntries(
    Object.entries(facts).filter(([, value]) => value !== undefined),
  );
  return {
    id: facts.id,
    name: facts.name,
    ...present,
    version: 2,
    generation: `${now.toString(36)}-${a!.toString(36)}-${b!.toString(36)}`,
    chunkBytes: chunkBytesFor(facts.totalBytes),
    chunks: [],
    createdAt: now,
    lastUsedAt: now,
  };
}
