// One engine for many tabs: the tab that holds a Web Lock leads and answers the others' calls over a BroadcastChannel.

import { Connection, type Port } from "./connection.ts";
import {
  SmidgenError,
  toWire,
  WORKER_REPLACED,
  type WireError,
} from "./errors.ts";
import type {
  CallName,
  Calls,
  LoadEvent,
  LoadRequest,
  LoadResult,
  ToPage,
  ToWorker,
} from "./protocol.ts";
import { idOf } from "./model-source.ts";
import { whenPutAside } from "./page-aside.ts";
import type { LoadProgress } from "./types.ts";

export interface Loaded {
  connection: Connection;
  result: LoadResult;
}

export interface LoadWatch {
  signal?: AbortSignal | undefined;
  onEvent?: (event: LoadEvent) => void;
}

/** Between tabs; `tab` names the one that follows. */
type Said =
  | { type: "hello"; tab: string }
  | { type: "ask"; tab: string; message: ToWorker }
  | { type: "answer"; tab: string; message: ToPage }
  /** To the tabs that wait, all of them or one. */
  | { type: "ready"; tab?: string; result: LoadResult }
  | { type: "loading"; progress: LoadProgress }
  | { type: "failed"; error: WireError };

/** Between the end of a leader's engine and that of its leadership. */
const LAST_WORDS_MS = 50;

/** Whether this browser and page can share at all: both need a secure context. */
export function canShare(): boolean {
  return (
    typeof globalThis.navigator?.locks === "object" &&
    typeof BroadcastChannel === "function"
  );
}

/** Leads, if no other tab does for this very model, context and cache format; follows otherwise. */
export async function connectShared(
  request: LoadRequest,
  watch: LoadWatch,
): Promise<Loaded> {
  const { source, contextLength = 0, cacheFormat = "q16_0" } = request;
  const id = idOf(source);
  // As engines of releases without other formats are named.
  const format = cacheFormat === "q16_0" ? "" : `:${cacheFormat}`;
  const name = `smidgen-tabs:${contextLength}${format}:${id}`;
  watch.signal?.throwIfAborted();
  const release = await tryLock(name);
  if (release) return lead(name, request, watch, release);
  const followed = await follow(name, watch);
  return typeof followed === "function"
    ? lead(name, request, watch, followed)
    : followed;
}

/** Gives the lock back; undefined where another tab holds it. */
function tryLock(name: string): Promise<(() => void) | undefined> {
  return new Promise((resolve, reject) => {
    navigator.locks
      .request(name, { ifAvailable: true }, (lock) => {
        if (!lock) {
          resolve(undefined);
          return undefined;
        }
        return new Promise<void>((release) => resolve(release));
      })
      .catch(reject);
  });
}

async function lead(
  name: string,
  request: LoadRequest,
  watch: LoadWatch,
  release: () => void,
): Promise<Loaded> {
  const channel = new BroadcastChannel(name);
  const say = (said: Said) => channel.postMessage(said);
  const connection = new Connection();
  // A frozen tab leads nobody.
  const stayHere = whenPutAside(() => {
    connection.close(new SmidgenError(WORKER_REPLACED, "the page was left"));
    release();
  });
  // Who broke the engine hears of it before the others look for another.
  connection.onClose = () => {
    stayHere();
    setTimeout(() => {
      channel.onmessage = null;
      channel.close();
      release();
    }, LAST_WORDS_MS);
  };
  try {
    const result = await connection.call("load", request, {
      ...watch,
      onEvent: (event) => {
        if (event.type === "progress") {
          say({ type: "loading", progress: event.progress });
        }
        watch.onEvent?.(event);
      },
    });
    serve(channel, connection, result);
    return { connection, result };
  } catch (error) {
    // Of the others one takes over.
    if ((error as SmidgenError).code === WORKER_REPLACED) throw error;
    say({ type: "failed", error: toWire(error, "worker_failed") });
    const close = () => connection.close(error as SmidgenError);
    // An aborted download first puts away what has arrived.
    if (watch.signal?.aborted) setTimeout(close, 2000);
    else close();
    throw error;
  }
}

/** Answers the tabs that follow; a tab that goes takes its calls with it. */
function serve(
  channel: BroadcastChannel,
  connection: Connection,
  result: LoadResult,
): void {
  const say = (said: Said) => {
    try {
      channel.postMessage(said);
    } catch {
      // Closed: this tab leads no more.
    }
  };
  const followers = new Map<string, Map<number, AbortController>>();

  const meet = (tab: string) => {
    if (followers.has(tab)) return;
    const calls = new Map<number, AbortController>();
    followers.set(tab, calls);
    // A tab holds the lock of its own name as long as it lives.
    void navigator.locks.request(tab, { mode: "shared" }, () => {
      followers.delete(tab);
      for (const call of calls.values()) call.abort();
    });
  };

  const ask = async (tab: string, message: ToWorker) => {
    const calls = followers.get(tab);
    const { id } = message;
    if (message.type === "cancel") {
      calls?.get(id)?.abort();
      return;
    }
    const answer = (message: ToPage) => say({ type: "answer", tab, message });
    const controller = new AbortController();
    calls?.set(id, controller);
    try {
      const out = await connection.call(
        message.name,
        message.in as Calls[CallName]["in"],
        {
          signal: controller.signal,
          onEvent: (event) => answer({ type: "event", id, event }),
        } as Parameters<typeof connection.call>[2],
      );
      answer({ type: "done", id, out });
    } catch (error) {
      const wire = toWire(error, "worker_failed");
      answer({ type: "failed", id, error: wire, fatal: false });
    } finally {
      calls?.delete(id);
    }
  };

  channel.onmessage = ({ data }: MessageEvent<Said>) => {
    if (data.type === "hello") {
      meet(data.tab);
      say({ type: "ready", tab: data.tab, result });
    } else if (data.type === "ask") {
      meet(data.tab);
      void ask(data.tab, data.message);
    }
  };
  say({ type: "ready", result });
}

/**
 * The connection to the leader; where it went before it was ready, what gives the lock back, which is this tab's now: if
 * it were let go, tabs that all try and wait could miss it for ever.
 */
async function follow(
  name: string,
  { signal, onEvent }: LoadWatch,
): Promise<Loaded | (() => void)> {
  const tab = `${name}:${Array.from(crypto.getRandomValues(new Uint32Array(3))).join("-")}`;
  const channel = new BroadcastChannel(name);
  const say = (said: Said) => channel.postMessage(said);
  const ended = new AbortController();
  const end = () => {
    ended.abort();
    channel.close();
  };
  await hold(tab, ended.signal);

  let connection: Connection | undefined;
  let waiting = true;
  let lost = false;
  const result = await new Promise<LoadResult | (() => void)>(
    (settle, reject) => {
      const resolve = (result: LoadResult | (() => void)) => {
        waiting = false;
        settle(result);
      };
      const abort = () => {
        waiting = false;
        reject(signal?.reason as Error);
      };
      if (signal?.aborted) abort();
      signal?.addEventListener("abort", abort, { once: true });
      channel.onmessage = ({ data }: MessageEvent<Said>) => {
        switch (data.type) {
          case "ready":
            if (data.tab === undefined || data.tab === tab)
              resolve(data.result);
            break;
          case "loading":
            onEvent?.({ type: "progress", progress: data.progress });
            break;
          case "failed":
            waiting = false;
            reject(SmidgenError.fromWire(data.error));
        }
      };
      // Granted when the leader has gone.
      navigator.locks
        .request(name, { signal: ended.signal }, () => {
          if (waiting) return new Promise<void>((release) => resolve(release));
          lost = true;
          connection?.lose();
          return undefined;
        })
        .catch(() => {});
      say({ type: "hello", tab });
    },
  ).catch((error: unknown) => {
    end();
    throw error;
  });
  if (typeof result === "function") {
    end();
    return result;
  }

  const port: Port = {
    post: (message) => say({ type: "ask", tab, message }),
    listen: (receive) => {
      channel.onmessage = ({ data }: MessageEvent<Said>) => {
        if (data.type === "answer" && data.tab === tab) receive(data.message);
      };
    },
    close: end,
  };
  connection = new Connection(port);
  if (lost) connection.lose();
  return { connection, result };
}

/** Holds the lock `name` until `signal`; resolves once it is held. */
function hold(name: string, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    navigator.locks
      .request(name, () => {
        resolve();
        return new Promise<void>((release) => {
          signal.addEventListener("abort", () => release(), { once: true });
        });
      })
      .catch(reject);
  });
}
