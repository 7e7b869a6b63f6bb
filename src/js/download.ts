// A file over HTTP in chunks: several ranges at once where the server allows it, handed out in the file's order, picked up after lost connections.

import {
  ask,
  isFinal,
  readBody,
  sameFile,
  verifiable,
  type Answer,
  type RequestOptions,
  type Validators,
} from "./download-request.ts";
import { aborted, SmidgenError } from "./errors.ts";
import { freeBuffer } from "./free-buffer.ts";

/** Waits between attempts that bring no byte, in milliseconds, each drawn between half and the whole of it. */
const RETRY_WAITS = [500, 1000, 2000, 4000, 8000];
/** More gain little, and servers with a limit per visitor refuse them. */
const LANES = 3;
/** The first request of a file whose size is not known yet: its answer tells size and revision, and is not wasted. */
const FIRST_BYTES = 1024 * 1024;
/** What one request asks for: large against the time it takes to ask, small against the memory of a phone. */
const RUN_BYTES = 8 * 1024 * 1024;
/** Chunks that have come, or are coming, and are not both stored and read. */
const HELD_BYTES = 32 * 1024 * 1024;

export interface DownloadOptions extends RequestOptions {
  /** Go on from here if the file is still the one these validators describe. `missing`: indices, ascending, at least one. */
  resume?: { validators: Validators; chunkBytes: number; missing: number[] };
  retryWaits?: number[];
  lanes?: number;
}

export interface ChunkPlan {
  chunkBytes: number;
  /** Whether a chunk is on the device already and need not come again. */
  have(index: number): boolean;
  /**
   * Called with every whole chunk as soon as it has come, in any order. The bytes are used for another chunk once the
   * promise has resolved, which must not reject; what has to be done before the file's end is seen must be begun before
   * the call returns.
   */
  store(index: number, bytes: Uint8Array<ArrayBuffer>): Promise<void>;
  /** A connection waits for it after every chunk that it has stored. */
  room(): Promise<void>;
}

/** A chunk in memory: from its first byte until it is both stored and read. */
interface Slot {
  /** Of the chunk's length, or of `chunkBytes` while the file's size is not known. */
  buffer: Uint8Array<ArrayBuffer>;
  filled: number;
  whole: boolean;
  stored: boolean;
  read: boolean;
}

/** Bytes that one lane gets, in one request where nothing goes wrong. `end` is Infinity while the size is not known. */
interface Run {
  at: number;
  end: number;
}

/** A lane that has no room to go on while earlier bytes wait for someone to get them. */
class GiveWay extends Error {}

export class Download {
  readonly url: string;
  readonly validators: Validators;
  /** The file is still the one that `resume` described. */
  readonly resumed: boolean;
  /** Of the whole file, where the server named it. */
  readonly sha256: string | undefined;

  readonly #options: DownloadOptions;
  readonly #stop = new AbortController();
  #first: Answer | undefined;
  #plan!: ChunkPlan;
  #queue: Run[] = [];
  readonly #slots = new Map<number, Slot>();
  /** Memory of chunks that are stored and read, for the next ones. */
  readonly #spare: ArrayBuffer[] = [];
  #maxSlots = 0;
  #lanes = 0;
  /** The chunk that is being read, or will be next. */
  #reading = 0;
  #failure: unknown;
  #wake = () => {};
  #changed = Promise.resolve();

  /** Rejects with `download_http` or `download_network`; a file that changed since is started anew. */
  static async open(url: string, options: DownloadOptions): Promise<Download> {
    const { resume, signal } = options;
    const span = resume
      ? spanOf(runsOf(resume)[0]!)
      : { start: 0, end: FIRST_BYTES };
    let answer: Answer | undefined;
    try {
      answer = await ask(url, options, {
        ...span,
        validators: resume?.validators,
      });
    } catch (error) {
      if (signal.aborted || isFinal(error)) throw error;
      // Servers may refuse a range that they would not need; the whole file is asked for then.
    }
    if (answer && resume) {
      const totalBytes = resume.validators.totalBytes;
      if (sameFile(resume.validators, answer.validators)) {
        answer.validators.totalBytes ??= totalBytes;
        return new Download(url, options, answer, true);
      }
      // The file as it is now, from its start.
      if (!answer.partial) return new Download(url, options, answer, false);
      await answer.body.cancel().catch(() => {});
      const { resume: _, ...afresh } = options;
      return Download.open(url, afresh);
    }
    if (answer?.partial && !verifiable(answer.validators)) {
      await answer.body.cancel().catch(() => {});
      answer = undefined;
    }
    answer ??= await ask(url, options);
    const resumed =
      resume !== undefined && sameFile(resume.validators, answer.validators);
    return new Download(url, options, answer, resumed);
  }

  private constructor(
    url: string,
    options: DownloadOptions,
    first: Answer,
    resumed: boolean,
  ) {
    this.url = url;
    this.#options = options;
    this.#first = first;
    this.resumed = resumed;
    this.validators = first.validators;
    this.sha256 = first.sha256;
    const { signal } = options;
    const onAbort = () => this.#fail(aborted("download"));
    if (signal.aborted) onAbort();
    signal.addEventListener("abort", onAbort, {
      once: true,
      signal: this.#stop.signal,
    });
  }

  /** Begins to get the chunks that are missing. */
  start(plan: ChunkPlan): void {
    this.#plan = plan;
    const { chunkBytes } = plan;
    const first = this.#first!;
    const { totalBytes } = this.validators;
    const lanes = this.#options.lanes ?? LANES;
    if (first.partial) {
      const missing = range(this.chunkCount!).filter((at) => !plan.have(at));
      this.#queue = runsOf(
        { validators: this.validators, chunkBytes, missing },
        first.end,
      );
      this.#lanes = Math.min(lanes, this.#queue.length);
    } else {
      this.#queue = [{ at: 0, end: totalBytes ?? Infinity }];
      this.#lanes = 1;
    }
    this.#maxSlots = Math.max(lanes + 1, Math.floor(HELD_BYTES / chunkBytes));
    for (const lane of range(this.#lanes)) {
      void this.#lane(lane === 0 ? first : undefined);
    }
    this.#first = undefined;
  }

  /** Undefined while the file's size is not known. */
  get chunkCount(): number | undefined {
    const { totalBytes } = this.validators;
    if (totalBytes === undefined) return undefined;
    return Math.ceil(totalBytes / this.#plan.chunkBytes);
  }

  /**
   * The bytes of a missing chunk as they come, each piece to be used before the next is asked for; none where the file
   * ends before it. To be called with ascending indices.
   * Rejects with `truncated`, `download_changed` or `download_interrupted`.
   */
  async *chunk(
    index: number,
  ): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
    this.#reading = index;
    this.#notify();
    for (let at = 0; ;) {
      const slot = this.#slots.get(index);
      if (slot && slot.filled > at) {
        const piece = slot.buffer.subarray(at, slot.filled);
        at = slot.filled;
        yield piece;
      } else if (slot?.whole) {
        slot.read = true;
        this.#reading = index + 1;
        this.#release(index, slot);
        return;
      } else if (this.#failure !== undefined) {
        throw this.#failure;
      } else if (index >= (this.chunkCount ?? Infinity)) {
        return;
      } else {
        await this.#changed;
      }
    }
  }

  async cancel(): Promise<void> {
    this.#failure ??= aborted("download");
    this.#stop.abort();
    this.#notify();
    for (const buffer of this.#spare.splice(0)) freeBuffer(buffer);
    await this.#first?.body.cancel().catch(() => {});
  }

  #fail(error: unknown): void {
    this.#failure ??= error;
    this.#stop.abort();
    this.#notify();
  }

  #notify(): void {
    this.#wake();
    this.#changed = new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  #release(index: number, slot: Slot): void {
    if (slot.read && slot.stored) {
      this.#slots.delete(index);
      // Those that are still being stored when everything has been read.
      if (this.#stop.signal.aborted) freeBuffer(slot.buffer.buffer);
      else this.#spare.push(slot.buffer.buffer);
    }
    this.#notify();
  }

  /** Gets one run after the other. Where it cannot go on, the others do; the last one's failure is the download's. */
  async #lane(first: Answer | undefined): Promise<void> {
    for (let run; (run = this.#queue.shift()); first = undefined) {
      try {
        await this.#get(run, first);
      } catch (error) {
        if (this.#failure !== undefined) return;
        this.#putBack(run);
        if (error instanceof GiveWay) continue;
        if (this.#lanes === 1 || isFinal(error) || isChange(error)) {
          this.#fail(error);
        }
        this.#lanes -= 1;
        this.#notify();
        return;
      }
    }
    this.#lanes -= 1;
  }

  #putBack(run: Run): void {
    if (run.at >= run.end) return;
    this.#queue.push({ ...run });
    this.#queue.sort((a, b) => a.at - b.at);
  }

  async #get(run: Run, first: Answer | undefined): Promise<void> {
    const waits = this.#options.retryWaits ?? RETRY_WAITS;
    let answer = first;
    for (let attempt = 0; run.at < run.end;) {
      const before = run.at;
      let reason: unknown;
      try {
        answer ??= await this.#ask(run);
        if (await this.#drain(answer, run)) return;
        // Less than the run, as announced: the first answer of a file, or a server with a limit of its own.
        if (run.at === answer.end && run.at > before) {
          answer = undefined;
          continue;
        }
        reason = this.#truncated();
      } catch (error) {
        if (this.#stop.signal.aborted) throw this.#failure;
        if (
          error instanceof GiveWay ||
          isChange(error) ||
          isFinal(error) ||
          (error as SmidgenError).code === "download_refused"
        )
          throw error;
        reason = error;
      }
      answer = undefined;
      if (run.at > before) attempt = 0;
      const wait = waits[attempt++];
      if (wait === undefined || !verifiable(this.validators)) {
        throw this.#interrupted(run.at, reason);
      }
      await pause(wait * (0.5 + Math.random() / 2), this.#stop.signal);
      this.#narrow(run);
    }
  }

  /** A run of a server that sent the whole file may span chunks that are here: a new connection need not bring them. */
  #narrow(run: Run): void {
    const { chunkBytes, have } = this.#plan;
    if (run.end === Infinity) return;
    const first = Math.floor(run.at / chunkBytes);
    const indices = range(Math.ceil(run.end / chunkBytes)).slice(first);
    const missing = indices.filter((index) => !have(index));
    if (missing.length === indices.length) return;
    const { validators } = this;
    const [next, ...later] = runsOf({ validators, chunkBytes, missing });
    run.at = Math.max(run.at, next?.at ?? run.end);
    run.end = next?.end ?? run.end;
    this.#queue.unshift(...later);
  }

  /** A new connection for a run. */
  async #ask(run: Run): Promise<Answer> {
    const changed = () =>
      new SmidgenError(
        "download_changed",
        "the file on the server changed while it was downloaded: load again",
        { details: { url: this.url } },
      );
    const answer = await ask(
      this.url,
      { ...this.#options, signal: this.#stop.signal },
      { ...spanOf(run), validators: this.validators },
    ).catch((error: SmidgenError) => {
      // The file has become shorter.
      throw error.details?.["status"] === 416 ? changed() : error;
    });
    if (!sameFile(this.validators, answer.validators)) {
      void answer.body.cancel().catch(() => {});
      throw changed();
    }
    if (answer.partial) return answer;
    // The whole file in place of a part. One connection can use that; of several each would get it all.
    if (this.#lanes > 1) {
      void answer.body.cancel().catch(() => {});
      throw new SmidgenError(
        "download_refused",
        `the server sent the whole of ${this.url} when asked for a part`,
      );
    }
    run.at = Math.min(run.at, this.#queue[0]?.at ?? run.at);
    run.end = this.validators.totalBytes!;
    this.#queue = [];
    return answer;
  }

  /** Puts the body's bytes where they belong. True when the run has all it wants. */
  async #drain(answer: Answer, run: Run): Promise<boolean> {
    const { body } = answer;
    let position = answer.start;
    // Ends a read that waits; what it resolves with is then no end of the file.
    const onStop = () => void body.cancel().catch(() => {});
    this.#stop.signal.addEventListener("abort", onStop, { once: true });
    try {
      while (run.at < run.end) {
        const value = await readBody(body, this.#options);
        if (this.#failure !== undefined) throw this.#failure;
        if (!value) {
          if (run.end !== Infinity) return false;
          // Only the end of the stream tells the size.
          await this.#ended(position);
          run.end = position;
          return true;
        }
        const wanted = Math.min(value.length, run.end - position);
        await this.#take(position, value.subarray(0, wanted), run);
        position += wanted;
      }
      return true;
    } finally {
      this.#stop.signal.removeEventListener("abort", onStop);
      // Not waited for: a connection that hangs must not hold up what comes after it.
      if (position === answer.end) void endOf(body);
      else onStop();
    }
  }

  async #take(position: number, bytes: Uint8Array, run: Run): Promise<void> {
    const { chunkBytes, have } = this.#plan;
    for (let at = 0; at < bytes.length;) {
      const index = Math.floor((position + at) / chunkBytes);
      const start = index * chunkBytes;
      const offset = position + at - start;
      const room = Math.min(chunkBytes - offset, bytes.length - at);
      // Answers may begin before what is wanted of them.
      const slot =
        index < this.#reading || have(index)
          ? undefined
          : (this.#slots.get(index) ?? (await this.#newSlot(index, run)));
      if (slot && !slot.whole && slot.filled < offset + room) {
        const skip = slot.filled - offset;
        if (skip < 0) throw new Error("bytes came that leave a gap");
        slot.buffer.set(bytes.subarray(at + skip, at + room), slot.filled);
        slot.filled = offset + room;
        // Before anything is waited for: what is noted as taken is in its place.
        run.at = Math.max(run.at, start + slot.filled);
        if (slot.filled === slot.buffer.length) await this.#whole(index, slot);
        else this.#notify();
      } else {
        run.at = Math.max(run.at, position + at + room);
      }
      at += room;
    }
  }

  /** Waits until there is room for one more chunk in memory; the one that is read next always has it. */
  async #newSlot(index: number, run: Run): Promise<Slot> {
    while (this.#slots.size >= this.#maxSlots && index > this.#nextMissing()) {
      const earlier = this.#queue[0];
      if (earlier && earlier.at < run.at) throw new GiveWay();
      await this.#changed;
      if (this.#failure !== undefined) throw this.#failure;
    }
    const { chunkBytes } = this.#plan;
    const { totalBytes = Infinity } = this.validators;
    const length = Math.min(chunkBytes, totalBytes - index * chunkBytes);
    // The last chunk alone may be shorter; its memory is too short for another, and none comes.
    const memory = this.#spare.pop() ?? new ArrayBuffer(length);
    const slot: Slot = {
      buffer: new Uint8Array(memory, 0, length),
      filled: 0,
      whole: false,
      stored: false,
      read: false,
    };
    this.#slots.set(index, slot);
    return slot;
  }

  #nextMissing(): number {
    let index = this.#reading;
    while (this.#plan.have(index)) index++;
    return index;
  }

  async #whole(index: number, slot: Slot): Promise<void> {
    const storing = this.#plan.store(index, slot.buffer);
    slot.whole = true;
    this.#notify();
    void storing.then(() => {
      slot.stored = true;
      this.#release(index, slot);
    });
    await this.#plan.room();
  }

  async #ended(position: number): Promise<void> {
    this.validators.totalBytes = position;
    const { chunkBytes } = this.#plan;
    const index = Math.floor(position / chunkBytes);
    const slot = this.#slots.get(index);
    if (slot && slot.filled > 0) {
      slot.buffer = slot.buffer.slice(0, slot.filled);
      await this.#whole(index, slot);
    }
    this.#notify();
  }

  #truncated(): SmidgenError {
    return new SmidgenError(
      "truncated",
      `the server announced ${this.validators.totalBytes} bytes and sent fewer: load again, and if that does not help, put the file on the server again`,
      { details: { url: this.url } },
    );
  }

  #interrupted(position: number, reason: unknown): SmidgenError {
    if (reason instanceof SmidgenError && reason.code === "truncated") {
      return reason;
    }
    return new SmidgenError(
      "download_interrupted",
      `the download stopped after ${position} of ${this.validators.totalBytes ?? "an unknown number of"} bytes and could not be taken up again: check the connection and load again`,
      { cause: reason, details: { url: this.url, receivedBytes: position } },
    );
  }
}

/** One part of a file, held in memory; rejects where the server has no ranges. Does not tell revisions apart: its caller knows a hash. */
export async function fetchSpan(
  url: string,
  options: DownloadOptions,
  start: number,
  length: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const waits = (options.retryWaits ?? RETRY_WAITS).slice(0, 3);
  for (let attempt = 0; ; attempt++) {
    try {
      return await fetchSpanOnce(url, options, start, length);
    } catch (error) {
      const wait = waits[attempt];
      const { code } = error as SmidgenError;
      if (wait === undefined || isFinal(error) || code === "download_refused") {
        throw error;
      }
      await pause(wait, options.signal);
    }
  }
}

async function fetchSpanOnce(
  url: string,
  options: DownloadOptions,
  start: number,
  length: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const answer = await ask(url, options, { start, end: start + length });
  const bytes = new Uint8Array(length);
  let filled = 0;
  try {
    while (answer.partial && filled < length) {
      const value = await readBody(answer.body, options);
      if (!value) break;
      bytes.set(value.subarray(0, length - filled), filled);
      filled += Math.min(value.length, length - filled);
    }
  } finally {
    void answer.body.cancel().catch(() => {});
  }
  if (filled < length) {
    throw new SmidgenError(
      answer.partial ? "download_interrupted" : "download_refused",
      `${filled} of ${length} bytes from byte ${start} of ${url} on could be fetched`,
      { details: { url } },
    );
  }
  return bytes;
}

/** Reads the end that follows the last byte: a body that is cancelled instead costs its connection. */
async function endOf(body: Answer["body"]): Promise<void> {
  const more = await body.read().catch(() => undefined);
  if (more) await body.cancel().catch(() => {});
}

function isChange(error: unknown): boolean {
  return (error as SmidgenError).code === "download_changed";
}

function spanOf({ at, end }: Run): { start: number; end: number | undefined } {
  return { start: at, end: end === Infinity ? undefined : end };
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}

/** A share of the file, so that small files too come over several connections. Whole chunks. */
function runBytes(totalBytes: number, chunkBytes: number): number {
  const wanted = Math.min(RUN_BYTES, Math.max(1, totalBytes / 8));
  return Math.ceil(wanted / chunkBytes) * chunkBytes;
}

/** The missing chunks as runs; the first one reaches `coveredTo` at least, which an open answer brings anyway. */
function runsOf(
  missing: { validators: Validators; chunkBytes: number; missing: number[] },
  coveredTo = 0,
): Run[] {
  const { chunkBytes } = missing;
  const totalBytes = missing.validators.totalBytes ?? Infinity;
  const longest =
    totalBytes === Infinity ? RUN_BYTES : runBytes(totalBytes, chunkBytes);
  const runs: Run[] = [];
  for (const index of missing.missing) {
    const at = index * chunkBytes;
    const end = Math.min(at + chunkBytes, totalBytes);
    const last = runs.at(-1);
    const grows =
      last?.end === at &&
      (end - last.at <= longest || (runs.length === 1 && at < coveredTo));
    if (grows) last.end = end;
    else runs.push({ at, end });
  }
  return runs;
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      clearTimeout(timer);
      reject(aborted("download"));
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", onAbort);
      resolve();
    }, ms);
    if (signal.aborted) onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
  });
}
