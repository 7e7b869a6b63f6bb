// The chat page on the real engine and model: first visit, a chat, stop, again, and all of it offline.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  browse,
  LIMIT,
  MODEL_BYTES,
  MODEL_PATH,
  serve,
  profileFolder,
  SLOW,
  stage,
  visit,
} from "./app/stage.mjs";

/** Of the recorded greedy replies this one is the same in every engine. */
const SKY = "Explain in two sentences why the sky is blue.";

test("nothing is downloaded before the button says so", LIMIT, async (t) => {
  const { server, app, requests } = await stage(t);
  await app.start.waitFor();
  const size = (MODEL_BYTES / 1e6).toFixed(1);
  assert.match(await app.start.innerText(), new RegExp(`\\(${size} MB\\)`));
  await app.message.fill("Hello");
  await app.message.press("Enter");
  await app.page.waitForTimeout(1000);
  assert.equal(server.sent.get(MODEL_PATH) ?? 0, 0);
  assert.deepEqual(
    requests.filter((url) => url.endsWith(".wasm")),
    [],
  );
  assert.equal(await app.message.inputValue(), "Hello");
});

test("a chat, then again with the server stopped", LIMIT, async (t) => {
  const profile = await profileFolder(t);
  const server = await serve(t);
  let reply;
  {
    const { browser, close, requests, complaints } = await browse(t, profile);
    const app = await visit(browser, server);
    server.faults.set(MODEL_PATH, { holdAt: MODEL_BYTES / 2 });
    await app.start.click();
    await app.progress.waitFor(SLOW);
    await app.page.getByText("Downloading", { exact: true }).waitFor(SLOW);
    await app.page.getByText(/^[\d.]+ MB of [\d.]+ MB$/).waitFor(SLOW);
    await app.page.getByText(/^\d+%$/).waitFor(SLOW);
    server.faults.clear();
    await app.ready();
    await app.settings({ Temperature: 0, "Longest reply (tokens)": 24 });
    reply = await app.ask(SKY);
    assert.match(reply, /Rayleigh/);
    await app.articles.last().getByText("tok/s").click();
    const meta = await app.articles.last().locator(".meta").innerText();
    assert.match(meta, /\d\.\d tok\/s/);
    assert.match(meta, /first token [\d.]+s/);
    const strangers = requests.filter(
      (url) => new URL(url).origin !== server.origin,
    );
    assert.deepEqual(strangers, []);
    assert.deepEqual(complaints, []);
    const flavours = requests.filter((url) => url.endsWith(".wasm"));
    assert.equal(new Set(flavours).size, 1, String(flavours));
    await close();
  }
  await server.stop();
  {
    const { browser } = await browse(t, profile);
    const app = await visit(browser, server);
    assert.equal(await app.page.evaluate(() => crossOriginIsolated), true);
    await app.ready();
    // The conversation is there, and the model goes on from it.
    assert.equal(await app.reply(), reply);
    assert.notEqual(await app.ask("Why?"), "");
    // Another conversation, same question, greedy: the same words.
    await app.fresh.click();
    await app.settings({ Temperature: 0, "Longest reply (tokens)": 24 });
    assert.equal(await app.ask(SKY), reply);
  }
});

test("stop, write again, edit", LIMIT, async (t) => {
  const { app } = await stage(t);
  await app.load();
  await app.settings({ Temperature: 0, "Longest reply (tokens)": 1000 });
  await app.message.fill("Write a long story about a fox.");
  await app.message.press("Control+Enter");
  await app.stop.waitFor(SLOW);
  await app.page.locator(".markdown").waitFor(SLOW);
  const before = Date.now();
  await app.stop.click();
  await app.page.getByText("Stopped", { exact: true }).waitFor();
  assert.ok(Date.now() - before < 3000, "stopping took longer than 3 s");
  const kept = await app.reply();
  assert.notEqual(kept, "");
  await app.page.waitForTimeout(500);
  assert.equal(await app.reply(), kept);

  await app.settings({ Temperature: 0, "Longest reply (tokens)": 12 });
  await app.page
    .getByRole("button", { name: "Write this reply again" })
    .click();
  await app.finished();
  assert.equal(await app.articles.count(), 2);
  await app.page.getByText("Length limit reached").waitFor();

  await app.page.getByRole("button", { name: "Edit", exact: true }).click();
  await app.page.getByLabel("Edit your message").fill("Say hello.");
  await app.page.getByLabel("Edit your message").press("Control+Enter");
  await app.finished();
  assert.equal(await app.articles.count(), 2);
  assert.match(await app.articles.first().innerText(), /Say hello\./);
});

test("another conversation opened meanwhile stays clean", LIMIT, async (t) => {
  const { app } = await stage(t, {
    browser: { viewport: { width: 1280, height: 800 } },
  });
  await app.load();
  await app.settings({ Temperature: 0, "Longest reply (tokens)": 60 });
  await app.message.fill("Write a story about a fox.");
  await app.send.click();
  await app.fresh.click();
  await app.message.fill("Not yet sent");
  await app.stop.waitFor();
  await app.stop.waitFor({ state: "hidden", ...SLOW });
  assert.equal(await app.articles.count(), 0);
  assert.equal(await app.message.inputValue(), "Not yet sent");
  await app.page
    .getByRole("button", { name: "Write a story about a fox.", exact: true })
    .click();
  await app.finished();
  assert.equal(await app.articles.count(), 2);
  assert.match(await app.reply(), /\w+ \w+ \w+/);
});

test("while a reply streams the page stays free", LIMIT, async (t) => {
  const { app, browser } = await stage(t);
  await app.load();
  const TOKENS = 200;
  await app.settings({ Temperature: 0, "Longest reply (tokens)": TOKENS });
  // In ticks of the thread itself: a busy machine does not count.
  const cdp = await browser.newCDPSession(app.page);
  await cdp.send("Performance.enable", { timeDomain: "threadTicks" });
  const busy = async () => {
    const { metrics } = await cdp.send("Performance.getMetrics");
    return metrics.find(({ name }) => name === "TaskDuration").value * 1000;
  };
  const before = await busy();
  await app.ask("Write a story about a fox.");
  const each = ((await busy()) - before) / TOKENS;
  t.diagnostic(`main thread: ${each.toFixed(2)} ms for each token`);
  assert.ok(each < 8, `the main thread worked ${each} ms for each token`);
  // A screen reader hears sentences, each once, and not tokens.
  const lines = await app.live.locator("p").allInnerTexts();
  assert.ok(lines.length <= 6);
  assert.equal(lines.at(-1), "Reply finished.");
});

test("a reply that a crash cut off is there again", LIMIT, async (t) => {
  const { server, browser, app } = await stage(t);
  await app.load();
  await app.settings({ Temperature: 0, "Longest reply (tokens)": 400 });
  await app.message.fill("Write a long story about a fox.");
  await app.send.click();
  await app.page.locator(".markdown").waitFor(SLOW);
  await app.page.waitForTimeout(1500);
  const shown = await app.reply();
  const cdp = await browser.newCDPSession(app.page);
  // It never answers.
  void cdp.send("Page.crash").catch(() => {});
  await app.page.waitForEvent("crash");
  const again = await visit(browser, server);
  await again.page.getByText("Cut off when the page was closed").waitFor();
  const kept = await again.reply();
  assert.ok(kept.length > 0 && shown.startsWith(kept.slice(0, 20)));
});
