// A model in several files → the engine, one file after the other, each of them stored, resumed and mended by itself.

import { sizeOf } from "./download-request.ts";
import type { Taker } from "./load-feed.ts";
import { loadModel, type LoadContext, type Loaded } from "./load-model.ts";
import { pathOf } from "./model-source.ts";
import type { WireFile, WireFiles } from "./protocol.ts";
import type { LoadProgress } from "./types.ts";
import type { Engine, Loader } from "./wasm-interface.ts";

/** A file that is bad again and again has trouble of its own. */
const MAX_RESTARTS = 2;

/** A file was found to be bad after the engine had taken bytes of it. */
class Restart extends Error {}

export interface FilesContext extends Omit<
  LoadContext<Engine>,
  "source" | "newLoader"
> {
  source: WireFiles;
  newLoader(): Promise<Loader>;
}

export async function loadFiles(
  context: FilesContext,
): Promise<Loaded<Engine>> {
  for (let restarts = 0; ; restarts++) {
    try {
      return await loadOnce(context);
    } catch (error) {
      // What was good has been stored, and comes from there now.
      if (!(error instanceof Restart) || restarts >= MAX_RESTARTS) throw error;
    }
  }
}

async function loadOnce(context: FilesContext): Promise<Loaded<Engine>> {
  const { files, id } = context.source;
  const { signal } = context;
  const total = new Total(files, signal);
  let whole: Loader | undefined;
  const loaded: Loaded<Engine | undefined>[] = [];
  try {
    for (const [index, source] of files.entries()) {
      let begun = false;
      const newLoader = async (): Promise<Taker<Engine | undefined>> => {
        if (begun) throw new Restart(`${pathOf(source)} is read again`);
        begun = true;
        whole ??= await context.newLoader();
        const loader = whole;
        loader.file(pathOf(source));
        return {
          push: (bytes) => loader.push(bytes),
          finish: () => {
            if (index + 1 < files.length) return undefined;
            whole = undefined;
            return loader.finish();
          },
          free: () => {},
        };
      };
      const progress = (progress: LoadProgress) =>
        context.progress(total.with(index, progress));
      const one = { ...context, source, newLoader, progress };
      loaded.push(await loadModel<Engine | undefined>(one));
    }
  } finally {
    try {
      whole?.free();
    } catch {
      // After a trap; the error that led here says more.
    }
  }
  const stored = loaded.map((file) => file.stored);
  return {
    engine: loaded.at(-1)!.engine!,
    id,
    fromCache: loaded.every((file) => file.fromCache),
    stored: stored.every((one) => typeof one === "boolean")
      ? stored.every(Boolean)
      : Promise.all(stored).then((all) => all.every(Boolean)),
  };
}

/** Bytes of all files: of those to come only where this device has them, or once the network is asked anyway. */
class Total {
  readonly #sizes: (number | undefined)[];
  readonly #loaded: number[];
  readonly #files: WireFile[];
  readonly #signal: AbortSignal;
  #asked = false;

  constructor(files: WireFile[], signal: AbortSignal) {
    this.#files = files;
    this.#signal = signal;
    this.#sizes = files.map((file) =>
      file.kind === "blob" ? file.blob.size : undefined,
    );
    this.#loaded = files.map(() => 0);
  }

  with(index: number, progress: LoadProgress): LoadProgress {
    this.#loaded[index] = progress.loadedBytes;
    this.#sizes[index] = progress.totalBytes ?? this.#sizes[index];
    if (progress.phase === "download") this.#ask(index + 1);
    const sum = (numbers: number[]) => numbers.reduce((a, b) => a + b, 0);
    const known = this.#sizes.every((size) => size !== undefined);
    return {
      phase: progress.phase,
      loadedBytes: sum(this.#loaded),
      totalBytes: known ? sum(this.#sizes as number[]) : undefined,
    };
  }

  #ask(from: number): void {
    if (this.#asked) return;
    this.#asked = true;
    for (const [index, file] of this.#files.entries()) {
      if (index < from || file.kind !== "url") continue;
      sizeOf(file.url, { signal: this.#signal }).then(
        (size) => (this.#sizes[index] ??= size),
        () => {},
      );
    }
  }
}
