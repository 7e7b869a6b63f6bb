// Keeps the screen on while a model loads or writes: a phone that sleeps pauses the page.
import { computed, effect } from "@preact/signals";
import { model } from "./model";
import { replying } from "./reply";

const working = computed(
  () => replying.value !== undefined || model.value.phase === "loading",
);

let held: WakeLockSentinel | undefined;

async function hold(): Promise<void> {
  if (!("wakeLock" in navigator) || held || document.hidden) return;
  try {
    const lock = await navigator.wakeLock.request("screen");
    if (!working.peek() || held) return void lock.release();
    held = lock;
    // The browser takes it back when the page is hidden or the battery is low.
    lock.addEventListener("release", () => {
      if (held === lock) held = undefined;
    });
  } catch {
    // Refused (battery saver, policy): the work goes on while the screen is on.
  }
}

export function startWakeLock(): void {
  effect(() => {
    if (working.value) return void hold();
    void held?.release();
    held = undefined;
  });
  document.addEventListener("visibilitychange", () => {
    if (working.peek()) void hold();
  });
}
