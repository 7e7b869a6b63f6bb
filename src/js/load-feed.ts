// Bytes → the engine's loader, counted, hashed where that is wanted, in pieces small enough to be stopped between. Knows nothing of where they come from.

import { SmidgenError } from "./errors.ts";
import { StreamHash } from "./hash.ts";
import { turn } from "./turn.ts";
import type { LoadProgress } from "./types.ts";

/** The most the engine takes at a time; every piece is copied into its memory. */
const PUSH_BYTES = 1024 * 1024;
/** Progress is told about this often. */
const PROGRESS_MS = 100;

/** The engine's side: a whole loader, or its part for one file of several. */
export interface Taker<T> {
  push(bytes: Uint8Array): void;
  /** Consumes it, whether it succeeds or not. */
  finish(): T;
  free(): void;
}

export interface FeedOptions<T> {
  phase: LoadProgress["phase"];
  totalBytes: number | undefined;
  /** Take the whole file's SHA-256. */
  hashed: boolean;
  /** Resolves once the engine has been started, which goes on while the first bytes are fetched. */
  newLoader(): Promise<Taker<T>>;
  signal: AbortSignal;
  progress(progress: LoadProgress): void;
}

export class Feed<T> {
  readonly #options: FeedOptions<T>;
  #loader: Taker<T> | undefined;
  #hash: StreamHash | undefined;
  #toldAt = -Infinity;
  loadedBytes = 0;
  totalBytes: number | undefined;

  constructor(options: FeedOptions<T>) {
    this.#options = options;
    this.totalBytes = options.totalBytes;
    this.#hash = options.hashed ? new StreamHash() : undefined;
  }

  async push(bytes: Uint8Array): Promise<void> {
    this.#loader ??= await this.#options.newLoader();
    for (let at = 0; at < bytes.length; at += PUSH_BYTES) {
      this.#options.signal.throwIfAborted();
      const piece = bytes.subarray(at, at + PUSH_BYTES);
      this.#loader.push(piece);
      this.#hash?.update(piece);
      this.loadedBytes += piece.length;
      this.#tell();
      if (at + PUSH_BYTES < bytes.length) await turn();
    }
  }

  /** Refuses a file whose SHA-256 is not `sha256`, where one was wanted. */
  async finish(sha256?: string): Promise<T> {
    const found = this.#hash?.digest();
    if (sha256 !== undefined && found !== undefined && found !== sha256) {
      throw new SmidgenError(
        "sha256_mismatch",
        `the file's SHA-256 is ${found}, expected ${sha256}: it is not the file that was asked for`,
        { details: { found, expected: sha256 } },
      );
    }
    this.#toldAt = -Infinity;
    this.#tell();
    const loader = this.#loader ?? (await this.#options.newLoader());
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
    this.#options.progress({
      phase: this.#options.phase,
      loadedBytes: this.loadedBytes,
      totalBytes: this.totalBytes,
    });
  }
}
