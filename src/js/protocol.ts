// Everything that crosses between the page and the worker, as discriminated unions. No behaviour.

import type { WireError } from "./errors.ts";
import type {
  BegunEvent,
  CacheFormat,
  Embeddings,
  EngineInfo,
  FilledToken,
  FinishReason,
  Flavour,
  GenerateRequest,
  LoadProgress,
  Message,
  SavedSession,
  StorageChoice,
  StorageEstimate,
  StorageKind,
  StoredModel,
  TextClass,
  TokenEvent,
  Warning,
} from "./types.ts";

/** One file. */
export type WireFile =
  | { kind: "url"; url: string; sha256?: string }
  | { kind: "blob"; blob: Blob; id: string; name: string; path?: string }
  | { kind: "stored"; id: string };

export type WireSource = WireFile | WireFiles;

/** Several files of one model, in the order in which the engine reads them. */
export interface WireFiles {
  kind: "files";
  files: WireFile[];
  id: string;
  /** Of Hugging Face, not a split GGUF. */
  folder: boolean;
}

export interface LoadRequest {
  source: WireSource;
  contextLength?: number;
  cacheLength?: number;
  cacheFormat?: CacheFormat;
  quantise?: string;
  threads: number | "auto";
  flavour: Flavour | "auto";
  storage: StorageChoice;
  cache: boolean;
  makeRoom: boolean;
  /** Absolute, ends with a slash. */
  wasmBase?: string;
}

export interface LoadResult {
  id: string;
  info: EngineInfo & { chatTemplate: string };
  storage: StorageKind | undefined;
  fromCache: boolean;
  /** Undefined while the model is still being written: `stored` tells. */
  cached: boolean | undefined;
}

export interface StoredResult {
  cached: boolean;
  /** Those that came after the load's own. */
  warnings: Warning[];
}

export interface TemplateRequest {
  messages: Message[];
  addGenerationPrompt: boolean;
  tools?: unknown[];
  templateVariables?: Record<string, unknown>;
  now?: number;
}

export interface GenerateResult {
  finish: FinishReason;
  promptTokens: number;
  cachedTokens: number;
  prefillMs: number;
  decodeMs: number;
  decodeTokens: number;
}

/** One row per call: what goes in, what events come, what comes out. */
export interface Calls {
  load: { in: LoadRequest; event: LoadEvent; out: LoadResult };
  /** Waits until the loaded model is stored, or will not be. */
  stored: { in: null; event: never; out: StoredResult };
  generate: {
    /** `alone`: beside no other reply. */
    in: GenerateRequest & { alone?: boolean };
    event: ReplyEvent;
    out: GenerateResult;
  };
  tokenize: {
    in: { text: string; parseSpecial: boolean };
    event: never;
    out: number[];
  };
  detokenize: { in: { ids: number[] }; event: never; out: string };
  applyTemplate: {
    in: TemplateRequest;
    event: never;
    out: string;
  };
  reset: { in: null; event: never; out: null };
  embed: {
    in: { texts: string[]; pooling?: string; normalise?: boolean };
    event: never;
    out: Embeddings;
  };
  classify: {
    in: { text: string; second?: string };
    event: never;
    out: TextClass[];
  };
  rerank: {
    in: { query: string; documents: string[] };
    event: never;
    out: number[];
  };
  fillMask: {
    in: { text: string; topK: number };
    event: never;
    out: FilledToken[][];
  };
  saveState: { in: null; event: never; out: Uint8Array<ArrayBuffer> };
  restoreState: {
    in: { state: Uint8Array<ArrayBuffer> };
    event: never;
    out: number;
  };
  keepSession: { in: { name: string }; event: never; out: SavedSession };
  resumeSession: { in: { name: string }; event: never; out: number };
  listSessions: { in: null; event: never; out: SavedSession[] };
  deleteSession: { in: { name: string }; event: never; out: boolean };
  listModels: {
    in: { storage: StorageChoice };
    event: never;
    out: StoredModel[];
  };
  deleteModel: {
    in: { storage: StorageChoice; id: string };
    event: never;
    out: boolean;
  };
  pinModel: {
    in: { storage: StorageChoice; id: string; pinned: boolean };
    event: never;
    out: boolean;
  };
  exportModel: {
    in: { storage: StorageChoice; id: string };
    event: never;
    out: File;
  };
  importModel: {
    in: {
      storage: StorageChoice;
      blob: Blob;
      id: string;
      name: string;
      url?: string;
      sha256?: string;
    };
    event: never;
    out: string;
  };
  estimate: {
    in: { storage: StorageChoice; source?: WireSource };
    event: never;
    out: StorageEstimate;
  };
}

export type CallName = keyof Calls;

export type LoadEvent =
  | { type: "progress"; progress: LoadProgress }
  | { type: "warning"; warning: Warning };

export type ReplyEvent = BegunEvent | TokenEvent;

export type ToWorker =
  | {
      [N in CallName]: {
        type: "call";
        id: number;
        name: N;
        in: Calls[N]["in"];
      };
    }[CallName]
  | { type: "cancel"; id: number };

export type ToPage =
  | { type: "event"; id: number; event: LoadEvent | ReplyEvent }
  | { type: "done"; id: number; out: Calls[CallName]["out"] }
  /**
   * `fatal`: the engine is in an unknown state and the worker has to be replaced. `shared`: this call may not be the one
   * that broke it.
   */
  | {
      type: "failed";
      id: number;
      error: WireError;
      fatal: boolean;
      shared?: boolean;
    };

/** Whether the worker runs: it says so once by itself, and whenever it is asked. */
export interface Ping {
  type: "ping";
}
export type FromWorker = ToPage | { type: "up" };

/** Between the worker and its thread workers. */
export interface ToThread {
  glue: string;
  module: WebAssembly.Module;
  memory: WebAssembly.Memory;
  index: number;
}

export type FromThread =
  { type: "ready" } | { type: "failed"; message: string };
