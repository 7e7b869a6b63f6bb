// Where documents are kept: IndexedDB, one record per document and one per passage with its embedding.
// The file itself is not kept: its text is.
import { type DBSchema, type IDBPDatabase, openDB } from "idb";

export interface Document {
  id: string;
  name: string;
  kind: "note" | "text" | "pdf";
  /** Milliseconds since 1970. */
  at: number;
  pages: number;
  passages: number;
  characters: number;
}

export interface StoredPassage {
  document: string;
  /** Its place in the document, from 0. */
  number: number;
  page: number;
  text: string;
  /** Of length 1. */
  vector: Float32Array;
}

interface Schema extends DBSchema {
  documents: { key: string; value: Document };
  passages: { key: [document: string, number: number]; value: StoredPassage };
}

let opening: Promise<IDBPDatabase<Schema>> | undefined;

function database(): Promise<IDBPDatabase<Schema>> {
  opening ??= openDB<Schema>("smidgen-documents", 1, {
    upgrade(db) {
      db.createObjectStore("documents", { keyPath: "id" });
      db.createObjectStore("passages", { keyPath: ["document", "number"] });
    },
    blocking(_current, _blocked, event) {
      (event.target as IDBDatabase).close();
      opening = undefined;
    },
    terminated() {
      opening = undefined;
    },
  });
  opening.catch(() => (opening = undefined));
  return opening;
}

const all = (document: string) =>
  IDBKeyRange.bound([document, -Infinity], [document, Infinity]);

export async function documents(): Promise<Document[]> {
  return (await database()).getAll("documents");
}

export async function passagesOf(document: string): Promise<StoredPassage[]> {
  return (await database()).getAll("passages", all(document));
}

export async function passage(
  document: string,
  number: number,
): Promise<StoredPassage | undefined> {
  return (await database()).get("passages", [document, number]);
}

/** All of it or nothing. */
export async function add(
  document: Document,
  passages: readonly StoredPassage[],
): Promise<void> {
  const transaction = (await database()).transaction(
    ["documents", "passages"],
    "readwrite",
  );
  await Promise.all([
    transaction.objectStore("documents").put(document),
    ...passages.map((each) => transaction.objectStore("passages").put(each)),
    transaction.done,
  ]);
}

export async function remove(document: string): Promise<void> {
  const transaction = (await database()).transaction(
    ["documents", "passages"],
    "readwrite",
  );
  await Promise.all([
    transaction.objectStore("documents").delete(document),
    transaction.objectStore("passages").delete(all(document)),
    transaction.done,
  ]);
}

export async function clear(): Promise<void> {
  const transaction = (await database()).transaction(
    ["documents", "passages"],
    "readwrite",
  );
  await Promise.all([
    transaction.objectStore("documents").clear(),
    transaction.objectStore("passages").clear(),
    transaction.done,
  ]);
}
