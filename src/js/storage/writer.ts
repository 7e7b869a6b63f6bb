// Stores the chunks of one file behind the stream's back, in the order they come, and commits the file last.

import { SmidgenError } from "../errors.ts";
import {
  chunkBytesFor,
  missingChunks,
  withChunk,
  type ChunkBytes,
  type FileRecord,
  type StorageBackEnd,
} from "./types.ts";

/** What may be on its way to storage before those who bring it have to wait: storage is slow to start, and has fits of slowness. */
const MAX_PENDING_BYTES = 24 * 1024 * 1024;
const MIN_PENDING = 2;

/** Browsers give the room of what was deleted back late; in milliseconds. */
const ROOM_WAITS = [100, 1000, 3000];

export class FileWriter {
  readonly #storage: StorageBackEnd;
  readonly #makeRoom: ((bytes: number) => Promise<boolean>) | undefined;
  #record: FileRecord;
  /** Settles when every chunk handed over so far is durable; rejects with the first failure. */
  #tail: Promise<void>;
  #pending: Promise<void>[] = [];
  #failure: unknown;
  /** Something was deleted for the chunk under way. */
  #madeRoom = false;

  /**
   * `record` was begun, or is a partial one whose chunks stand, or will be once `begun` resolves; where that rejects
   * nothing is written. `makeRoom` is asked where a chunk finds the storage full; once it has resolved with true the
   * chunk is tried again.
   */
  constructor(
    storage: StorageBackEnd,
    record: FileRecord,
    makeRoom?: (bytes: number) => Promise<boolean>,
    begun: Promise<void> = Promise.resolve(),
  ) {
    this.#storage = storage;
    this.#record = record;
    this.#makeRoom = makeRoom;
    this.#tail = begun;
    // A commit after a failure reports it; nobody else need listen.
    this.#tail.catch(() => {});
  }

  /** The first thing that went wrong; nothing is written after it. */
  get failure(): unknown {
    return this.#failure;
  }

  /** Resolves when the bytes are durable, or have failed: they are the caller's again. Never rejects. */
  write(index: number, bytes: ChunkBytes): Promise<void> {
    if (this.#failure !== undefined) return Promise.resolve();
    const written = this.#tail.then(() => this.#append(index, bytes));
    this.#tail = written;
    const done: Promise<void> = written
      .catch((error: unknown) => {
        this.#failure ??= error;
      })
      .finally(() => {
        this.#pending = this.#pending.filter((entry) => entry !== done);
      });
    this.#pending.push(done);
    return done;
  }

  /** Resolves when few enough chunks are on their way to bring the next one. */
  async room(): Promise<void> {
    const most = Math.floor(MAX_PENDING_BYTES / this.#record.chunkBytes);
    while (this.#pending.length >= Math.max(MIN_PENDING, most)) {
      await this.#pending[0];
    }
  }

  /** Waits for the chunks under way. */
  async settle(): Promise<void> {
    await this.#tail.catch(() => {});
  }

  /** Makes the file complete. Rejects with the failure where there was one. */
  async commit(facts: {
    totalBytes: number;
    sha256?: string | undefined;
  }): Promise<FileRecord> {
    await this.#tail;
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
    for (const wait of [...ROOM_WAITS, undefined]) {
      try {
        const chunk = await this.#storage.append(this.#record, index, bytes);
        this.#record = withChunk(this.#record, index, chunk);
        break;
      } catch (error) {
        if ((error as Error)?.name !== "QuotaExceededError") throw error;
        this.#madeRoom ||= (await this.#makeRoom?.(bytes.length)) ?? false;
        if (!this.#madeRoom || wait === undefined) throw error;
        await new Promise((resolve) => setTimeout(resolve, wait));
      }
    }
    this.#madeRoom = false;
  }
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
