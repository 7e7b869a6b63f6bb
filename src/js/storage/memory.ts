// A storage back end that lasts as long as the worker: the reference the others are tested against, and a choice for those who want nothing kept.

import { SmidgenError } from "../errors.ts";
import {
  checked,
  chunkOf,
  hashesOf,
  withChunk,
  type ChunkBytes,
  type ChunkRecord,
  type FileRecord,
  type StorageBackEnd,
} from "./types.ts";

export class MemoryStorage implements StorageBackEnd {
  readonly kind = "memory";
  readonly shared = false;
  readonly #complete = new Map<string, FileRecord>();
  readonly #partial = new Map<string, FileRecord>();
  /** By SHA-256. */
  readonly #chunks = new Map<string, ChunkBytes>();

  async listComplete(): Promise<FileRecord[]> {
    return [...this.#complete.values()].map(copy);
  }

  async listPartial(): Promise<FileRecord[]> {
    return [...this.#partial.values()].map(copy);
  }

  async complete(id: string): Promise<FileRecord | undefined> {
    return copy(this.#complete.get(id));
  }

  async partial(id: string): Promise<FileRecord | undefined> {
    return copy(this.#partial.get(id));
  }

  async begin(record: FileRecord): Promise<void> {
    this.#partial.set(record.id, copy(record));
    this.#sweep();
  }

  async append(
    record: FileRecord,
    index: number,
    bytes: ChunkBytes,
  ): Promise<ChunkRecord> {
    const chunk = await chunkOf(bytes);
    const held = this.#attempt(record);
    this.#chunks.set(chunk.sha256, bytes.slice());
    this.#partial.set(record.id, withChunk(held, index, chunk));
    return chunk;
  }

  async commit(record: FileRecord): Promise<void> {
    this.#attempt(record);
    this.#partial.delete(record.id);
    this.#complete.set(record.id, copy(record));
    this.#sweep();
  }

  async reopen(record: FileRecord): Promise<void> {
    if (!this.#complete.delete(record.id)) return;
    this.#partial.set(record.id, copy(record));
    this.#sweep();
  }

  async adopt(record: FileRecord): Promise<boolean> {
    for (const sha256 of hashesOf([record])) {
      if (!this.#chunks.has(sha256)) return false;
    }
    this.#partial.delete(record.id);
    this.#complete.set(record.id, copy(record));
    this.#sweep();
    return true;
  }

  readChunk(chunk: ChunkRecord): Promise<ChunkBytes | string> {
    return checked(chunk, async () => this.#chunks.get(chunk.sha256)?.slice());
  }

  async chunkBlob(chunk: ChunkRecord): Promise<Blob | undefined> {
    const bytes = this.#chunks.get(chunk.sha256);
    return bytes && new Blob([bytes]);
  }

  async repairChunk({ sha256 }: ChunkRecord, bytes: ChunkBytes): Promise<void> {
    if (this.#listed().has(sha256)) this.#chunks.set(sha256, bytes.slice());
  }

  async update(
    id: string,
    change: { lastUsedAt?: number; pinned?: boolean },
  ): Promise<boolean> {
    const record = this.#complete.get(id);
    if (record) Object.assign(record, change);
    return record !== undefined;
  }

  async dropPartial(id: string): Promise<void> {
    this.#partial.delete(id);
    this.#sweep();
  }

  async delete(id: string): Promise<boolean> {
    const complete = this.#complete.delete(id);
    const partial = this.#partial.delete(id);
    this.#sweep();
    return complete || partial;
  }

  close(): void {}

  #attempt(record: FileRecord): FileRecord {
    const held = this.#partial.get(record.id);
    if (held?.generation !== record.generation) throw lost(record.id);
    return held;
  }

  #listed(): Set<string> {
    return hashesOf([...this.#complete.values(), ...this.#partial.values()]);
  }

  #sweep(): void {
    const listed = this.#listed();
    for (const sha256 of this.#chunks.keys()) {
      if (!listed.has(sha256)) this.#chunks.delete(sha256);
    }
  }
}

export function lost(id: string): SmidgenError {
  return new SmidgenError(
    "storage_lost",
    `the stored part of ${id} was deleted while it was being written`,
  );
}

function copy<T extends FileRecord | undefined>(record: T): T {
  return structuredClone(record);
}
