// Manners: the screen stays on while it works, a low battery keeps replies short, a crash makes the engine careful,
// and what other apps share arrives.

import assert from "node:assert/strict";
import { test } from "node:test";
import { LETTER } from "./app/files.mjs";
import { LIMIT, SLOW, stage, violations, visit } from "./app/stage.mjs";

test(
  "the screen is kept on while it works, and no longer",
  LIMIT,
  async (t) => {
    const { browser, server } = await stage(t);
    // Watches the browser's own lock.
    await browser.addInitScript(() => {
      window.locks = [];
      const { wakeLock } = navigator;
      if (!wakeLock) return;
      const request = wakeLock.request.bind(wakeLock);
      wakeLock.request = async (type) => {
        const lock = await request(type);
        window.locks.push(lock);
        return lock;
      };
    });
    const app = await visit(browser, server);
    await app.page.bringToFront();
    await app.load();
    await app.settings({ Temperature: 0, "Longest reply (tokens)": 400 });
    await app.message.fill("Write a long story about a fox.");
    await app.send.click();
    await app.page.locator(".markdown").waitFor(SLOW);
    const held = () =>
      app.page.evaluate(
        () => window.locks.filter((lock) => !lock.released).length,
      );
    assert.equal(await held(), 1);
    await app.stop.click();
    await app.page.getByText("Stopped", { exact: true }).waitFor();
    await app.page.waitForFunction(
      () => window.locks.every((lock) => lock.released),
      null,
      SLOW,
    );
  },
);

test("a low battery keeps replies short, and it is said", LIMIT, async (t) => {
  const { browser, server } = await stage(t);
  // This machine has no battery: one that can be drained.
  await browser.addInitScript(() => {
    const battery = new EventTarget();
    Object.assign(battery, { charging: false, level: 0.5 });
    navigator.getBattery = async () => battery;
    window.drain = (change) => {
      Object.assign(battery, change);
      battery.dispatchEvent(new Event("levelchange"));
      battery.dispatchEvent(new Event("chargingchange"));
    };
  });
  const app = await visit(browser, server);
  await app.load();
  await app.settings({ Temperature: 0 });
  await app.page.evaluate(() => window.drain({ level: 0.1 }));
  const said = app.page.getByText("The battery is low");
  await said.waitFor();
  assert.deepEqual(await violations(app.page), []);
  await app.ask("Write a long story about a fox.");
  await app.page.getByText("Length limit reached").waitFor();
  await app.articles.last().getByText("tok/s").click();
  await app.articles.last().getByText("256 tokens", { exact: true }).waitFor();
  await app.page.evaluate(() => window.drain({ charging: true }));
  await said.waitFor({ state: "hidden" });
});

test(
  "after a crash the engine is careful, until told otherwise",
  LIMIT,
  async (t) => {
    const { server, browser, app } = await stage(t);
    await app.load();
    await app.settings({ Temperature: 0, "Longest reply (tokens)": 1000 });
    await app.message.fill("Write a long story about a fox.");
    await app.send.click();
    await app.page.locator(".markdown").waitFor(SLOW);
    // Twice as long as a crash may cost of it, and more.
    await app.page.waitForTimeout(1500);
    const cdp = await browser.newCDPSession(app.page);
    // It never answers.
    void cdp.send("Page.crash").catch(() => {});
    await app.page.waitForEvent("crash");

    const again = await visit(browser, server);
    await again.ready();
    await again.page.getByText("The page was closed while the model").waitFor();
    assert.deepEqual(await violations(again.page), []);
    await again.model.click();
    const facts = again.page.getByRole("dialog");
    await facts.getByText("1,024 of 8,192 tokens").waitFor();
    await facts.getByText("Threads").locator("..").getByText("1").waitFor();
    await again.page.keyboard.press("Escape");
    // What was there of the reply can be continued.
    await again.page
      .getByRole("button", { name: "Continue this reply" })
      .waitFor();
    await again.page.getByRole("button", { name: "Full speed again" }).click();
    await again.ready();
    await again.model.click();
    await facts.getByText("2,048 of 8,192 tokens").waitFor(SLOW);
    await again.page.keyboard.press("Escape");

    // Leaving the page in the middle of a reply is no crash.
    await again.page
      .getByRole("button", { name: "Continue this reply" })
      .click();
    await again.stop.waitFor(SLOW);
    await again.page.goto("about:blank");
    // What a page wrote while it went takes a moment to be seen by the next.
    const look = await browser.newPage();
    await look.goto(`${server.origin}/manifest.webmanifest`);
    await look.waitForFunction(
      () => localStorage.getItem("smidgen:working") === null,
      null,
      SLOW,
    );
    const third = await visit(browser, server);
    await third.ready();
    assert.equal(
      await third.page.getByText("while the model worked").count(),
      0,
    );
  },
);

test(
  "texts and files shared to the app arrive, and leave no trace",
  LIMIT,
  async (t) => {
    const { app } = await stage(t);
    const { page } = app;
    await app.load();
    // As the browser posts what another app shares; the service worker answers.
    const arrived = await page.evaluate(async (letter) => {
      const fields = new FormData();
      fields.set("title", "A page");
      fields.set("url", "https://example.invalid/");
      fields.append("files", new File([letter], "letter.md"));
      const response = await fetch("./share", { method: "POST", body: fields });
      return response.url;
    }, LETTER.buffer.toString());
    assert.match(arrived, /\/\?shared$/);
    await page.goto(arrived);
    await page.getByRole("button", { name: "Remove letter.md" }).waitFor(SLOW);
    assert.equal(
      await app.message.inputValue(),
      "A page\nhttps://example.invalid/",
    );
    const left = await page.evaluate(async () => {
      const cache = await caches.open("smidgen-shared");
      return (await cache.keys()).length;
    });
    assert.equal(left, 0);
    assert.equal(new URL(page.url()).search, "");
    // The shortcuts of the icon.
    await page.goto(new URL("/?documents", page.url()).href);
    await page.getByRole("dialog", { name: "Documents" }).waitFor();
  },
);
