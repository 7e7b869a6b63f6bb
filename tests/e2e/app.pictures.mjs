// Text in pictures: read on this device by what is fetched once and only when wanted, corrected, sent, there offline,
// deleted; pictures that cannot be read or hold no text.

import assert from "node:assert/strict";
import { test } from "node:test";
import { BROKEN, drawn, HUGE, INVOICE, NONSENSE } from "./app/drawn.mjs";
import {
  browse,
  ENCODER_FILE,
  ENCODER_PATH,
  LIMIT,
  MODEL_FILE,
  MODEL_PATH,
  profileFolder,
  readingPath,
  sent,
  serve,
  SLOW,
  stage,
  violations,
  visit,
  WWW,
} from "./app/stage.mjs";

const draw = (app, name, lines, size) =>
  drawn((expression) => app.page.evaluate(expression), name, lines, size);

async function attach(app, file) {
  const chooser = app.page.waitForEvent("filechooser");
  await app.page.getByRole("button", { name: "Attach a text" }).click();
  await (await chooser).setFiles(file);
}

/** The composer's line about a picture that has not become text. */
const line = (app, name) =>
  app.page.locator(".picture").filter({ hasText: name });

const textOf = (app, name) =>
  app.page.getByRole("button", { name: `Text of ${name}` });

const fetchIt = (app) => app.page.getByRole("button", { name: /^Fetch it/ });

const close = async (app) => {
  while (await app.page.locator("dialog[open]").count())
    await app.page.keyboard.press("Escape");
};

/** Names of the files that the page keeps for reading; undefined where it keeps none. */
const kept = (app) =>
  app.page.evaluate(async () => {
    if (!(await caches.has("smidgen-reading"))) return undefined;
    const cache = await caches.open("smidgen-reading");
    return (await cache.keys()).map(({ url }) => url.split("/").pop()).sort();
  });

test(
  "a picture's text is read here, corrected, sent, and read again offline",
  LIMIT,
  async (t) => {
    const profile = await profileFolder(t);
    // A plain host, in a folder of it.
    const server = await serve(t, {
      isolated: false,
      mounts: { "/": "", [`/chat${MODEL_PATH}`]: MODEL_FILE, "/chat/": WWW },
    });
    const fetched = () => server.log.filter((each) => /\/ocr\//.test(each));
    {
      const {
        browser,
        close: end,
        requests,
        complaints,
      } = await browse(t, profile);
      // What the page hands to its workers.
      await browser.addInitScript(() => {
        window.posted = [];
        const post = Worker.prototype.postMessage;
        Worker.prototype.postMessage = function (...given) {
          window.posted.push(given[0]);
          return post.apply(this, given);
        };
      });
      const app = await visit(browser, server, "/chat/");
      const { page } = app;
      // Isolation is the service worker's work, by one reload.
      await page.waitForFunction(() => crossOriginIsolated, null, SLOW);
      await app.load();
      await app.settings({ Temperature: 0, "Longest reply (tokens)": 8 });
      const invoice = await draw(app, "invoice.png", INVOICE);

      // Nothing of it comes unasked, nor when the answer is no.
      await attach(app, invoice);
      await fetchIt(app).waitFor(SLOW);
      assert.match(await fetchIt(app).innerText(), /\(6 MB\)/);
      assert.deepEqual(await violations(page), []);
      await page.getByRole("button", { name: "Not now" }).click();
      await line(app, "invoice.png").waitFor({ state: "hidden" });
      assert.deepEqual(fetched(), []);
      assert.equal(await kept(app), undefined);

      // Stopped in the middle: what is whole stays.
      await attach(app, invoice);
      await fetchIt(app).waitFor(SLOW);
      const english = `/chat${await readingPath("eng.traineddata.gz")}`;
      server.faults.set(english, { holdAt: 1_000_000 });
      await fetchIt(app).click();
      await sent(server, english, 1_000_000);
      await page.getByText(/^Fetching what reads pictures… \d+/).waitFor();
      assert.deepEqual(await violations(page), []);
      await page
        .getByRole("button", { name: "Stop reading invoice.png" })
        .click();
      await line(app, "invoice.png").waitFor({ state: "hidden" });
      server.faults.clear();
      assert.deepEqual(await kept(app), [
        "tesseract-core-simd-lstm.js",
        "tesseract-core-simd-lstm.wasm",
        "worker.min.js",
      ]);

      await attach(app, invoice);
      await fetchIt(app).waitFor(SLOW);
      assert.match(await fetchIt(app).innerText(), /\(3 MB\)/);
      await fetchIt(app).click();
      await textOf(app, "invoice.png").waitFor(SLOW);
      await page.getByText("The text of invoice.png was read.").waitFor();
      assert.ok((await kept(app)).includes("eng.traineddata.gz"));
      await textOf(app, "invoice.png").click();
      const text = page.getByRole("textbox", { name: "What was read" });
      assert.match(await text.inputValue(), /Invoice 4711\s+total 38\.50/);
      assert.deepEqual(await violations(page), []);
      await text.fill("Invoice 4711\ntotal 38.51");
      await page.getByRole("button", { name: "Done" }).click();
      await page.evaluate(() => (window.posted = []));
      assert.notEqual(await app.ask("What is the total?"), "");
      const prompts = await page.evaluate(() => JSON.stringify(window.posted));
      assert.match(prompts, /invoice\.png[^"]*total 38\.51/);
      await app.articles.first().getByText("invoice.png").click();
      await app.articles
        .first()
        .getByText(/total 38\.51/)
        .waitFor();

      // Each file came once but the one that was stopped; nothing went anywhere else.
      const counts = new Map();
      for (const each of fetched())
        counts.set(each, (counts.get(each) ?? 0) + 1);
      assert.deepEqual(
        [...counts].filter(
          ([each, count]) => count > 1 && !each.includes("eng."),
        ),
        [],
      );
      const strangers = requests.filter(
        (url) => !url.startsWith(`${server.origin}/chat/`),
      );
      assert.deepEqual(strangers, []);
      assert.ok(server.log.every((each) => /^(GET|HEAD) /.test(each)));
      assert.deepEqual(complaints, []);
      await end();
    }
    await server.stop();
    const before = server.log.length;
    const { browser, requests } = await browse(t, profile);
    const app = await visit(browser, server, "/chat/");
    const { page } = app;
    await app.ready();
    const receipt = await draw(app, "receipt.png", ["Apple cake 4.50"]);
    await attach(app, receipt);
    await textOf(app, "receipt.png").waitFor(SLOW);
    await textOf(app, "receipt.png").click();
    assert.match(
      await page.getByRole("textbox", { name: "What was read" }).inputValue(),
      /Apple cake 4\.50/,
    );
    await close(app);
    assert.equal(server.log.length, before);

    // Seen and deleted where the models are; then it is missing, and that is said.
    await app.model.click();
    const store = page
      .getByRole("listitem")
      .filter({ hasText: "Reading of pictures" });
    await store.getByText("6 MB · English").waitFor();
    assert.deepEqual(await violations(page), []);
    await store.getByRole("button", { name: "Delete Reading" }).click();
    await store.getByRole("button", { name: "Really delete?" }).click();
    await store.waitFor({ state: "hidden" });
    assert.equal(await kept(app), undefined);
    await close(app);
    await attach(app, { ...receipt, name: "again.png" });
    await fetchIt(app).click(SLOW);
    await page.getByText("Code: reading_unreachable").waitFor(SLOW);
    assert.deepEqual(await violations(page), []);
    await line(app, "again.png")
      .getByRole("button", { name: "Try again" })
      .waitFor();
    assert.deepEqual(
      requests.filter((url) => !url.startsWith(`${server.origin}/chat/`)),
      [],
    );
  },
);

test(
  "pictures that cannot be read, other languages, documents, deletion",
  LIMIT,
  async (t) => {
    const { app, server } = await stage(t, {
      server: { mounts: { [ENCODER_PATH]: ENCODER_FILE } },
    });
    const { page } = app;
    await app.start.waitFor();
    const remove = (name) =>
      page.getByRole("button", { name: `Remove ${name}` }).click();
    const fetched = (name) => server.log.some((each) => each.includes(name));

    // What can be said before anything is fetched is said before.
    for (const [file, code] of [
      [BROKEN, "picture_unreadable"],
      [NONSENSE, "picture_unreadable"],
      [HUGE, "picture_too_large"],
    ]) {
      await attach(app, file);
      await line(app, file.name).getByText(`Code: ${code}`).waitFor(SLOW);
      await remove(file.name);
      await line(app, file.name).waitFor({ state: "hidden" });
    }
    assert.equal(fetched("/ocr/"), false);

    // Dropped; no text in it.
    const blank = await draw(app, "blank.png", []);
    await page.evaluate((bytes) => {
      const dataTransfer = new DataTransfer();
      const data = Uint8Array.from(atob(bytes), (one) => one.charCodeAt(0));
      dataTransfer.items.add(
        new File([data], "blank.png", { type: "image/png" }),
      );
      dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true }));
    }, blank.buffer.toString("base64"));
    await fetchIt(app).click(SLOW);
    await line(app, "blank.png").getByText("No text found").waitFor(SLOW);
    assert.deepEqual(await violations(page), []);

    // Pasted, and then read in another language, which the next visit takes first.
    const letter = await draw(app, "brief.png", ["Viele Grüße aus Köln"]);
    await page.evaluate((bytes) => {
      const clipboardData = new DataTransfer();
      const data = Uint8Array.from(atob(bytes), (one) => one.charCodeAt(0));
      clipboardData.items.add(
        new File([data], "brief.png", { type: "image/png" }),
      );
      document
        .getElementById("composer")
        .dispatchEvent(
          new ClipboardEvent("paste", { clipboardData, bubbles: true }),
        );
    }, letter.buffer.toString("base64"));
    await textOf(app, "brief.png").click(SLOW);
    assert.equal(fetched("deu.traineddata"), false);
    const language = page.getByLabel("Language in the picture");
    await language
      .getByRole("option", { name: "German (1.3 MB to fetch)" })
      .waitFor({ state: "attached" });
    await language.selectOption("de");
    const text = page.getByRole("textbox", { name: "What was read" });
    await page.waitForFunction(
      () => document.querySelector("dialog textarea")?.value.includes("Grüße"),
      null,
      SLOW,
    );
    assert.match(await text.inputValue(), /Viele Grüße aus Köln/);
    assert.ok(fetched("deu.traineddata"));
    await close(app);

    // The text waits over a reload; the picture is kept nowhere.
    await page.reload();
    await textOf(app, "brief.png").click(SLOW);
    await page.getByText("The picture is no longer here.").waitFor();
    assert.match(await text.inputValue(), /Grüße aus Köln/);
    await close(app);
    await remove("brief.png");

    // A picture among the documents.
    await app.shelf();
    await page.getByRole("button", { name: "Documents", exact: true }).click();
    const documents = page.getByRole("dialog", { name: "Documents" });
    await documents
      .getByRole("button", { name: /^Download the search/ })
      .click(SLOW);
    await documents.getByText("No documents yet.").waitFor(SLOW);
    const add = async (file) => {
      const chooser = page.waitForEvent("filechooser");
      await documents.getByRole("button", { name: "Add files…" }).click();
      await (await chooser).setFiles(file);
    };
    await add(blank);
    await documents.getByText("Code: picture_no_text").waitFor(SLOW);
    await add(await draw(app, "note.png", ["The key is under the blue pot"]));
    await documents
      .getByRole("listitem")
      .filter({ hasText: "note.png" })
      .waitFor(SLOW);
    await close(app);

    await app.shelf();
    await page.getByRole("button", { name: "This device" }).click();
    await page.getByRole("button", { name: "Delete everything" }).click();
    await page.getByRole("button", { name: "Really delete?" }).click();
    await page.getByText("Everything was deleted.").waitFor(SLOW);
    assert.equal(await kept(app), undefined);
    assert.equal(
      await page.evaluate(() => localStorage.getItem("smidgen:reading")),
      null,
    );
  },
);
