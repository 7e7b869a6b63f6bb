// What a browser takes from the machine: peak memory of its renderers and CPU time of all its processes. Linux only.

import { readdirSync, readFileSync } from "node:fs";

/** Clock ticks of a second in /proc, which Linux fixes at 100 for user space. */
const TICKS = 100;

const read = (path) => {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // the process has ended
  }
};

/** Processes below `pid`, itself among them. */
function family(pid) {
  const parents = new Map();
  for (const entry of readdirSync("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    // The name, in parentheses, may hold anything.
    const [, parent] =
      /^\d+ \(.*\) \S (\d+)/s.exec(read(`/proc/${entry}/stat`)) ?? [];
    if (parent) parents.set(Number(entry), Number(parent));
  }
  const isBelow = (one) => {
    for (let at = one; at; at = parents.get(at)) if (at === pid) return true;
    return false;
  };
  return [...parents.keys()].filter(isBelow);
}

/** The browser process of a profile folder. */
export function browserOf(profile) {
  for (const entry of readdirSync("/proc")) {
    const line = /^\d+$/.test(entry) ? read(`/proc/${entry}/cmdline`) : "";
    if (line.includes(profile) && !line.includes("--type="))
      return Number(entry);
  }
  throw new Error(`no browser runs on ${profile}`);
}

function secondsOf(pid) {
  const fields = read(`/proc/${pid}/stat`).split(") ").pop().split(" ");
  return (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) / TICKS;
}

/** Seconds of CPU that the processes below `pid` have used. */
export function cpuSeconds(pid) {
  return family(pid).reduce((sum, one) => sum + secondsOf(one), 0);
}

/** What a process of Chromium is for. */
function kindOf(pid) {
  const line = read(`/proc/${pid}/cmdline`);
  if (line.includes("--utility-sub-type=network")) return "network";
  const [, type = "browser"] = /--type=([a-z-]+)/.exec(line) ?? [];
  return type === "renderer" || type === "browser" ? type : "other";
}

/** Seconds of CPU that the processes below a Chromium's `pid` have used, by what they are for. */
export function cpuByKind(pid) {
  const seconds = { renderer: 0, browser: 0, network: 0, other: 0 };
  for (const one of family(pid)) seconds[kindOf(one)] += secondsOf(one);
  return seconds;
}

/** Peaks of resident memory of the renderers below `pid`, in bytes, by process. */
export function rendererPeaks(pid) {
  const renderers = family(pid).filter((one) =>
    read(`/proc/${one}/cmdline`).includes("--type=renderer"),
  );
  const peakOf = (one) =>
    1024 *
    Number(/VmHWM:\s+(\d+) kB/.exec(read(`/proc/${one}/status`))?.[1] ?? 0);
  return new Map(renderers.map((one) => [one, peakOf(one)]));
}

/** The largest of them. */
export function rendererPeak(pid) {
  return Math.max(0, ...rendererPeaks(pid).values());
}

/** How much the peak of a renderer has grown since `before`, of the one in which it has most: a page has one of its own. */
export function rendererGrowth(pid, before) {
  const grown = [...rendererPeaks(pid)].map(
    ([one, peak]) => peak - (before.get(one) ?? peak),
  );
  return Math.max(0, ...grown);
}
