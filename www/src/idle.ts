// Work that can wait until the page has nothing else to do.

const AT_THE_LATEST_MS = 2000;

export function whenIdle(work: () => void): void {
  // Safari has no idle callbacks.
  if ("requestIdleCallback" in globalThis)
    requestIdleCallback(work, { timeout: AT_THE_LATEST_MS });
  else setTimeout(work);
}
