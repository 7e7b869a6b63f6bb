// Models in IndexedDB: the one store that every browser engine has, private windows and embedded views included.

import { lost } from "./memory.ts";
import { CHUNKS, COMPLETE, PARTIAL, upgrade, VERSION } from "./schema.ts";
import {
  hashesOf,
  withChunk,
  type ChunkRecord,
  type FileRecord,
  type StorageBackEnd,
} from "./types.ts";

const OPEN_MS = 5000;

export class IndexedDbStorage implements StorageBackEnd {
  readonly kind = "indexeddb";
  readonly shared = true;
  readonly #database: IDBDatabase;
  /** Asked only by those who write: a visit that finds its model should not wait for it. */
  #blobs: Promise<boolean> | undefined;

  private constructor(database: IDBDatabase) {
    this.#database = database;
    // Another tab with newer code may upgrade; calls made after that fail and the caller goes on without storage.
    database.onversionchange = () => database.close();
  }

  /** Rejects where IndexedDB is missing or refuses to work. */
  static async open(name = "smidgen"): Promise<IndexedDbStorage> {
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
    return new IndexedDbStorage(database);
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

  begin(record: FileRecord): Promise<void> {
    return this.#write([COMPLETE, PARTIAL, CHUNKS], (transaction) => {
      const partial = transaction.objectStore(PARTIAL);
      const older = partial.get(record.id);
      older.onsuccess = () => {
        partial.put(record);
        sweep(transaction, [older.result as FileRecord | undefined]);
      };
    });
  }

  async append(
    record: FileRecord,
    index: number,
    chunk: ChunkRecord,
    bytes: Uint8Array<ArrayBuffer>,
  ): Promise<void> {
    const value = await this.#value(bytes);
    return this.#write([PARTIAL, CHUNKS], (transaction, fail) => {
      const partial = transaction.objectStore(PARTIAL);
      const held = partial.get(record.id);
      held.onsuccess = () => {
        const found = held.result as FileRecord | undefined;
        if (found?.generation !== record.generation) {
          fail(lost(record.id));
          return;
        }
        // Also where the hash is known already: what stands under it may be damaged.
        transaction.objectStore(CHUNKS).put(value, chunk.sha256);
        partial.put(withChunk(found, index, chunk));
      };
    });
  }

  commit(record: FileRecord): Promise<void> {
    return this.#write(
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
  }

  reopen(record: FileRecord): Promise<void> {
    return this.#write([COMPLETE, PARTIAL, CHUNKS], (transaction) => {
      const complete = transaction.objectStore(COMPLETE);
      const older = complete.get(record.id);
      older.onsuccess = () => {
        if (!older.result) return;
        complete.delete(record.id);
        transaction.objectStore(PARTIAL).put(record);
        sweep(transaction, [older.result as FileRecord]);
      };
    });
  }

  async adopt(record: FileRecord): Promise<boolean> {
    let missing = false;
    await this.#write(
      [COMPLETE, PARTIAL, CHUNKS],
      (transaction) => {
        const chunks = transaction.objectStore(CHUNKS);
        const hashes = [...hashesOf([record])];
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

  readChunk({
    sha256,
  }: ChunkRecord): Promise<Blob | Uint8Array<ArrayBuffer> | undefined> {
    return this.#read<Blob | ArrayBuffer | undefined>(CHUNKS, (store) =>
      store.get(sha256),
    ).then((value) =>
      value instanceof ArrayBuffer ? new Uint8Array(value) : value,
    );
  }

  async repairChunk(
    { sha256 }: ChunkRecord,
    bytes: Uint8Array<ArrayBuffer>,
  ): Promise<void> {
    const value = await this.#value(bytes);
    await this.#write([COMPLETE, PARTIAL, CHUNKS], (transaction) => {
      withRecords(transaction, (records) => {
        if (!hashesOf(records).has(sha256)) return;
        transaction.objectStore(CHUNKS).put(value, sha256);
      });
    });
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
    return found;
  }

  async #value(bytes: Uint8Array<ArrayBuffer>): Promise<Blob | ArrayBuffer> {
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
