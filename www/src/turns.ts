// What needs much memory and all cores takes turns: a reply being written, a picture being read.

let last: Promise<unknown> = Promise.resolve();

const aborted = (signal: AbortSignal) =>
  new Promise<never>((_, reject) => {
    const stop = () => reject(new DOMException("stopped", "AbortError"));
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop, { once: true });
  });

/** Runs `work` once all that asked before has ended; who no longer wants to wait holds nobody up. */
export async function inTurn<T>(
  work: () => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  const before = last;
  let end = () => {};
  const mine = new Promise<void>((resolve) => (end = resolve));
  last = before.then(() => mine);
  try {
    await Promise.race([before, aborted(signal)]);
    signal.throwIfAborted();
    return await work();
  } finally {
    end();
  }
}
