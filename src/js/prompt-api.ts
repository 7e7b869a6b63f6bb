// The Prompt API's `LanguageModel` on a model of this package: for pages that want it everywhere, or only where the browser has none.

import type { Llm } from "./engine.ts";
import {
  checkSignal,
  PromptSession,
  type PromptOptions,
} from "./prompt-api-session.ts";
import {
  CONTENT_TYPES,
  readPrompt,
  type Prompt,
  type PromptMessage,
} from "./prompt-api-messages.ts";
import type { PromptTool } from "./prompt-api-session.ts";
import type { LoadProgress, Message } from "./types.ts";

export { QuotaExceededError } from "./prompt-api-session.ts";
export type { PromptOptions, PromptTool } from "./prompt-api-session.ts";
export type {
  Prompt,
  PromptContent,
  PromptMessage,
  PromptRole,
} from "./prompt-api-messages.ts";

export type Availability =
  "unavailable" | "downloadable" | "downloading" | "available";

/** Where sessions get their model from. */
export interface PromptApiBackEnd {
  /** Called by the first `create`; every session shares what it gives. */
  load(options: {
    signal?: AbortSignal;
    onProgress: (progress: LoadProgress) => void;
  }): Promise<Llm>;
  /** Before anything is loaded. Default `"downloadable"`. */
  availability?(): Promise<Availability> | Availability;
}

const SAMPLING = {
  "most-predictable": { temperature: 0 },
  predictable: { temperature: 0.4 },
  balanced: { temperature: 0.8 },
  creative: { temperature: 1.1 },
  "most-creative": { temperature: 1.4 },
};

export type SamplingMode = keyof typeof SAMPLING;

export interface Expected {
  type: "text" | "image" | "audio" | "tool-call" | "tool-response";
  languages?: string[];
}

export interface CreateCoreOptions {
  /** Ignored, as on the web. */
  topK?: number;
  /** Ignored, as on the web. */
  temperature?: number;
  samplingMode?: SamplingMode;
  expectedInputs?: Expected[];
  expectedOutputs?: Expected[];
  tools?: PromptTool[];
}

export interface CreateOptions extends CreateCoreOptions {
  signal?: AbortSignal;
  monitor?: (monitor: EventTarget) => void;
  initialPrompts?: PromptMessage[];
}

/** A session. */
export interface LanguageModel extends EventTarget {
  prompt(input: Prompt, options?: PromptOptions): Promise<string>;
  promptStreaming(
    input: Prompt,
    options?: PromptOptions,
  ): ReadableStream<string>;
  append(input: Prompt, options?: { signal?: AbortSignal }): Promise<undefined>;
  measureContextUsage(input: Prompt, options?: PromptOptions): Promise<number>;
  readonly contextUsage: number;
  readonly contextWindow: number;
  readonly samplingMode: SamplingMode;
  oncontextoverflow: ((event: Event) => void) | null;
  clone(options?: { signal?: AbortSignal }): Promise<LanguageModel>;
  destroy(): undefined;
}

/** What stands on a page as `LanguageModel`. */
export interface LanguageModelClass {
  readonly prototype: LanguageModel;
  availability(options?: CreateCoreOptions): Promise<Availability>;
  create(options?: CreateOptions): Promise<LanguageModel>;
}

/** The class `LanguageModel` over `backEnd`. */
export function createLanguageModel(
  backEnd: PromptApiBackEnd,
): LanguageModelClass {
  const source = new Source(backEnd);

  class OnDevice extends EventTarget implements LanguageModel {
    readonly #session: PromptSession;
    #handler: ((event: Event) => void) | null = null;

    /** Sessions come from `create` and `clone` only. */
    constructor(session?: PromptSession) {
      super();
      if (!(session instanceof PromptSession)) {
        throw new TypeError("Illegal constructor");
      }
      this.#session = session;
      session.onOverflow = () =>
        this.dispatchEvent(new Event("contextoverflow"));
      this.addEventListener("contextoverflow", (event) =>
        this.#handler?.call(this, event),
      );
    }

    static async availability(
      options: CreateCoreOptions = {},
    ): Promise<Availability> {
      if (!isSupported(options)) return "unavailable";
      return source.availability();
    }

    static async create(options: CreateOptions = {}): Promise<OnDevice> {
      const { signal, samplingMode = "balanced", tools = [] } = options;
      checkSignal(signal);
      signal?.throwIfAborted();
      if (!isSupported(options)) {
        throw new DOMException(
          "this model reads and writes text only",
          "NotSupportedError",
        );
      }
      if (
        options.monitor !== undefined &&
        typeof options.monitor !== "function"
      ) {
        throw new TypeError("monitor is not a function");
      }
      for (const tool of tools) checkTool(tool);
      const initial = readInitial(options.initialPrompts ?? []);
      const llm = await source.load(options);
      signal?.throwIfAborted();
      const session = new PromptSession(llm, {
        initial,
        tools,
        samplingMode,
        sampling: SAMPLING[samplingMode],
      });
      await session.begin();
      // A signal given to create ends the session too.
      signal?.addEventListener("abort", () => session.destroy(signal.reason));
      return new OnDevice(session);
    }

    prompt(input: Prompt, options: PromptOptions = {}): Promise<string> {
      return this.#session.prompt(input, options);
    }

    promptStreaming(
      input: Prompt,
      options: PromptOptions = {},
    ): ReadableStream<string> {
      return this.#session.promptStreaming(input, options);
    }

    append(
      input: Prompt,
      options: { signal?: AbortSignal } = {},
    ): Promise<undefined> {
      return this.#session.append(input, options);
    }

    measureContextUsage(
      input: Prompt,
      options: PromptOptions = {},
    ): Promise<number> {
      return this.#session.measure(input, options);
    }

    get contextUsage(): number {
      return this.#session.usage;
    }

    get contextWindow(): number {
      return this.#session.window;
    }

    get samplingMode(): SamplingMode {
      return this.#session.samplingMode as SamplingMode;
    }

    get oncontextoverflow(): ((event: Event) => void) | null {
      return this.#handler;
    }

    set oncontextoverflow(handler: unknown) {
      this.#handler =
        typeof handler === "function"
          ? (handler as (event: Event) => void)
          : null;
    }

    async clone(options: { signal?: AbortSignal } = {}): Promise<OnDevice> {
      checkSignal(options.signal);
      options.signal?.throwIfAborted();
      return new OnDevice(this.#session.clone());
    }

    destroy(): undefined {
      this.#session.destroy(
        new DOMException("the session was destroyed", "AbortError"),
      );
      return undefined;
    }
  }
  // Programs ask for the class's name.
  Object.defineProperty(OnDevice, "name", { value: "LanguageModel" });
  return OnDevice;
}

/** Puts `LanguageModel` on the page where the browser has none; whether it did. */
export function installPromptApi(backEnd: PromptApiBackEnd): boolean {
  const scope = globalThis as { LanguageModel?: unknown };
  if ("LanguageModel" in scope) return false;
  Object.defineProperty(scope, "LanguageModel", {
    value: createLanguageModel(backEnd),
    writable: true,
    configurable: true,
  });
  return true;
}

function isSupported(options: CreateCoreOptions): boolean {
  const { expectedInputs = [], expectedOutputs = [], samplingMode } = options;
  for (const { type, languages } of [...expectedInputs, ...expectedOutputs]) {
    if (!CONTENT_TYPES.includes(type)) {
      throw new TypeError(`an expected type is ${String(type)}`);
    }
    // A RangeError for what is no language tag.
    Intl.getCanonicalLocales(languages ?? []);
  }
  if (samplingMode !== undefined && !Object.hasOwn(SAMPLING, samplingMode)) {
    throw new TypeError(`samplingMode is ${String(samplingMode)}`);
  }
  return (
    expectedInputs.every(({ type }) => type !== "image" && type !== "audio") &&
    expectedOutputs.every(({ type }) => type === "text" || type === "tool-call")
  );
}

/** Nothing is begun by a prompt that only sets the scene. */
function readInitial(given: PromptMessage[]): Message[] {
  const all = [...given];
  if (all.length === 0) return [];
  const { messages, prefix } = readPrompt(all, true);
  if (prefix !== undefined) {
    throw new DOMException("initialPrompts take no prefix", "SyntaxError");
  }
  return messages;
}

function checkTool(tool: PromptTool): void {
  if (
    typeof tool?.name !== "string" ||
    typeof tool.description !== "string" ||
    typeof tool.inputSchema !== "object" ||
    typeof tool.execute !== "function"
  ) {
    throw new TypeError(
      "a tool needs a name, a description, an inputSchema and a function execute",
    );
  }
}

/** One model for all sessions, loaded by the first. */
class Source {
  readonly #backEnd: PromptApiBackEnd;
  #loading: Promise<Llm> | undefined;
  #loaded = false;
  readonly #monitors = new Set<(loaded: number) => void>();

  constructor(backEnd: PromptApiBackEnd) {
    this.#backEnd = backEnd;
  }

  async availability(): Promise<Availability> {
    if (this.#loaded) return "available";
    if (this.#loading) return "downloading";
    return (await this.#backEnd.availability?.()) ?? "downloadable";
  }

  async load({ signal, monitor }: CreateOptions): Promise<Llm> {
    const tell = monitor ? progressOf(monitor) : () => {};
    tell(0);
    this.#monitors.add(tell);
    try {
      this.#loading ??= this.#start();
      const llm = await raced(this.#loading, signal);
      tell(1);
      return llm;
    } finally {
      this.#monitors.delete(tell);
    }
  }

  /** Not tied to one caller's signal: others may be waiting for the same model. */
  async #start(): Promise<Llm> {
    try {
      const llm = await this.#backEnd.load({
        onProgress: ({ loadedBytes, totalBytes }) => {
          if (!totalBytes) return;
          for (const tell of this.#monitors) tell(loadedBytes / totalBytes);
        },
      });
      this.#loaded = true;
      return llm;
    } catch (error) {
      this.#loading = undefined;
      const { code, message } = error as { code?: unknown; message: string };
      if (String(code).startsWith("download_")) {
        throw new DOMException(message, "NetworkError");
      }
      throw new DOMException(message, "OperationError");
    }
  }
}

/** Calls the page's monitor; the function that tells it how far the download is. */
function progressOf(
  monitor: (monitor: EventTarget) => void,
): (loaded: number) => void {
  const target = new EventTarget();
  let handler: unknown = null;
  Object.defineProperty(target, "ondownloadprogress", {
    get: () => handler,
    set: (value: unknown) => {
      handler = value;
    },
  });
  target.addEventListener("downloadprogress", (event) => {
    if (typeof handler === "function") handler.call(target, event);
  });
  monitor(target);
  let told = -1;
  return (loaded) => {
    // Steps of 1/65536, so that the size of a model cannot be told from them.
    const step = Math.floor(Math.min(loaded, 1) * 0x10000) / 0x10000;
    if (step <= told) return;
    told = step;
    target.dispatchEvent(
      new ProgressEvent("downloadprogress", {
        lengthComputable: true,
        loaded: step,
        total: 1,
      }),
    );
  };
}

function raced<T>(
  promise: Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T> {
  if (!signal) return promise;
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason as Error);
    signal.addEventListener("abort", abort, { once: true });
    promise
      .then(resolve, reject)
      .finally(() => signal.removeEventListener("abort", abort));
  });
}
