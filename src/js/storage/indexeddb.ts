// Models in IndexedDB: the one store that every browser engine has, private windows and embedded views included.

import { lost } from "./memory.ts";
import type { FileRecord, StorageBackEnd } from "./types.ts";

const VERSION = 1;
const OPEN_MS = 5000;
const COMPLETE = "complete";
const PARTIAL = "partial";
const CHUNKS = "chunks";

export class IndexedDbStorage implements StorageBackEnd {
  readonly kind = "indexeddb";
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
    request.onupgradeneeded = () => {
      const database = request.result;
      database.createObjectStore(COMPLETE, { keyPath: "id" });
      database.createObjectStore(PARTIAL, { keyPath: "id" });
      // Keys: [generation, index].
      database.createObjectStore(CHUNKS);
    };
    const database = await new Promise<IDBDatabase>((resolve, reject) => {
      // Some releases of one engine never answer; a load must not wait for ever for a place to keep its model.
      const timer = setTimeout(
        () => reject(new Error("IndexedDB does not answer")),
        OPEN_MS,
      );
      request.onsuccess = () => {
        clearTimeout(timer);
        resolve(request.result);
      };
      request.onerror = () => reject(request.error);
      request.onblocked = () =>
        reject(
          new Error("another tab holds an older version of the database open"),
        );
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
    return this.#write([PARTIAL, CHUNKS], (transaction) => {
      const partial = transaction.objectStore(PARTIAL);
      const older = partial.get(record.id);
      older.onsuccess = () => {
        dropChunks(transaction, older.result as FileRecord | undefined);
        partial.put(record);
      };
    });
  }

  async append(
    record: FileRecord,
    bytes: Uint8Array<ArrayBuffer>,
  ): Promise<void> {
    this.#blobs ??= storesBlobs(this.#database);
    const index = record.chunks.length - 1;
    const exact =
      bytes.byteLength === bytes.buffer.byteLength ? bytes : bytes.slice();
    const value = (await this.#blobs) ? new Blob([exact]) : exact.buffer;
    return this.#write([PARTIAL, CHUNKS], (transaction, fail) => {
      const partial = transaction.objectStore(PARTIAL);
      const held = partial.get(record.id);
      held.onsuccess = () => {
        const { generation } = (held.result ?? {}) as Partial<FileRecord>;
        if (generation !== record.generation) {
          fail(lost(record.id));
          return;
        }
        transaction.objectStore(CHUNKS).put(value, [record.generation, index]);
        partial.put(record);
      };
    });
  }

  commit(record: FileRecord): Promise<void> {
    return this.#write(
      [COMPLETE, PARTIAL, CHUNKS],
      (transaction, fail) => {
        const complete = transaction.objectStore(COMPLETE);
        const partial = transaction.objectStore(PARTIAL);
        const held = partial.get(record.id);
        held.onsuccess = () => {
          const { generation } = (held.result ?? {}) as Partial<FileRecord>;
          if (generation !== record.generation) {
            fail(lost(record.id));
            return;
          }
          const older = complete.get(record.id);
          older.onsuccess = () => {
            dropChunks(transaction, older.result as FileRecord | undefined);
            partial.delete(record.id);
            complete.put(record);
          };
        };
      },
      "strict",
    );
  }

  async readChunk(
    record: FileRecord,
    index: number,
  ): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const value = await this.#read<Blob | ArrayBuffer | undefined>(
      CHUNKS,
      (store) => store.get([record.generation, index]),
    );
    if (value === undefined) return undefined;
    return new Uint8Array(
      value instanceof Blob ? await value.arrayBuffer() : value,
    );
  }

  touch(id: string, lastUsedAt: number): Promise<void> {
    return this.#write([COMPLETE], (transaction) => {
      const store = transaction.objectStore(COMPLETE);
      const held = store.get(id);
      held.onsuccess = () => {
        if (held.result) store.put({ ...held.result, lastUsedAt });
      };
    });
  }

  async dropPartial(id: string): Promise<void> {
    await this.#deleteFrom([PARTIAL], id);
  }

  delete(id: string): Promise<boolean> {
    return this.#deleteFrom([COMPLETE, PARTIAL], id);
  }

  async #deleteFrom(names: string[], id: string): Promise<boolean> {
    let found = false;
    await this.#write([...names, CHUNKS], (transaction) => {
      for (const name of names) {
        const store = transaction.objectStore(name);
        const held = store.get(id);
        held.onsuccess = () => {
          if (!held.result) return;
          found = true;
          dropChunks(transaction, held.result as FileRecord);
          store.delete(id);
        };
      }
    });
    return found;
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

function dropChunks(
  transaction: IDBTransaction,
  record: FileRecord | undefined,
): void {
  if (!record) return;
  const { generation } = record;
  // An array sorts after every number, so this bounds all of the generation's keys.
  transaction
    .objectStore(CHUNKS)
    .delete(IDBKeyRange.bound([generation], [generation, []]));
}

/**
 * Blobs are written to files instead of through the database's log, but not every engine stores them everywhere.
 * The probe is deleted in a transaction of its own: WebKit gives the file name of a Blob that was put and deleted
 * within one transaction to the next Blob as well, and after a restart the first chunk would be the probe.
 */
async function storesBlobs(database: IDBDatabase): Promise<boolean> {
  const key = ["probe", 0];
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
