// The one error class of the package: a stable `code` to match on, plain words to read, `details` for the record.

export interface ErrorOptions {
  details?: Record<string, unknown>;
  cause?: unknown;
}

/** What crosses the worker boundary in place of an Error. */
export interface WireError {
  code: string;
  message: string;
  details?: Record<string, unknown>;
}

/** The code of calls that were waiting when another call broke the worker, the page was left, or it hung; they may be made again elsewhere. */
export const WORKER_REPLACED = "worker_replaced";

/**
 * Codes of the engine (`not_gguf`, `truncated`, `context_full`, …) come through as they are. The package adds:
 * `aborted`, `unloaded`, `engine_trap`, `engine_download`, `engine_compile`, `no_simd`, `flavour_unavailable`,
 * `worker_failed`, `leader_lost`, `session_not_stored`, `download_http`, `download_network`, `download_interrupted`, `download_html`, `download_lfs_pointer`,
 * `sha256_mismatch`, `storage_quota`, `storage_failed`, `model_not_stored`, `bad_argument`.
 */
export class SmidgenError extends Error {
  readonly code: string;
  readonly details: Record<string, unknown>;

  constructor(code: string, message: string, options: ErrorOptions = {}) {
    super(message, { cause: options.cause });
    // Code written for fetch looks for this name.
    this.name = code === "aborted" ? "AbortError" : "SmidgenError";
    this.code = code;
    this.details = options.details ?? {};
  }

  static fromWire(wire: WireError): SmidgenError {
    return new SmidgenError(wire.code, wire.message, { details: wire.details });
  }
}

export function aborted(what: string): SmidgenError {
  return new SmidgenError("aborted", `${what} was aborted by its caller`);
}

export function unloaded(): SmidgenError {
  return new SmidgenError(
    "unloaded",
    "this model was unloaded; load it again to use it",
  );
}

export function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === "AbortError";
}

/** Any thrown value as a WireError; `fallback` is the code of a value that carries none. */
export function toWire(error: unknown, fallback: string): WireError {
  if (error instanceof SmidgenError) {
    return {
      code: error.code,
      message: error.message,
      details: error.details,
    };
  }
  if (isAbort(error)) return { code: "aborted", message: "aborted" };
  if (error instanceof Error) {
    const code = (error as { code?: unknown }).code;
    return {
      code: typeof code === "string" ? code : fallback,
      message: error.message,
    };
  }
  return { code: fallback, message: String(error) };
}
