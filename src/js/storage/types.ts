// What a storage back end keeps and does. A file is chunks of one size and one record, and counts only once committed.

import type { StorageKind } from "../types.ts";

/** Large enough that a model is a few dozen transactions, small enough that three in flight fit a phone. */
export const CHUNK_BYTES = 16 * 1024 * 1024;

export interface ChunkRecord {
  bytes: number;
  /** Hexadecimal. */
  sha256: string;
}

export interface FileRecord {
  version: 1;
  /** What the file is asked for by: its address, or a name made of a local file's properties. */
  id: string;
  /** This attempt at storing the file; its chunks are kept under it, so that two attempts never mix. */
  generation: string;
  name: string;
  url?: string;
  etag?: string;
  lastModified?: string;
  totalBytes?: number;
  /** Of the whole file, where the caller named it and it was checked. */
  sha256?: string;
  chunkBytes: number;
  /** The durable chunks, in order. */
  chunks: ChunkRecord[];
  createdAt: number;
  lastUsedAt: number;
}

export interface StorageBackEnd {
  readonly kind: StorageKind;
  /** Every file that was committed. */
  listComplete(): Promise<FileRecord[]>;
  /** Every file whose download stopped on its way. */
  listPartial(): Promise<FileRecord[]>;
  complete(id: string): Promise<FileRecord | undefined>;
  partial(id: string): Promise<FileRecord | undefined>;
  /** Drops any other partial attempt at the same id. */
  begin(record: FileRecord): Promise<void>;
  /**
   * Stores chunk `record.chunks.length - 1` and the record that counts it: both or neither.
   * Rejects with `storage_lost` when the attempt was deleted meanwhile.
   */
  append(record: FileRecord, bytes: Uint8Array<ArrayBuffer>): Promise<void>;
  /** Makes a file complete, and drops an older complete one of the same id. */
  commit(record: FileRecord): Promise<void>;
  /** Undefined where the chunk is gone. */
  readChunk(
    record: FileRecord,
    index: number,
  ): Promise<Uint8Array<ArrayBuffer> | undefined>;
  /** Notes that a complete file was used. */
  touch(id: string, lastUsedAt: number): Promise<void>;
  /** Forgets a stopped download; a complete file of the same id stays. */
  dropPartial(id: string): Promise<void>;
  /** Complete and partial; false when there was neither. */
  delete(id: string): Promise<boolean>;
}

export function storedBytes(record: FileRecord): number {
  return record.chunks.reduce((sum, chunk) => sum + chunk.bytes, 0);
}
