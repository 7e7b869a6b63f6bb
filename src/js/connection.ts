// One worker, of this tab or another, and the calls under way in it: numbers them, matches replies, reports its death.

import { startWorker } from "./engine-worker.ts";
import { aborted, SmidgenError, WORKER_REPLACED } from "./errors.ts";
import { whenPutAside } from "./page-aside.ts";
import type { CallName, Calls, ToPage, ToWorker } from "./protocol.ts";

interface Pending {
  name: CallName;
  resolve(out: unknown): void;
  reject(error: SmidgenError): void;
  onEvent(event: unknown): void;
  /** Whether an event has come. */
  heard: boolean;
}

export interface CallOptions<N extends CallName> {
  signal?: AbortSignal | null | undefined;
  onEvent?: (event: Calls[N]["event"]) => void;
}

/** Calls that use nothing but the engine, whose worker may be frozen with the page. */
const COMPUTES: readonly CallName[] = [
  "generate",
  "embed",
  "classify",
  "rerank",
  "fillMask",
];

/** What a connection speaks through. */
export interface Port {
  post(message: ToWorker): void;
  listen(
    receive: (message: ToPage) => void,
    fail: (error: SmidgenError) => void,
  ): void;
  close(): void;
}

export class Connection {
  readonly #port: Port;
  readonly #pending = new Map<number, Pending>();
  readonly #stayHere: () => void;
  #nextId = 1;
  #open = true;

  /** Called once, when no more calls can be made. */
  onClose: () => void = () => {};

  /** Without a port with a worker of its own. */
  constructor(port?: Port) {
    this.#stayHere = port ? () => {} : whenPutAside(() => this.#putAside());
    this.#port = port ?? startWorker();
    this.#port.listen(
      (message) => this.#receive(message),
      (error) => this.#fail(undefined, error),
    );
  }

  get open(): boolean {
    return this.#open;
  }

  call<N extends CallName>(
    name: N,
    input: Calls[N]["in"],
    options: CallOptions<N> = {},
  ): Promise<Calls[N]["out"]> {
    const { signal, onEvent } = options;
    return new Promise((resolve, reject) => {
      if (!this.#open) {
        reject(new SmidgenError(WORKER_REPLACED, "the worker has stopped"));
        return;
      }
      if (signal?.aborted) {
        reject(aborted(name));
        return;
      }
      const id = this.#nextId++;
      const onAbort = () => {
        this.#pending.delete(id);
        this.#post({ type: "cancel", id });
        reject(aborted(name));
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      const settle = () => signal?.removeEventListener("abort", onAbort);
      this.#pending.set(id, {
        name,
        resolve: (out) => {
          settle();
          resolve(out as Calls[N]["out"]);
        },
        reject: (error) => {
          settle();
          reject(error);
        },
        onEvent: (event) => onEvent?.(event as Calls[N]["event"]),
        heard: false,
      });
      this.#post({ type: "call", id, name, in: input } as ToWorker);
    });
  }

  /** Ends the worker and everything in it. */
  close(reason: SmidgenError): void {
    this.#fail(undefined, reason);
  }

  /** The other end has gone: calls of which something was heard end, the others may be made again elsewhere. */
  lose(): void {
    if (!this.#open) return;
    for (const [id, pending] of this.#pending) {
      if (!pending.heard) continue;
      this.#pending.delete(id);
      pending.reject(
        new SmidgenError(
          "leader_lost",
          "the tab that held the model was closed in the middle of this reply: ask again, and another tab takes over",
        ),
      );
    }
    this.#fail(
      undefined,
      new SmidgenError(WORKER_REPLACED, "the tab that held the model has gone"),
    );
  }

  #putAside(): void {
    const calls = [...this.#pending.values()];
    if (calls.every(({ name }) => COMPUTES.includes(name))) return;
    this.close(new SmidgenError(WORKER_REPLACED, "the page was left"));
  }

  #post(message: ToWorker): void {
    this.#port.post(message);
  }

  #receive(message: ToPage): void {
    const pending = this.#pending.get(message.id);
    switch (message.type) {
      case "event":
        if (pending) pending.heard = true;
        pending?.onEvent(message.event);
        return;
      case "done":
        this.#pending.delete(message.id);
        pending?.resolve(message.out);
        return;
      case "failed": {
        this.#pending.delete(message.id);
        const error = SmidgenError.fromWire(message.error);
        if (message.fatal) this.#fail(pending, error, message.shared);
        else pending?.reject(error);
      }
    }
  }

  /** `culprit` gets the error itself, unless it is only a suspect; with no culprit everyone does. */
  #fail(
    culprit: Pending | undefined,
    error: SmidgenError,
    suspect = false,
  ): void {
    if (!this.#open) return;
    this.#open = false;
    this.#stayHere();
    this.#port.close();
    this.onClose();
    const others = [...this.#pending.values()];
    this.#pending.clear();
    if (culprit && suspect) others.push(culprit);
    else culprit?.reject(error);
    for (const pending of others) {
      pending.reject(
        culprit
          ? new SmidgenError(WORKER_REPLACED, "the worker was replaced", {
              cause: error,
            })
          : error,
      );
    }
  }
}
