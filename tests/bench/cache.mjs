// `cargo xtask bench-cache`: what storing a model adds to its download, and how soon a second visit answers, for every browser and storage back end.

import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { open } from "../e2e/drive/browser.mjs";
import { serve } from "./cache/server.mjs";
import { browserOf, rendererPeak } from "./processes.mjs";
import { spread, table } from "./statistics.mjs";

const LIMIT_MS = 180_000;

/**
 * @typedef {object} Plan what xtask hands over, as JSON
 * @property {import("../e2e/drive/browser.mjs").Driven[]} browsers
 * @property {string[]} storages
 * @property {string} model path
 * @property {string} pkg folder of the built package
 * @property {number} megabytesPerSecond of the line
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

/** Peak of the renderer's memory, where the engine's processes are told apart. */
function peak(driven, profile) {
  if (driven.name !== "chromium") return undefined;
  return rendererPeak(browserOf(profile)) / 1e6;
}

async function measure(plan, origin, driven, storage) {
  const profile = await mkdtemp(join(tmpdir(), "smidgen-cache-"));
  const source = "/model.gguf";
  try {
    // The engine's own files are in the browser's cache after this.
    const plain = () =>
      withPage(driven, profile, async (page) => {
        await visit(page, origin, { source, cache: false });
        return visit(page, origin, { source, cache: false });
      });
    const first = async (page) => {
      const stored = await visit(page, origin, { source, storage });
      if (!stored.cached || stored.storage !== storage) {
        throw new Error(`not stored: ${JSON.stringify(stored)}`);
      }
      return { stored, peak: peak(driven, profile) };
    };
    const second = async (page) => {
      const warm = await visit(page, origin, { source, storage });
      if (!warm.fromCache) throw new Error("the second visit used the network");
      return warm;
    };
    const uncached = await plain();
    // A driver without profiles: both visits in one browser.
    if (driven.name === "webkit") {
      return await withPage(driven, undefined, async (page) => {
        await visit(page, origin, { source, cache: false });
        return { uncached, ...(await first(page)), warm: await second(page) };
      });
    }
    const cold = await withPage(driven, profile, first);
    // Once more to settle: the engine's compiled code is cached by then as on any later visit.
    await withPage(driven, profile, second);
    return { uncached, ...cold, warm: await withPage(driven, profile, second) };
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
  const cells = plan.browsers.flatMap((driven) =>
    plan.storages
      .filter((storage) => storage !== "opfs" || driven.name !== "webkit")
      .map((storage) => ({ driven, storage, measured: [] })),
  );
  try {
    for (let repetition = 1; repetition <= plan.repetitions; repetition++) {
      for (const { driven, storage, measured } of cells) {
        console.error(
          `  ${repetition}/${plan.repetitions} ${driven.name}, ${storage}`,
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
      const uncached = over((one) => one.uncached.loadMs);
      const stored = over((one) => one.stored.loadMs);
      return {
        browser: driven.name,
        storage,
        flavour: measured[0].warm.flavour,
        file_bytes: body.length,
        uncached_load_ms: uncached,
        cached_load_ms: stored,
        durable_ms: over((one) => one.stored.durableMs),
        caching_costs_percent: Number(
          (100 * (stored.median / uncached.median - 1)).toFixed(1),
        ),
        warm_load_ms: over((one) => one.warm.loadMs),
        warm_first_token_ms: over((one) => one.warm.firstTokenAt),
        first_visit_peak_mb: over((one) => one.peak),
        repetitions: measured.length,
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
        "storage",
        "flavour",
        "download ms",
        "stored too",
        "durable",
        "costs %",
        "warm load ms",
        "warm first token ms",
        "first visit's peak MB",
      ],
      results.map((one) => [
        one.browser,
        one.storage,
        one.flavour,
        show(one.uncached_load_ms),
        show(one.cached_load_ms),
        show(one.durable_ms),
        one.caching_costs_percent,
        show(one.warm_load_ms),
        show(one.warm_first_token_ms),
        show(one.first_visit_peak_mb),
      ]),
    ),
  );
}

await bench(JSON.parse(process.argv[2]));
