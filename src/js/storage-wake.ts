// Has the browser open this site's storage while the engine's worker starts, so that the worker finds it open. Makes nothing, and does not mind refusals: who needs storage meets them.

import { isGecko } from "./features.ts";

/** Measured in Chromium, which asks for a model's first byte 25 ms sooner. Not in Firefox, where some first visits after its start were seen to wait for ever. */
export function wakeStorage(): void {
  if (isGecko()) return;
  for (const look of [
    () => indexedDB.databases(),
    () => navigator.storage.getDirectory(),
  ]) {
    try {
      look().catch(() => {});
    } catch {
      // Not offered here, or forbidden.
    }
  }
}
