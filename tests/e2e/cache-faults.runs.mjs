// Randomised faults in Chromium: tabs, workers and servers killed at random bytes. SMIDGEN_RUNS says how many, SMIDGEN_SEED where they start, SMIDGEN_RUNS_MODEL on which file, SMIDGEN_RECORD=1 that the table of src/README.md is to be written.

import assert from "node:assert/strict";
import { test } from "node:test";
import { chromium } from "playwright-core";
import { readFile } from "node:fs/promises";
import { makeFolder, removeFolder } from "./drive/folder.mjs";
import { tinyModel } from "./cache-faults/model.mjs";
import { record } from "./cache-faults/record.mjs";
import { learn, runAll, table } from "./cache-faults/runs.mjs";
import { FaultServer } from "./cache-faults/server.mjs";

const FULL = process.env.SMIDGEN_FULL === "1";
const RUNS = Number(process.env.SMIDGEN_RUNS ?? (FULL ? 500 : 40));
const SEED = Number(process.env.SMIDGEN_SEED ?? 1);
const AT_ONCE = Number(process.env.SMIDGEN_AT_ONCE ?? 3);

/** A real model's file in place of the small one that is made for the runs. */
const LARGE = process.env.SMIDGEN_RUNS_MODEL;

/** The file, and one of the same length that is another model: the last layers' weights differ. */
async function revisionsOf(path) {
  const body = await readFile(path);
  const other = Buffer.from(body);
  for (let at = body.length >> 1; at < body.length; at += 997) other[at] ^= 8;
  return [body, other];
}

/** A Playwright page behind the drivers' common face. */
async function newPage(browser) {
  const page = await browser.newPage();
  const session = await browser.newCDPSession(page);
  return {
    goto: async (address) => void (await page.goto(address)),
    evaluate: (expression) => page.evaluate(expression),
    close: () => page.close(),
    crash: async () => {
      const crashed = new Promise((resolve) => page.once("crash", resolve));
      // Never answered: the one who would is gone.
      session.send("Page.crash").catch(() => {});
      await crashed;
    },
  };
}

test(
  `${RUNS} runs from seed ${SEED} on`,
  { timeout: RUNS * 60_000 },
  async (context) => {
    const profile = await makeFolder("profile");
    const server = await new FaultServer().start();
    const browser = await chromium.launchPersistentContext(profile, {
      executablePath: process.env.SMIDGEN_CHROMIUM ?? "/usr/bin/chromium",
      headless: true,
      chromiumSandbox: false,
      args: ["--disable-quic", "--no-first-run", "--disable-dev-shm-usage"],
    });
    context.after(async () => {
      await browser.close();
      await server.stop();
      await removeFolder(profile);
    });
    const world = {
      server,
      storages: ["opfs", "indexeddb"],
      deaths: ["tab", "crash", "reload", "worker", "server"],
      newPage: () => newPage(browser),
    };
    const bodies = LARGE
      ? await revisionsOf(LARGE)
      : await Promise.all([tinyModel(1), tinyModel(2)]);
    world.revisions = await learn(world, bodies);
    assert.notDeepEqual(world.revisions[0].ids, world.revisions[1].ids);

    const seeds = Array.from({ length: RUNS }, (_, index) => SEED + index);
    let ended = 0;
    const results = await runAll(world, seeds, AT_ONCE, ({ error }) => {
      ended += 1;
      if (error) {
        console.error(error.message, JSON.stringify(error.drawn), error.log);
      }
      if (ended % 25 === 0) console.error(`${ended} runs have ended`);
    });
    const counts = table(results);
    console.log(JSON.stringify(counts, null, 2));
    await record("chromium", SEED, results, counts);
    assert.equal(counts["ended with a verified model and a chat"], RUNS);
    assert.equal(counts["durable bytes fetched again"], 0);
  },
);
