// `cargo xtask bench-cache`: what storing a model adds to its download, and how soon a second visit answers, for every browser and storage back end.

import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { open } from "../e2e/drive/browser.mjs";
import { serve } from "./cache/server.mjs";
import { browserOf, cpuByKind, rendererPeak } from "./processes.mjs";
import { spread, table } from "./statistics.mjs";

const LIMIT_MS = 180_000;

/**
 * @typedef {object} Plan what xtask hands over, as JSON
 * @property {import("../e2e/drive/browser.mjs").Driven[]} browsers
 * @property {string[]} storages
 * @property {string} model path
 * @property {string} pkg folder of the built package
 * @property {number} megabytesPerSecond of the line; 0 is as fast as it goes
 * @property {number} repetitions
 * @property {boolean} steps what each step costs alone, instead of whole visits
 * @property {boolean} json
 */

/** The figures of one visit, in a page that the browser has just been sent to. */
async function visit(page, origin, options, name = "index") {
  const query = encodeURIComponent(JSON.stringify(options));
  await page.goto(`${origin}/page/${name}.html?${query}`);
  const end = Date.now() + LIMIT_MS;
  // Seldom enough not to disturb what is measured.
  while (!(await page.evaluate("Boolean(window.result)"))) {
    if (Date.now() > end) throw new Error("a visit takes for ever");
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const text = await page.evaluate("JSON.stringify(window.result)");
  const result = JSON.parse(text);
  if (result.error) throw new Error(result.error);
  return result;
}

/** A fresh browser; on the same profile as before, where its engine has profiles. */
async function withPage(driven, profile, work) {
  const page = await open(driven, { profile, unwatched: true });
  try {
    return await work(page);
  } finally {
    await page.close();
  }
}

/** A browser that has just been started still has things of its own to do. */
const settled = () => new Promise((resolve) => setTimeout(resolve, 1000));

/** What a visit takes from the machine beside its time, where the engine's processes are told apart. */
async function weighed(driven, profile, work) {
  if (driven.name !== "chromium") return work();
  const pid = browserOf(profile);
  const before = cpuByKind(pid);
  const serverBefore = process.cpuUsage();
  const result = await work();
  const { user, system } = process.cpuUsage(serverBefore);
  const cpu = Object.fromEntries(
    Object.entries(cpuByKind(pid)).map(([kind, seconds]) => [
      kind,
      1000 * (seconds - before[kind]),
    ]),
  );
  cpu.server = (user + system) / 1000;
  return { ...result, cpu, peak: rendererPeak(pid) / 1e6 };
}

/**
 * A first visit that keeps the model in `storage`, or nowhere, and a later one to what was kept. The browser has the
 * engine's own files already, and each visit is the first thing that it does.
 */
async function measure(plan, origin, driven, storage) {
  const source = "/model.gguf";
  const options = storage ? { source, storage } : { source, cache: false };
  const prime = (page) => visit(page, origin, { source, cache: false });
  const first = async (page) => {
    const result = await visit(page, origin, options);
    if (storage && (!result.cached || result.storage !== storage)) {
      throw new Error(`not stored: ${JSON.stringify(result)}`);
    }
    return result;
  };
  const warm = async (page) => {
    const result = await visit(page, origin, options);
    if (!result.fromCache) throw new Error("a later visit used the network");
    return result;
  };
  // A driver without profiles: all visits in one browser.
  if (driven.name === "webkit") {
    return withPage(driven, undefined, async (page) => {
      await prime(page);
      const one = { first: await first(page) };
      return storage ? { ...one, warm: await warm(page) } : one;
    });
  }
  const profile = await mkdtemp(join(tmpdir(), "smidgen-cache-"));
  const fresh = (work) =>
    withPage(driven, profile, async (page) => {
      await settled();
      return weighed(driven, profile, () => work(page));
    });
  try {
    await withPage(driven, profile, prime);
    const one = { first: await fresh(first) };
    return storage ? { ...one, warm: await fresh(warm) } : one;
  } finally {
    await remove(profile);
  }
}

/** Each step of storing and reading by itself, in milliseconds for as many bytes as the model has. */
async function steps(plan, server, fileBytes) {
  const rows = [];
  for (const driven of plan.browsers) {
    // Files need a profile that is no private one.
    const profile = await mkdtemp(join(tmpdir(), "smidgen-cache-"));
    try {
      const options = { source: "/model.gguf", fileBytes };
      const { taken } = await withPage(driven, profile, (page) =>
        visit(page, server.origin, options, "steps"),
      );
      for (const [step, times] of Object.entries(taken)) {
        rows.push({ browser: driven.name, step, ms: spread(times, 0) });
      }
    } finally {
      await remove(profile);
    }
  }
  if (plan.json) for (const row of rows) console.log(JSON.stringify(row));
  else {
    const cells = rows.map(({ browser, step, ms }) => [
      browser,
      step,
      `${ms.median} (${ms.min}–${ms.max})`,
    ]);
    console.log(table(["browser", "step", "ms"], cells));
  }
}

function remove(folder) {
  return rm(folder, {
    recursive: true,
    force: true,
    maxRetries: 20,
    retryDelay: 100,
  });
}

/** @param {Plan} plan */
async function bench(plan) {
  const body = await readFile(plan.model);
  const server = await serve({
    mounts: { "/pkg/": plan.pkg, "/page/": join(import.meta.dirname, "cache") },
    body,
    bytesPerSecond: plan.megabytesPerSecond * 1e6,
  });
  if (plan.steps) {
    await steps(plan, server, body.length).finally(() => server.stop());
    return;
  }
  // Without storage first: what the others are compared with.
  const cells = plan.browsers.flatMap((driven) =>
    [undefined, ...plan.storages]
      .filter((storage) => storage !== "opfs" || driven.name !== "webkit")
      .map((storage) => ({ driven, storage, measured: [] })),
  );
  try {
    for (let repetition = 0; repetition < plan.repetitions; repetition++) {
      // Each in turn begins: what runs beside the measuring should meet all alike.
      const at = repetition % cells.length;
      const order = [...cells.slice(at), ...cells.slice(0, at)];
      for (const { driven, storage, measured } of order) {
        console.error(
          `  ${repetition + 1}/${plan.repetitions} ${driven.name}, ${storage ?? "nothing kept"}`,
        );
        try {
          measured.push(await measure(plan, server.origin, driven, storage));
        } catch (error) {
          console.error(`  failed: ${error.message}`);
          process.exitCode = 1;
        }
      }
    }
  } finally {
    server.stop();
  }
  const results = cells
    .filter(({ measured }) => measured.length > 0)
    .map(({ driven, storage, measured }) => {
      const over = (pick, digits = 0) => spread(measured.map(pick), digits);
      const ready = over(({ first }) => first.loadMs);
      const plain = cells.find(
        (cell) => cell.driven === driven && !cell.storage,
      );
      const uncached = spread(
        plain.measured.map(({ first }) => first.loadMs),
        0,
      );
      const costs =
        storage && uncached
          ? Number((100 * (ready.median / uncached.median - 1)).toFixed(1))
          : undefined;
      const kinds = Object.keys(measured[0].first.cpu ?? {});
      return {
        browser: driven.name,
        storage: storage ?? "none",
        flavour: measured[0].first.flavour,
        file_bytes: body.length,
        megabytes_per_second: plan.megabytesPerSecond,
        repetitions: measured.length,
        ready_ms: ready,
        costs_percent: costs,
        durable_ms: storage && over(({ first }) => first.durableMs),
        warm_ready_ms: storage && over(({ warm }) => warm.loadMs),
        warm_first_token_ms: storage && over(({ warm }) => warm.firstTokenAt),
        first_visit_peak_mb: over(({ first }) => first.peak),
        cpu_ms: kinds.length
          ? Object.fromEntries(
              kinds.map((kind) => [
                kind,
                over(({ first }) => first.cpu[kind]).median,
              ]),
            )
          : undefined,
      };
    });
  if (plan.json) {
    for (const result of results) console.log(JSON.stringify(result));
    return;
  }
  const show = (value) =>
    value ? `${value.median} (${value.min}–${value.max})` : "–";
  console.log(
    table(
      [
        "browser",
        "kept in",
        "flavour",
        "ready ms",
        "costs %",
        "durable ms",
        "warm load ms",
        "warm first token ms",
        "first visit's peak MB",
        "CPU ms: page, browser, network, other, server",
      ],
      results.map((one) => [
        one.browser,
        one.storage,
        one.flavour,
        show(one.ready_ms),
        one.costs_percent ?? "–",
        show(one.durable_ms),
        show(one.warm_ready_ms),
        show(one.warm_first_token_ms),
        show(one.first_visit_peak_mb),
        one.cpu_ms ? Object.values(one.cpu_ms).map(Math.round).join(", ") : "–",
      ]),
    ),
  );
}

await bench(JSON.parse(process.argv[2]));
