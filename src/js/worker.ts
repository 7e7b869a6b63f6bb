// The engine's worker: holds the wasm and everything in it, does one call at a time, and reports every error with a code.

import { sizeOf } from "./download-request.ts";
import { isAbort, SmidgenError, toWire } from "./errors.ts";
import { Grammars } from "./grammar.ts";
import { start, type Started } from "./instantiate.ts";
import { JobQueue, type Manner } from "./job-queue.ts";
import { loadFiles } from "./load-files.ts";
import { loadModel } from "./load-model.ts";
import { idOf } from "./model-source.ts";
import type {
  CallName,
  Calls,
  FromWorker,
  GenerateResult,
  LoadRequest,
  LoadResult,
  Ping,
  StoredResult,
  ToWorker,
  WireSource,
} from "./protocol.ts";
import { AfterOpening, wholeReply } from "./reply-constraint.ts";
import { ReplyBatch, SharedTrap } from "./reply-batch.ts";
import {
  deleteSession,
  keepSession,
  listSessions,
  readSession,
} from "./saved-sessions.ts";
import { explain, openStorage } from "./storage/index.ts";
import { patient } from "./storage/patient.ts";
import { openThread } from "./storage/remote.ts";
import { estimate, listModels } from "./storage/room.ts";
import { exportModel, importModel } from "./storage/transfer.ts";
import type { StorageBackEnd } from "./storage/types.ts";
import { turn } from "./turn.ts";
import type {
  Embeddings,
  EngineInfo,
  FilledToken,
  Grammar,
  LoadProgress,
  StorageChoice,
  TextClass,
  Warning,
} from "./types.ts";
import type { Engine } from "./wasm-interface.ts";

const scope = globalThis as unknown as {
  onmessage: ((message: MessageEvent<ToWorker | Ping>) => void) | null;
  postMessage(message: FromWorker): void;
};

interface Context<N extends CallName> {
  signal: AbortSignal;
  event(event: Calls[N]["event"]): void;
}

type Work = {
  [N in CallName]: (
    input: Calls[N]["in"],
    context: Context<N>,
  ) => Promise<Calls[N]["out"]> | Calls[N]["out"];
};

/** Texts whose embeddings are computed between two looks at the inbox. */
const TEXTS_AT_ONCE = 16;

let engine: Engine | undefined;
let grammars: Grammars | undefined;
let modelId = "";
/** What is left of the load once the engine is ready. */
let storing: Promise<StoredResult> | undefined;
/** The replies under way. */
let batch: ReplyBatch | undefined;
const queue = new JobQueue();

const work: Work = {
  load,
  stored: () => storing!,
  generate,
  tokenize: ({ text, parseSpecial }) =>
    Array.from(loaded().tokenize(text, parseSpecial)),
  detokenize: ({ ids }) => loaded().detokenize(Uint32Array.from(ids)),
  applyTemplate: (request) => loaded().applyTemplate(JSON.stringify(request)),
  reset: () => {
    loaded().reset();
    return null;
  },
  embed: async ({ texts, pooling, normalise }, { signal }) => {
    const embeddings: Embeddings["embeddings"] = [];
    let tokens = 0;
    for (let at = 0; at < texts.length; at += TEXTS_AT_ONCE) {
      await turn();
      signal.throwIfAborted();
      const some = texts.slice(at, at + TEXTS_AT_ONCE);
      const all = loaded().embed(JSON.stringify(some), pooling, normalise);
      const dim = all.length / some.length;
      for (const [i, text] of some.entries()) {
        embeddings.push(all.slice(i * dim, (i + 1) * dim));
        tokens += loaded().tokenize(text, false).length;
      }
    }
    return { embeddings, tokens };
  },
  classify: ({ text, second }) =>
    JSON.parse(loaded().classify(text, second)) as TextClass[],
  rerank: async ({ query, documents }, { signal }) => {
    const scores = [];
    for (const document of documents) {
      await turn();
      signal.throwIfAborted();
      scores.push(loaded().rerank(query, document));
    }
    return scores;
  },
  fillMask: ({ text, topK }) =>
    JSON.parse(loaded().fillMask(text, topK)) as FilledToken[][],
  saveState: () => loaded().save(),
  restoreState: ({ state }) => loaded().restore(state),
  keepSession: ({ name }) => keepSession(modelId, name, loaded().save()),
  resumeSession: async ({ name }) =>
    loaded().restore(await readSession(modelId, name)),
  listSessions: () => listSessions(modelId),
  deleteSession: ({ name }) => deleteSession(modelId, name),
  listModels: async ({ storage }) => {
    const opened = await openStorage(storage);
    return opened.storage ? listModels(opened.storage) : [];
  },
  deleteModel: async ({ storage, id }) => {
    const opened = await openStorage(storage);
    return opened.storage ? opened.storage.delete(id) : false;
  },
  pinModel: async ({ storage, id, pinned }) => {
    const opened = await openStorage(storage);
    return opened.storage?.update(id, { pinned }) ?? false;
  },
  exportModel: async ({ storage, id }) =>
    exportModel(await openedStorage(storage), id),
  importModel: async ({ storage, ...file }) =>
    (await importModel(await openedStorage(storage), file)).id,
  estimate: async ({ storage, source }, { signal }) => {
    const opened = await openStorage(storage);
    if (!source) return estimate(opened.storage);
    const totalBytes = await sourceBytes(source, signal);
    return estimate(opened.storage, { id: idOf(source), totalBytes });
  },
};

async function openedStorage(choice: StorageChoice): Promise<StorageBackEnd> {
  const { storage, reason } = await openStorage(choice);
  if (storage) return storage;
  throw new SmidgenError("storage_failed", explain(reason));
}

/** Undefined where the server does not say, or cannot be asked. */
async function sourceBytes(
  source: WireSource,
  signal: AbortSignal,
): Promise<number | undefined> {
  if (source.kind === "blob") return source.blob.size;
  if (source.kind === "stored") return undefined;
  if (source.kind === "files") {
    const sizes = source.files.map((file) => sourceBytes(file, signal));
    const known = await Promise.all(sizes);
    return known.reduce((sum, size) => sum && size && sum + size);
  }
  return sizeOf(source.url, { signal }).catch(() => undefined);
}

function loaded(): Engine {
  // The page sends `load` first and nothing else before its reply.
  if (!engine) throw new Error("no model is loaded");
  return engine;
}

async function load(
  request: LoadRequest,
  { signal, event }: Context<"load">,
): Promise<LoadResult> {
  /** Told with `stored`, as this call's events are no longer heard then. */
  const late: Warning[] = [];
  let ready = false;
  const warn = (warning: Warning) =>
    ready ? late.push(warning) : event({ type: "warning", warning });
  // The engine comes up while the first bytes are on their way.
  const { source, contextLength, cacheLength, cacheFormat, quantise } = request;
  const starting = start({
    flavour: request.flavour,
    folders:
      quantise !== undefined || (source.kind === "files" && source.folder),
    threads: request.threads,
    wasmBase: request.wasmBase,
    signal,
    warn,
  });
  // Its failure is met where its loader is asked for.
  starting.catch(() => {});
  const storage = await storageFor(request.cache, request.storage, warn);
  const options = JSON.stringify({
    contextLength,
    cacheLength,
    cacheFormat,
    quantise,
  });
  const context = {
    storage,
    makeRoom: request.makeRoom,
    newLoader: async () => new (await starting).glue.Loader(options),
    signal,
    progress: (progress: LoadProgress) => event({ type: "progress", progress }),
    warn,
  };
  const loading =
    source.kind === "files"
      ? loadFiles({ ...context, source })
      : loadModel({ ...context, source });
  storing = loading
    .then(async ({ stored }) => ({ cached: await stored, warnings: late }))
    .finally(() => storage?.close());
  storing.catch(() => {});
  const model = await loading;
  ready = true;
  engine = model.engine;
  grammars = new Grammars(engine, request.wasmBase);
  modelId = model.id;
  return {
    id: model.id,
    info: {
      ...settle(engine, await starting),
      chatTemplate: engine.template(),
    },
    storage: storage?.kind,
    fromCache: model.fromCache,
    cached: typeof model.stored === "boolean" ? model.stored : undefined,
  };
}

async function storageFor(
  cache: boolean,
  choice: StorageChoice,
  warn: (warning: Warning) => void,
): Promise<StorageBackEnd | undefined> {
  if (!cache) return undefined;
  const { storage, reason } = await openThread(choice);
  if (!storage) {
    warn({
      code: "storage_failed",
      message: explain(reason),
    });
  }
  return storage && patient(storage);
}

function settle(engine: Engine, { threads, flavour }: Started): EngineInfo {
  batch = new ReplyBatch(engine, threads);
  const info = JSON.parse(engine.info()) as EngineInfo;
  queue.most = info.batch;
  return { ...info, flavour, threads };
}

async function generate(
  {
    grammar,
    grammarAfter,
    logitBias,
    contextOverflow,
    alone: _,
    ...rest
  }: Calls["generate"]["in"],
  { signal, event }: Context<"generate">,
): Promise<GenerateResult> {
  const request = {
    ...rest,
    ...(logitBias ? { logitBias: biases(logitBias) } : {}),
    ...(overflows(contextOverflow) ? { shift: true } : {}),
  };
  const engine = loaded();
  const constrain = (grammar: Grammar) => grammars!.constrain(grammar, signal);
  const constraint = grammar
    ? wholeReply(await constrain(grammar))
    : grammarAfter &&
      new AfterOpening(grammarAfter, () => constrain(grammarAfter.grammar), {
        tokenize: (text) => engine.tokenize(text, false),
        detokenize: (id) => engine.detokenize(Uint32Array.of(id)),
      });
  return batch!.reply(JSON.stringify(request), constraint, { signal, event });
}

/** Whether a reply goes on where the context is full. */
function overflows(choice: string | undefined): boolean {
  if (choice === undefined || choice === "error") return false;
  if (choice === "shift") return true;
  throw new SmidgenError(
    "bad_argument",
    `contextOverflow is ${String(choice)}, expected "error" or "shift"`,
  );
}

/** As the engine takes them. */
function biases(given: Record<number, number>): [number, number][] {
  return Object.entries(given).map(([id, bias]) => [Number(id), bias]);
}

/** What a panic printed, for the report of the trap that follows it. */
let lastPrinted: string | undefined;
const print = console.error;
console.error = (...values: unknown[]) => {
  lastPrinted = String(values[0]);
  print.apply(console, values);
};

/** Calls that never touch the engine, and so cannot break it. */
const STORAGE_CALLS: ReadonlySet<CallName> = new Set([
  "listModels",
  "deleteModel",
  "pinModel",
  "exportModel",
  "importModel",
  "estimate",
]);

/** Errors that the engine raises on purpose carry a code. All others leave it in an unknown state. */
function fail(id: number, name: CallName, error: unknown): void {
  const fallback = STORAGE_CALLS.has(name) ? "storage_failed" : "engine_trap";
  const wire = toWire(error, fallback);
  const fatal = wire.code === "engine_trap" && !isAbort(error);
  if (fatal) {
    wire.message = `the engine broke off: ${wire.message}`;
    wire.details = {
      ...wire.details,
      ...(lastPrinted === undefined
        ? {}
        : { panic: lastPrinted.slice(0, 2000) }),
      ...(error instanceof Error ? { stack: error.stack } : {}),
    };
  }
  const shared = error instanceof SharedTrap;
  scope.postMessage({ type: "failed", id, error: wire, fatal, shared });
}

type Call = Extract<ToWorker, { type: "call" }>;

/** Replies are made beside each other; these calls read what never changes, or touch no engine. */
const ASIDE: ReadonlySet<CallName> = new Set([
  "stored",
  "tokenize",
  "detokenize",
  "applyTemplate",
]);

function mannerOf({ name, in: input }: Call): Manner {
  if (name === "generate") return input.alone ? "alone" : "beside";
  return ASIDE.has(name) ? "aside" : "alone";
}

scope.onmessage = ({ data: message }) => {
  if (message.type === "ping") {
    scope.postMessage({ type: "up" });
    return;
  }
  if (message.type === "cancel") {
    queue.cancel(message.id);
    return;
  }
  const { id, name } = message;
  const run = async (signal: AbortSignal) => {
    const context: Context<CallName> = {
      signal,
      event: (event) => scope.postMessage({ type: "event", id, event }),
    };
    try {
      const call = work[name] as (
        input: unknown,
        context: Context<CallName>,
      ) => Promise<Calls[CallName]["out"]>;
      const out = await call(message.in, context);
      scope.postMessage({ type: "done", id, out });
    } catch (error) {
      fail(id, name, error);
    }
  };
  const refuse = (reason: Error) => fail(id, name, reason);
  queue.add({ id, manner: mannerOf(message), run, refuse });
};

scope.postMessage({ type: "up" });
