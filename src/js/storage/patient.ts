// A store that is waited for, but not for ever: browsers leave calls unanswered, as Chromium does with files whose site data is cleared under way, and WebKit where a worker has ended in the middle of a transaction.

import type { StorageBackEnd } from "./types.ts";

const TICK_MS = 5000;
/** Until a record, of some kilobytes, must have come. */
const RECORD_TICKS = 2;
/** Until anything else must have happened: bytes are on their way, or chunks are looked through. */
const TICKS = 6;

const RECORDS: ReadonlySet<string> = new Set<keyof StorageBackEnd>([
  "listComplete",
  "listPartial",
  "complete",
  "partial",
]);

/** Rejects with `reason` where nothing has come after `ms`. */
export async function within<T>(
  ms: number,
  asked: Promise<T>,
  reason: string,
): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const silence = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(reason)), ms);
  });
  return Promise.race([asked, silence]).finally(() => clearTimeout(timer));
}

/** The same store, whose calls reject where no answer comes, and from then on at once. */
export function patient(storage: StorageBackEnd): StorageBackEnd {
  let silence: Error | undefined;
  const call = async <T>(ask: () => Promise<T>, ticks: number): Promise<T> => {
    if (silence) throw silence;
    const refusal = new Error("the browser's storage does not answer");
    return answered(ask(), ticks, () => (silence = refusal));
  };
  return new Proxy(storage, {
    get(target, name: keyof StorageBackEnd) {
      const value = target[name] as unknown;
      if (typeof value !== "function") return value;
      const ask = value.bind(target) as (...args: unknown[]) => unknown;
      if (name === "giveBack" || name === "close") return ask;
      const ticks = RECORDS.has(name) ? RECORD_TICKS : TICKS;
      return (...args: unknown[]) =>
        call(() => ask(...args) as Promise<unknown>, ticks);
    },
  });
}

/** Rejects with what `fail` says where nothing comes. Counted in ticks, so that a device's sleep is one of them and not the end. */
async function answered<T>(
  asked: Promise<T>,
  most: number,
  fail: () => Error,
): Promise<T> {
  let ticks = 0;
  let timer: ReturnType<typeof setInterval> | undefined;
  const silence = new Promise<never>((_, reject) => {
    timer = setInterval(() => {
      if (++ticks >= most) reject(fail());
    }, TICK_MS);
  });
  try {
    return await Promise.race([asked, silence]);
  } finally {
    clearInterval(timer);
  }
}
