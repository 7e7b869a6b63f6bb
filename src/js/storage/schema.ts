// The layout of the IndexedDB store and the way from each older one to it, inside the one transaction of the upgrade: all of it or nothing.

import type { FileRecord } from "./types.ts";

export const VERSION = 2;
/** Records of whole files, by id. */
export const COMPLETE = "complete";
/** Records of files under way, by id. */
export const PARTIAL = "partial";
/** Blobs or ArrayBuffers, by SHA-256. */
export const CHUNKS = "chunks";

/** Version 1 kept each chunk under [generation, index] and filled `chunks` in order. */
type FirstRecord = Omit<FileRecord, "version"> & { version: 1 };

export function upgrade(
  database: IDBDatabase,
  transaction: IDBTransaction,
  oldVersion: number,
): void {
  if (oldVersion < 1) {
    database.createObjectStore(COMPLETE, { keyPath: "id" });
    database.createObjectStore(PARTIAL, { keyPath: "id" });
    database.createObjectStore(CHUNKS);
  } else if (oldVersion < 2) {
    fromFirst(transaction, COMPLETE, () =>
      fromFirst(transaction, PARTIAL, () => {
        // What no record listed. Arrays sort after every string.
        transaction.objectStore(CHUNKS).delete(IDBKeyRange.lowerBound([]));
      }),
    );
  }
}

/** Moves chunk after chunk, one in memory at a time. A chunk that is gone is left to be fetched again. */
function fromFirst(
  transaction: IDBTransaction,
  name: string,
  then: () => void,
): void {
  const chunks = transaction.objectStore(CHUNKS);
  const cursors = transaction.objectStore(name).openCursor();
  cursors.onsuccess = () => {
    const cursor = cursors.result;
    if (!cursor) {
      then();
      return;
    }
    const record = cursor.value as FirstRecord;
    const moved = [...record.chunks];
    const move = (index: number) => {
      const chunk = record.chunks[index];
      if (!chunk) {
        cursor.update({ ...record, version: 2, chunks: moved });
        cursor.continue();
        return;
      }
      const held = chunks.get([record.generation, index]);
      held.onsuccess = () => {
        if (held.result !== undefined) chunks.put(held.result, chunk.sha256);
        else if (name === PARTIAL) moved[index] = null;
        chunks.delete([record.generation, index]);
        move(index + 1);
      };
    };
    move(0);
  };
}
