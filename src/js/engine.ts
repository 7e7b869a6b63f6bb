// `load` and the loaded model: keeps one worker, replaces it after a trap, and streams its tokens. Holds no weights.

import {
  badArgument,
  oneOf,
  plain,
  text,
  texts,
  tokenIds,
} from "./arguments.ts";
import { Connection, type CallOptions } from "./connection.ts";
import { connectModel } from "./connect-model.ts";
import { aborted, SmidgenError, unloaded, WORKER_REPLACED } from "./errors.ts";
import { createEmbeddings, type EmbeddingsApi } from "./openai-embeddings.ts";
import { createFetch, modelNotFound, type Route } from "./openai-fetch.ts";
import { createCompletions } from "./openai-completions.ts";
import { createChatCompletions } from "./openai.ts";
import { memory, type Resident } from "./memory-budget.ts";
import { absolute } from "./model-source.ts";
import { toKnownSource } from "./named-source.ts";
import { whenPutAside } from "./page-aside.ts";
import type {
  ChatCompletions,
  Completions,
  ModelCard,
} from "./openai-types.ts";
import type { CallName, Calls, LoadRequest, WireSource } from "./protocol.ts";
import { canShare, type LoadWatch } from "./shared-tabs.ts";
import type {
  EmbedOptions,
  CacheFormat,
  Embeddings,
  FilledToken,
  GenerateEvent,
  GenerateRequest,
  LoadOptions,
  Message,
  TemplateOptions,
  ModelInfo,
  ModelSource,
  SavedSession,
  TextClass,
  Warning,
} from "./types.ts";

/** What the model has evaluated, kept in IndexedDB by name, the least recently used leaving first. */
export interface SavedSessions {
  save(name: string): Promise<SavedSession>;
  /** A prompt that begins like the saved one then costs its new part only; how many tokens were taken up. */
  restore(name: string): Promise<number>;
  list(): Promise<SavedSession[]>;
  /** Whether there was one. */
  delete(name: string): Promise<boolean>;
}

/** What is not stored by then is left to be fetched by the next load. */
const STORE_MS = 10_000;

/** What a model is made of that `load` has found. */
interface Found {
  connection: Connection;
  /** Another worker with the same model. */
  connect: () => Promise<Connection>;
  info: ModelInfo;
  /** The model is still being written; `info.cached` is not known yet. */
  storing: boolean;
  /** Whether its worker may be ended while nobody calls, because it starts again from this device. */
  mayRest: () => boolean;
  onWarning: ((warning: Warning) => void) | undefined;
}

/** A loaded model. Made by `Smidgen.load`. */
export class Llm {
  readonly info: ModelInfo;
  /**
   * Whether the next visit will find the model on this device, once that is known: a model answers before its last bytes
   * are written. `info.cached` and `info.warnings` say it then too. Never rejects.
   */
  readonly stored: Promise<boolean>;
  readonly chat: { completions: ChatCompletions };
  /** OpenAI's older interface: text goes in as it is, without a template. */
  readonly completions: Completions;
  /** OpenAI's embeddings. */
  readonly embeddings: EmbeddingsApi;
  /** OpenAI's list of models, which holds this one. */
  readonly models: {
    list(): Promise<{ object: "list"; data: ModelCard[] }>;
    retrieve(id: string): Promise<ModelCard>;
  };
  readonly sessions: SavedSessions;
  /** Answers `/v1/chat/completions`, `/v1/completions`, `/v1/embeddings` and `/v1/models` like a server would; give it to clients that take a `fetch`. */
  readonly fetch: typeof globalThis.fetch;

  readonly #connect: () => Promise<Connection>;
  #connection: Promise<Connection>;
  #unloaded = false;
  /** Calls under way. */
  #calls = 0;
  #usedAt = performance.now();
  #inMemory = true;
  readonly #resident: Resident;
  readonly #stayHere: () => void;

  /** Not for use outside the package: `Smidgen.load` makes these. */
  constructor(found: Found) {
    const { connection, connect, info, storing, mayRest, onWarning } = found;
    this.#connection = Promise.resolve(connection);
    this.#connect = connect;
    this.info = info;
    const inMemory = () => this.#inMemory;
    const usedAt = () => this.#usedAt;
    const isIdle = () => mayRest() && this.#calls === 0;
    this.#resident = {
      get residentBytes() {
        return inMemory() ? info.plan.totalBytes : 0;
      },
      get usedAt() {
        return usedAt();
      },
      get canRest() {
        return isIdle();
      },
      rest: () => this.#rest(),
    };
    memory.add(this.#resident);
    // What computes then is made again after the return, from where it was.
    this.#stayHere = whenPutAside(() => {
      if (mayRest()) void this.#rest();
    });
    this.stored = storing
      ? this.#whenStored(onWarning)
      : Promise.resolve(info.cached);
    const model = {
      id: info.id,
      chatTemplate: info.chatTemplate,
      vocabSize: info.vocabSize,
      generate: this.generate.bind(this),
      controlToken: (name: string) => this.#controlToken(name),
    };
    const chat = createChatCompletions(model);
    this.chat = { completions: chat };
    this.completions = createCompletions(model);
    this.embeddings = createEmbeddings(info.id, (texts, options) =>
      this.embed(texts, options),
    );
    this.sessions = {
      save: async (name) =>
        this.#call("keepSession", { name: text("name", name) }),
      restore: async (name) =>
        this.#call("resumeSession", { name: text("name", name) }),
      list: () => this.#call("listSessions", null),
      delete: async (name) =>
        this.#call("deleteSession", { name: text("name", name) }),
    };
    const card: ModelCard = {
      id: info.id,
      object: "model",
      created: Math.floor(Date.now() / 1000),
      owned_by: "smidgen",
      name: info.name,
    };
    this.models = {
      list: async () => ({ object: "list", data: [card] }),
      retrieve: async (id) => {
        if (id === card.id) return card;
        throw modelNotFound(id, card.id);
      },
    };
    this.fetch = createFetch(
      card,
      new Map<string, Route>([
        ["/chat/completions", chat.create],
        ["/completions", this.completions.create],
        ["/embeddings", this.embeddings.create],
      ]),
    );
  }

  /** The id of a control token, which is a token that leaves no text. */
  async #controlToken(name: string): Promise<number | undefined> {
    const ids = await this.tokenize(name, { parseSpecial: true });
    if (ids.length !== 1) return undefined;
    return (await this.detokenize(ids)) === "" ? ids[0] : undefined;
  }

  /**
   * The primitive under the façades: one prompt in; `begun`, `token`s and `done` out.
   * Leaving the loop early stops the generation.
   */
  async *generate(
    request: GenerateRequest,
    options: { signal?: AbortSignal | null } = {},
  ): AsyncGenerator<GenerateEvent, void, undefined> {
    const calledAt = performance.now();
    let firstTokenAt: number | undefined;
    /** The number of the last event, and how many have been told. */
    let made = -1;
    let told = 0;
    const inbox: GenerateEvent[] = [];
    let wake = () => {};
    let ended = false;
    let failure: unknown;

    const controller = new AbortController();
    const forward = () => controller.abort();
    if (options.signal?.aborted) throw aborted("generate");
    options.signal?.addEventListener("abort", forward, { once: true });

    this.#call("generate", complete(plain("the request", request)), {
      signal: controller.signal,
      onEvent: (event) => {
        // Where another call has broken the worker, the next one makes the same reply again, with the same seed and so
        // in the same words.
        if (event.type === "begun") made = -1;
        if (++made < told) return;
        told = made + 1;
        if (event.type === "token") firstTokenAt ??= performance.now();
        inbox.push(event);
        wake();
      },
    })
      .then((out) => {
        const { finish, promptTokens, cachedTokens } = out;
        const { prefillMs, decodeMs, decodeTokens } = out;
        const prefillTokens = promptTokens - cachedTokens;
        inbox.push({
          type: "done",
          finish,
          promptTokens,
          cachedTokens,
          timings: {
            prefillMs,
            decodeMs,
            prefillTokens,
            decodeTokens,
            timeToFirstTokenMs: (firstTokenAt ?? performance.now()) - calledAt,
            prefillTps: perSecond(prefillTokens, prefillMs),
            decodeTps: perSecond(decodeTokens, decodeMs),
          },
        });
      })
      .catch((error: unknown) => {
        failure = error;
      })
      .finally(() => {
        ended = true;
        wake();
      });

    try {
      for (;;) {
        const event = inbox.shift();
        if (event !== undefined) {
          yield event;
        } else if (failure !== undefined) {
          throw failure;
        } else if (ended) {
          return;
        } else {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
      }
    } finally {
      options.signal?.removeEventListener("abort", forward);
      controller.abort();
    }
  }

  /** `parseSpecial`: read `<|…|>` in the text as control tokens. Leave it off for text that a user wrote. */
  async tokenize(
    input: string,
    options: { parseSpecial?: boolean } = {},
  ): Promise<number[]> {
    const parseSpecial = options.parseSpecial === true;
    return this.#call("tokenize", { text: text("text", input), parseSpecial });
  }

  async detokenize(ids: ArrayLike<number>): Promise<string> {
    const { vocabSize } = this.info;
    return this.#call("detokenize", { ids: tokenIds("ids", ids, vocabSize) });
  }

  /** The prompt text that the model's own chat template makes of `messages`. */
  async applyTemplate(
    messages: Message[],
    options: TemplateOptions = {},
  ): Promise<string> {
    const { addGenerationPrompt = true, ...rest } = options;
    const request = {
      messages,
      addGenerationPrompt,
      now: localTime(),
      ...rest,
    };
    return this.#call("applyTemplate", plain("the request", request));
  }

  /** Embeddings of texts; what is over the context is left out. */
  async embed(
    input: string[],
    options: EmbedOptions = {},
  ): Promise<Embeddings> {
    const { pooling, normalise, signal } = options;
    const request = {
      texts: texts("texts", input),
      ...(normalise === undefined ? {} : { normalise: normalise === true }),
      ...(pooling ? { pooling: oneOf("pooling", pooling, POOLINGS) } : {}),
    };
    return this.#call("embed", request, { signal });
  }

  /** The classes of a text, or of two read together, by a model with a classifier. */
  async classify(input: string, second?: string): Promise<TextClass[]> {
    return this.#call("classify", {
      text: text("text", input),
      ...(second === undefined ? {} : { second: text("second", second) }),
    });
  }

  /** How well each document answers `query`, 0 to 1, by a model that reads both together. */
  async rerank(
    query: string,
    documents: string[],
    options: { signal?: AbortSignal | null } = {},
  ): Promise<number[]> {
    const request = {
      query: text("query", query),
      documents: texts("documents", documents),
    };
    return this.#call("rerank", request, options);
  }

  /** For each `[MASK]` or `<mask>` in a text the likeliest tokens, by a model with a head for it. */
  async fillMask(input: string, topK = 5): Promise<FilledToken[][]> {
    if (!(Number.isInteger(topK) && topK >= 1)) {
      throw badArgument("topK", topK, "a whole number, 1 or more");
    }
    return this.#call("fillMask", { text: text("text", input), topK });
  }

  /** What has been evaluated, as bytes: some 20 KB for each token of a small model. */
  saveState(): Promise<Uint8Array<ArrayBuffer>> {
    return this.#call("saveState", null);
  }

  /** Takes up what `saveState` of the same model returned; how many tokens that is. */
  async restoreState(state: Uint8Array<ArrayBuffer>): Promise<number> {
    if (!(state instanceof Uint8Array)) {
      throw badArgument("the state", state, "the bytes that saveState gave");
    }
    return this.#call("restoreState", { state });
  }

  /** Forgets the KV cache, and with it every conversation. */
  async reset(): Promise<void> {
    await this.#call("reset", null);
  }

  /** Frees the memory, once the model is stored. Calls under way are rejected with `unloaded`; the stored copy stays. */
  async unload(): Promise<void> {
    if (this.#unloaded) return;
    this.#unloaded = true;
    memory.remove(this.#resident);
    this.#stayHere();
    const connection = await this.#connection.catch(() => undefined);
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, STORE_MS);
    });
    await Promise.race([this.stored, late]);
    clearTimeout(timer);
    connection?.close(unloaded());
  }

  async #whenStored(
    onWarning: ((warning: Warning) => void) | undefined,
  ): Promise<boolean> {
    // Where its worker has gone for good, the next load goes on from what was written.
    const result = await this.#call("stored", null).catch(() => undefined);
    this.info.cached = result?.cached ?? false;
    for (const warning of result?.warnings ?? []) {
      this.info.warnings.push(warning);
      onWarning?.(warning);
    }
    return this.info.cached;
  }

  /** One call on the living worker; a call that only waited while another broke the worker is made again. */
  async #call<N extends CallName>(
    name: N,
    input: Calls[N]["in"],
    options: CallOptions<N> = {},
  ): Promise<Calls[N]["out"]> {
    this.#calls++;
    this.#usedAt = performance.now();
    try {
      for (;;) {
        const connection = await this.#alive();
        if (options.signal?.aborted) throw aborted(name);
        try {
          return await connection.call(name, input, options);
        } catch (error) {
          if ((error as SmidgenError).code !== WORKER_REPLACED) throw error;
          // Where it is this one that breaks workers, it is found out.
          if (name === "generate") input = { ...input, alone: true };
        }
      }
    } finally {
      this.#calls--;
      // Nobody else could rest, perhaps, while this was busy.
      void memory.keep();
    }
  }

  /** Ends the worker; the next call starts another. */
  async #rest(): Promise<void> {
    this.#inMemory = false;
    const connection = await this.#connection.catch(() => undefined);
    connection?.close(new SmidgenError(WORKER_REPLACED, "the model rests"));
  }

  async #alive(): Promise<Connection> {
    for (;;) {
      if (this.#unloaded) throw unloaded();
      const held = this.#connection;
      const connection = await held.catch(() => undefined);
      if (connection?.open) return connection;
      // Of several callers that find the worker dead, the first replaces it.
      if (this.#connection === held) {
        this.#connection = this.#replace();
        await this.#connection;
      }
    }
  }

  async #replace(): Promise<Connection> {
    const connection = await this.#connect();
    this.#inMemory = true;
    void memory.keep(this.#resident);
    if (this.#unloaded) connection.close(unloaded());
    return connection;
  }
}

/** Reads a model into a worker of its own. */
export async function load(
  source: ModelSource,
  options: LoadOptions = {},
): Promise<Llm> {
  const startedAt = performance.now();
  const request = toRequest(await toKnownSource(source), options);
  const warnings: Warning[] = [];
  const shared = Boolean(options.shareTabs) && canShare();
  const connect = (request: LoadRequest, watch: LoadWatch) =>
    connectModel(request, watch, shared);
  const { connection, result } = await connect(request, {
    signal: options.signal,
    onEvent: (event) => {
      if (event.type === "progress") {
        options.onProgress?.(event.progress);
      } else {
        warnings.push(event.warning);
        options.onWarning?.(event.warning);
      }
    },
  });
  const { info, id, storage, fromCache, cached } = result;
  const again = async () => (await connect(request, {})).connection;
  const loaded: ModelInfo = {
    ...info,
    id,
    storage,
    fromCache,
    cached: cached ?? false,
    loadMs: performance.now() - startedAt,
    warnings,
  };
  // Other tabs may be using it, or nothing but the network has it.
  const mayRest = () => !shared && (loaded.cached || isLocal(request.source));
  return new Llm({
    ...{ connection, connect: again, info: loaded, mayRest },
    storing: cached === undefined,
    onWarning: options.onWarning,
  });
}

function isLocal(source: WireSource): boolean {
  return source.kind === "files"
    ? source.files.every(isLocal)
    : source.kind === "blob";
}

const CACHE_FORMATS: CacheFormat[] = ["q16_0", "f16", "q8_0"];
const POOLINGS = ["mean", "first", "last"];
const STORAGE = ["auto", "opfs", "indexeddb", "memory"];
const FLAVOURS = [
  "auto",
  "simd128",
  "relaxed",
  "simd128-threads",
  "relaxed-threads",
];

function toRequest(source: WireSource, options: LoadOptions): LoadRequest {
  const { threads = 1 } = options;
  if (
    threads !== "auto" &&
    !(Number.isInteger(threads) && threads >= 1 && threads <= 16)
  ) {
    throw badArgument(
      "threads",
      threads,
      'a whole number from 1 to 16 or "auto"',
    );
  }
  const lengths = tokenCounts(options, ["contextLength", "cacheLength"]);
  const { wasmBase: base, cacheFormat, quantise } = options;
  return {
    source,
    ...lengths,
    ...(cacheFormat === undefined
      ? {}
      : { cacheFormat: oneOf("cacheFormat", cacheFormat, CACHE_FORMATS) }),
    ...(quantise === undefined ? {} : { quantise: text("quantise", quantise) }),
    threads,
    flavour: oneOf("flavour", options.flavour ?? "auto", FLAVOURS),
    storage: oneOf("storage", options.storage ?? "auto", STORAGE),
    cache: options.cache ?? true,
    makeRoom: options.makeRoom ?? false,
    ...(base === undefined
      ? {}
      : { wasmBase: absolute(base).replace(/\/?$/, "/") }),
  };
}

/** Those of the named options that are given. */
function tokenCounts<K extends "contextLength" | "cacheLength">(
  options: LoadOptions,
  names: K[],
): Partial<Record<K, number>> {
  const counts: Partial<Record<K, number>> = {};
  for (const name of names) {
    const count = options[name];
    if (count === undefined) continue;
    if (!(Number.isInteger(count) && count >= 1)) {
      throw badArgument(name, count, "a whole number of tokens, 1 or more");
    }
    counts[name] = count;
  }
  return counts;
}

/** The engine knows neither chance nor time: a seed and a clock always go in. */
function complete(request: GenerateRequest): GenerateRequest {
  const [seed] = crypto.getRandomValues(new Uint32Array(1));
  return { now: localTime(), ...request, seed: request.seed ?? seed! };
}

/** Seconds since 1970 on the clock of this place. */
function localTime(): number {
  const now = new Date();
  return Math.floor(now.getTime() / 1000) - now.getTimezoneOffset() * 60;
}

function perSecond(count: number, ms: number): number {
  return ms > 0 ? (count * 1000) / ms : 0;
}
