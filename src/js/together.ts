// Several replies to one request, made beside each other: their chunks in the order they come.

/** So many replies of one request are under way at once: half of what an engine makes, so that others have a share. */
const AT_ONCE = 4;

/** Runs `begin(0…count - 1)`; each has to end when its signal is aborted. */
export async function* together<T>(
  count: number,
  signal: AbortSignal,
  begin: (
    index: number,
    signal: AbortSignal,
  ) => AsyncGenerator<T, void, undefined>,
): AsyncGenerator<T, void, undefined> {
  const controller = new AbortController();
  const forward = () => controller.abort(signal.reason);
  if (signal.aborted) forward();
  signal.addEventListener("abort", forward, { once: true });
  type Source = ReturnType<typeof begin>;
  const running = new Map<
    Source,
    Promise<{ source: Source; result: IteratorResult<T, void> }>
  >();
  const pull = (source: Source) => {
    // Goes to the end: nobody's chunks wait for those of a faster one.
    running.delete(source);
    const pulled = source.next().then((result) => ({ source, result }));
    // Where nobody asks any more, its end is nobody's error.
    pulled.catch(() => {});
    running.set(source, pulled);
  };
  try {
    for (let next = 0; ;) {
      while (next < count && running.size < AT_ONCE) {
        pull(begin(next++, controller.signal));
      }
      if (running.size === 0) return;
      const { source, result } = await Promise.race(running.values());
      if (result.done) {
        running.delete(source);
      } else {
        pull(source);
        yield result.value;
      }
    }
  } finally {
    signal.removeEventListener("abort", forward);
    controller.abort();
    await Promise.allSettled([...running.keys()].map((one) => one.return()));
  }
}
