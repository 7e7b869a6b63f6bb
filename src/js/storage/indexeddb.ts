// Models in IndexedDB: the one store that every browser engine has, private windows and embedded views included.
// New chunks lie there too or, for the back end "opfs", in files; chunks are found in both, whichever back end wrote them.

import type { StorageKind } from "../types.ts";
import { ChunkFiles } from "./chunk-files.ts";
import { lost } from "./memory.ts";
import { CHUNKS, COMPLETE, PARTIAL, upgrade, VERSION } from "./schema.ts";
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

const OPEN_MS = 5000;

export class IndexedDbStorage implements StorageBackEnd {
  readonly kind: StorageKind;
  readonly shared = true;
  readonly #database: IDBDatabase;
  readonly #files: ChunkFiles;
  /** Asked only by those who write: a visit that finds its model should not wait for it. */
  #blobs: Promise<boolean> | undefined;

  private constructor(
    database: IDBDatabase,
    files: ChunkFiles,
    kind: StorageKind,
  ) {
    this.#database = database;
    this.#files = files;
    this.kind = kind;
    // Another tab with newer code may upgrade; calls made after that fail and the caller goes on without storage.
    database.onversionchange = () => database.close();
  }

  /** Rejects where IndexedDB is missing or refuses to work; with files for new chunks, also where those do. */
  static async open(
    name = "smidgen",
    kind: "indexeddb" | "opfs" = "indexeddb",
  ): Promise<IndexedDbStorage> {
    if (kind === "indexeddb") {
      const database = await openDatabase(name);
      return new IndexedDbStorage(database, new ChunkFiles(name), kind);
    }
    if (!ChunkFiles.offered()) {
      throw new Error("this browser has no files with synchronous access");
    }
    const opening = openDatabase(name);
    // It may fail before anyone waits for it.
    opening.catch(() => {});
    const files = await ChunkFiles.open(name);
    return new IndexedDbStorage(await opening, files, kind);
  }

  close(): void {
    this.#database.close();
  }

  listComplete(): Promise<FileRecord[]> {
    return this.#read(COMPLETE, (store) => store.getAll());
  }

  listPartial(): Promise<FileRecord[]> {
    return this.#read(PARTIAL, (store) => store.getAll());
  }

  complete(id: string): Promise<FileRecord | undefined> {
    return this.#read(COMPLETE, (store) => store.get(id));
  }

  partial(id: string): Promise<FileRecord | undefined> {
    return this.#read(PARTIAL, (store) => store.get(id));
  }

  async begin(record: FileRecord): Promise<void> {
    await this.#write([COMPLETE, PARTIAL, CHUNKS], (transaction) => {
      const partial = transaction.objectStore(PARTIAL);
      const older = partial.get(record.id);
      older.onsuccess = () => {
        partial.put(record);
        sweep(transaction, [older.result as FileRecord | undefined]);
      };
    });
    // Who begins has bytes coming.
    void this.#sweepFiles();
  }

  async append(
    record: FileRecord,
    index: number,
    bytes: ChunkBytes,
  ): Promise<ChunkRecord> {
    const chunk = await chunkOf(bytes);
    // Also where the hash is known already: what stands under it may be damaged.
    await this.#place(chunk.sha256, bytes, (put) =>
      this.#write([PARTIAL, CHUNKS], (transaction, fail) => {
        const partial = transaction.objectStore(PARTIAL);
        const held = partial.get(record.id);
        held.onsuccess = () => {
          const found = held.result as FileRecord | undefined;
          if (found?.generation !== record.generation) {
            fail(lost(record.id));
            return;
          }
          put(transaction.objectStore(CHUNKS));
          partial.put(withChunk(found, index, chunk));
        };
      }),
    );
    return chunk;
  }

  async commit(record: FileRecord): Promise<void> {
    await this.#write(
      [COMPLETE, PARTIAL, CHUNKS],
      (transaction, fail) => {
        const held = transaction.objectStore(PARTIAL).get(record.id);
        held.onsuccess = () => {
          const { generation } = (held.result ?? {}) as Partial<FileRecord>;
          if (generation !== record.generation) fail(lost(record.id));
          else finish(transaction, record);
        };
      },
      "strict",
    );
    await this.#sweepFiles();
  }

  async reopen(record: FileRecord): Promise<void> {
    await this.#write([COMPLETE, PARTIAL, CHUNKS], (transaction) => {
      const complete = transaction.objectStore(COMPLETE);
      const older = complete.get(record.id);
      older.onsuccess = () => {
        if (!older.result) return;
        complete.delete(record.id);
        transaction.objectStore(PARTIAL).put(record);
        sweep(transaction, [older.result as FileRecord]);
      };
    });
    await this.#sweepFiles();
  }

  async adopt(record: FileRecord): Promise<boolean> {
    const adopt = async () => this.#adopt(record, await this.#files.names());
    const adopted = ChunkFiles.offered()
      ? await this.#files.guarded(adopt)
      : await adopt();
    if (adopted) await this.#sweepFiles();
    return adopted;
  }

  async #adopt(record: FileRecord, files: Set<string>): Promise<boolean> {
    let missing = false;
    await this.#write(
      [COMPLETE, PARTIAL, CHUNKS],
      (transaction) => {
        const chunks = transaction.objectStore(CHUNKS);
        const hashes = [...hashesOf([record])].filter(
          (sha256) => !files.has(sha256),
        );
        const next = () => {
          const sha256 = hashes.pop();
          if (sha256 === undefined) {
            finish(transaction, record);
            return;
          }
          const key = chunks.getKey(sha256);
          key.onsuccess = () => {
            if (key.result === undefined) missing = true;
            else next();
          };
        };
        next();
      },
      "strict",
    );
    return !missing;
  }

  readChunk(
    chunk: ChunkRecord,
    spare?: ArrayBuffer,
  ): Promise<ChunkBytes | string> {
    return checked(chunk, () => this.#find(chunk.sha256, spare));
  }

  async #find(
    sha256: string,
    spare: ArrayBuffer | undefined,
  ): Promise<ChunkBytes | undefined> {
    let failure: unknown;
    const inFile = () =>
      this.#files.read(sha256, spare).catch((error: unknown) => {
        failure = error;
        return undefined;
      });
    const file = this.kind === "opfs" ? await inFile() : undefined;
    if (file) return file;
    const value = await this.#held(sha256);
    if (value instanceof ArrayBuffer) return new Uint8Array(value);
    if (value) return new Uint8Array(await value.arrayBuffer());
    const other = this.kind === "opfs" ? undefined : await inFile();
    if (!other && failure !== undefined) throw failure;
    return other;
  }

  async chunkBlob({ sha256 }: ChunkRecord): Promise<Blob | undefined> {
    // Where both have it, the one that `readChunk` reads: the other was not checked.
    const file = this.#files.blob(sha256);
    if (this.kind === "opfs" && (await file)) return file;
    const value = await this.#held(sha256);
    return value instanceof ArrayBuffer ? new Blob([value]) : (value ?? file);
  }

  #held(sha256: string): Promise<Blob | ArrayBuffer | undefined> {
    return this.#read(CHUNKS, (store) => store.get(sha256));
  }

  async repairChunk({ sha256 }: ChunkRecord, bytes: ChunkBytes): Promise<void> {
    await this.#place(sha256, bytes, (put) =>
      this.#write([COMPLETE, PARTIAL, CHUNKS], (transaction) => {
        withRecords(transaction, (records) => {
          if (hashesOf(records).has(sha256)) {
            put(transaction.objectStore(CHUNKS));
          }
        });
      }),
    );
  }

  async update(
    id: string,
    change: { lastUsedAt?: number; pinned?: boolean },
  ): Promise<boolean> {
    let found = false;
    await this.#write([COMPLETE], (transaction) => {
      const store = transaction.objectStore(COMPLETE);
      const held = store.get(id);
      held.onsuccess = () => {
        if (!held.result) return;
        found = true;
        store.put({ ...(held.result as FileRecord), ...change });
      };
    });
    return found;
  }

  async dropPartial(id: string): Promise<void> {
    await this.#deleteFrom([PARTIAL], id);
  }

  delete(id: string): Promise<boolean> {
    return this.#deleteFrom([COMPLETE, PARTIAL], id);
  }

  async #deleteFrom(names: string[], id: string): Promise<boolean> {
    let found = false;
    await this.#write([COMPLETE, PARTIAL, CHUNKS], (transaction) => {
      for (const name of names) {
        const store = transaction.objectStore(name);
        const held = store.get(id);
        held.onsuccess = () => {
          if (!held.result) return;
          found = true;
          store.delete(id);
          sweep(transaction, [held.result as FileRecord]);
        };
      }
    });
    await this.#sweepFiles();
    return found;
  }

  /**
   * Puts a chunk where new ones go, and takes it away from where they do not: a damaged twin must not be found there.
   * `list` enters it in a record, in the transaction in which it calls `put`.
   */
  #place(
    sha256: string,
    bytes: ChunkBytes,
    list: (put: (chunks: IDBObjectStore) => void) => Promise<void>,
  ): Promise<void> {
    const inDatabase = async () => {
      const value = await this.#value(bytes);
      await list((chunks) => chunks.put(value, sha256));
      // One that is being read may stay: its reader finds the damage and repairs it.
      await this.#files.remove(sha256).catch(() => {});
    };
    if (this.kind !== "opfs") return inDatabase();
    return this.#files.guarded(async () => {
      try {
        await this.#files.write(sha256, bytes);
      } catch (error) {
        if ((error as Error).name === "QuotaExceededError") throw error;
        // Offered and then refused, as by some embedded views.
        return inDatabase();
      }
      await list((chunks) => chunks.delete(sha256));
    });
  }

  /** Removes the files that no record lists any more. */
  async #sweepFiles(): Promise<void> {
    // In one transaction: between two, a file that is being committed would stand in neither list.
    const listed = () =>
      new Promise<Set<string>>((resolve, reject) => {
        const names = [COMPLETE, PARTIAL];
        const transaction = this.#database.transaction(names, "readonly");
        withRecords(transaction, (records) => resolve(hashesOf(records)));
        transaction.onabort = () =>
          reject(transaction.error ?? new Error("aborted"));
      });
    // They only cost room, and the next sweep finds them.
    await this.#files.sweep(listed).catch(() => {});
  }

  async #value(bytes: ChunkBytes): Promise<Blob | ArrayBuffer> {
    this.#blobs ??= storesBlobs(this.#database);
    if (await this.#blobs) return new Blob([bytes]);
    return bytes.byteLength === bytes.buffer.byteLength
      ? bytes.buffer
      : bytes.slice().buffer;
  }

  #read<T>(
    name: string,
    ask: (store: IDBObjectStore) => IDBRequest,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      const transaction = this.#database.transaction(name, "readonly");
      const request = ask(transaction.objectStore(name));
      request.onsuccess = () => resolve(request.result as T);
      transaction.onabort = () =>
        reject(request.error ?? transaction.error ?? new Error("aborted"));
      request.onerror = () => reject(request.error);
    });
  }

  /** Resolves once the transaction has completed; nothing of it stays where it has not. */
  #write(
    names: string[],
    work: (transaction: IDBTransaction, fail: (error: Error) => void) => void,
    durability: IDBTransactionDurability = "relaxed",
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      const transaction = this.#database.transaction(names, "readwrite", {
        durability,
      });
      let reason: Error | undefined;
      const fail = (error: Error) => {
        reason = error;
        transaction.abort();
      };
      transaction.oncomplete = () => resolve();
      transaction.onabort = () =>
        reject(reason ?? transaction.error ?? new Error("aborted"));
      try {
        work(transaction, fail);
      } catch (error) {
        fail(error as Error);
      }
    });
  }
}

async function openDatabase(name: string): Promise<IDBDatabase> {
  const request = indexedDB.open(name, VERSION);
  let upgrading = false;
  const database = await new Promise<IDBDatabase>((resolve, reject) => {
    // Some releases of one engine never answer; a load must not wait for ever for a place to keep its model.
    const timer = setTimeout(() => {
      // Moving every chunk of an older store may well take longer.
      if (!upgrading) reject(new Error("IndexedDB does not answer"));
    }, OPEN_MS);
    request.onupgradeneeded = ({ oldVersion }) => {
      upgrading = true;
      upgrade(request.result, request.transaction!, oldVersion);
    };
    request.onsuccess = () => {
      clearTimeout(timer);
      resolve(request.result);
    };
    request.onerror = () => {
      clearTimeout(timer);
      reject(request.error);
    };
    request.onblocked = () => {
      clearTimeout(timer);
      reject(
        new Error("another tab holds an older version of the database open"),
      );
    };
  });
  return database;
}

/** Puts `record` in place of whatever stood under its id. */
function finish(transaction: IDBTransaction, record: FileRecord): void {
  const complete = transaction.objectStore(COMPLETE);
  const partial = transaction.objectStore(PARTIAL);
  const older = complete.get(record.id);
  const stopped = partial.get(record.id);
  stopped.onsuccess = () => {
    partial.delete(record.id);
    complete.put(record);
    sweep(transaction, [
      older.result as FileRecord | undefined,
      stopped.result as FileRecord | undefined,
    ]);
  };
}

/** Deletes the chunks of replaced or deleted records that no record lists any more. */
function sweep(
  transaction: IDBTransaction,
  gone: (FileRecord | undefined)[],
): void {
  const hashes = hashesOf(gone.filter((record) => record !== undefined));
  if (hashes.size === 0) return;
  withRecords(transaction, (records) => {
    const listed = hashesOf(records);
    const chunks = transaction.objectStore(CHUNKS);
    for (const sha256 of hashes) {
      if (!listed.has(sha256)) chunks.delete(sha256);
    }
  });
}

function withRecords(
  transaction: IDBTransaction,
  use: (records: FileRecord[]) => void,
): void {
  const complete = transaction.objectStore(COMPLETE).getAll();
  const partial = transaction.objectStore(PARTIAL).getAll();
  // Requests of one transaction are answered in their order.
  partial.onsuccess = () =>
    use([
      ...(complete.result as FileRecord[]),
      ...(partial.result as FileRecord[]),
    ]);
}

/**
 * Blobs are written to files instead of through the database's log, but not every engine stores them everywhere.
 * The probe is deleted in a transaction of its own: WebKit gives the file name of a Blob that was put and deleted
 * within one transaction to the next Blob as well, and after a restart the first chunk would be the probe.
 */
async function storesBlobs(database: IDBDatabase): Promise<boolean> {
  const key = "probe";
  const transact = (work: (store: IDBObjectStore) => void) =>
    new Promise<boolean>((resolve) => {
      const transaction = database.transaction(CHUNKS, "readwrite");
      work(transaction.objectStore(CHUNKS));
      transaction.oncomplete = () => resolve(true);
      transaction.onabort = () => resolve(false);
    });
  try {
    let same = false;
    const stored = await transact((store) => {
      store.put(new Blob([new Uint8Array(1)]), key);
      const back = store.get(key);
      back.onsuccess = () => {
        same = back.result instanceof Blob && back.result.size === 1;
      };
    });
    const removed = stored && (await transact((store) => store.delete(key)));
    return same && removed;
  } catch {
    return false;
  }
}
