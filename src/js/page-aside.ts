// A page that a person leaves may be kept, frozen, for when they come back. Its workers are frozen in the middle of what
// they do, and one that holds a transaction or a lock holds up every later visit; so they end when the page is put aside.

const leaving = new Set<() => void>();
let shown = Promise.resolve();
let watched = false;

/** Calls `leave` whenever the page is put aside; the result ends that. */
export function whenPutAside(leave: () => void): () => void {
  watch();
  leaving.add(leave);
  return () => leaving.delete(leave);
}

/** Resolves at once where the page is shown, otherwise when it is again: code runs on for a moment before the freeze. */
export function whenShown(): Promise<void> {
  return shown;
}

function watch(): void {
  if (watched || typeof document === "undefined") return;
  watched = true;
  addEventListener("pagehide", ({ persisted }) => {
    if (!persisted) return;
    shown = new Promise((resolve) =>
      addEventListener("pageshow", () => resolve(), { once: true }),
    );
    for (const leave of [...leaving]) leave();
  });
}
