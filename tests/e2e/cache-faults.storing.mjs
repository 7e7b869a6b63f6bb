// A model that answers before its last chunk is written: what that chunk's fate is while storage stands still, and what the caller hears of it.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { tinyModel } from "./cache-faults/model.mjs";
import { FaultServer, Site } from "./cache-faults/server.mjs";
import { inPage } from "./cache-faults/tab.mjs";
import { browse } from "./package/stage.mjs";

const CHUNK = 256 * 1024;
/** Writers of files share it; who holds it alone holds them up. */
const LOCK = "smidgen-files-smidgen";
const MANY_MS = 120_000;

describe("ready before all is stored", { timeout: 600_000 }, () => {
  let server;
  let body;
  before(async () => {
    server = await new FaultServer().start();
    body = await tinyModel(1);
  });
  after(() => server.stop());

  let sites = 0;
  async function visit(browser, origin) {
    const page = await browser.newPage();
    await page.goto(`${origin}/index.html`);
    await page.waitForFunction(() => window.ready);
    return page;
  }

  /** A page whose model is ready while its last chunk waits to be written, until `go`. */
  async function scene(context) {
    const revisions = [{ body, etag: '"1"' }];
    const site = new Site({
      ...{ seed: 1, revisions, origin: "same", ranges: true },
      ...{ faults: [], budget: 0 },
    });
    site.holdAt = Math.floor((body.length - 1) / CHUNK) * CHUNK;
    const { origin, url } = server.add(`storing-${++sites}`, site);
    const { browser } = await browse(context);
    const page = await visit(browser, origin);
    await page.evaluate((url) => {
      window.told = [];
      window.loading = Smidgen.load(url, {
        storage: "opfs",
        onWarning: ({ code, message }) => told.push({ code, message }),
      });
      loading.catch(() => {});
    }, url);
    const end = Date.now() + MANY_MS;
    for (;;) {
      const [begun] = await page.evaluate(inPage.list);
      if (begun?.storedBytes === site.holdAt) break;
      assert.ok(Date.now() < end, "the chunks before the last are not stored");
      await new Promise((again) => setTimeout(again, 20));
    }
    await page.evaluate(
      (name) =>
        new Promise((held) => {
          void navigator.locks.request(name, () => {
            held();
            return new Promise((go) => (window.go = go));
          });
        }),
      LOCK,
    );
    const lastBytes = body.length - site.holdAt;
    site.release();
    const info = await page.evaluate(async () => {
      window.llm = await loading;
      llm.stored.then((stored) => (window.outcome = stored));
      return { ...llm.info };
    });
    assert.equal(info.cached, false);
    assert.equal(info.fromCache, false);
    assert.deepEqual(info.warnings, []);
    assert.equal((await page.evaluate(inPage.chat)).length, 4);
    const [begun] = await page.evaluate(inPage.list);
    assert.equal(begun.complete, false);
    assert.equal(await page.evaluate(() => window.outcome), undefined);
    return { browser, page, site, origin, url, lastBytes };
  }

  const go = (page) =>
    page.evaluate(async () => {
      window.go();
      const stored = await llm.stored;
      const { cached, warnings } = llm.info;
      return { stored, cached, told, warnings };
    });

  test("the last chunk is written behind the first reply; a second tab waits for it and fetches nothing", async (context) => {
    const { browser, page, site, origin, url } = await scene(context);
    const other = await visit(browser, origin);
    const second = other.evaluate((url) => load(url), url);
    assert.deepEqual(await go(page), {
      ...{ stored: true, cached: true },
      ...{ told: [], warnings: [] },
    });
    const { info } = await second;
    assert.equal(info.fromCache, true);
    assert.equal(info.cached, true);
    assert.equal(site.sent, body.length);
    const [whole] = await page.evaluate(inPage.list);
    assert.equal(whole.complete, true);
  });

  test("a device that is full by then: it is told late, the model goes on, and the next load fetches that chunk only", async (context) => {
    const { browser, page, site, url, lastBytes } = await scene(context);
    const session = await browser.newCDPSession(page);
    const { origin } = new URL(page.url());
    const quota = (room) =>
      session.send("Storage.overrideQuotaForOrigin", { origin, ...room });
    await quota({ quotaSize: 1 });
    const { stored, cached, told, warnings } = await go(page);
    assert.equal(stored, false);
    assert.equal(cached, false);
    assert.deepEqual(
      told.map(({ code }) => code),
      ["storage_quota"],
    );
    assert.match(told[0].message, /free some space on the device/);
    assert.deepEqual(warnings, told);
    assert.equal((await page.evaluate(inPage.chat)).length, 4);
    await quota({});
    const before = site.sent;
    const { info } = await page.evaluate((url) => load(url), url);
    assert.equal(info.cached, true);
    assert.equal(site.sent - before, lastBytes);
  });

  test("unload waits until the model is stored", async (context) => {
    const { page, site, url } = await scene(context);
    const whole = await page.evaluate(async () => {
      const unloaded = llm.unload();
      window.go();
      await unloaded;
      const [model] = await Smidgen.models.list();
      return model.complete;
    });
    assert.equal(whole, true);
    const before = site.sent;
    const { info } = await page.evaluate((url) => load(url), url);
    assert.equal(info.fromCache, true);
    assert.equal(site.sent, before);
  });

  test("a tab that is closed before costs the next load that chunk only", async (context) => {
    const { browser, page, site, origin, url, lastBytes } =
      await scene(context);
    await page.close();
    const next = await visit(browser, origin);
    const before = site.sent;
    const { info } = await next.evaluate((url) => load(url), url);
    assert.equal(info.cached, true);
    assert.ok([0, lastBytes].includes(site.sent - before), "too much came");
  });
});
