// Bytes of a model → the engine, from storage, the network or a local file, stored in the same pass. Keeps no copy of its own.

import { Download, refuseNonModel } from "./download.ts";
import { isAbort, SmidgenError, toWire } from "./errors.ts";
import { StreamHash } from "./hash.ts";
import { freeBytes } from "./storage/index.ts";
import { readFile } from "./storage/reader.ts";
import {
  storedBytes,
  type FileRecord,
  type StorageBackEnd,
} from "./storage/types.ts";
import { FileWriter, newRecord } from "./storage/writer.ts";
import { withTabLock } from "./tab-lock.ts";
import { turn } from "./turn.ts";
import type { WireSource } from "./protocol.ts";
import type { LoadProgress, Warning } from "./types.ts";
import type { Engine, Loader } from "./wasm-interface.ts";

/** The most the engine takes at a time; every piece is copied into its memory. */
const PUSH_BYTES = 1024 * 1024;
/** Progress is told about this often. */
const PROGRESS_MS = 100;

export interface LoadContext {
  source: WireSource;
  /** Undefined where nothing is to be, or can be, kept. */
  storage: StorageBackEnd | undefined;
  /** Resolves once the engine has been started, which goes on while the first bytes are fetched. */
  newLoader(): Promise<Loader>;
  signal: AbortSignal;
  progress(progress: LoadProgress): void;
  warn(warning: Warning): void;
}

export interface Loaded {
  engine: Engine;
  id: string;
  fromCache: boolean;
  cached: boolean;
}

export async function loadModel(context: LoadContext): Promise<Loaded> {
  const { source, storage, signal } = context;
  const id = source.kind === "url" ? source.url : source.id;
  const stored = await fromStorage(context, id);
  if (stored) return stored;
  if (source.kind === "stored") {
    throw new SmidgenError(
      "model_not_stored",
      `the model ${id} is not on this device: load it from its address or file first`,
      { details: { id } },
    );
  }
  const get = (context: LoadContext) =>
    source.kind === "url"
      ? fromNetwork(context, source.url, source.sha256)
      : fromBlob(context, source.blob, id, source.name);
  if (storage?.kind !== "indexeddb") return get(context);

  const onWaiting = (progress: Omit<LoadProgress, "phase">) =>
    context.progress({ phase: "download", ...progress });
  return withTabLock({ id, signal, onWaiting }, async (beat) => {
    if (!beat) {
      context.warn({
        code: "storage_busy",
        message:
          "another tab is getting the same model and does not get on; this tab gets it for itself and does not store it",
      });
      return get({ ...context, storage: undefined });
    }
    const progress = (progress: LoadProgress) => {
      beat(progress);
      context.progress(progress);
    };
    // The tab that was waited for has stored it, or failed.
    return (await fromStorage(context, id)) ?? get({ ...context, progress });
  });
}

/** One loader, fed and counted; freed where it is not finished. */
class Feed {
  readonly #context: LoadContext;
  readonly #phase: LoadProgress["phase"];
  #loader: Loader | undefined;
  #hash: StreamHash | undefined;
  #toldAt = 0;
  loadedBytes = 0;
  totalBytes: number | undefined;

  constructor(
    context: LoadContext,
    phase: LoadProgress["phase"],
    hashed: boolean,
  ) {
    this.#context = context;
    this.#phase = phase;
    this.#hash = hashed ? new StreamHash() : undefined;
  }

  async push(bytes: Uint8Array): Promise<void> {
    this.#loader ??= await this.#context.newLoader();
    for (let at = 0; at < bytes.length; at += PUSH_BYTES) {
      this.#context.signal.throwIfAborted();
      const piece = bytes.subarray(at, at + PUSH_BYTES);
      this.#loader.push(piece);
      this.#hash?.update(piece);
      this.loadedBytes += piece.length;
      this.#tell();
      if (at + PUSH_BYTES < bytes.length) await turn();
    }
  }

  /** Refuses a file whose SHA-256 is not `sha256`, where one was wanted. */
  async finish(sha256?: string): Promise<Engine> {
    const found = this.#hash?.digest();
    if (sha256 !== undefined && found !== undefined && found !== sha256) {
      throw new SmidgenError(
        "sha256_mismatch",
        `the file's SHA-256 is ${found}, expected ${sha256}: it is not the file that was asked for`,
        { details: { found, expected: sha256 } },
      );
    }
    this.#toldAt = 0;
    this.#tell();
    const loader = this.#loader ?? (await this.#context.newLoader());
    // finish() consumes the loader, whether it succeeds or not.
    this.#loader = undefined;
    return loader.finish();
  }

  free(): void {
    const loader = this.#loader;
    this.#loader = undefined;
    try {
      loader?.free();
    } catch {
      // After a trap; the error that led here says more.
    }
  }

  #tell(): void {
    const now = performance.now();
    if (now - this.#toldAt < PROGRESS_MS) return;
    this.#toldAt = now;
    this.#context.progress({
      phase: this.#phase,
      loadedBytes: this.loadedBytes,
      totalBytes: this.totalBytes,
    });
  }
}

async function fromStorage(
  context: LoadContext,
  id: string,
): Promise<Loaded | undefined> {
  const { storage, source } = context;
  // A store that cannot be asked is a store without the model.
  const record = await storage?.complete(id).catch(() => undefined);
  if (!storage || !record) return undefined;
  const sha256 = source.kind === "url" ? source.sha256 : undefined;
  if (record.sha256 && sha256 && record.sha256 !== sha256) return undefined;

  const feed = new Feed(
    context,
    "cache",
    sha256 !== undefined && !record.sha256,
  );
  feed.totalBytes = record.totalBytes;
  try {
    for await (const chunk of readFile(storage, record)) await feed.push(chunk);
    const engine = await feed.finish(sha256);
    // Not worth waiting for, nor failing for.
    storage.touch(id, Date.now()).catch(() => {});
    return { engine, id, fromCache: true, cached: true };
  } catch (error) {
    const damaged =
      error instanceof SmidgenError &&
      (error.code === "storage_corrupt" || error.code === "sha256_mismatch");
    if (!damaged || source.kind === "stored") throw error;
    context.warn({
      code: error.code,
      message: `${error.message}; getting it anew`,
    });
    await storage.delete(id).catch(() => {});
    return undefined;
  } finally {
    feed.free();
  }
}

async function fromNetwork(
  context: LoadContext,
  url: string,
  sha256: string | undefined,
): Promise<Loaded> {
  const { storage, signal } = context;
  const older = await storage?.partial(url).catch(() => undefined);
  const offset = older ? storedBytes(older) : 0;
  const download = await Download.open(url, {
    signal,
    ...(older && offset > 0 ? { resume: { offset, validators: older } } : {}),
  });
  const resumed = download.startOffset > 0 ? older : undefined;
  const keeper = await Keeper.open(
    context,
    resumed ??
      newRecord({ id: url, name: nameOf(url), url, ...download.validators }),
    resumed !== undefined,
  );
  const feed = new Feed(context, "download", sha256 !== undefined);
  feed.totalBytes = download.validators.totalBytes;
  try {
    if (storage && resumed) {
      for await (const chunk of readFile(storage, resumed)) {
        await feed.push(chunk);
      }
    }
    for (let bytes; (bytes = await download.read());) {
      if (feed.loadedBytes === 0) refuseNonModel(bytes, url);
      await feed.push(bytes);
      await keeper.write(bytes);
    }
    const engine = await feed.finish(sha256);
    const cached = await keeper.commit(feed.loadedBytes, sha256);
    return { engine, id: url, fromCache: false, cached };
  } catch (error) {
    if (resumed && (error as SmidgenError).code === "storage_corrupt") {
      context.warn({
        code: "storage_corrupt",
        message: `${(error as Error).message}; starting over`,
      });
      await download.cancel();
      await keeper.drop();
      feed.free();
      return fromNetwork(context, url, sha256);
    }
    // What arrived is worth keeping only where the line broke, not where the file is wrong.
    if (isAbort(error) || isLineFault(error)) await keeper.settle();
    else await keeper.drop();
    throw error;
  } finally {
    await download.cancel();
    feed.free();
  }
}

async function fromBlob(
  context: LoadContext,
  blob: Blob,
  id: string,
  name: string,
): Promise<Loaded> {
  const keeper = await Keeper.open(
    context,
    newRecord({ id, name, totalBytes: blob.size }),
    false,
  );
  const feed = new Feed(context, "load", false);
  feed.totalBytes = blob.size;
  try {
    for (let at = 0; at < blob.size; at += PUSH_BYTES) {
      const piece = await read(blob.slice(at, at + PUSH_BYTES));
      await feed.push(piece);
      await keeper.write(piece);
    }
    const engine = await feed.finish();
    const cached = await keeper.commit(blob.size);
    return { engine, id, fromCache: false, cached };
  } catch (error) {
    await keeper.drop();
    throw error;
  } finally {
    feed.free();
  }
}

async function read(blob: Blob): Promise<Uint8Array> {
  try {
    return new Uint8Array(await blob.arrayBuffer());
  } catch (error) {
    throw new SmidgenError(
      "file_unreadable",
      `the file could not be read: ${(error as Error).message}. It may have been moved or changed since it was chosen; choose it again`,
      { cause: error },
    );
  }
}

/** The storing side of a load: whatever goes wrong in it is a warning, and the load goes on in memory. */
class Keeper {
  readonly #context: LoadContext;
  readonly #id: string;
  #writer: FileWriter | undefined;

  static async open(
    context: LoadContext,
    record: FileRecord,
    begun: boolean,
  ): Promise<Keeper> {
    const { storage } = context;
    if (!storage) return new Keeper(context, record.id, undefined);
    const keeper = new Keeper(
      context,
      record.id,
      new FileWriter(storage, record),
    );
    const needed = (record.totalBytes ?? 0) - storedBytes(record);
    const free = storage.kind === "memory" ? undefined : await freeBytes();
    try {
      if (free !== undefined && free < needed) {
        throw new DOMException(
          `${needed} bytes are needed and ${free} are free`,
          "QuotaExceededError",
        );
      }
      if (!begun) await storage.begin(record);
    } catch (error) {
      await keeper.#giveUp(error);
    }
    return keeper;
  }

  private constructor(
    context: LoadContext,
    id: string,
    writer: FileWriter | undefined,
  ) {
    this.#context = context;
    this.#id = id;
    this.#writer = writer;
  }

  async write(bytes: Uint8Array): Promise<void> {
    await this.#writer?.write(bytes);
    await this.#checkFailure();
  }

  /** True when the file is now complete in storage. */
  async commit(totalBytes: number, sha256?: string): Promise<boolean> {
    if (!this.#writer) return false;
    try {
      await this.#writer.commit({ totalBytes, sha256 });
      return true;
    } catch (error) {
      await this.#giveUp(error);
      return false;
    }
  }

  /** Leaves the durable chunks for a later load to go on from. */
  async settle(): Promise<void> {
    await this.#writer?.settle();
  }

  /** Removes what was stored of this attempt. */
  async drop(): Promise<void> {
    if (!this.#writer) return;
    await this.#writer.settle();
    this.#writer = undefined;
    await this.#context.storage?.dropPartial(this.#id).catch(() => {});
  }

  async #checkFailure(): Promise<void> {
    const failure = this.#writer?.failure;
    if (failure !== undefined) await this.#giveUp(failure);
  }

  async #giveUp(error: unknown): Promise<void> {
    await this.drop();
    const full = (error as Error)?.name === "QuotaExceededError";
    this.#context.warn(
      full
        ? {
            code: "storage_quota",
            message: `the model does not fit this device's storage for this site (${(error as Error).message}); it works now, but will be downloaded again next time: delete other models or free some space`,
          }
        : {
            code: "storage_failed",
            message: `the model could not be stored (${toWire(error, "").message}); it works now, but will be downloaded again next time`,
          },
    );
  }
}

function isLineFault(error: unknown): boolean {
  return (
    error instanceof SmidgenError &&
    ["download_network", "download_interrupted", "truncated"].includes(
      error.code,
    )
  );
}

/** The last part of the address: what a person would call the file. */
function nameOf(url: string): string {
  const last = new URL(url).pathname.split("/").pop() ?? "";
  try {
    return decodeURIComponent(last) || url;
  } catch {
    return last;
  }
}
