// A storage back end whose chunks are hashed, read and written in a thread of its own, so that they take no time from the engine's. Records are asked for here, before that thread is up. Buffers are lent to it and come back.

import { isGecko } from "../features.ts";
import { freeBuffer } from "../free-buffer.ts";
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

/** Opens a back end with a thread for its chunks; without one where none can be had. */
export async function openThread(
  choice: StorageChoice,
): Promise<{ storage: StorageBackEnd | undefined; reason?: unknown }> {
  // What lasts as long as this thread stays in it.
  if (choice === "memory") return openStorage(choice);
  const starting = start();
  const opened = await openStorage(choice);
  const { storage } = opened;
  if (storage) return { storage: new RemoteStorage(storage, starting) };
  void starting.then((worker) => worker?.terminate());
  return opened;
}

class RemoteStorage implements StorageBackEnd {
  readonly kind: StorageKind;
  readonly shared: boolean;
  /** The same store, open in this thread. */
  readonly #here: StorageBackEnd;
  /** Undefined where there is none, or it cannot open the store. */
  readonly #starting: Promise<Worker | undefined>;
  #worker: Worker | undefined;
  #reads = 0;
  readonly #waiting = new Map<number, Waiting>();
  #calls = 0;
  #failure: Error | undefined;
  readonly #spare: ArrayBuffer[] = [];
  #closed = false;

  constructor(here: StorageBackEnd, starting: Promise<Worker | undefined>) {
    this.#here = here;
    this.kind = here.kind;
    this.shared = here.shared;
    this.#starting = starting.then((worker) => this.#begin(worker));
  }

  async #begin(worker: Worker | undefined): Promise<Worker | undefined> {
    if (!worker) return undefined;
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
    try {
      await this.#call(worker, "open", [this.kind]);
    } catch {
      worker.terminate();
      return undefined;
    }
    this.#worker = worker;
    return worker;
  }

  listComplete = () => this.#here.listComplete();
  listPartial = () => this.#here.listPartial();
  complete = (id: string) => this.#here.complete(id);
  partial = (id: string) => this.#here.partial(id);
  begin = (record: FileRecord) => this.#here.begin(record);
  commit = (record: FileRecord) => this.#here.commit(record);
  reopen = (record: FileRecord) => this.#here.reopen(record);
  adopt = (record: FileRecord) => this.#here.adopt(record);
  update = (id: string, change: { lastUsedAt?: number; pinned?: boolean }) =>
    this.#here.update(id, change);
  dropPartial = (id: string) => this.#here.dropPartial(id);
  delete = (id: string) => this.#here.delete(id);
  chunkBlob = (chunk: ChunkRecord) => this.#here.chunkBlob(chunk);

  async append(
    record: FileRecord,
    index: number,
    bytes: ChunkBytes,
  ): Promise<ChunkRecord> {
    const worker = await this.#starting;
    if (!worker) return this.#here.append(record, index, bytes);
    const copy = this.#copy(bytes);
    return this.#call(worker, "append", [record, index, copy], [copy.buffer]);
  }

  async repairChunk(chunk: ChunkRecord, bytes: ChunkBytes): Promise<void> {
    const worker = await this.#starting;
    if (!worker) return this.#here.repairChunk(chunk, bytes);
    const copy = this.#copy(bytes);
    return this.#call(worker, "repairChunk", [chunk, copy], [copy.buffer]);
  }

  /** The first one by this thread where the other is not up, as it has nothing else to do before; but then it has. */
  async readChunk(chunk: ChunkRecord): Promise<ChunkBytes | string> {
    const spare = this.#take(chunk.bytes);
    const first = this.#reads++ === 0;
    const worker = this.#worker ?? (first ? undefined : await this.#starting);
    if (!worker) return this.#here.readChunk(chunk, spare);
    const args = [chunk, spare];
    return this.#call(worker, "readChunk", args, spare ? [spare] : []);
  }

  giveBack(buffer: ArrayBuffer): void {
    if (!this.#closed && this.#spare.length < MAX_SPARE) {
      if (buffer.byteLength > 0) this.#spare.push(buffer);
    } else freeBuffer(buffer);
  }

  /** Ends the thread once what it was asked for is done. */
  close(): void {
    this.#closed = true;
    for (const buffer of this.#spare.splice(0)) freeBuffer(buffer);
    void this.#starting.then(async (worker) => {
      if (worker) await this.#call(worker, "close", []).catch(() => {});
      worker?.terminate();
      this.#here.close();
    });
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
    worker: Worker,
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
      worker.postMessage(message, transfer);
    });
  }

  #fail(message: string): void {
    this.#failure = new Error(`the storage thread failed: ${message}`);
    for (const { reject } of this.#waiting.values()) reject(this.#failure);
    this.#waiting.clear();
  }
}

/**
 * Undefined where no thread can be had, and in Firefox: a worker that makes another one now and then never comes back
 * from it right after the browser's start, and hashes and records are none of the worker's own work there anyway.
 */
function start(): Promise<Worker | undefined> {
  if (isGecko()) return Promise.resolve(undefined);
  return new Promise((resolve) => {
    let worker: Worker;
    const failed = () => {
      worker?.terminate();
      resolve(undefined);
    };
    const timer = setTimeout(failed, START_MS);
    const settle = (outcome: () => void) => {
      clearTimeout(timer);
      outcome();
    };
    try {
      worker = new Worker(new URL("./storage-thread.js", import.meta.url), {
        type: "module",
        name: "smidgen-storage",
      });
    } catch {
      settle(failed);
      return;
    }
    worker.onmessage = () => settle(() => resolve(worker));
    worker.onerror = (event) => {
      event.preventDefault();
      settle(failed);
    };
  });
}
