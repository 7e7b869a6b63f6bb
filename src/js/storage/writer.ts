// Cuts a stream of bytes into chunks and stores them behind the stream's back, never more than two chunks late.

import { sha256Of } from "../hash.ts";
import { CHUNK_BYTES, type FileRecord, type StorageBackEnd } from "./types.ts";

/** Chunks on their way to storage while the next one fills: three times CHUNK_BYTES at most. */
const MAX_PENDING = 2;

export class FileWriter {
  readonly #storage: StorageBackEnd;
  #record: FileRecord;
  #filling: Uint8Array<ArrayBuffer> | undefined;
  #filled = 0;
  /** Settles when every chunk handed over so far is durable; rejects with the first failure. */
  #tail: Promise<void> = Promise.resolve();
  #pending: Promise<void>[] = [];
  #failure: unknown;

  /** `record` was begun, or is a partial one whose chunks stand. */
  constructor(storage: StorageBackEnd, record: FileRecord) {
    this.#storage = storage;
    this.#record = record;
  }

  /** The first thing that went wrong; nothing is written after it. */
  get failure(): unknown {
    return this.#failure;
  }

  /** Copies `bytes`. Waits only while two chunks are on their way. */
  async write(bytes: Uint8Array): Promise<void> {
    let at = 0;
    while (at < bytes.length && this.#failure === undefined) {
      this.#filling ??= new Uint8Array(this.#record.chunkBytes);
      const take = Math.min(
        bytes.length - at,
        this.#filling.length - this.#filled,
      );
      this.#filling.set(bytes.subarray(at, at + take), this.#filled);
      this.#filled += take;
      at += take;
      if (this.#filled === this.#filling.length) await this.#handOver();
    }
  }

  /** Waits for the full chunks under way; drops what does not fill one. */
  async settle(): Promise<void> {
    this.#filling = undefined;
    this.#filled = 0;
    await this.#tail.catch(() => {});
  }

  /** Stores the rest and makes the file complete. Rejects with the failure where there was one. */
  async commit(facts: {
    totalBytes: number;
    sha256?: string | undefined;
  }): Promise<FileRecord> {
    if (this.#filled > 0) await this.#handOver();
    await this.#tail;
    const { totalBytes, sha256 } = facts;
    this.#record = {
      ...this.#record,
      totalBytes,
      ...(sha256 === undefined ? {} : { sha256 }),
      lastUsedAt: Date.now(),
    };
    await this.#storage.commit(this.#record);
    return this.#record;
  }

  async #handOver(): Promise<void> {
    const chunk = this.#filling!.subarray(0, this.#filled);
    this.#filling = undefined;
    this.#filled = 0;
    const written = this.#tail.then(() => this.#append(chunk));
    this.#tail = written;
    const done: Promise<void> = written
      .catch((error: unknown) => {
        this.#failure ??= error;
      })
      .finally(() => {
        this.#pending = this.#pending.filter((entry) => entry !== done);
      });
    this.#pending.push(done);
    while (this.#pending.length >= MAX_PENDING) await this.#pending[0];
  }

  async #append(chunk: Uint8Array<ArrayBuffer>): Promise<void> {
    const entry = { bytes: chunk.length, sha256: await sha256Of(chunk) };
    const next = { ...this.#record, chunks: [...this.#record.chunks, entry] };
    await this.#storage.append(next, chunk);
    this.#record = next;
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
    version: 1,
    generation: `${now.toString(36)}-${a!.toString(36)}-${b!.toString(36)}`,
    chunkBytes: CHUNK_BYTES,
    chunks: [],
    createdAt: now,
    lastUsedAt: now,
  };
}
