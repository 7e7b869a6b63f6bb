// A storage back end that works in a thread of its own, so that hashing, reading and writing take no time from the engine's. Buffers are lent to it and come back.

import { openStorage } from "./index.ts";
import { fromStorageWire } from "./wire.ts";
import type { FromStorage, StorageMethod, ToStorage } from "./wire.ts";
import type { StorageChoice, StorageKind } from "../types.ts";
import type {
  ChunkBytes,
  ChunkRecord,
  FileRecord,
  StorageBackEnd,
} from "./types.ts";

/** Loading its script may take as long as that; where it takes longer, storage works in the engine's worker. */
const START_MS = 3000;
/** Buffers kept to be lent again: as many as can be on their way at a time. */
const MAX_SPARE = 3;

interface Waiting {
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

/** Opens a back end in a thread of its own; in this one where none can be had. */
export async function openThread(
  choice: StorageChoice,
): Promise<{ storage: StorageBackEnd | undefined; reason?: unknown }> {
  try {
    return { storage: await RemoteStorage.open(choice) };
  } catch (reason) {
    if (reason instanceof NoThread) return openStorage(choice);
    return { storage: undefined, reason };
  }
}

/** No thread could be started; not that storage does not work. */
class NoThread extends Error {}

class RemoteStorage implements StorageBackEnd {
  #kind: StorageKind = "indexeddb";
  #shared = true;
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  #calls = 0;
  #failure: Error | undefined;
  #spare: ArrayBuffer[] = [];

  /** Rejects with NoThread, or with the reason why the storage does not work here. */
  static async open(choice: StorageChoice): Promise<RemoteStorage> {
    const worker = await start();
    const storage = new RemoteStorage(worker);
    try {
      const opened = await storage.#call("open", [choice]);
      const { kind, shared } = opened as { kind: StorageKind; shared: boolean };
      storage.#kind = kind;
      storage.#shared = shared;
      return storage;
    } catch (error) {
      worker.terminate();
      throw error;
    }
  }

  private constructor(worker: Worker) {
    this.#worker = worker;
    worker.onmessage = ({ data }: MessageEvent<FromStorage>) => {
      if (!("id" in data)) return;
      const waiting = this.#waiting.get(data.id);
      this.#waiting.delete(data.id);
      if (data.lent) this.giveBack(data.lent);
      if (data.error) waiting?.reject(fromStorageWire(data.error));
      else waiting?.resolve(data.value);
    };
    worker.onerror = (event) => {
      event.preventDefault();
      this.#fail(event.message);
    };
    worker.onmessageerror = () => this.#fail("its answer cannot be read");
  }

  get kind(): StorageKind {
    return this.#kind;
  }

  get shared(): boolean {
    return this.#shared;
  }

  listComplete = () => this.#call<FileRecord[]>("listComplete", []);
  listPartial = () => this.#call<FileRecord[]>("listPartial", []);
  complete = (id: string) =>
    this.#call<FileRecord | undefined>("complete", [id]);
  partial = (id: string) => this.#call<FileRecord | undefined>("partial", [id]);
  begin = (record: FileRecord) => this.#call<void>("begin", [record]);
  commit = (record: FileRecord) => this.#call<void>("commit", [record]);
  reopen = (record: FileRecord) => this.#call<void>("reopen", [record]);
  adopt = (record: FileRecord) => this.#call<boolean>("adopt", [record]);
  update = (id: string, change: { lastUsedAt?: number; pinned?: boolean }) =>
    this.#call<boolean>("update", [id, change]);
  dropPartial = (id: string) => this.#call<void>("dropPartial", [id]);
  delete = (id: string) => this.#call<boolean>("delete", [id]);
  chunkBlob = (chunk: ChunkRecord) =>
    this.#call<Blob | undefined>("chunkBlob", [chunk]);

  append(
    record: FileRecord,
    index: number,
    bytes: ChunkBytes,
  ): Promise<ChunkRecord> {
    const copy = this.#copy(bytes);
    return this.#call("append", [record, index, copy], [copy.buffer]);
  }

  repairChunk(chunk: ChunkRecord, bytes: ChunkBytes): Promise<void> {
    const copy = this.#copy(bytes);
    return this.#call("repairChunk", [chunk, copy], [copy.buffer]);
  }

  readChunk(chunk: ChunkRecord): Promise<ChunkBytes | string> {
    const spare = this.#take(chunk.bytes);
    return this.#call("readChunk", [chunk, spare], spare ? [spare] : []);
  }

  giveBack(buffer: ArrayBuffer): void {
    if (buffer.byteLength > 0 && this.#spare.length < MAX_SPARE) {
      this.#spare.push(buffer);
    }
  }

  /** Ends the thread once what it was asked for is done. */
  close(): void {
    this.#spare = [];
    void this.#call("close", [])
      .catch(() => {})
      .finally(() => this.#worker.terminate());
  }

  /** What the caller keeps on using, for the thread to have. */
  #copy(bytes: ChunkBytes): ChunkBytes {
    const buffer = this.#take(bytes.length) ?? new ArrayBuffer(bytes.length);
    const copy = new Uint8Array(buffer, 0, bytes.length);
    copy.set(bytes);
    return copy;
  }

  #take(bytes: number): ArrayBuffer | undefined {
    const at = this.#spare.findIndex(({ byteLength }) => byteLength >= bytes);
    return at < 0 ? undefined : this.#spare.splice(at, 1)[0];
  }

  #call<T>(
    name: StorageMethod,
    args: unknown[],
    transfer: Transferable[] = [],
  ): Promise<T> {
    if (this.#failure) return Promise.reject(this.#failure);
    const id = ++this.#calls;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, {
        resolve: resolve as (value: unknown) => void,
        reject,
      });
      const message: ToStorage = { id, name, args };
      this.#worker.postMessage(message, transfer);
    });
  }

  #fail(message: string): void {
    this.#failure = new Error(`the storage thread failed: ${message}`);
    for (const { reject } of this.#waiting.values()) reject(this.#failure);
    this.#waiting.clear();
  }
}

function start(): Promise<Worker> {
  return new Promise((resolve, reject) => {
    let worker: Worker;
    const failed = (message: string) => {
      worker?.terminate();
      reject(new NoThread(message));
    };
    const timer = setTimeout(() => failed("it does not answer"), START_MS);
    try {
      worker = new Worker(new URL("./storage-thread.js", import.meta.url), {
        type: "module",
        name: "smidgen-storage",
      });
    } catch (error) {
      clearTimeout(timer);
      failed(String(error));
      return;
    }
    worker.onmessage = () => {
      clearTimeout(timer);
      resolve(worker);
    };
    worker.onerror = (event) => {
      event.preventDefault();
      clearTimeout(timer);
      failed(event.message);
    };
  });
}
