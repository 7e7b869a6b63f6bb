// Choosing a model: suggestions with an honest verdict from a real self-test, a repository of the hub, pausing.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  LIMIT,
  MODEL_BYTES,
  MODEL_PATH,
  sent,
  SLOW,
  stage,
  violations,
} from "./app/stage.mjs";

test("suggestions tell what fits, and ask nobody", LIMIT, async (t) => {
  const { app, requests, server, complaints } = await stage(t);
  const { page } = app;
  await page.getByRole("button", { name: "Choose a model" }).click();
  const view = page.getByRole("dialog", { name: "Model" });
  const list = view.getByRole("listitem");
  // The self-test has run once a speed is told.
  await list
    .filter({ hasText: "SmolLM2 135M" })
    .getByText(/about [\d.,]+ tok\/s/)
    .waitFor(SLOW);
  const small = list.filter({ hasText: "SmolLM2 135M" });
  await small.getByText("Fits this device").waitFor();
  await small.getByText("Licence: Apache-2.0").waitFor();
  await small.getByText("English").waitFor();
  const speed = await small.getByText(/about [\d.,]+ tok\/s/).innerText();
  t.diagnostic(speed);
  assert.ok(Number(/about ([\d.]+)/.exec(speed)[1]) > 1, speed);
  // Each has a verdict and leads to a file and to a page of the hub.
  const verdicts = await view.locator(".fit").allInnerTexts();
  assert.ok(verdicts.length >= 5);
  for (const verdict of verdicts)
    assert.match(verdict, /^(Fits|Tight|Does not fit)/);
  for (const href of await view
    .locator(".links a:last-child")
    .evaluateAll((links) => links.map(({ href }) => href)))
    assert.match(href, /^https:\/\/huggingface\.co\/[\w.-]+\/[\w.-]+$/);
  assert.deepEqual(await violations(page), []);
  const strangers = requests.filter((url) => !url.startsWith(server.origin));
  assert.deepEqual(strangers, []);
  assert.deepEqual(complaints, []);
});

test(
  "a repository of the hub: its files by size, and one is loaded",
  LIMIT,
  async (t) => {
    const { app, browser } = await stage(t);
    const { page } = app;
    // The hub cannot be reached from here: its list is answered as it answers, its file comes from the test's server.
    await browser.route("https://huggingface.co/**", async (route) => {
      const { pathname } = new URL(route.request().url());
      const file = (path, size) => ({ type: "file", path, size });
      if (pathname === "/api/models/owner/tiny-GGUF/tree/main")
        return route.fulfill({
          headers: { "access-control-allow-origin": "*" },
          json: [
            file("README.md", 100),
            file("big/tiny.Q8_0.gguf", 2 * MODEL_BYTES),
            file("tiny.Q4_1.gguf", MODEL_BYTES),
            file("huge-00001-of-00002.gguf", 1),
            file("mmproj-tiny.gguf", 1),
          ],
        });
      return route.fulfill({
        status: 404,
        headers: { "access-control-allow-origin": "*" },
        body: "not found",
      });
    });
    await page.getByText("A model of your own").click();
    const address = page.getByLabel("Address or repository");
    const load = page.getByRole("button", { name: "Load", exact: true });
    await address.fill("owner/nothing");
    await load.click();
    await page.getByText("Code: hub_unknown").waitFor(SLOW);
    await address.fill("https://huggingface.co/owner/tiny-GGUF");
    await load.click();
    const files = page
      .getByRole("list", { name: "Files of owner/tiny-GGUF" })
      .getByRole("button");
    await files.first().waitFor(SLOW);
    assert.deepEqual(
      (await files.allInnerTexts()).map((text) => text.split(/\s/)[0]),
      ["tiny.Q4_1.gguf", "big/tiny.Q8_0.gguf"],
    );
    assert.deepEqual(await violations(page), []);
    const wanted = page.waitForRequest(
      "https://huggingface.co/owner/tiny-GGUF/resolve/main/tiny.Q4_1.gguf",
      SLOW,
    );
    await files.first().click();
    await wanted;
  },
);

test("a download is paused and goes on, with its pace", LIMIT, async (t) => {
  const { app, server } = await stage(t);
  const { page } = app;
  server.faults.set(MODEL_PATH, { holdAt: MODEL_BYTES * 0.6 });
  await app.start.click();
  await page.getByText(/^[1-9]\d?% *$/).waitFor(SLOW);
  await sent(server, MODEL_PATH, MODEL_BYTES * 0.55);
  await page.getByRole("button", { name: "Pause" }).click();
  await page.getByText("Download paused").first().waitFor();
  await page.getByText(/^[\d.]+ MB of [\d.]+ MB$/).waitFor();
  assert.deepEqual(await violations(page), []);
  server.faults.clear();
  const before = server.sent.get(MODEL_PATH);
  await page.getByRole("button", { name: /^Continue the download/ }).click();
  await app.ready();
  const again = server.sent.get(MODEL_PATH) - before;
  assert.ok(again < MODEL_BYTES * 0.7, `${again} bytes came again`);
});
