// One file over HTTP as a stream of bytes that picks itself up after a lost connection, and can start where an older one stopped.

import { aborted, SmidgenError } from "./errors.ts";

/** What a server said of a file, by which a later answer is known to be of the same file. */
export interface Validators {
  etag?: string | undefined;
  lastModified?: string | undefined;
  totalBytes?: number | undefined;
}

/** Waits between attempts that bring no byte, in milliseconds; after the last the download is given up. */
const RETRY_WAITS = [500, 1000, 2000, 4000, 8000];
/** A connection without a byte for this long counts as lost: phones change networks without telling. */
const STALL_MS = 30_000;

export interface DownloadOptions {
  signal: AbortSignal;
  /** Go on from here if the file is still the one these validators describe. */
  resume?: { offset: number; validators: Validators };
  /** Replaced in tests. */
  fetch?: typeof globalThis.fetch;
  retryWaits?: number[];
  stallMs?: number;
}

export class Download {
  readonly url: string;
  readonly validators: Validators;
  /** Where the first byte stands in the file: 0, or the offset asked for. */
  readonly startOffset: number;

  readonly #options: DownloadOptions;
  #reader: ReadableStreamDefaultReader<Uint8Array>;
  #position: number;

  /** Rejects with `download_http` or `download_network`; a file that changed since is started from 0. */
  static async open(url: string, options: DownloadOptions): Promise<Download> {
    const { resume } = options;
    if (resume && resume.offset > 0) {
      const answer = await request(url, options, resume).catch(
        (error: unknown) => {
          // Cross-origin servers may refuse a Range that they would not need; the whole file is asked for then.
          if (options.signal.aborted) throw error;
          return undefined;
        },
      );
      if (answer && continues(answer, resume.offset, resume.validators)) {
        return new Download(url, options, answer, resume.offset);
      }
      // The whole file instead of a part: what is wanted now.
      if (answer?.status === 200) return new Download(url, options, answer, 0);
      await answer?.body?.cancel().catch(() => {});
    }
    const answer = await request(url, options);
    return new Download(url, options, answer, 0);
  }

  private constructor(
    url: string,
    options: DownloadOptions,
    answer: Response,
    offset: number,
  ) {
    this.url = url;
    this.#options = options;
    this.startOffset = offset;
    this.#position = offset;
    this.#reader = readerOf(answer);
    const rest = lengthOf(answer);
    this.validators = {
      etag: answer.headers.get("etag") ?? undefined,
      lastModified: answer.headers.get("last-modified") ?? undefined,
      totalBytes:
        offset > 0
          ? (options.resume?.validators.totalBytes ??
            (rest === undefined ? undefined : offset + rest))
          : rest,
    };
  }

  /** The next bytes; undefined at the end of the file. Rejects with `truncated` or `download_interrupted`. */
  async read(): Promise<Uint8Array | undefined> {
    const { totalBytes } = this.validators;
    const waits = this.#options.retryWaits ?? RETRY_WAITS;
    let reason: unknown;
    for (let attempt = 0; ; attempt++) {
      if (this.#options.signal.aborted) throw aborted("download");
      try {
        const { done, value } = await this.#readOnce();
        if (!done) {
          this.#position += value.length;
          return value;
        }
        if (totalBytes === undefined || this.#position >= totalBytes) return;
        reason = this.#truncated(totalBytes);
      } catch (error) {
        if (this.#options.signal.aborted) throw aborted("download");
        reason = error;
      }
      const wait = waits[attempt];
      if (wait === undefined || !this.#resumable) break;
      await pause(wait, this.#options.signal);
      const changed = await this.#reconnect();
      if (changed) throw changed;
    }
    if (reason instanceof SmidgenError && reason.code === "truncated")
      throw reason;
    throw new SmidgenError(
      "download_interrupted",
      `the download stopped after ${this.#position} of ${totalBytes ?? "an unknown number of"} bytes and could not be taken up again: check the connection and load again`,
      {
        cause: reason,
        details: { url: this.url, receivedBytes: this.#position },
      },
    );
  }

  async cancel(): Promise<void> {
    await this.#reader.cancel().catch(() => {});
  }

  get #resumable(): boolean {
    const { etag, lastModified, totalBytes } = this.validators;
    return (
      totalBytes !== undefined &&
      (etag !== undefined || lastModified !== undefined)
    );
  }

  async #readOnce(): Promise<ReadableStreamReadResult<Uint8Array>> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const stalled = new Promise<never>((_, reject) => {
      const ms = this.#options.stallMs ?? STALL_MS;
      timer = setTimeout(
        () => reject(new Error(`no byte came for ${ms / 1000} seconds`)),
        ms,
      );
    });
    try {
      return await Promise.race([this.#reader.read(), stalled]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** A new connection from `#position` on. Resolves with an error where going on is impossible for good. */
  async #reconnect(): Promise<SmidgenError | undefined> {
    void this.cancel();
    const offset = this.#position;
    let answer: Response;
    try {
      answer = await request(this.url, this.#options, {
        offset,
        validators: this.validators,
      });
    } catch (error) {
      if (error instanceof SmidgenError) {
        const status = Number(error.details["status"] ?? 0);
        if (status >= 400 && status < 500 && status !== 429) return error;
      }
      // The next read fails at once, and is counted as an attempt.
      this.#reader = failed(error);
      return undefined;
    }
    if (!continues(answer, offset, this.validators)) {
      await answer.body?.cancel().catch(() => {});
      return new SmidgenError(
        "download_interrupted",
        `the connection was lost after ${offset} bytes, and the server does not go on from there (it has no ranges, or the file has changed): load again`,
        { details: { url: this.url, receivedBytes: offset } },
      );
    }
    this.#reader = readerOf(answer);
    return undefined;
  }

  #truncated(totalBytes: number): SmidgenError {
    return new SmidgenError(
      "truncated",
      `the server announced ${totalBytes} bytes and sent ${this.#position}: load again, and if that does not help, put the file on the server again`,
      { details: { url: this.url, receivedBytes: this.#position } },
    );
  }
}

async function request(
  url: string,
  options: DownloadOptions,
  range?: { offset: number; validators: Validators },
): Promise<Response> {
  const headers: Record<string, string> = {};
  if (range) {
    headers["range"] = `bytes=${range.offset}-`;
    // If-Range would need the server's leave (a CORS preflight) elsewhere; there the answer's validators are compared.
    const validator =
      strongEtag(range.validators) ?? range.validators.lastModified;
    if (validator !== undefined && sameOrigin(url)) {
      headers["if-range"] = validator;
    }
  }
  let answer: Response;
  try {
    answer = await (options.fetch ?? globalThis.fetch)(url, {
      headers,
      signal: options.signal,
      // The model is kept in storage of its own; a second copy in the HTTP cache would only cost room.
      cache: "no-store",
      credentials: "same-origin",
    });
  } catch (error) {
    if (options.signal.aborted) throw aborted("download");
    throw networkError(url, error);
  }
  if (!answer.ok) {
    await answer.body?.cancel().catch(() => {});
    throw httpError(url, answer);
  }
  return answer;
}

/** Whether `answer` holds the bytes from `offset` on of the file that `validators` describe. */
function continues(
  answer: Response,
  offset: number,
  validators: Validators,
): boolean {
  if (answer.status !== 206) return false;
  const span = /^bytes (\d+)-\d*\/(\d+|\*)$/.exec(
    answer.headers.get("content-range") ?? "",
  );
  if (span && Number(span[1]) !== offset) return false;
  const rest = lengthOf(answer);
  const total =
    span && span[2] !== "*"
      ? Number(span[2])
      : rest === undefined
        ? undefined
        : offset + rest;
  if (total !== validators.totalBytes) return false;
  const etag = answer.headers.get("etag");
  const lastModified = answer.headers.get("last-modified");
  if (validators.etag !== undefined && etag !== null) {
    return etag === validators.etag;
  }
  return (
    validators.lastModified !== undefined &&
    lastModified === validators.lastModified
  );
}

/** A weak ETag does not promise equal bytes, and If-Range refuses it. */
function strongEtag({ etag }: Validators): string | undefined {
  return etag?.startsWith("W/") ? undefined : etag;
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

function readerOf(answer: Response): ReadableStreamDefaultReader<Uint8Array> {
  return answer.body?.getReader() ?? failed(new Error("the reply has no body"));
}

function failed(error: unknown): ReadableStreamDefaultReader<Uint8Array> {
  return new ReadableStream<Uint8Array>({
    start(controller) {
      controller.error(error);
    },
  }).getReader();
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

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", onAbort);
      resolve();
    }, ms);
    const onAbort = () => {
      clearTimeout(timer);
      reject(aborted("download"));
    };
    signal.addEventListener("abort", onAbort, { once: true });
  });
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
