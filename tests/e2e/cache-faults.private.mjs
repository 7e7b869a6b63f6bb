// A private window of Chromium: what it keeps lasts as long as the window, a new one finds nothing and begins anew.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { chromium } from "playwright-core";
import { tinyModel } from "./cache-faults/model.mjs";
import { FaultServer, Site } from "./cache-faults/server.mjs";
import { inPage } from "./cache-faults/tab.mjs";

describe("a private window", { timeout: 600_000 }, () => {
  let server;
  let browser;
  let body;
  before(async () => {
    server = await new FaultServer().start();
    body = await tinyModel(1);
    // Not on a profile folder: each context of such a browser is off the record.
    browser = await chromium.launch({
      executablePath: process.env.SMIDGEN_CHROMIUM ?? "/usr/bin/chromium",
      headless: true,
      chromiumSandbox: false,
    });
  });
  after(async () => {
    await browser.close();
    await server.stop();
  });

  for (const storage of ["auto", "indexeddb"]) {
    test(storage, async () => {
      const site = new Site({
        ...{ seed: 1, revisions: [{ body, etag: '"1"' }], origin: "same" },
        ...{ ranges: true, faults: [], budget: 0 },
      });
      const { origin, url } = server.add(`private-${storage}`, site);
      const load = async (window) => {
        const page = await window.newPage();
        await page.goto(`${origin}/index.html`);
        await page.waitForFunction(() => window.ready);
        const loaded = await page.evaluate(
          ([url, storage]) =>
            load(url, { storage }).then(({ info, warnings }) => ({
              fromCache: info.fromCache,
              cached: info.cached,
              codes: warnings.map(({ code }) => code),
            })),
          [url, storage],
        );
        const ids = await page.evaluate(inPage.chat);
        await page.close();
        return { ...loaded, ids };
      };
      const window = await browser.newContext();
      const first = await load(window);
      assert.deepEqual(first.codes, []);
      assert.equal(first.cached, true);
      assert.equal(site.sent, body.length);
      const second = await load(window);
      assert.equal(second.fromCache, true);
      assert.equal(site.sent, body.length);
      assert.deepEqual(second.ids, first.ids);
      await window.close();
      const other = await browser.newContext();
      const third = await load(other);
      assert.equal(third.fromCache, false);
      assert.equal(third.cached, true);
      assert.equal(site.sent, 2 * body.length);
      assert.deepEqual(third.ids, first.ids);
      await other.close();
    });
  }
});
