// The page on a quarter of a core, as on a phone of some years ago: the browser runs in a control group of its own.
// With --full, and where such a group may be made.

import assert from "node:assert/strict";
import { chmod, mkdir, mkdtemp, rm, rmdir, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { browse, profileFolder, serve, visit } from "./app/stage.mjs";

const PERIOD_US = 100_000;
const SHARE = 0.25;
const PATIENCE = { timeout: 600_000 };

/** The folder of a group that gets a quarter of a core, undefined where none can be made. */
async function group(t) {
  const name = `smidgen-${process.pid}`;
  for (const [root, file, limit] of [
    ["/sys/fs/cgroup/cpu", "cpu.cfs_quota_us", `${PERIOD_US * SHARE}`],
    ["/sys/fs/cgroup", "cpu.max", `${PERIOD_US * SHARE} ${PERIOD_US}`],
  ]) {
    const folder = join(root, name);
    try {
      await mkdir(folder);
    } catch {
      continue;
    }
    t.after(async () => {
      // A group goes once its last process is gone.
      for (let tries = 0; tries < 100; tries += 1) {
        if (
          await rmdir(folder).then(
            () => true,
            () => false,
          )
        )
          return;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    });
    try {
      await writeFile(join(folder, file), limit);
      return folder;
    } catch {
      continue;
    }
  }
  return undefined;
}

(process.env.SMIDGEN_FULL ? test : test.skip)(
  "on a quarter of a core",
  { timeout: 900_000 },
  async (t) => {
    const quarter = await group(t);
    if (!quarter) return t.skip("no control group can be made here");
    const folder = await mkdtemp(join(tmpdir(), "smidgen-slow-"));
    t.after(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
    const start = join(folder, "chromium.sh");
    const chromium = process.env.SMIDGEN_CHROMIUM ?? "/usr/bin/chromium";
    await writeFile(
      start,
      `#!/bin/sh\necho $$ > ${quarter}/cgroup.procs\nexec ${chromium} "$@"\n`,
    );
    await chmod(start, 0o755);
    const profile = await profileFolder(t);
    const server = await serve(t);
    const slow = { executablePath: start, timeout: PATIENCE.timeout };
    const since = () => {
      const at = performance.now();
      return () => ((performance.now() - at) / 1000).toFixed(1);
    };
    const paint = (page) =>
      page.evaluate(async () => {
        const read = () =>
          performance.getEntriesByName("first-contentful-paint")[0]?.startTime;
        while (read() === undefined)
          await new Promise((resolve) => setTimeout(resolve, 50));
        return (read() / 1000).toFixed(1);
      });
    const ready = (app) =>
      app.page.locator('.chip[data-phase="ready"]').waitFor(PATIENCE);
    const told = [];
    {
      const { browser, close } = await browse(t, profile, slow);
      browser.setDefaultTimeout(PATIENCE.timeout);
      const app = await visit(browser, server);
      await app.start.waitFor(PATIENCE);
      told.push(`first visit: first paint ${await paint(app.page)} s`);
      const load = since();
      await app.start.click();
      await ready(app);
      told.push(`model downloaded and ready after ${load()} s`);
      await app.settings({ Temperature: 0, "Longest reply (tokens)": 24 });
      await app.message.fill("Explain why the sky is blue.");
      await app.send.click();
      const said = app.articles.last().getByText("tok/s");
      await said.waitFor(PATIENCE);
      await said.click();
      const figures = await app.articles.last().locator(".figures").innerText();
      told.push(figures.replace(/\s*\n\s*/g, ", "));
      await close();
    }
    await server.stop();
    {
      const { browser } = await browse(t, profile, slow);
      browser.setDefaultTimeout(PATIENCE.timeout);
      const again = since();
      const app = await visit(browser, server);
      await app.message.waitFor(PATIENCE);
      told.push(
        `second visit, no server: first paint ${await paint(app.page)} s`,
      );
      await ready(app);
      told.push(`model ready after ${again()} s`);
      assert.equal(await app.articles.count(), 2);
    }
    for (const line of told) t.diagnostic(line);
  },
);
