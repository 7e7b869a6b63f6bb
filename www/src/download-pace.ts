// How fast a download is and how long it still takes, from its progress; steady enough to be read.

interface Mark {
  at: number;
  bytes: number;
}

export interface Pace {
  bytesPerSecond: number;
  secondsLeft: number | undefined;
}

/** Long enough to even out bursts, short enough to follow a train into a tunnel. */
const WINDOW_MS = 6000;
const SHORTEST_MS = 1000;

export function pacer() {
  let marks: Mark[] = [];
  return (
    loadedBytes: number,
    totalBytes: number | undefined,
    now: number,
  ): Pace | undefined => {
    marks = marks.filter(({ at }) => now - at <= WINDOW_MS);
    marks.push({ at: now, bytes: loadedBytes });
    const first = marks[0]!;
    if (now - first.at < SHORTEST_MS) return undefined;
    const bytesPerSecond =
      ((loadedBytes - first.bytes) * 1000) / (now - first.at);
    if (bytesPerSecond <= 0) return undefined;
    const secondsLeft =
      totalBytes === undefined
        ? undefined
        : Math.max(0, totalBytes - loadedBytes) / bytesPerSecond;
    return { bytesPerSecond, secondsLeft };
  };
}
