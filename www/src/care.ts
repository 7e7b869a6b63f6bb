// What the page does for the device: shorter replies while the battery is low or the speed has fallen (heat), and a
// plainer configuration of the engine after it took the page down.
import { computed, signal } from "@preact/signals";
import { read, write } from "./remember";

export const SHORT_REPLY_TOKENS = 256;

const batteryLow = signal(false);
const hot = signal(false);
/** Why replies are kept short, undefined while they are not. */
export const saving = computed(() =>
  batteryLow.value ? "battery" : hot.value ? "heat" : undefined,
);

/** Chromium only, and not in the DOM library. */
interface Battery extends EventTarget {
  charging: boolean;
  level: number;
}

const LOW = 0.2;

async function watchBattery(): Promise<void> {
  const { getBattery } = navigator as { getBattery?: () => Promise<Battery> };
  const battery = await getBattery?.call(navigator);
  if (!battery) return;
  const look = () =>
    (batteryLow.value = !battery.charging && battery.level <= LOW);
  look();
  battery.addEventListener("levelchange", look);
  battery.addEventListener("chargingchange", look);
}

/** Shorter ones say more of the machine's other work than of its heat. */
const TELLING_TOKENS = 32;
/** Of the best sustained speed of this model here. */
const FALLEN = 0.5;
const RECOVERED = 0.75;
/** One slow reply may be somebody else's work. */
const SLOW_REPLIES = 2;

/** Tells from the speeds of replies, one after another, whether the device has slowed down for good. */
export function heatWatch() {
  let best = 0;
  let slow = 0;
  let fallen = false;
  return (tokens: number, tokensPerSecond: number): boolean => {
    if (tokens < TELLING_TOKENS) return fallen;
    best = Math.max(best, tokensPerSecond);
    slow = tokensPerSecond < best * FALLEN ? slow + 1 : 0;
    if (slow >= SLOW_REPLIES) fallen = true;
    else if (tokensPerSecond > best * RECOVERED) fallen = false;
    return fallen;
  };
}

let watched = "";
let watch = heatWatch();

export function noteSpeed(
  modelId: string,
  tokens: number,
  tokensPerSecond: number,
): void {
  if (modelId !== watched) {
    watched = modelId;
    watch = heatWatch();
  }
  hot.value = watch(tokens, tokensPerSecond);
}

const CAREFUL = "smidgen:careful";
const WORKING = "smidgen:working";
const TAB = Array.from(crypto.getRandomValues(new Uint32Array(2))).join("-");
const lockOf = (tab: string) => `smidgen:working:${tab}`;

/** The engine's plainer configuration is in use: one thread, a shorter context. */
export const careful = signal(read(CAREFUL) !== null);
/** True in the visit that finds that the page went down. */
export const recovered = signal(false);

export function setCareful(wanted: boolean): void {
  careful.value = wanted;
  recovered.value = false;
  write(CAREFUL, wanted ? "1" : undefined);
}

function marks(): string[] {
  try {
    const list: unknown = JSON.parse(read(WORKING) ?? "[]");
    return Array.isArray(list)
      ? list.filter((tab): tab is string => typeof tab === "string")
      : [];
  } catch {
    return [];
  }
}

const setMarks = (tabs: readonly string[]) =>
  write(WORKING, tabs.length > 0 ? JSON.stringify(tabs) : undefined);

let depth = 0;

/** Marks this tab as working until `work` ends; a mark whose tab is gone tells of a crash. */
export async function marked<T>(work: () => Promise<T>): Promise<T> {
  depth += 1;
  if (!document.hidden) mark();
  try {
    return await work();
  } finally {
    depth -= 1;
    if (depth === 0) unmark();
  }
}

const mark = () => setMarks([...marks().filter((tab) => tab !== TAB), TAB]);
const unmark = () => setMarks(marks().filter((tab) => tab !== TAB));

/** Looks for marks of tabs that are gone. Call it before the engine starts. */
async function lookForCrash(): Promise<void> {
  const { locks } = navigator;
  const list = marks();
  if (!locks || list.length === 0) return;
  const { held = [] } = await locks.query();
  const alive = new Set(held.map(({ name }) => name));
  const gone = list.filter((tab) => !alive.has(lockOf(tab)));
  if (gone.length === 0) return;
  setMarks(list.filter((tab) => !gone.includes(tab)));
  setCareful(true);
  recovered.value = true;
}

export async function startCare(): Promise<void> {
  // Held as long as this tab lives.
  void navigator.locks?.request(lockOf(TAB), () => new Promise(() => {}));
  // Leaving is no crash.
  addEventListener("pagehide", unmark);
  addEventListener("pageshow", (event) => {
    if ((event as PageTransitionEvent).persisted && depth > 0) mark();
  });
  // Neither is it a crash when the system ends what nobody looks at, or a person swipes it away.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) unmark();
    else if (depth > 0) mark();
  });
  await Promise.all([
    watchBattery().catch(() => undefined),
    lookForCrash().catch(() => undefined),
  ]);
}
