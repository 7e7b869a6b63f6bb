// Chunks as files of the origin private file system, named by their SHA-256: bytes alone. Which of them count, the records say, which lie in IndexedDB.

import { within } from "./patient.ts";

/** Left out of TypeScript's DOM types, as only workers have it. */
interface SyncAccessHandle {
  getSize(): number;
  read(buffer: Uint8Array, options: { at: number }): number;
  write(buffer: Uint8Array, options: { at: number }): number;
  truncate(size: number): void;
  close(): void;
}

type SyncFile = FileSystemFileHandle & {
  createSyncAccessHandle(): Promise<SyncAccessHandle>;
};

const FOLDER = "smidgen";
const LOCK = "smidgen-files";
/**
 * Written at a time. Linux gives a large write large pages, and looking for those can cost more than all else:
 * 98 MB took 81 to 337 ms in writes of 4 MiB, and 103 to 157 in these.
 */
const WRITE_BYTES = 256 * 1024;
/** A file can be open once only; another tab at the same chunk is done with it soon. */
const BUSY_WAITS = [5, 20, 80, 300];
/** A file system that has not answered by then is done without: a load must not wait for ever for a place to keep its model. */
const OPEN_MS = 5000;
/** A frozen tab may hold the lock for ever. What is not swept now is swept the next time. */
const SWEEP_PATIENCE_MS = 2000;

export class ChunkFiles {
  readonly #name: string;
  #folder: Promise<FileSystemDirectoryHandle | undefined> | undefined;

  constructor(name = FOLDER) {
    this.#name = name;
  }

  /** Whether this browser has all that it takes; whether it also works shows when the first chunk is written. */
  static offered(): boolean {
    return (
      typeof globalThis.navigator?.storage?.getDirectory === "function" &&
      typeof navigator.locks?.request === "function" &&
      typeof FileSystemFileHandle === "function" &&
      "createSyncAccessHandle" in FileSystemFileHandle.prototype
    );
  }

  /** Rejects where the file system is offered and refuses, as in some private windows. */
  static async open(name?: string): Promise<ChunkFiles> {
    const files = new ChunkFiles(name);
    await within(OPEN_MS, files.#root(), "the file system does not answer");
    return files;
  }

  /** Until `work` has ended no file is swept: it may write one first and list it in a record then. */
  guarded<T>(work: () => Promise<T>): Promise<T> {
    const shared = { mode: "shared" } as const;
    return navigator.locks.request(this.#lock(), shared, work) as Promise<T>;
  }

  /**
   * Not flushed to the disk: a file outlives its tab and its browser anyway, and what a power failure takes is noticed
   * by its hash and comes again. Rejects with `QuotaExceededError` where it does not fit.
   */
  async write(sha256: string, bytes: Uint8Array): Promise<void> {
    const folder = await this.#create();
    const file = await folder.getFileHandle(sha256, { create: true });
    let whole = false;
    try {
      const access = await openFile(file);
      try {
        // Never cut before it is written over: equal bytes under way leave a good chunk good.
        whole = writeAll(access, bytes);
        if (whole) access.truncate(bytes.length);
      } finally {
        access.close();
      }
    } finally {
      if (!whole) await folder.removeEntry(sha256).catch(() => {});
    }
    if (!whole) throw new DOMException("", "QuotaExceededError");
  }

  /** Undefined where there is no such file. Into `spare` where it fits. */
  async read(
    sha256: string,
    spare?: ArrayBuffer,
  ): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const file = await this.#find(sha256);
    if (!file) return undefined;
    const access = await openFile(file);
    try {
      const size = access.getSize();
      const buffer =
        spare && spare.byteLength >= size ? spare : new ArrayBuffer(size);
      const bytes = new Uint8Array(buffer, 0, size);
      const count = access.read(bytes, { at: 0 });
      return bytes.subarray(0, count);
    } finally {
      access.close();
    }
  }

  /** The file itself, which costs no memory. */
  async blob(sha256: string): Promise<Blob | undefined> {
    return (await this.#find(sha256))?.getFile();
  }

  async names(): Promise<Set<string>> {
    const names = new Set<string>();
    const folder = await this.#existing();
    if (!folder) return names;
    for await (const name of keysOf(folder)) names.add(name);
    return names;
  }

  async remove(sha256: string): Promise<void> {
    const folder = await this.#existing();
    await folder?.removeEntry(sha256).catch(ifMissing);
  }

  /** Removes every file that `listed` does not name; also what a tab that died left half written. */
  async sweep(listed: () => Promise<Set<string>>): Promise<void> {
    if (!(await this.#existing())) return;
    const signal = AbortSignal.timeout(SWEEP_PATIENCE_MS);
    const alone = async () => {
      const keep = await listed();
      for (const name of await this.names()) {
        // One that is just being read stays until the next time.
        if (!keep.has(name)) await this.remove(name).catch(() => {});
      }
    };
    await navigator.locks.request(this.#lock(), { signal }, alone);
  }

  #lock(): string {
    return `${LOCK}-${this.#name}`;
  }

  async #find(sha256: string): Promise<FileSystemFileHandle | undefined> {
    const folder = await this.#existing();
    return folder?.getFileHandle(sha256).catch(ifMissing);
  }

  /** Undefined where nothing was ever written. */
  async #existing(): Promise<FileSystemDirectoryHandle | undefined> {
    if (!ChunkFiles.offered()) return undefined;
    const folder = await (this.#folder ??= this.#root()
      .then((root) => root.getDirectoryHandle(this.#name))
      .catch(() => undefined));
    // Another tab may make it any time.
    if (!folder) this.#folder = undefined;
    return folder;
  }

  async #create(): Promise<FileSystemDirectoryHandle> {
    const existing = await this.#existing();
    if (existing) return existing;
    const root = await this.#root();
    const folder = await root.getDirectoryHandle(this.#name, { create: true });
    this.#folder = Promise.resolve(folder);
    return folder;
  }

  #root(): Promise<FileSystemDirectoryHandle> {
    return navigator.storage.getDirectory();
  }
}

async function openFile(file: FileSystemFileHandle): Promise<SyncAccessHandle> {
  for (const wait of [...BUSY_WAITS, undefined]) {
    try {
      return await (file as SyncFile).createSyncAccessHandle();
    } catch (error) {
      const busy = (error as Error).name === "NoModificationAllowedError";
      if (!busy || wait === undefined) throw error;
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
  }
  throw new Error("unreachable");
}

/** False where the room ends: some engines do not throw then, they return a number that makes no sense. */
function writeAll(access: SyncAccessHandle, bytes: Uint8Array): boolean {
  for (let at = 0; at < bytes.length; at += WRITE_BYTES) {
    const piece = bytes.subarray(at, at + WRITE_BYTES);
    if (access.write(piece, { at }) !== piece.length) return false;
  }
  return true;
}

function ifMissing(error: Error): undefined {
  if (error.name !== "NotFoundError") throw error;
}

/** Left out of TypeScript's DOM types without its asynchronous iteration. */
function keysOf(folder: FileSystemDirectoryHandle): AsyncIterable<string> {
  return (folder as unknown as { keys(): AsyncIterable<string> }).keys();
}
