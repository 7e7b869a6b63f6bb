// Starts one flavour of the engine and its threads. With thread.ts the only place that loads the wasm.

import { SmidgenError } from "./errors.ts";
import { chooseFlavours, chooseThreads, detectFeatures } from "./features.ts";
import type { FromThread, ToThread } from "./protocol.ts";
import type { Flavour, Warning } from "./types.ts";
import type { Glue, GrammarGlue } from "./wasm-interface.ts";

export interface Started {
  glue: Glue;
  flavour: Flavour;
  threads: number;
}

interface Address {
  glue: URL;
  wasm: URL;
}

// Spelled out one by one: this exact form is what bundlers look for.
const ADDRESSES: Record<Flavour, () => Address> = {
  simd128: () => ({
    glue: new URL("./wasm/simd128/smidgen.js", import.meta.url),
    wasm: new URL("./wasm/simd128/smidgen_bg.wasm", import.meta.url),
  }),
  relaxed: () => ({
    glue: new URL("./wasm/relaxed/smidgen.js", import.meta.url),
    wasm: new URL("./wasm/relaxed/smidgen_bg.wasm", import.meta.url),
  }),
  "simd128-threads": () => ({
    glue: new URL("./wasm/simd128-threads/smidgen.js", import.meta.url),
    wasm: new URL("./wasm/simd128-threads/smidgen_bg.wasm", import.meta.url),
  }),
  "relaxed-threads": () => ({
    glue: new URL("./wasm/relaxed-threads/smidgen.js", import.meta.url),
    wasm: new URL("./wasm/relaxed-threads/smidgen_bg.wasm", import.meta.url),
  }),
};

/** What reads Hugging Face folders and rounds weights: for one thread, as loading is what takes long then. */
const FOLDER_ADDRESSES: Record<"simd128" | "relaxed", () => Address> = {
  simd128: () => ({
    glue: new URL("./wasm/simd128-folders/smidgen.js", import.meta.url),
    wasm: new URL("./wasm/simd128-folders/smidgen_bg.wasm", import.meta.url),
  }),
  relaxed: () => ({
    glue: new URL("./wasm/relaxed-folders/smidgen.js", import.meta.url),
    wasm: new URL("./wasm/relaxed-folders/smidgen_bg.wasm", import.meta.url),
  }),
};

const GRAMMAR = (): Address => ({
  glue: new URL("./wasm/grammar/smidgen.js", import.meta.url),
  wasm: new URL("./wasm/grammar/smidgen_bg.wasm", import.meta.url),
});

/** A thread that has not come up by then never will. */
const THREAD_START_MS = 10_000;

/** Tries the flavours in order; a fall to a lesser one is a warning, not an error. */
export async function start(options: {
  flavour: Flavour | "auto";
  threads: number | "auto";
  /** Whether folders are to be read, or weights rounded. */
  folders: boolean;
  wasmBase?: string | undefined;
  signal: AbortSignal;
  warn: (warning: Warning) => void;
}): Promise<Started> {
  const features = detectFeatures();
  const { folders } = options;
  const threads = folders ? 1 : chooseThreads(features, options.threads);
  const wanted = folders ? withoutThreads(options.flavour) : options.flavour;
  const flavours = chooseFlavours(features, wanted, threads);
  let failure: unknown;
  for (const flavour of flavours) {
    options.signal.throwIfAborted();
    if (failure !== undefined) {
      options.warn({
        code: "flavour_fallback",
        message: `${(failure as Error).message}; going on with ${flavour}`,
      });
    }
    try {
      return await startFlavour(flavour, threads, options);
    } catch (error) {
      if (options.signal.aborted) throw error;
      failure = error;
    }
  }
  throw failure;
}

async function startFlavour(
  flavour: Flavour,
  threads: number,
  options: {
    folders: boolean;
    wasmBase?: string | undefined;
    signal: AbortSignal;
  },
): Promise<Started> {
  const address = addressOf(flavour, options.folders, options.wasmBase);
  const [glue, module] = await Promise.all([
    importGlue<Glue>(address.glue),
    compile(address.wasm, options.signal),
  ]);
  const wantsThreads = flavour.endsWith("-threads") && threads > 1;
  let memory: WebAssembly.Memory;
  try {
    ({ memory } = await glue.default({ module_or_path: module }));
  } catch (error) {
    throw new SmidgenError(
      error instanceof RangeError ? "out_of_memory" : "engine_compile",
      `the engine (${flavour}) could not be started: ${(error as Error).message}`,
      { cause: error, details: { flavour } },
    );
  }
  if (!wantsThreads) return { glue, flavour, threads: 1 };
  await startThreads({
    glue: address.glue.href,
    module,
    memory,
    count: threads - 1,
  });
  return { glue, flavour, threads };
}

/** The module of grammars, in a memory of its own. Each `generation` is another one, from the same files. */
export async function startGrammar(
  base: string | undefined,
  generation: number,
  signal: AbortSignal,
): Promise<GrammarGlue> {
  const address =
    base === undefined ? GRAMMAR() : addressBelow(base, "grammar");
  // Modules are told apart by their whole address, and fetched without this part of it.
  if (generation > 0) address.glue.hash = String(generation);
  const [glue, module] = await Promise.all([
    importGlue<GrammarGlue>(address.glue),
    compile(address.wasm, signal),
  ]);
  await glue.default({ module_or_path: module });
  return glue;
}

function withoutThreads<F extends string>(
  flavour: F,
): F | "simd128" | "relaxed" {
  if (flavour === "simd128-threads") return "simd128";
  return flavour === "relaxed-threads" ? "relaxed" : flavour;
}

function addressOf(
  flavour: Flavour,
  folders: boolean,
  base: string | undefined,
): Address {
  const single = withoutThreads(flavour);
  if (folders && (single === "simd128" || single === "relaxed")) {
    return base === undefined
      ? FOLDER_ADDRESSES[single]()
      : addressBelow(base, `${single}-folders`);
  }
  return base === undefined
    ? ADDRESSES[flavour]()
    : addressBelow(base, flavour);
}

function addressBelow(base: string, name: string): Address {
  return {
    glue: new URL(`${name}/smidgen.js`, base),
    wasm: new URL(`${name}/smidgen_bg.wasm`, base),
  };
}

async function importGlue<G>(url: URL): Promise<G> {
  try {
    return (await import(
      /* @vite-ignore */ /* webpackIgnore: true */ url.href
    )) as G;
  } catch (error) {
    throw new SmidgenError(
      "engine_download",
      `the engine's ${url.href} could not be loaded: check that the package's dist/wasm folder is served, with a JavaScript MIME type`,
      { cause: error, details: { url: url.href } },
    );
  }
}

async function compile(
  url: URL,
  signal: AbortSignal,
): Promise<WebAssembly.Module> {
  let answer: Response;
  try {
    answer = await fetch(url, { signal });
  } catch (error) {
    if (signal.aborted) throw error;
    throw new SmidgenError(
      "engine_download",
      `the engine's ${url.href} could not be loaded: this device is offline and the page has no copy of it, or its server cannot be reached`,
      { cause: error, details: { url: url.href } },
    );
  }
  if (!answer.ok) {
    throw new SmidgenError(
      "engine_download",
      `the server answered ${answer.status} for the engine's ${url.href}: check that the package's dist/wasm folder is served`,
      { details: { url: url.href, status: answer.status } },
    );
  }
  try {
    // Compiling while it downloads needs the right MIME type, which not every static host gives.
    const type = answer.headers.get("content-type") ?? "";
    return type.startsWith("application/wasm")
      ? await WebAssembly.compileStreaming(answer)
      : await WebAssembly.compile(await answer.arrayBuffer());
  } catch (error) {
    if (signal.aborted) throw error;
    throw new SmidgenError(
      "engine_compile",
      `the engine's ${url.href} could not be compiled: ${(error as Error).message}. A Content-Security-Policy must allow script-src 'wasm-unsafe-eval'`,
      { cause: error, details: { url: url.href } },
    );
  }
}

/** Threads live and end with the worker that starts them. */
async function startThreads(spec: {
  glue: string;
  module: WebAssembly.Module;
  memory: WebAssembly.Memory;
  count: number;
}): Promise<void> {
  const { glue, module, memory, count } = spec;
  const workers: Worker[] = [];
  try {
    await Promise.all(
      Array.from({ length: count }, (_, index) => {
        const worker = new Worker(new URL("./thread.js", import.meta.url), {
          type: "module",
          name: `smidgen-thread-${index + 1}`,
        });
        workers.push(worker);
        return threadReady(worker, { glue, module, memory, index: index + 1 });
      }),
    );
  } catch (error) {
    for (const worker of workers) worker.terminate();
    throw new SmidgenError(
      "flavour_unavailable",
      `${count} threads could not be started: ${(error as Error).message}`,
      { cause: error },
    );
  }
}

function threadReady(worker: Worker, message: ToThread): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new Error("a thread did not answer")),
      THREAD_START_MS,
    );
    worker.onmessage = ({ data }: MessageEvent<FromThread>) => {
      clearTimeout(timer);
      if (data.type === "ready") resolve();
      else reject(new Error(data.message));
    };
    worker.onerror = (event) => {
      event.preventDefault();
      clearTimeout(timer);
      reject(new Error(event.message || "a thread's script did not load"));
    };
    // Throws where shared memory cannot be posted.
    worker.postMessage(message);
  });
}
