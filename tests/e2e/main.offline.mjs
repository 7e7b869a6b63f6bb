// The app from the real server, then the server stopped and the browser restarted on the same profile: it still chats.

import assert from "node:assert/strict";
import { test } from "node:test";
import { makeFolder, removeFolder } from "./drive/folder.mjs";
import { context } from "./drive/chromium.mjs";
import { browsers, serve } from "./drive/server.mjs";

const chromium = browsers.find(({ name }) => name === "chromium");

/** Asks through the page's own controls and returns the finished reply. */
async function ask(page, question) {
  await page.getByRole("textbox", { name: "Message" }).fill(question);
  await page.getByRole("button", { name: "Send", exact: true }).click();
  const reply = page.getByRole("article").last();
  // Its speed stands below a reply that has ended.
  await reply.getByText(/tok\/s/).waitFor({ timeout: 120_000 });
  return (await reply.locator(".markdown").innerText()).trim();
}

test("a second visit needs no network", { timeout: 600_000 }, async (t) => {
  const profile = await makeFolder("offline");
  let browser;
  // In this order: a browser that is still open goes on writing.
  t.after(async () => {
    await browser?.close();
    await removeFolder(profile);
  });

  const server = await serve();
  {
    browser = await context(chromium, profile);
    const page = browser.pages()[0] ?? (await browser.newPage());
    await page.goto(`${server.origin}/`);
    await page.getByRole("button", { name: /^Download and start/ }).click();
    await page
      .getByText("from now on this also works offline")
      .waitFor({ timeout: 120_000 });
    assert.notEqual(await ask(page, "What is the capital of France?"), "");
    await browser.close();
  }
  await server.stop();
  await assert.rejects(fetch(server.origin), "the server is really gone");
  {
    browser = await context(chromium, profile);
    const failed = [];
    browser.on("requestfailed", (request) => failed.push(request.url()));
    const page = browser.pages()[0] ?? (await browser.newPage());
    await page.goto(`${server.origin}/`);
    assert.notEqual(await ask(page, "And of Italy?"), "");
    assert.equal(await page.evaluate("crossOriginIsolated"), true);
    const models = failed.filter((url) => url.endsWith(".gguf"));
    assert.deepEqual(models, [], "the model is not asked for again");
  }
});
