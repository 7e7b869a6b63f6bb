// What this device can do, measured and asked, and what follows for a model: fits, tight, does not fit.
import { signal } from "@preact/signals";
import { CATALOGUE, type CatalogueModel } from "smidgen/catalogue";
import { memoryNeed } from "./catalogue";
import type { SelfTest } from "./self-test.worker";

export interface Device extends SelfTest {
  /** What the browser says of the device's memory, in bytes; it rounds, and some say nothing. */
  memoryBytes: number | undefined;
  /** What this page may still store. */
  freeBytes: number | undefined;
}

export const device = signal<Device | undefined>(undefined);

export type Verdict = "fits" | "tight" | "not";
export type Reason = "memory" | "storage" | "slow";
export interface Fit {
  verdict: Verdict;
  reason?: Reason;
  needBytes: number;
  /** Tokens a second of one thread, as the self-test lets expect; undefined before it. */
  tokensPerSecond: number | undefined;
}

/** A browser closes tabs that take more than about half of a phone's memory. */
const MEMORY_SHARE = 0.5;
const EASY_SHARE = 0.25;
/** Where the browser tells no memory: what phones of the last years give one page. */
const UNKNOWN_MEMORY = 4_000_000_000;
/** Slower than people read. */
const READING_SPEED = 5;

export function fit(model: CatalogueModel, on: Device | undefined): Fit {
  const needBytes = memoryNeed(model);
  const tokensPerSecond = on && on.bytesPerSecond / model.bytes;
  const known = { needBytes, tokensPerSecond };
  const memory = on?.memoryBytes ?? UNKNOWN_MEMORY;
  const refused = on !== undefined && on.mostMemory < needBytes;
  if (refused || needBytes > memory * MEMORY_SHARE)
    return { verdict: "not", reason: "memory", ...known };
  if (on?.freeBytes !== undefined && on.freeBytes < model.bytes)
    return { verdict: "not", reason: "storage", ...known };
  if (needBytes > memory * EASY_SHARE)
    return { verdict: "tight", reason: "memory", ...known };
  if (tokensPerSecond !== undefined && tokensPerSecond < READING_SPEED)
    return { verdict: "tight", reason: "slow", ...known };
  return { verdict: "fits", ...known };
}

/** Chromium only, in GB, at most 8 (or 32 on desktops since 2026). */
const toldMemory = () => {
  const { deviceMemory } = navigator as { deviceMemory?: number };
  return deviceMemory === undefined ? undefined : deviceMemory * 1e9;
};

async function free(): Promise<number | undefined> {
  try {
    const { quota, usage } = await navigator.storage.estimate();
    return quota === undefined ? undefined : quota - (usage ?? 0);
  } catch {
    return undefined;
  }
}

const testOnce = () =>
  new Promise<SelfTest>((resolve, reject) => {
    const worker = new Worker(
      new URL("./self-test.worker.ts", import.meta.url),
      { type: "module" },
    );
    const end = (act: () => void) => {
      worker.terminate();
      act();
    };
    worker.onmessage = ({ data }: MessageEvent<SelfTest>) =>
      end(() => resolve(data));
    worker.onerror = () => end(() => reject(new Error("the self-test failed")));
    const sizes = CATALOGUE.map(memoryNeed).sort((a, b) => b - a);
    worker.postMessage({ sizes });
  });

let testing: Promise<void> | undefined;

/** Takes a second, once a visit, in a thread of its own. Does nothing where it cannot be done. */
export function examine(): Promise<void> {
  testing ??= (async () => {
    const [test, freeBytes] = await Promise.all([testOnce(), free()]);
    device.value = { ...test, freeBytes, memoryBytes: toldMemory() };
  })().catch(() => {
    testing = undefined;
  });
  return testing;
}
