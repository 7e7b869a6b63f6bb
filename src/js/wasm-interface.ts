// The types of the engine's glue code, as `src/bindings.rs` makes it. No behaviour.

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
  prefill(most: number): boolean;
  decode(): string;
  reset(): void;
  setThreads(n: number): void;
  free(): void;
}

export interface Begun {
  promptTokens: number;
  cachedTokens: number;
}

export interface Step {
  id: number;
  text: string;
  finish?: "stop" | "length";
}
