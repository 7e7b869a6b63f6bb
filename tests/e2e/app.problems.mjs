// What the page says when a model cannot be had: plain words, the code, and a way on.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  LIMIT,
  MODEL_BYTES,
  MODEL_FILE,
  MODEL_PATH,
  sent,
  SLOW,
  stage,
  visit,
  violations,
} from "./app/stage.mjs";

/** Takes one chunk away behind the package's back. */
const loseChunk = (page) =>
  page.evaluate(async () => {
    const root = await navigator.storage.getDirectory();
    const folder = await root.getDirectoryHandle("smidgen");
    const { value } = await folder.keys().next();
    await folder.removeEntry(value);
  });

const FILES = {
  "/bad/html.gguf": { body: "<!doctype html><p>Sign in", type: "text/html" },
  "/bad/noise.gguf": { body: "not a model at all, just some words" },
  "/bad/cut.gguf": { body: "GGUF\u0003\u0000\u0000\u0000" },
};

test(
  "each bad model has its code and words, and the page goes on",
  LIMIT,
  async (t) => {
    const { server, browser } = await stage(t);
    for (const [path, file] of Object.entries(FILES))
      server.files.set(path, file);
    const cases = {
      "/bad/none.gguf": "download_http",
      "/bad/html.gguf": "download_html",
      "/bad/noise.gguf": "not_gguf",
      "/bad/cut.gguf": "truncated",
    };
    for (const [path, code] of Object.entries(cases)) {
      const app = await visit(browser, server, `/?model=${path}`);
      await app.start.click();
      const alert = app.page.getByRole("alert");
      await alert.waitFor(SLOW);
      const said = await alert.innerText();
      assert.ok(said.includes(`Code: ${code}`), `${path}: ${said}`);
      assert.match(said, /^[A-Z][^\n]+\./);
      assert.deepEqual(await violations(app.page), []);
      await app.page.getByRole("button", { name: "Try again" }).waitFor();
      await app.page.close();
    }
  },
);

test("an address that cannot be reached, then a good one", LIMIT, async (t) => {
  const { app, server } = await stage(t, {
    path: "/?model=http://localhost:9/model.gguf",
  });
  await app.start.click();
  await app.page.getByText("Code: download_network").waitFor(SLOW);
  await app.page.getByText("A model of your own").click();
  const address = app.page.getByLabel("Address or repository");
  await address.fill("ftp://example.invalid/x.gguf");
  await app.page.getByRole("button", { name: "Load" }).click();
  await app.page
    .getByText("This is neither an http or https address nor a repository.")
    .waitFor();
  await address.fill(server.origin + MODEL_PATH);
  await app.page.getByRole("button", { name: "Load" }).click();
  await app.ready();
});

test(
  "a link to the page starts no download from elsewhere",
  LIMIT,
  async (t) => {
    const { app, requests, server } = await stage(t, {
      path: "/?model=https://example.invalid/model.gguf",
    });
    await app.start.waitFor();
    await app.page.getByText("From example.invalid").waitFor();
    const strangers = requests.filter(
      (url) => new URL(url).origin !== server.origin,
    );
    assert.deepEqual(strangers, []);
  },
);

test("a model file of this device", LIMIT, async (t) => {
  const { app } = await stage(t);
  await app.page.getByText("A model of your own").click();
  const chooser = app.page.waitForEvent("filechooser");
  await app.page.getByRole("button", { name: "Open a GGUF file…" }).click();
  const picker = await chooser;
  await picker.setFiles({
    name: "letter.txt",
    mimeType: "text/plain",
    buffer: Buffer.from("hello"),
  });
  await app.page.getByText("letter.txt is not a .gguf file.").waitFor();
  await picker.setFiles(MODEL_FILE);
  await app.ready();
  await app.settings({ Temperature: 0, "Longest reply (tokens)": 16 });
  assert.notEqual(await app.ask("Say hello."), "");
  // The next visit finds it on the device.
  await app.page.reload();
  await app.ready();
});

test("a paused download goes on where it stopped", LIMIT, async (t) => {
  const { server, app } = await stage(t);
  server.faults.set(MODEL_PATH, { holdAt: MODEL_BYTES * 0.6 });
  await app.start.click();
  await app.page.getByText(/^[1-9]\d?% *$/).waitFor(SLOW);
  await sent(server, MODEL_PATH, MODEL_BYTES * 0.55);
  await app.page.getByRole("button", { name: "Pause" }).click();
  await app.start.waitFor();
  server.faults.clear();
  const before = server.sent.get(MODEL_PATH);
  await app.page.reload();
  await app.page
    .getByRole("button", { name: /^Continue the download/ })
    .click();
  await app.ready();
  const again = server.sent.get(MODEL_PATH) - before;
  assert.ok(again < before * 2, `${again} bytes were sent again`);
  assert.ok(server.log.some((line) => /bytes=[1-9]/.test(line)));
});

test("a damaged copy is said to be so, and comes anew", LIMIT, async (t) => {
  const { app } = await stage(t);
  await app.load();
  await loseChunk(app.page);
  await app.page.reload();
  await app.page.getByText("Code: storage_corrupt").waitFor(SLOW);
  await app.page.getByRole("button", { name: "Try again" }).click();
  await app.ready();
  await app.page.reload();
  await app.ready();
});
