// The public types of the package: what goes into `Smidgen.load` and what comes out of it. No behaviour.

/** One build of the engine. The `-threads` flavours need a cross-origin isolated page. */
export type Flavour =
  "simd128" | "relaxed" | "simd128-threads" | "relaxed-threads";

/** Where the bytes of a model come from. */
export type ModelSource =
  /** An address, or the name of a model in the catalogue (`smidgen/catalogue`): what has no slash and no file's ending. */
  | string
  | URL
  /** A model of the catalogue, from another `hub` with the same addresses. */
  | { name: string; hub?: string | URL }
  /** A file the user chose. */
  | Blob
  /** `sha256`: 64 hexadecimal digits of the whole file; a file that differs is refused. */
  | { url: string | URL; sha256?: string }
  /**
   * Several files of one model, in any order: the parts of a split GGUF, or a Hugging Face folder (`config.json`,
   * `tokenizer.json`, `model.safetensors` …). What the engine does not read of a folder is left out.
   */
  | (string | URL | File)[]
  /** A file, or several as above, of a repository on the Hugging Face hub, or on another `hub` with the same addresses. */
  | {
      repo: string;
      file: string | string[];
      /** A branch, tag or commit. Default `"main"`. */
      revision?: string;
      hub?: string | URL;
    }
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

export type CacheFormat = "q16_0" | "f16" | "q8_0";

export interface LoadOptions {
  signal?: AbortSignal;
  onProgress?: (progress: LoadProgress) => void;
  onWarning?: (warning: Warning) => void;
  /** Tokens that a conversation may have. Default: chosen by the engine, at most the model's own maximum. */
  contextLength?: number;
  /**
   * Tokens that the KV cache holds of all conversations together; what they have in common counts once. More keeps more
   * of them from being evaluated again. Default and minimum: `contextLength`.
   */
  cacheLength?: number;
  /**
   * What the KV cache holds keys and values in. `"q8_0"`: eight bits with a scale for each head and position, which takes
   * about half of the memory of `"f16"`, the default.
   */
  cacheFormat?: CacheFormat;
  /**
   * Rounds the weights to this format while they are read, as in `"q4_k_m"` or `"q8_0"`: a folder's 16-bit weights take
   * a quarter or half of the memory then. By default they stay as they are. Uses one thread.
   */
  quantise?: string;
  /** Threads in all. `"auto"` takes what the device has, up to 8. Default 1. */
  threads?: number | "auto";
  /** Default `"auto"`: the fastest flavour that this browser validates. */
  flavour?: Flavour | "auto";
  storage?: StorageChoice;
  /**
   * One engine for all tabs of this origin that ask for the same model, context length and cache format: the first loads it, the
   * others use it, and one takes over when it is closed. Default false.
   */
  shareTabs?: boolean;
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
  /** Tokens that the KV cache holds of all conversations. */
  cacheLength: number;
  cacheFormat: CacheFormat;
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
  /** Replies that are made at once at most. */
  batch: number;
  flavour: string;
  threads: number;
  plan: MemoryPlan;
  templateWarning?: string;
}

export interface ModelInfo extends EngineInfo {
  /** The Jinja source of the model's chat template. */
  chatTemplate: string;
  /** The model's key in `Smidgen.models`. */
  id: string;
  /** The storage back end in use; undefined where nothing could be kept. */
  storage: StorageKind | undefined;
  /** True when not one byte of weights came from the network. */
  fromCache: boolean;
  /** True when the next visit will find the model on this device; false while it is still being written (`stored`). */
  cached: boolean;
  /** From the call of `load` to a model that answers, in milliseconds. */
  loadMs: number;
  /** Those of storing come after the load where it takes longer. */
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
  /** What an assistant thought before its reply, for templates that write it back. */
  reasoning_content?: string;
  /** Calls of an assistant, their arguments as objects. */
  tool_calls?: TemplateToolCall[];
  tool_call_id?: string;
  name?: string;
}

export interface TemplateToolCall {
  id?: string;
  type: "function";
  function: { name: string; arguments: unknown };
}

export interface TemplateOptions {
  /** Whether the prompt ends where the assistant's reply begins. Default true. */
  addGenerationPrompt?: boolean;
  /** Tools that the template may describe, in OpenAI's form. */
  tools?: unknown[];
  /** Further variables of the template, such as `enable_thinking`. */
  templateVariables?: Record<string, unknown>;
  /** Local time as seconds since 1970. Default: this device's. */
  now?: number;
}

export interface EmbedOptions {
  /** How the tokens' representations become that of the text. Default: the model's own way. */
  pooling?: "mean" | "first" | "last";
  /** Scale each embedding to length 1. Default: the model's own way, which nearly always is true. */
  normalise?: boolean;
  signal?: AbortSignal | null;
}

export interface Embeddings {
  embeddings: Float32Array<ArrayBuffer>[];
  /** Tokens of all texts. */
  tokens: number;
}

/** A class of a text and how likely it is. */
export interface TextClass {
  label: string;
  score: number;
}

/** A token that may stand at a mask. */
export interface FilledToken {
  id: number;
  token: string;
  score: number;
}

/** What a model has evaluated, kept on this device so that the same beginning need not be evaluated again. */
export interface SavedSession {
  name: string;
  bytes: number;
  /** Milliseconds since 1970. */
  usedAt: number;
}

/** What a reply must be. The engine's grammar module is fetched with the first of these. */
export type Grammar =
  | { type: "json_object" }
  | { type: "json_schema"; schema: unknown }
  /** The whole reply matches. Default: in the syntax of Rust's `regex`; `"ecma"`: in JavaScript's. */
  | {
      type: "regex";
      pattern: string;
      syntax?: "rust" | "ecma";
      flags?: string;
    }
  /** In the Lark dialect of llguidance; begins with `start`. */
  | { type: "lark"; source: string }
  /** As llama.cpp writes grammars; begins with `root`. */
  | { type: "gbnf"; source: string }
  | { type: "choice"; choices: string[] };

/** A grammar that begins to rule once the reply has written one of `after`, and is not asked for before. */
export interface GrammarAfter {
  grammar: Grammar;
  after: string[];
  /** The opening is part of what the grammar rules, and only one where the reply begins. Default false. */
  included?: boolean;
  /** After what the grammar rules the reply is free again, until the next opening. Default false. */
  again?: boolean;
}

export interface SamplingOptions {
  /** Default: until the context is full, or with `contextOverflow: "shift"` as many as the context has. */
  maxTokens?: number;
  /**
   * Where the context is full: `"error"` refuses a prompt and ends a reply; `"shift"` keeps the first tokens, forgets the
   * oldest behind them, moves the others up and goes on, without evaluating anything again. Refused by models that keep
   * a state. Default `"error"`.
   */
  contextOverflow?: "error" | "shift";
  /** Tokens at the start that a shift never forgets, rounded up to a multiple of 128. Default: the system message. */
  keepTokens?: number;
  /** Default: drawn anew for every call. */
  seed?: number;
  temperature?: number;
  topK?: number;
  topP?: number;
  minP?: number;
  repetitionPenalty?: number;
  frequencyPenalty?: number;
  presencePenalty?: number;
  /** Added to the logits of these token ids. */
  logitBias?: Record<number, number>;
  /** Tell each token's log-probability, and those of so many of the most probable ones. */
  logprobs?: number;
  grammar?: Grammar;
  /** Only where there is no `grammar`. */
  grammarAfter?: GrammarAfter;
  ignoreEos?: boolean;
  stop?: string[];
}

/** Exactly one of `messages`, `prompt` and `ids`. */
export interface GenerateRequest extends SamplingOptions {
  /** Rendered with the model's own chat template. Of a model with an encoder and no template: one, whose text it reads. */
  messages?: Message[];
  /** Tools that the template may describe, in OpenAI's form. */
  tools?: unknown[];
  /** Further variables of the template. */
  templateVariables?: Record<string, unknown>;
  /** Local time as seconds since 1970, for templates that write a date. */
  now?: number;
  /** How the reply begins: the model goes on after this text and does not repeat it. */
  prefix?: string;
  /** Text as it is, without a template. A model with an encoder reads it, and begins its reply anew. */
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

/** A token and its log-probability under the model, before any sampling option has changed it. */
export interface Logprob {
  id: number;
  logprob: number;
  bytes: number[];
}

export interface BegunEvent {
  type: "begun";
  promptTokens: number;
  /** Of these, taken from the KV cache. */
  cachedTokens: number;
  /** The end of the prompt, control tokens spelled out. */
  tail: string;
}

export interface TokenEvent {
  type: "token";
  id: number;
  /** May be empty: half a character, or held back as the start of a stop string. */
  text: string;
  /** The name of a control token that does not end the reply. */
  control?: string;
  /** Where they were asked for: first the token itself, then the most probable ones. */
  logprobs?: Logprob[];
}

export type GenerateEvent =
  | BegunEvent
  | TokenEvent
  | {
      type: "done";
      finish: FinishReason;
      promptTokens: number;
      cachedTokens: number;
      timings: Timings;
    };
