// Bytes of a model → the engine, from storage, the network or a local file, stored in the same pass. Keeps no copy of its own, and does not wait for the last bytes to be durable.

import { Download, fetchSpan } from "./download.ts";
import { refuseNonModel } from "./download-request.ts";
import { isAbort, SmidgenError } from "./errors.ts";
import { Feed, type Taker } from "./load-feed.ts";
import { Keeper } from "./load-keeper.ts";
import { readChunk, readFile, type Source } from "./storage/reader.ts";
import {
  missingChunks,
  type FileRecord,
  type StorageBackEnd,
} from "./storage/types.ts";
import { newRecord } from "./storage/writer.ts";
import { withTabLock } from "./tab-lock.ts";
import { idOf, nameOf } from "./model-source.ts";
import type { WireFile } from "./protocol.ts";
import type { LoadProgress, Warning } from "./types.ts";

/** What is wrong with a stored copy and not with the engine: the file is got anew. */
const FAULTS_OF_STORAGE: ReadonlySet<string> = new Set([
  "storage_failed",
  "storage_corrupt",
  "sha256_mismatch",
]);

/** A file that changes again and again while it is downloaded is its server's trouble. */
const MAX_RESTARTS = 2;

/** `T`: what the engine's side makes of a whole file. */
export interface LoadContext<T> {
  source: WireFile;
  /** Undefined where nothing is to be, or can be, kept. */
  storage: StorageBackEnd | undefined;
  makeRoom: boolean;
  /** Resolves once the engine has been started, which goes on while the first bytes are fetched. */
  newLoader(): Promise<Taker<T>>;
  signal: AbortSignal;
  progress(progress: LoadProgress): void;
  warn(warning: Warning): void;
}

export interface Loaded<T> {
  engine: T;
  id: string;
  fromCache: boolean;
  /** Whether the next load finds the file on this device; a promise while it is still being written. Never rejects. */
  stored: boolean | Promise<boolean>;
}

export async function loadModel<T>(
  context: LoadContext<T>,
): Promise<Loaded<T>> {
  const { source, storage, signal } = context;
  const id = idOf(source);
  const refused = new Set<string>();
  const stored = await fromStorage(context, id, refused);
  if (stored) return stored;
  if (source.kind === "stored") {
    throw new SmidgenError(
      "model_not_stored",
      `the model ${id} is not on this device: it was deleted, or the browser has removed this site's data (some do when a site is not used for a week, or the device is full): load it from its address or file`,
      { details: { id } },
    );
  }
  const get = (context: LoadContext<T>) =>
    source.kind === "url"
      ? fromNetwork(context, source.url, source.sha256)
      : fromBlob(context, source.blob, id, source.name);
  if (!storage?.shared) return get(context);

  const onWaiting = (progress: Omit<LoadProgress, "phase">) =>
    context.progress({ phase: "download", ...progress });
  const once = async (beat: ((progress: LoadProgress) => void) | undefined) => {
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
    const stored = await fromStorage(context, id, refused);
    return stored ?? get({ ...context, progress });
  };
  return new Promise((resolve, reject) => {
    withTabLock({ id, signal, onWaiting }, async (beat) => {
      const loaded = await once(beat);
      resolve(loaded);
      // The tabs that wait want the stored copy, and nobody else may write to it meanwhile.
      await loaded.stored;
    }).catch(reject);
  });
}

/** A reader of stored chunks that mends what it can from where the file came from. */
function mending<T>(context: LoadContext<T>, record: FileRecord): Source {
  const { source, signal } = context;
  const refetch =
    source.kind === "url"
      ? (start: number, length: number) =>
          fetchSpan(source.url, { signal }, start, length)
      : source.kind === "blob"
        ? (start: number, length: number) =>
            read(source.blob.slice(start, start + length))
        : undefined;
  return {
    storage: context.storage!,
    record,
    ...(refetch ? { refetch } : {}),
    onRepair: (problem) =>
      context.warn({
        code: problem.code,
        message: `${problem.message}; this chunk was fetched again and is right now`,
      }),
  };
}

async function fromStorage<T>(
  context: LoadContext<T>,
  id: string,
  /** Generations that turned out not to be what is wanted. */
  refused = new Set<string>(),
): Promise<Loaded<T> | undefined> {
  const { storage, source } = context;
  // A store that cannot be asked is a store without the model.
  const record = await storage?.complete(id).catch(() => undefined);
  if (!storage || !record || refused.has(record.generation)) return undefined;
  const sha256 = source.kind === "url" ? source.sha256 : undefined;
  if (record.sha256 && sha256 && record.sha256 !== sha256) return undefined;

  let mended = false;
  const feed = new Feed({
    ...context,
    phase: "cache",
    totalBytes: record.totalBytes,
    hashed: sha256 !== undefined && !record.sha256,
  });
  try {
    const chunks = mending(context, record);
    const onRepair = (problem: SmidgenError) => {
      mended = true;
      chunks.onRepair?.(problem);
    };
    for await (const chunk of readFile({ ...chunks, onRepair })) {
      await feed.push(chunk);
    }
    const engine = await feed.finish(sha256);
    // Not worth waiting for, nor failing for.
    storage.update(id, { lastUsedAt: Date.now() }).catch(() => {});
    return { engine, id, fromCache: !mended, stored: true };
  } catch (error) {
    const { code, message, details } = error as SmidgenError;
    if (source.kind === "stored" || !FAULTS_OF_STORAGE.has(code)) throw error;
    context.warn({ code, message: `${message}; getting it anew` });
    refused.add(record.generation);
    // Only what is bad goes. Another file than was asked for stays until the right one is here.
    if (code === "storage_corrupt") {
      const chunks = record.chunks.map((chunk, index) =>
        index === details["chunk"] ? null : chunk,
      );
      await storage.reopen({ ...record, chunks }).catch(() => {});
    }
    return undefined;
  } finally {
    feed.free();
  }
}

async function fromNetwork<T>(
  context: LoadContext<T>,
  url: string,
  sha256: string | undefined,
): Promise<Loaded<T>> {
  for (let restarts = 0; ; restarts++) {
    try {
      return await fromNetworkOnce(context, url, sha256);
    } catch (error) {
      const { code, message } = error as SmidgenError;
      // What was stored is of the older file, or damaged, and gone by now; or the store itself has stopped working.
      const lost = code === "storage_failed";
      const stale = code === "download_changed" || code === "storage_corrupt";
      if (!(stale || lost) || restarts >= MAX_RESTARTS) throw error;
      if (lost) context = { ...context, storage: undefined };
      context.warn({
        code,
        message: `${message.replace(/: load again$/, "")}; starting over`,
      });
    }
  }
}

async function fromNetworkOnce<T>(
  context: LoadContext<T>,
  url: string,
  wanted: string | undefined,
): Promise<Loaded<T>> {
  const { storage, signal } = context;
  const twin = wanted && (await adoptTwin(context, url, wanted));
  if (twin) return twin;
  const older = await storage?.partial(url).catch(() => undefined);
  const missing = older && missingChunks(older);
  // A load that ended between its last chunk and its commit.
  if (older && missing?.length === 0 && older.chunks.length > 0) {
    return complete(context, older, undefined, wanted);
  }
  const download = await Download.open(url, {
    signal,
    ...(older && missing && older.chunks.some((chunk) => chunk)
      ? {
          resume: {
            validators: older,
            chunkBytes: older.chunkBytes,
            missing,
          },
        }
      : {}),
  });
  try {
    const sha256 = wanted ?? download.sha256;
    const twin =
      wanted === undefined && sha256
        ? await adoptTwin(context, url, sha256)
        : undefined;
    if (twin) return twin;
    return await complete(
      context,
      download.resumed ? older : undefined,
      download,
      sha256,
    );
  } finally {
    await download.cancel();
  }
}

/** Another file on this device is the very same one: its chunks become this one's too. */
async function adoptTwin<T>(
  context: LoadContext<T>,
  url: string,
  sha256: string,
): Promise<Loaded<T> | undefined> {
  const { storage } = context;
  const twin = (await storage?.listComplete().catch(() => []))?.find(
    (record) => record.sha256 === sha256 && record.id !== url,
  );
  if (!storage || !twin) return undefined;
  const { totalBytes, chunkBytes, chunks } = twin;
  const record = {
    ...newRecord({
      id: url,
      name: nameOf({ kind: "url", url }),
      url,
      totalBytes,
    }),
    sha256,
    chunkBytes,
    chunks,
  };
  const adopted = await storage.adopt(record).catch(() => false);
  return adopted ? fromStorage(context, url) : undefined;
}

/** Feeds the engine a file's chunks in order, from storage where they are durable and else from `download`, which are stored on the way. */
async function complete<T>(
  context: LoadContext<T>,
  older: FileRecord | undefined,
  download: Download | undefined,
  sha256: string | undefined,
): Promise<Loaded<T>> {
  const url = download?.url ?? older!.id;
  const record =
    older ??
    newRecord({
      id: url,
      name: nameOf({ kind: "url", url }),
      url,
      ...download!.validators,
    });
  const keeper = new Keeper(context, record, older !== undefined);
  const have = (index: number) => Boolean(record.chunks[index]);
  download?.start({
    chunkBytes: record.chunkBytes,
    have,
    store: (index, bytes) => keeper.write(index, bytes),
    room: () => keeper.room(),
  });
  const feed = new Feed({
    ...context,
    phase: "download",
    totalBytes: record.totalBytes,
    hashed: sha256 !== undefined,
  });
  let arrived = false;
  try {
    const count = () => download?.chunkCount ?? record.chunks.length;
    for (let index = 0; index < (count() || Infinity); index++) {
      if (have(index)) {
        await feed.push(await readChunk(mending(context, record), index));
        continue;
      }
      let came = false;
      for await (const bytes of download!.chunk(index)) {
        if (feed.loadedBytes === 0) refuseNonModel(bytes, url);
        came = true;
        await feed.push(bytes);
      }
      if (!came) break;
    }
    arrived = true;
    const engine = await feed.finish(sha256);
    const stored = keeper.commit(feed.loadedBytes, sha256);
    return { engine, id: url, fromCache: false, stored };
  } catch (error) {
    await download?.cancel();
    // What arrived is worth keeping, unless the file itself is wrong: also one that came whole and is cut short.
    const short = arrived && (error as SmidgenError).code === "truncated";
    if (short || isFileFault(error)) await keeper.drop();
    else await keeper.settle();
    throw error;
  } finally {
    feed.free();
  }
}

async function fromBlob<T>(
  context: LoadContext<T>,
  blob: Blob,
  id: string,
  name: string,
): Promise<Loaded<T>> {
  const record = newRecord({ id, name, totalBytes: blob.size });
  const keeper = new Keeper(context, record, false);
  const feed = new Feed({
    ...context,
    phase: "load",
    totalBytes: blob.size,
    hashed: false,
  });
  try {
    const { chunkBytes } = record;
    for (let index = 0; index * chunkBytes < blob.size; index++) {
      const start = index * chunkBytes;
      const chunk = await read(blob.slice(start, start + chunkBytes));
      void keeper.write(index, chunk);
      await feed.push(chunk);
      await keeper.room();
    }
    const engine = await feed.finish();
    const stored = keeper.commit(blob.size);
    return { engine, id, fromCache: false, stored };
  } catch (error) {
    await keeper.drop();
    throw error;
  } finally {
    feed.free();
  }
}

export async function read(blob: Blob): Promise<Uint8Array<ArrayBuffer>> {
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

/** Not of the file: the line, the device, the caller. */
const OUTER_FAULTS: ReadonlySet<string> = new Set([
  "download_network",
  "download_interrupted",
  "download_http",
  "download_range",
  "truncated",
  "out_of_memory",
  "context_too_long",
  "bad_argument",
  "engine_download",
  "engine_compile",
  "flavour_unavailable",
  "no_simd",
]);

function isFileFault(error: unknown): boolean {
  if (isAbort(error)) return false;
  const { code } = error as { code?: unknown };
  // An error without a code is a trap: nothing says that the file is right.
  return typeof code !== "string" || !OUTER_FAULTS.has(code);
}
