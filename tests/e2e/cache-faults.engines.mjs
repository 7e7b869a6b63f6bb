// A share of the randomised faults in every browser engine at hand. SMIDGEN_BROWSERS names them; SMIDGEN_ENGINE_RUNS says how many each.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { tinyModel } from "./cache-faults/model.mjs";
import { record } from "./cache-faults/record.mjs";
import { learn, runAll, table } from "./cache-faults/runs.mjs";
import { FaultServer, Site } from "./cache-faults/server.mjs";
import { inPage, Tab, within } from "./cache-faults/tab.mjs";
import { open } from "./drive/browser.mjs";

const FULL = process.env.SMIDGEN_FULL === "1";
const RUNS = Number(process.env.SMIDGEN_ENGINE_RUNS ?? (FULL ? 25 : 4));
const SEED = Number(process.env.SMIDGEN_SEED ?? 10_001);
const BROWSERS = JSON.parse(
  process.env.SMIDGEN_BROWSERS ??
    '[{"name":"chromium","executable":"/usr/bin/chromium","sandbox":false}]',
);

/**
 * Leaves the page in the middle of a download and goes back to it, by the browser's own history: where the engine has
 * kept the page, its load goes on; elsewhere it begins anew. What it fetches in all is told.
 */
async function leaveAndReturn({ server, revisions, newPage }) {
  const [{ body, sha256 }] = revisions;
  const site = new Site({
    ...{ seed: 0, revisions, origin: "same", faults: [], budget: 0 },
    ranges: true,
  });
  const { origin, url } = server.add("left", site);
  site.holdAt = body.length / 2;
  const half = site.after(body.length / 4);
  const tab = new Tab(await newPage());
  await tab.open(origin);
  const load = [inPage.load, url, { storage: "indexeddb" }];
  await tab.begin(...load);
  await within(half, "a quarter of the file");
  await tab.close();
  site.release();
  await tab.page.evaluate("void history.back()").catch(() => {});
  // Between two pages there may be none.
  const back = async () => {
    while (!(await tab.page.evaluate("window.ready").catch(() => false))) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };
  await within(back(), "the page, after going back");
  const kept = await tab.page.evaluate("Boolean(window.answer)");
  if (!kept) {
    await tab.open(origin);
    await tab.begin(...load);
  }
  const { value, error } = await tab.finish("a load that was left");
  assert.ok(value, error?.message);
  const stored = await tab.call(inPage.stored, url);
  assert.equal(stored.value, sha256);
  await tab.call(inPage.clear);
  return kept;
}

describe("faults in every browser engine", { timeout: 1_800_000 }, () => {
  for (const driven of BROWSERS) {
    test(driven.name, async (context) => {
      const server = await new FaultServer().start();
      context.after(() => server.stop());
      // One tab for all runs, which is what every engine's driver has: it leaves a page by going elsewhere.
      const page = await open(driven);
      context.after(() => page.close());
      const world = {
        server,
        // WebKit's port for this system has no files with synchronous access.
        storages:
          driven.name === "webkit" ? ["indexeddb"] : ["opfs", "indexeddb"],
        deaths: ["reload", "worker", "server", "tab"],
        newPage: async () => ({
          ...page,
          close: () => page.goto("about:blank"),
        }),
      };
      const bodies = await Promise.all([tinyModel(1), tinyModel(2)]);
      world.revisions = await learn(world, bodies);
      const kept = await leaveAndReturn(world);
      context.diagnostic(`going back ${kept ? "finds" : "reloads"} the page`);
      const seeds = Array.from({ length: RUNS }, (_, index) => SEED + index);
      const results = await runAll(world, seeds, 1, ({ error }) => {
        if (error) {
          console.error(error.message, JSON.stringify(error.drawn), error.log);
        }
      });
      const counts = table(results);
      console.log(driven.name, JSON.stringify(counts, null, 2));
      await record(driven.name, SEED, results, counts);
      assert.equal(counts["ended with a verified model and a chat"], RUNS);
      assert.equal(counts["durable bytes fetched again"], 0);
    });
  }
});
