// What a storage back end keeps and does. Chunks are kept under their SHA-256; a file is a record that lists its chunks, and counts only once committed.

import { leavesSha256Of, sha256Of } from "../hash.ts";
import type { StorageKind } from "../types.ts";

/** Several are in memory at a time, which a phone must bear. */
const MAX_CHUNK_BYTES = 8 * 1024 * 1024;
/** Each costs a transaction and a hash. */
const MIN_CHUNK_BYTES = 256 * 1024;

/**
 * A power of two, so that revisions of nearly one size have equal chunks; about a 32nd of the file, which is what a
 * tab that dies loses of each connection.
 */
export function chunkBytesFor(totalBytes: number | undefined): number {
  if (totalBytes === undefined) return MAX_CHUNK_BYTES / 2;
  let bytes = MIN_CHUNK_BYTES;
  while (bytes < MAX_CHUNK_BYTES && bytes * 32 < totalBytes) bytes *= 2;
  return bytes;
}

/**
 * Browsers copy what they hash. Chromium takes fresh memory from the system for copies above 1 MB, which costs as much
 * as hashing; other engines hash several leaves at once.
 */
const LEAF_BYTES = 256 * 1024;

export type ChunkBytes = Uint8Array<ArrayBuffer>;

export interface ChunkRecord {
  bytes: number;
  /** Hexadecimal; what the chunk is kept under. */
  sha256: string;
  /** Where it is the hash of the hashes of leaves: how long they are. */
  leafBytes?: number;
}

export interface FileRecord {
  version: 2;
  /** What the file is asked for by: its address, or a name made of a local file's properties. */
  id: string;
  /** This attempt at storing the file: two attempts never mix. */
  generation: string;
  name: string;
  url?: string;
  etag?: string;
  lastModified?: string;
  totalBytes?: number;
  /** Of the whole file, where someone named it and it was checked. */
  sha256?: string;
  chunkBytes: number;
  /** By place in the file. Null, or behind the end: not durable yet. */
  chunks: (ChunkRecord | null)[];
  createdAt: number;
  lastUsedAt: number;
  /** Never deleted to make room. */
  pinned?: boolean;
}

export interface StorageBackEnd {
  readonly kind: StorageKind;
  /** Whether other tabs see the same files. */
  readonly shared: boolean;
  /** Every file that was committed. */
  listComplete(): Promise<FileRecord[]>;
  /** Every file whose download stopped on its way. */
  listPartial(): Promise<FileRecord[]>;
  complete(id: string): Promise<FileRecord | undefined>;
  partial(id: string): Promise<FileRecord | undefined>;
  /** Drops any other partial attempt at the same id. */
  begin(record: FileRecord): Promise<void>;
  /**
   * Stores a chunk and its entry in the partial record, both or neither, and resolves with the entry.
   * Rejects with `storage_lost` when the attempt was deleted meanwhile.
   */
  append(
    record: FileRecord,
    index: number,
    bytes: ChunkBytes,
  ): Promise<ChunkRecord>;
  /**
   * Makes `record`, which lists every chunk, complete in place of its partial attempt, and drops an older complete one
   * of the same id. Rejects with `storage_lost` as `append` does.
   */
  commit(record: FileRecord): Promise<void>;
  /** Makes a complete file partial again: `record` is it without its damaged chunks. */
  reopen(record: FileRecord): Promise<void>;
  /** Makes a record complete all of whose chunks are here already, for another file; false where one is not. */
  adopt(record: FileRecord): Promise<boolean>;
  /** The chunk's bytes, checked against its SHA-256, or what is wrong with them. They may lie in `spare`. */
  readChunk(
    chunk: ChunkRecord,
    spare?: ArrayBuffer,
  ): Promise<ChunkBytes | string>;
  /** Takes a buffer that nobody uses any more, for one of the next chunks. */
  giveBack?(buffer: ArrayBuffer): void;
  /** The bytes unchecked, where the back end can so that they cost no memory until they are read. */
  chunkBlob(chunk: ChunkRecord): Promise<Blob | undefined>;
  /** Puts a damaged chunk right, if a record still lists it. */
  repairChunk(chunk: ChunkRecord, bytes: ChunkBytes): Promise<void>;
  /** Changes a complete file's record; false when there is none. */
  update(
    id: string,
    change: { lastUsedAt?: number; pinned?: boolean },
  ): Promise<boolean>;
  /** Forgets a stopped download; a complete file of the same id stays. */
  dropPartial(id: string): Promise<void>;
  /** Complete and partial; false when there was neither. Chunks that another file lists stay. */
  delete(id: string): Promise<boolean>;
  close(): void;
}

/** The bytes that `read` finds, or what is wrong with them. */
export async function checked(
  expected: ChunkRecord,
  read: () => Promise<ChunkBytes | undefined>,
): Promise<ChunkBytes | string> {
  let bytes: ChunkBytes | undefined;
  try {
    bytes = await read();
  } catch (error) {
    return `cannot be read (${String(error)})`;
  }
  if (!bytes) return "is gone";
  if (bytes.length !== expected.bytes) {
    return `has ${bytes.length} bytes instead of ${expected.bytes}`;
  }
  if (!(await matches(expected, bytes))) {
    return "has another SHA-256 than when it was stored";
  }
  return bytes;
}

/** Whether these bytes are the chunk's. */
export async function matches(
  { sha256, leafBytes, ...chunk }: ChunkRecord,
  bytes: ChunkBytes,
): Promise<boolean> {
  if (bytes.length !== chunk.bytes) return false;
  const found =
    leafBytes === undefined
      ? await sha256Of(bytes)
      : await leavesSha256Of(bytes, leafBytes);
  return found === sha256;
}

export async function chunkOf(bytes: ChunkBytes): Promise<ChunkRecord> {
  if (bytes.length <= LEAF_BYTES) {
    return { bytes: bytes.length, sha256: await sha256Of(bytes) };
  }
  return {
    bytes: bytes.length,
    sha256: await leavesSha256Of(bytes, LEAF_BYTES),
    leafBytes: LEAF_BYTES,
  };
}

export function storedBytes(record: FileRecord): number {
  return record.chunks.reduce((sum, chunk) => sum + (chunk?.bytes ?? 0), 0);
}

/** Indices of the chunks that are not durable; undefined while the file's size is not known. */
export function missingChunks(record: FileRecord): number[] | undefined {
  if (record.totalBytes === undefined) return undefined;
  const count = Math.ceil(record.totalBytes / record.chunkBytes);
  return Array.from({ length: count }, (_, index) => index).filter(
    (index) => !record.chunks[index],
  );
}

/** The record with one more durable chunk. */
export function withChunk(
  record: FileRecord,
  index: number,
  chunk: ChunkRecord,
): FileRecord {
  const length = Math.max(record.chunks.length, index + 1);
  const chunks = Array.from({ length }, (_, at) =>
    at === index ? chunk : (record.chunks[at] ?? null),
  );
  return { ...record, chunks };
}

/** The hashes that these records list. */
export function hashesOf(records: FileRecord[]): Set<string> {
  return new Set(
    records.flatMap((record) =>
      record.chunks.flatMap((chunk) => (chunk ? [chunk.sha256] : [])),
    ),
  );
}
