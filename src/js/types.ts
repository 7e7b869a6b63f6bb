// The public types of the package: what goes into `Smidgen.load` and what comes out of it. No behaviour.

/** One build of the engine. The `-threads` flavours need a cross-origin isolated page. */
export type Flavour =
  "simd128" | "relaxed" | "simd128-threads" | "relaxed-threads";

/** Where the bytes of a model come from. */
export type ModelSource =
  | string
  | URL
  /** A file the user chose. */
  | Blob
  /** `sha256`: 64 hexadecimal digits of the whole file; a file that differs is refused. */
  | { url: string | URL; sha256?: string }
  /** A model that is already on this device: an `id` from `Smidgen.models.list()`. Never uses the network. */
  | { id: string };

export interface LoadProgress {
  /** `download`: from the network; `cache`: from this device's storage; `load`: from a local file. */
  phase: "download" | "cache" | "load";
  loadedBytes: number;
  /** Undefined while the server has not said. */
  totalBytes: number | undefined;
}

/** Something that did not stop the work but that the user may want to know. */
export interface Warning {
  code: string;
  message: string;
}

export type StorageChoice = "auto" | StorageKind;
/** Models kept as `opfs` are found as `indexeddb` and the other way round: both have their records in IndexedDB. */
export type StorageKind = "opfs" | "indexeddb" | "memory";

export interface LoadOptions {
  signal?: AbortSignal;
  onProgress?: (progress: LoadProgress) => void;
  onWarning?: (warning: Warning) => void;
  /** Tokens the KV cache holds. Default: chosen by the engine, at most the model's own maximum. */
  contextLength?: number;
  /** Threads in all. `"auto"` takes what the device has, up to 8. Default 1. */
  threads?: number | "auto";
  /** Default `"auto"`: the fastest flavour that this browser validates. */
  flavour?: Flavour | "auto";
  storage?: StorageChoice;
  /** Where the model does not fit this device's storage: delete others that are not pinned, least recently used first. Default false. */
  makeRoom?: boolean;
  /** Keep the model on this device and use it when it is there. Default true. */
  cache?: boolean;
  /** The folder that holds `<flavour>/smidgen.js` and `<flavour>/smidgen_bg.wasm`. Default: beside the package's worker. */
  wasmBase?: string | URL;
}

export interface MemoryPlan {
  weightsBytes: number;
  cacheBytes: number;
  scratchBytes: number;
  totalBytes: number;
  contextLength: number;
  fileBytes: number;
}

/** What the engine says of a loaded model. */
export interface EngineInfo {
  name: string;
  architecture: string;
  format: string;
  parameters: number;
  contextLength: number;
  maxContextLength: number;
  vocabSize: number;
  layers: number;
  flavour: string;
  threads: number;
  plan: MemoryPlan;
  templateWarning?: string;
}

export interface ModelInfo extends EngineInfo {
  /** The model's key in `Smidgen.models`. */
  id: string;
  /** The storage back end in use; undefined where nothing could be kept. */
  storage: StorageKind | undefined;
  /** True when not one byte of weights came from the network. */
  fromCache: boolean;
  /** True when the next visit will find the model on this device. */
  cached: boolean;
  /** From the call of `load` to a model that answers, in milliseconds. */
  loadMs: number;
  warnings: Warning[];
}

/** One model in this device's storage. */
export interface StoredModel {
  id: string;
  name: string;
  url?: string;
  /** Bytes stored on this device. */
  storedBytes: number;
  totalBytes?: number;
  /** False for a download that stopped on its way; loading it again goes on from there. */
  complete: boolean;
  /** Never deleted by `makeRoom`. */
  pinned: boolean;
  sha256?: string;
  /** Milliseconds since 1970. */
  createdAt: number;
  lastUsedAt: number;
}

export interface DeletableModel {
  id: string;
  name: string;
  /** What deleting this model alone would free: chunks that two models share stay. */
  bytes: number;
  lastUsedAt: number;
}

export interface StorageEstimate {
  /** The browser's own figures for this origin; undefined where it gives none. */
  usageBytes: number | undefined;
  quotaBytes: number | undefined;
  /** Bytes of all stored models, as this package counts them. */
  modelBytes: number;
  /** Undefined where the browser gives no figures. */
  freeBytes: number | undefined;
  /** What could be deleted to make room, least recently used first; nothing pinned. */
  deletable: DeletableModel[];
  /** Of the model that was asked about: what of it is not on this device yet. Undefined where its server does not say. */
  neededBytes?: number;
  /** Of the model that was asked about: whether it fits as things are. Undefined where that cannot be told. */
  fits?: boolean;
  /** True when the browser has promised not to evict this origin. */
  persisted: boolean;
}

export interface Message {
  role: string;
  content: string;
}

export interface SamplingOptions {
  maxTokens?: number;
  /** Default: drawn anew for every call. */
  seed?: number;
  temperature?: number;
  topK?: number;
  topP?: number;
  minP?: number;
  repetitionPenalty?: number;
  ignoreEos?: boolean;
  stop?: string[];
}

/** Exactly one of `messages`, `prompt` and `ids`. */
export interface GenerateRequest extends SamplingOptions {
  /** Rendered with the model's own chat template. */
  messages?: Message[];
  /** Text as it is, without a template. */
  prompt?: string;
  ids?: number[];
}

export interface Timings {
  prefillMs: number;
  decodeMs: number;
  /** Prompt tokens that were evaluated, not taken from the KV cache. */
  prefillTokens: number;
  decodeTokens: number;
  /** From the call on the page to the first token. */
  timeToFirstTokenMs: number;
  prefillTps: number;
  decodeTps: number;
}

export type FinishReason = "stop" | "length";

export type GenerateEvent =
  | { type: "begun"; promptTokens: number; cachedTokens: number }
  /** `text` may be empty: half a character, or held back as the start of a stop string. */
  | { type: "token"; id: number; text: string }
  | {
      type: "done";
      finish: FinishReason;
      promptTokens: number;
      cachedTokens: number;
      timings: Timings;
    };
