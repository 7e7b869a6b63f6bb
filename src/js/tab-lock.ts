// One tab downloads a model, the others wait for it and then read the stored copy.

import { aborted } from "./errors.ts";

interface Progress {
  loadedBytes: number;
  totalBytes: number | undefined;
}

const BEAT_MS = 500;
/** A tab that has not been heard for this long is frozen; waiting for it would be waiting for ever. */
const PATIENCE_MS = 15_000;

/**
 * Runs `work(beat)` alone among all tabs; `beat` tells the waiting ones how far it is. Where the tab at work goes
 * silent, runs `work(undefined)`: that one is not alone and must not store anything.
 */
export async function withTabLock<T>(
  options: {
    id: string;
    signal: AbortSignal;
    /** While waiting: how far the other tab is. */
    onWaiting(progress: Progress): void;
    patienceMs?: number;
  },
  work: (beat: ((progress: Progress) => void) | undefined) => Promise<T>,
): Promise<T> {
  const locks = globalThis.navigator?.locks;
  if (!locks || typeof BroadcastChannel !== "function") return work(() => {});
  const { id, signal, onWaiting, patienceMs = PATIENCE_MS } = options;
  const name = `smidgen:${id}`;
  const channel = new BroadcastChannel(name);
  const waiting = new AbortController();
  const onAbort = () => waiting.abort();
  signal.addEventListener("abort", onAbort, { once: true });
  let patience = setTimeout(onAbort, patienceMs);
  channel.onmessage = ({ data }: MessageEvent<Progress>) => {
    clearTimeout(patience);
    patience = setTimeout(onAbort, patienceMs);
    onWaiting(data);
  };

  let granted = false;
  try {
    return await locks.request(name, { signal: waiting.signal }, async () => {
      granted = true;
      clearTimeout(patience);
      channel.onmessage = null;
      let last: Progress = { loadedBytes: 0, totalBytes: undefined };
      // By the clock, not by progress: a slow line is not a frozen tab.
      const beats = setInterval(() => channel.postMessage(last), BEAT_MS);
      try {
        return await work((progress) => {
          last = progress;
        });
      } finally {
        clearInterval(beats);
      }
    });
  } catch (error) {
    if (granted) throw error;
    if (signal.aborted) throw aborted("load");
    return await work(undefined);
  } finally {
    clearTimeout(patience);
    signal.removeEventListener("abort", onAbort);
    channel.close();
  }
}
