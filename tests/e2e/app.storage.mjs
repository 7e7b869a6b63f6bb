// The page's view of what is on this device, and what a person sees when something cannot be kept: each with a picture, in .cache/screenshots.

import assert from "node:assert/strict";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import {
  browse,
  LIMIT,
  MODEL_BYTES,
  MODEL_FILE,
  MODEL_PATH,
  picture,
  PICTURES,
  profileFolder,
  serve,
  SLOW,
  stage,
  violations,
  visit,
} from "./app/stage.mjs";

const FILE_NAME = MODEL_PATH.split("/").pop();

const openView = async (app) => {
  await app.model.click();
  return app.page.getByRole("dialog");
};

/** Another quota for the page's origin; without a number the browser's own. */
async function quota({ browser, app }, bytes) {
  const session = await browser.newCDPSession(app.page);
  await session.send("Storage.overrideQuotaForOrigin", {
    origin: new URL(app.page.url()).origin,
    ...(bytes === undefined ? {} : { quotaSize: bytes }),
  });
}

/** Where an element is once it has stayed there for a while. */
async function resting(target) {
  for (let before; ;) {
    const now = await target.boundingBox();
    if (JSON.stringify(now) === JSON.stringify(before)) return now;
    before = now;
    await target.page().waitForTimeout(300);
  }
}

/** Holds a file of this machine over an element, as the browser sees it from outside; `drop` lets go. */
async function drag(browser, page, file, target) {
  const session = await browser.newCDPSession(page);
  await target.scrollIntoViewIfNeeded();
  const { x, y, width, height } = await resting(target);
  const at = { x: x + width / 2, y: y + height / 2 };
  const data = { items: [], files: [file], dragOperationsMask: 1 };
  const send = (type) =>
    session.send("Input.dispatchDragEvent", { type, ...at, data });
  await send("dragEnter");
  await send("dragOver");
  return { drop: () => send("drop") };
}

describe("what is on this device", { timeout: 900_000 }, () => {
  test(
    "a model is listed, pinned, saved as a file, deleted, and kept again from that file",
    LIMIT,
    async (t) => {
      const { app, server } = await stage(t);
      await app.load();
      const view = await openView(app);
      await view.getByText(/in use/).waitFor();
      await view
        .getByRole("button", { name: `Never delete ${FILE_NAME} to make room` })
        .click();
      const unpin = view.getByRole("button", {
        name: `${FILE_NAME} may go to make room`,
      });
      await unpin.waitFor();
      assert.equal(await unpin.getAttribute("aria-pressed"), "true");
      await view.getByText(/kept for good/).waitFor();
      assert.deepEqual(await violations(app.page), []);
      await picture(app.page, "storage");

      const saving = app.page.waitForEvent("download", SLOW);
      await view
        .getByRole("button", { name: `Save a copy of ${FILE_NAME}` })
        .click();
      const saved = await saving;
      assert.equal(saved.suggestedFilename(), FILE_NAME);
      const copy = await saved.path();
      assert.ok((await readFile(copy)).equals(await readFile(MODEL_FILE)));

      await view.getByRole("button", { name: `Delete ${FILE_NAME}` }).click();
      await view.getByRole("button", { name: "Really delete?" }).click();
      await view.getByText("No model is kept on this device yet.").waitFor();

      const sent = server.sent.get(MODEL_PATH);
      const chooser = app.page.waitForEvent("filechooser");
      await view
        .getByRole("button", { name: "Keep a GGUF file here…" })
        .click();
      const picker = await chooser;
      const wrong = join(PICTURES, "letter.gguf");
      await writeFile(wrong, "Dear model");
      await picker.setFiles(wrong);
      await view.getByText("Code: not_gguf").waitFor();
      await picker.setFiles(copy);
      await view.getByText(/last used/).waitFor(SLOW);
      await view
        .getByRole("button", { name: /^Load\b/ })
        .first()
        .click();
      await app.page.getByText("Ask something.").waitFor(SLOW);
      assert.equal(server.sent.get(MODEL_PATH), sent);
    },
  );

  test(
    "a device without room: what could go is named, goes with consent, and the model stays",
    LIMIT,
    async (t) => {
      const world = await stage(t);
      const { app, server } = world;
      await app.load();
      // Chunks that are equal would be no second copy.
      const body = await readFile(MODEL_FILE);
      for (let at = 16e6; at < body.length; at += 1e6) body[at] ^= 1;
      server.files.set("/other.gguf", { body });
      await quota(world, MODEL_BYTES * 1.5);
      await app.page.goto(`${server.origin}/?model=/other.gguf`);
      await app.start.click();
      await app.page.getByText("There is not enough space").waitFor(SLOW);
      await app.page.getByText(`${FILE_NAME} (`).waitFor();
      assert.deepEqual(await violations(app.page), []);
      await picture(app.page, "no-room");
      const consent = app.page.getByRole("button", {
        name: "Delete them and keep this model",
      });
      await consent.click();
      await app.page.getByRole("button", { name: "Really delete?" }).click();
      await app.page.getByText("Ask something.").waitFor(SLOW);
      const view = await openView(app);
      await view.getByText("other.gguf").first().waitFor();
      const left = view.getByRole("listitem").filter({ hasText: FILE_NAME });
      await left.waitFor({ state: "hidden" });
    },
  );

  test(
    "blocked site data: the model works, and it is said what to allow",
    LIMIT,
    async (t) => {
      const server = await serve(t);
      const profile = await profileFolder(t);
      await mkdir(join(profile, "Default"));
      const blocked = { default_content_setting_values: { cookies: 2 } };
      await writeFile(
        join(profile, "Default/Preferences"),
        JSON.stringify({ profile: blocked }),
      );
      const { browser } = await browse(t, profile);
      const app = await visit(browser, server);
      await app.start.click();
      await app.page.getByText("The model could not be kept").waitFor(SLOW);
      await app.page.getByText(/set not to let this site store data/).waitFor();
      await picture(app.page, "blocked");
    },
  );

  test(
    "evicted by the browser: it is said, and the model comes again",
    LIMIT,
    async (t) => {
      const { app, browser, server } = await stage(t);
      await app.load();
      const view = await openView(app);
      const session = await browser.newCDPSession(app.page);
      await view.getByRole("button", { name: "Unload" }).click();
      await session.send("Storage.clearDataForOrigin", {
        origin: server.origin,
        storageTypes: "indexeddb,file_systems",
      });
      await view
        .getByRole("button", { name: /^Load\b/ })
        .first()
        .click();
      await app.page.getByText("Code: model_not_stored").waitFor(SLOW);
      await app.page
        .getByText(/browser has removed this site's data/)
        .waitFor();
      await picture(app.page, "evicted");
      await app.page.getByRole("button", { name: "Try again" }).click();
      await app.ready();
    },
  );

  test(
    "files are dropped as from a file browser: on the page to be used, into the view to be kept, what is no model refused there",
    LIMIT,
    async (t) => {
      const { app, browser, server } = await stage(t);
      const letter = join(await profileFolder(t), "letter.txt");
      await writeFile(letter, "Dear model");
      await app.start.waitFor();
      const hold = (file, target) => drag(browser, app.page, file, target);
      const body = app.page.locator("body");

      const view = await openView(app);
      const away = await hold(letter, view.getByRole("heading").first());
      await app.page.getByText("Drop the GGUF file to open it").waitFor();
      await picture(app.page, "drop");
      await away.drop();
      // What is no model goes with the next message.
      await app.page.getByText("letter.txt").first().waitFor();

      // The self-test and the estimate write above it what moves it.
      await view
        .getByText(/about [\d.,]+ tok\/s/)
        .first()
        .waitFor(SLOW);
      await view.getByText(/^This page uses/).waitFor(SLOW);
      const place = view.getByText("or drop it here");
      await (await hold(letter, place)).drop();
      await view.getByText("Code: not_gguf").waitFor();
      await (await hold(MODEL_FILE, place)).drop();
      await view.getByText(/last used/).waitFor(SLOW);
      // Kept, not loaded; and the page no longer waits for a file.
      assert.equal(await view.getByText(/in use/).count(), 0);
      await app.page
        .getByText("Drop the GGUF file to open it")
        .waitFor({ state: "detached" });
      await app.page.keyboard.press("Escape");

      await (await hold(MODEL_FILE, body)).drop();
      await app.page.getByText("Ask something.").waitFor(SLOW);
      assert.equal(server.sent.get(MODEL_PATH) ?? 0, 0);
    },
  );

  // As long as the package has patience.
  (process.env.SMIDGEN_FULL ? test : test.skip)(
    "a line that stays lost: it is said, with what came before kept",
    LIMIT,
    async (t) => {
      const { app, server } = await stage(t);
      server.faults.set(MODEL_PATH, { holdAt: MODEL_BYTES * 0.4 });
      await app.start.click();
      await app.page.getByText(/^(3|4)\d% *$/).waitFor(SLOW);
      await server.stop();
      await app.page
        .getByText(/^Code: download_(interrupted|network)/)
        .waitFor(SLOW);
      await picture(app.page, "interrupted");
    },
  );
});
