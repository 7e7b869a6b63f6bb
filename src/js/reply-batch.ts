// The replies under way in one engine: prompts are evaluated slice by slice, the oldest first, and between two slices every reply that is ready gets a token, all in one step.

import { SmidgenError } from "./errors.ts";
import type { GenerateResult } from "./protocol.ts";
import type { ReplyConstraint } from "./reply-constraint.ts";
import { DECODE, PREFILL, ThreadCount, TRIAL_TOKENS } from "./thread-count.ts";
import { turn } from "./turn.ts";
import type { BegunEvent, TokenEvent } from "./types.ts";
import type { Begun, Engine, Refusal, Step } from "./wasm-interface.ts";

/** Tokens of a prompt that the engine evaluates at once. */
const SLICE = 64;

/** What `Engine.prefill` returns. */
const DONE = 1;
const FULL = 2;

/** What broke the engine while several replies were computed together: nobody knows which of them is to blame. */
export class SharedTrap extends Error {
  constructor(cause: unknown) {
    super((cause as Error).message, { cause });
  }
}

export interface ReplyWatch {
  signal: AbortSignal;
  event(event: BegunEvent | TokenEvent): void;
}

interface Reply extends ReplyWatch {
  request: string;
  constraint: ReplyConstraint | undefined;
  resolve(result: GenerateResult): void;
  reject(reason: unknown): void;
  addedAt: number;
  /** Undefined until its turn comes. */
  begun?: Begun;
  /** Prompt tokens not evaluated yet, as far as they are counted. */
  left: number;
  ready: boolean;
  /** Where it waits for its grammar. */
  held: Promise<void> | undefined;
  prefilledAt: number;
  tokens: number;
}

export class ReplyBatch {
  readonly #engine: Engine;
  /** The oldest first. */
  #replies: Reply[] = [];
  readonly #prefill: ThreadCount;
  readonly #decode: ThreadCount;
  #working = false;
  /** For whom the engine is computing. */
  #served: Reply[] = [];
  /** No room for a further prompt until a reply ends. */
  #full = false;

  constructor(engine: Engine, threads: number) {
    this.#engine = engine;
    this.#prefill = new ThreadCount(threads, PREFILL);
    this.#decode = new ThreadCount(threads, DECODE);
  }

  /** `request`: as `Engine.begin` takes it. Frees the constraint at the reply's end. */
  reply(
    request: string,
    constraint: ReplyConstraint | undefined,
    watch: ReplyWatch,
  ): Promise<GenerateResult> {
    return new Promise((resolve, reject) => {
      this.#replies.push({
        ...watch,
        request,
        constraint,
        resolve,
        reject,
        addedAt: performance.now(),
        left: 0,
        ready: false,
        held: undefined,
        prefilledAt: 0,
        tokens: 0,
      });
      if (!this.#working) void this.#work();
    });
  }

  async #work(): Promise<void> {
    this.#working = true;
    while (this.#replies.length > 0) {
      if (this.#replies.every(({ held }) => held)) {
        await Promise.race(this.#replies.map(({ held }) => held));
      }
      // Here an abort is seen: between slices and between tokens.
      await turn();
      try {
        for (const reply of this.#replies.slice()) {
          if (reply.signal.aborted) this.#fail(reply, reply.signal.reason);
        }
        this.#once();
      } catch (error) {
        // The engine is in an unknown state: nothing under way can go on. Who was being served is told first.
        const isServed = (reply: Reply) => this.#served.includes(reply);
        const served = this.#replies.filter(isServed);
        const others = this.#replies.filter((reply) => !isServed(reply));
        const reason = served.length > 1 ? new SharedTrap(error) : error;
        for (const reply of [...served, ...others]) {
          this.#end(reply);
          reply.reject(reason);
        }
      }
    }
    this.#working = false;
  }

  /** One slice of one prompt, and one token of every reply that is ready. */
  #once(): void {
    const waiting = this.#replies.find(({ ready }) => !ready);
    const others = this.#replies.filter(({ ready, held }) => ready && !held);
    if (others.length === 0) this.#full = false;
    this.#served = waiting ? [waiting] : [];
    if (waiting && !this.#full && this.#isBegun(waiting)) {
      if (this.#evaluate(waiting)) this.#step([waiting]);
    }
    if (others.length > 0) this.#step(others);
  }

  /** Begins the reply where that has not been done; false where it cannot be. */
  #isBegun(reply: Reply): boolean {
    if (reply.begun) return true;
    try {
      reply.addedAt = performance.now();
      const begun = JSON.parse(this.#engine.begin(reply.request)) as Begun;
      reply.begun = begun;
      const { promptTokens, cachedTokens, tail } = begun;
      reply.left = promptTokens - cachedTokens;
      reply.event({ type: "begun", promptTokens, cachedTokens, tail });
      return true;
    } catch (error) {
      if (!isRefusal(error)) throw error;
      this.#fail(reply, error);
      return false;
    }
  }

  /** Evaluates the next slice of a prompt; whether that was the last. */
  #evaluate(reply: Reply): boolean {
    const count = this.#prefill;
    const slice = count.trying ? TRIAL_TOKENS : SLICE;
    // An engine that stops before a prompt's last token is asked once more than counted.
    const tokens = Math.max(1, Math.min(reply.left, slice));
    this.#engine.setThreads(count.next);
    const beganAt = performance.now();
    const outcome = this.#engine.prefill(reply.begun!.reply, tokens);
    if (outcome === FULL) {
      this.#full = true;
      return false;
    }
    // The rest of a prompt, which may be a token or two, says nothing of how long a slice takes.
    if (tokens >= TRIAL_TOKENS) {
      count.took((performance.now() - beganAt) / tokens);
    }
    reply.left -= tokens;
    if (outcome !== DONE) return false;
    this.#decode.suggest(count.using);
    reply.ready = true;
    if (reply.tokens === 0) reply.prefilledAt = performance.now();
    return true;
  }

  #step(replies: Reply[]): void {
    // A mask that cannot be made ends its reply alone.
    const masks: Uint32Array[] = [];
    const masked: number[] = [];
    const going = replies.filter((reply) => {
      if (!reply.constraint) return true;
      try {
        const mask = reply.constraint.mask();
        if (!mask) return true;
        masks.push(mask);
        masked.push(reply.begun!.reply);
        return true;
      } catch (error) {
        this.#fail(reply, error);
        return false;
      }
    });
    if (going.length === 0) return;
    this.#served = going;

    const count = this.#decode;
    // Steps of one reply are alike, and tell which count of threads is best.
    const watched = going.length === 1 && going[0]!.tokens > 0;
    this.#engine.setThreads(watched ? count.next : count.using);
    const beganAt = performance.now();
    const made = JSON.parse(
      this.#engine.step(
        Uint32Array.from(going, ({ begun }) => begun!.reply),
        Uint32Array.from(masked),
        joined(masks),
      ),
    ) as (Step | Refusal | null)[];
    if (watched) count.took(performance.now() - beganAt);
    for (const [index, reply] of going.entries()) {
      const step = made[index]!;
      if (step === null) {
        // An older reply needed its memory.
        reply.ready = false;
        reply.left = Number.MAX_SAFE_INTEGER;
      } else if ("code" in step) {
        this.#fail(reply, new SmidgenError(step.code, step.message));
      } else {
        this.#take(reply, step);
      }
    }
  }

  #take(reply: Reply, { finish, ...token }: Step): void {
    reply.tokens++;
    reply.event({ type: "token", ...token });
    if (finish !== undefined) {
      const { promptTokens, cachedTokens } = reply.begun!;
      const { addedAt, prefilledAt, tokens } = reply;
      this.#end(reply);
      reply.resolve({
        finish,
        promptTokens,
        cachedTokens,
        prefillMs: prefilledAt - addedAt,
        decodeMs: performance.now() - prefilledAt,
        decodeTokens: tokens,
      });
      return;
    }
    try {
      const held = reply.constraint?.accept(token);
      reply.held = held?.finally(() => (reply.held = undefined));
    } catch (error) {
      this.#fail(reply, error);
    }
  }

  #fail(reply: Reply, reason: unknown): void {
    if (reply.begun) this.#engine.end(reply.begun.reply);
    this.#end(reply);
    reply.reject(reason);
  }

  #end(reply: Reply): void {
    this.#replies = this.#replies.filter((other) => other !== reply);
    this.#full = false;
    reply.constraint?.free();
  }
}

/** Errors that the engine raises on purpose carry a code; after others it is in an unknown state. */
function isRefusal(error: unknown): boolean {
  return typeof (error as { code?: unknown } | undefined)?.code === "string";
}

function joined(masks: Uint32Array[]): Uint32Array {
  if (masks.length === 1) return masks[0]!;
  const length = masks.reduce((sum, mask) => sum + mask.length, 0);
  const all = new Uint32Array(length);
  let at = 0;
  for (const mask of masks) {
    all.set(mask, at);
    at += mask.length;
  }
  return all;
}
