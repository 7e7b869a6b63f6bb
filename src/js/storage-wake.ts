// Has the browser open this site's storage while the engine's worker starts, so that the worker finds it open. Makes nothing, and does not mind refusals: who needs storage meets them.

export function wakeStorage(): void {
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
