// The types of the engine's glue code, as `src/bindings.rs` makes it. No behaviour.

import type { Logprob } from "./types.ts";

export interface Glue {
  default(input: {
    module_or_path: WebAssembly.Module;
    memory?: WebAssembly.Memory;
    thread_stack_size?: number;
  }): Promise<{ memory: WebAssembly.Memory }>;
  Loader: new (options: string) => Loader;
  /** Of the threads flavours: blocks for ever. */
  threadMain?(index: number): void;
}

export interface Loader {
  /** The next bytes are those of another file; not needed where there is only one. */
  file(path: string): void;
  push(bytes: Uint8Array): void;
  plan(): string | undefined;
  /** Consumes the loader. */
  finish(): Engine;
  free(): void;
}

export interface Engine {
  info(): string;
  tokenize(text: string, parseSpecial: boolean): Uint32Array;
  detokenize(ids: Uint32Array): string;
  applyTemplate(request: string): string;
  begin(request: string): string;
  /** 0: there is more; 1: done; 2: no room. */
  prefill(reply: number, most: number): number;
  /** `masks`: one after the other, of the replies that `masked` names. */
  step(replies: Uint32Array, masked: Uint32Array, masks: Uint32Array): string;
  end(reply: number): void;
  template(): string;
  vocabulary(): Uint8Array;
  embed(
    texts: string,
    pooling: string | undefined,
    normalise: boolean | undefined,
  ): Float32Array<ArrayBuffer>;
  classify(text: string, second: string | undefined): string;
  rerank(query: string, document: string): number;
  fillMask(text: string, topK: number): string;
  reset(): void;
  save(): Uint8Array<ArrayBuffer>;
  restore(state: Uint8Array): number;
  setThreads(n: number): void;
  free(): void;
}

export interface Begun {
  reply: number;
  promptTokens: number;
  cachedTokens: number;
  tail: string;
}

export interface Step {
  id: number;
  text: string;
  control?: string;
  logprobs?: Logprob[];
  finish?: "stop" | "length";
}

/** Why a reply ended in the middle. */
export interface Refusal {
  code: string;
  message: string;
}

/** The module of grammars. */
export interface GrammarGlue {
  default(input: { module_or_path: WebAssembly.Module }): Promise<unknown>;
  Vocabulary: new (packed: Uint8Array) => Vocabulary;
}

export interface Vocabulary {
  constrain(grammar: string): Constraint;
  free(): void;
}

export interface Constraint {
  /** A bit for each token that may come next. */
  mask(): Uint32Array;
  /** True when only a stop token may follow. */
  accept(id: number): boolean;
  free(): void;
}
