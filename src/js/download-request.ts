// One HTTP request for a file or a part of it, and what its answer says: which bytes, of which revision. Never retries.

import { aborted, SmidgenError } from "./errors.ts";

/** What a server said of a file, by which a later answer is known to be of the same file. */
export interface Validators {
  etag?: string | undefined;
  lastModified?: string | undefined;
  totalBytes?: number | undefined;
}

/** A connection without a byte for this long counts as lost: phones change networks without telling. */
const STALL_MS = 20_000;
/** Of each connection. */
const READ_BYTES = 256 * 1024;

export interface RequestOptions {
  signal: AbortSignal;
  stallMs?: number;
  /** Replaced in tests. */
  fetch?: typeof globalThis.fetch;
}

/** `end` is one past the last byte; without it everything from `start` on. */
export interface Span {
  start: number;
  end?: number | undefined;
}

export interface Answer {
  /** A part was asked for, and a part is what came (status 206). */
  partial: boolean;
  /** Where the body's first byte stands in the file. */
  start: number;
  /** One past the body's last byte, as announced; undefined where nothing was. */
  end: number | undefined;
  validators: Validators;
  /** Of the whole file, where the server names it beside its ETag as model hubs do. */
  sha256: string | undefined;
  body: Body;
}

/** The bytes of an answer as they come. */
export class Body {
  readonly #reader:
    ReadableStreamBYOBReader | ReadableStreamDefaultReader<Uint8Array>;
  /** Where the engine can read into given memory: the same again and again, instead of new memory for every piece. */
  #memory: ArrayBuffer | undefined;

  constructor(stream: ReadableStream<Uint8Array> | null) {
    if (!stream) {
      this.#reader = empty().getReader();
      return;
    }
    try {
      this.#reader = stream.getReader({ mode: "byob" });
      this.#memory = new ArrayBuffer(READ_BYTES);
    } catch {
      this.#reader = stream.getReader();
    }
  }

  /** Undefined at the end. A piece is to be used before the next is asked for. */
  async read(): Promise<Uint8Array | undefined> {
    if (!this.#memory) {
      const reader = this.#reader as ReadableStreamDefaultReader<Uint8Array>;
      return (await reader.read()).value;
    }
    const reader = this.#reader as ReadableStreamBYOBReader;
    const view = new Uint8Array(this.#memory);
    const { done, value } = await reader.read(view);
    if (value) this.#memory = value.buffer;
    return done ? undefined : value;
  }

  cancel(): Promise<void> {
    return this.#reader.cancel();
  }
}

/** Rejects with `download_http`, `download_network`, or `download_range` where another part came than was asked for. */
export async function ask(
  url: string,
  options: RequestOptions,
  span?: Span & { validators?: Validators | undefined },
): Promise<Answer> {
  const headers: Record<string, string> = {};
  if (span) {
    headers["range"] =
      `bytes=${span.start}-${span.end === undefined ? "" : span.end - 1}`;
    // If-Range would need the server's leave (a CORS preflight) elsewhere; there the answer's validators are compared.
    const validator =
      span.validators &&
      (strongEtag(span.validators) ?? span.validators.lastModified);
    if (validator !== undefined && sameOrigin(url)) {
      headers["if-range"] = validator;
    }
  }
  const answer = await send(url, options, { headers });
  const length = lengthOf(answer);
  const shared = {
    sha256: linkedSha256(answer),
    body: new Body(answer.body),
  };
  const validators: Validators = {
    etag: answer.headers.get("etag") ?? undefined,
    lastModified: answer.headers.get("last-modified") ?? undefined,
  };
  if (answer.status !== 206) {
    validators.totalBytes = length;
    return { partial: false, start: 0, end: length, validators, ...shared };
  }
  // Elsewhere this header is only seen where the server shows it.
  const seen = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(
    answer.headers.get("content-range") ?? "",
  );
  const start = seen ? Number(seen[1]) : (span?.start ?? 0);
  const end = seen
    ? Number(seen[2]) + 1
    : length === undefined
      ? undefined
      : start + length;
  if (
    !span ||
    start !== span.start ||
    (end !== undefined && (end <= start || end > (span.end ?? Infinity)))
  ) {
    void shared.body.cancel().catch(() => {});
    throw new SmidgenError(
      "download_range",
      `the server sent bytes ${start} to ${end} of ${url} when asked for ${headers["range"] ?? "all of it"}`,
      { details: { url } },
    );
  }
  validators.totalBytes =
    seen && seen[3] !== "*"
      ? Number(seen[3])
      : span.end === undefined
        ? end
        : undefined;
  return { partial: true, start, end, validators, ...shared };
}

/** The next piece of a body, undefined at its end; rejects where none comes for too long. */
export async function readBody(
  body: Answer["body"],
  options: RequestOptions,
): Promise<Uint8Array | undefined> {
  const ms = options.stallMs ?? STALL_MS;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const stalled = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`no byte came for ${ms / 1000} seconds`)),
      ms,
    );
  });
  try {
    return await Promise.race([body.read(), stalled]);
  } finally {
    clearTimeout(timer);
  }
}

/** The file's size as the server says it, without fetching it. */
export async function sizeOf(
  url: string,
  options: RequestOptions,
): Promise<number | undefined> {
  return lengthOf(await send(url, options, { method: "HEAD" }));
}

async function send(
  url: string,
  options: RequestOptions,
  init: RequestInit,
): Promise<Response> {
  // Outlives this function: it is the body's signal too.
  const controller = new AbortController();
  const onAbort = () => controller.abort();
  if (options.signal.aborted) onAbort();
  options.signal.addEventListener("abort", onAbort, { once: true });
  // Some connections are accepted and then never answered.
  const timer = setTimeout(onAbort, options.stallMs ?? STALL_MS);
  let answer: Response;
  try {
    answer = await (options.fetch ?? globalThis.fetch)(url, {
      ...init,
      signal: controller.signal,
      // The model is kept in storage of its own; a second copy in the HTTP cache would only cost room.
      cache: "no-store",
      credentials: "same-origin",
    });
  } catch (error) {
    if (options.signal.aborted) throw aborted("download");
    throw networkError(url, error);
  } finally {
    clearTimeout(timer);
  }
  if (!answer.ok) {
    await answer.body?.cancel().catch(() => {});
    throw httpError(url, answer);
  }
  return answer;
}

/** Whether an answer is of the file that `known` describes. What cannot be told is a no. */
export function sameFile(known: Validators, answer: Validators): boolean {
  if (
    known.totalBytes !== undefined &&
    answer.totalBytes !== undefined &&
    known.totalBytes !== answer.totalBytes
  ) {
    return false;
  }
  if (known.etag !== undefined && answer.etag !== undefined) {
    return known.etag === answer.etag;
  }
  return (
    known.lastModified !== undefined &&
    known.lastModified === answer.lastModified
  );
}

/** Whether a later answer can be known to be of the same file at all. */
export function verifiable(validators: Validators): boolean {
  return (
    validators.totalBytes !== undefined &&
    (validators.etag !== undefined || validators.lastModified !== undefined)
  );
}

/** Asking again, or otherwise, will not help. */
export function isFinal(error: unknown): boolean {
  if (!(error instanceof SmidgenError)) return false;
  const status = Number(error.details["status"] ?? 0);
  return [401, 403, 404, 410, 451].includes(status);
}

/** A weak ETag does not promise equal bytes, and If-Range refuses it. */
function strongEtag({ etag }: Validators): string | undefined {
  return etag?.startsWith("W/") ? undefined : etag;
}

function linkedSha256(answer: Response): string | undefined {
  return /^"?([0-9a-f]{64})"?$/.exec(
    answer.headers.get("x-linked-etag") ?? "",
  )?.[1];
}

function lengthOf(answer: Response): number | undefined {
  // Of the compressed bytes, where there are such.
  if (answer.headers.get("content-encoding")) return undefined;
  const text = answer.headers.get("content-length");
  if (text === null || !/^\d+$/.test(text)) return undefined;
  return Number(text);
}

function sameOrigin(url: string): boolean {
  return new URL(url).origin === globalThis.location?.origin;
}

function empty(): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>({
    start(controller) {
      controller.close();
    },
  });
}

function networkError(url: string, cause: unknown): SmidgenError {
  const { host } = new URL(url);
  const offline = globalThis.navigator?.onLine === false;
  const why = offline
    ? "this device is offline"
    : sameOrigin(url)
      ? "the server cannot be reached"
      : `this device is offline, ${host} cannot be reached, or it does not allow this page to read from it: its reply must carry the header Access-Control-Allow-Origin`;
  return new SmidgenError(
    "download_network",
    `the model could not be downloaded from ${host}: ${why}`,
    { cause, details: { url, offline } },
  );
}

function httpError(url: string, answer: Response): SmidgenError {
  const { status } = answer;
  const advice =
    status === 401 || status === 403
      ? "the server refuses; the model may need a licence to be accepted or an account"
      : status === 404 || status === 410
        ? "there is no such file; check the address"
        : status === 429
          ? "the server asks to wait before trying again"
          : status >= 500
            ? "the server has a fault; try again later"
            : "check the address";
  return new SmidgenError(
    "download_http",
    `the server answered ${status} for ${url}: ${advice}`,
    { details: { url, status } },
  );
}

/** Throws where the first bytes of a download are plainly something else than a model. */
export function refuseNonModel(first: Uint8Array, url: string): void {
  const text = String.fromCharCode(...first.subarray(0, 64))
    .replace(/^\u00ef\u00bb\u00bf/, "")
    .trimStart()
    .toLowerCase();
  if (/^<(!doctype|html|head|\?xml|!--)/.test(text)) {
    throw new SmidgenError(
      "download_html",
      `${url} is a web page, not a model file: use the address of the file itself (on Hugging Face, /resolve/ in place of /blob/)`,
      { details: { url } },
    );
  }
  if (text.startsWith("version https://git-lfs")) {
    throw new SmidgenError(
      "download_lfs_pointer",
      `${url} is a Git LFS pointer, not the file it points to: use an address that serves the file itself`,
      { details: { url } },
    );
  }
}
