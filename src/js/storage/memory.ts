// A storage back end that lasts as long as the worker: the reference the others are tested against, and a choice for those who want nothing kept.

import { SmidgenError } from "../errors.ts";
import type { FileRecord, StorageBackEnd } from "./types.ts";

export class MemoryStorage implements StorageBackEnd {
  readonly kind = "memory";
  readonly #complete = new Map<string, FileRecord>();
  readonly #partial = new Map<string, FileRecord>();
  /** By generation. */
  readonly #chunks = new Map<string, Uint8Array<ArrayBuffer>[]>();

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
    const older = this.#partial.get(record.id);
    if (older) this.#chunks.delete(older.generation);
    this.#partial.set(record.id, copy(record));
    this.#chunks.set(record.generation, []);
  }

  async append(
    record: FileRecord,
    bytes: Uint8Array<ArrayBuffer>,
  ): Promise<void> {
    const held = this.#partial.get(record.id);
    if (held?.generation !== record.generation) throw lost(record.id);
    this.#chunks.get(record.generation)!.push(bytes.slice());
    this.#partial.set(record.id, copy(record));
  }

  async commit(record: FileRecord): Promise<void> {
    const held = this.#partial.get(record.id);
    if (held?.generation !== record.generation) throw lost(record.id);
    const older = this.#complete.get(record.id);
    if (older) this.#chunks.delete(older.generation);
    this.#partial.delete(record.id);
    this.#complete.set(record.id, copy(record));
  }

  async readChunk(
    record: FileRecord,
    index: number,
  ): Promise<Uint8Array<ArrayBuffer> | undefined> {
    return this.#chunks.get(record.generation)?.[index]?.slice();
  }

  async touch(id: string, lastUsedAt: number): Promise<void> {
    const record = this.#complete.get(id);
    if (record) record.lastUsedAt = lastUsedAt;
  }

  async dropPartial(id: string): Promise<void> {
    const record = this.#partial.get(id);
    if (!record) return;
    this.#partial.delete(id);
    this.#chunks.delete(record.generation);
  }

  async delete(id: string): Promise<boolean> {
    let found = false;
    for (const records of [this.#complete, this.#partial]) {
      const record = records.get(id);
      if (!record) continue;
      found = true;
      records.delete(id);
      this.#chunks.delete(record.generation);
    }
    return found;
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
