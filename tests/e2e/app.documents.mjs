// Private documents: read and embedded on this device by a real encoder, found again, cited, there offline, deleted.

import assert from "node:assert/strict";
import { test } from "node:test";
import { LETTER, MANUAL, MENUS } from "./app/files.mjs";
import { LEFTOVERS } from "./app/leftovers.mjs";
import {
  browse,
  ENCODER_FILE,
  ENCODER_PATH,
  LIMIT,
  profileFolder,
  serve,
  SLOW,
  stage,
  violations,
  visit,
} from "./app/stage.mjs";

const mounts = { [ENCODER_PATH]: ENCODER_FILE };

/** Opens the documents from the list of conversations. */
async function open(app) {
  await app.shelf();
  await app.page
    .getByRole("button", { name: "Documents", exact: true })
    .click();
  return app.page.getByRole("dialog", { name: "Documents" });
}

const shut = async (app) => {
  await app.page.keyboard.press("Escape");
  // The drawer with the conversations lies under it on a phone.
  if (await app.page.getByRole("dialog").isVisible())
    await app.page.keyboard.press("Escape");
};

async function addFiles(app, view, ...files) {
  const chooser = app.page.waitForEvent("filechooser");
  await view.getByRole("button", { name: "Add files…" }).click();
  await (await chooser).setFiles(files);
  for (const { name } of files)
    await view.getByRole("listitem").filter({ hasText: name }).waitFor(SLOW);
}

const sources = (app) =>
  app.articles.last().getByRole("region", { name: "From your documents" });

test(
  "documents are added, cited, there offline, and deleted",
  LIMIT,
  async (t) => {
    const profile = await profileFolder(t);
    const server = await serve(t, { mounts });
    {
      const { browser, close, requests, complaints } = await browse(t, profile);
      const app = await visit(browser, server);
      await app.load();
      const view = await open(app);
      await view
        .getByText(/search model/)
        .first()
        .waitFor();
      assert.equal(server.sent.get(ENCODER_PATH) ?? 0, 0);
      await view.getByRole("button", { name: /^Download the search/ }).click();
      await view.getByText("No documents yet.").waitFor(SLOW);
      await addFiles(app, view, MANUAL, LETTER);
      await view.getByText("pages: 3").waitFor();
      await view.getByRole("button", { name: "Write a note" }).click();
      await view.getByLabel("Title").fill("Wifi");
      await view
        .getByRole("textbox", { name: "Note", exact: true })
        .fill("The password of the wifi in the cabin is heron-42.");
      await view.getByRole("button", { name: "Keep the note" }).click();
      await view.getByText("Wifi").waitFor(SLOW);
      assert.deepEqual(await violations(app.page), []);
      await view.getByLabel("Answer from my documents").check();
      await shut(app);

      await app.settings({ Temperature: 0, "Longest reply (tokens)": 24 });
      await app.ask("How often must the machine be descaled?");
      const cited = sources(app).getByRole("listitem");
      assert.match(
        await cited.first().innerText(),
        /\[1\] manual\.pdf, page 2/,
      );
      await cited.first().getByText("manual.pdf").click();
      await cited
        .first()
        .getByText(/every three months/)
        .waitFor();
      assert.deepEqual(await violations(app.page), []);
      // Nothing went anywhere but to the host of the page, and nothing of it was a document.
      const strangers = requests.filter(
        (url) => !url.startsWith(server.origin),
      );
      assert.deepEqual(strangers, []);
      assert.ok(server.log.every((line) => /^(GET|HEAD) /.test(line)));
      assert.deepEqual(complaints, []);
      await close();
    }
    await server.stop();
    const { browser } = await browse(t, profile);
    const app = await visit(browser, server);
    await app.ready();
    await app.ask("Who planted the apple trees?");
    const cited = sources(app).getByRole("listitem");
    assert.match(await cited.first().innerText(), /letter\.md/);
    const view = await open(app);
    await view.getByRole("button", { name: "Delete letter.md" }).click();
    await view.getByRole("button", { name: "Really delete?" }).click();
    await view.getByText("letter.md").waitFor({ state: "hidden" });
    await shut(app);
    await cited.first().getByText("letter.md").click();
    await app.page.getByText("This document was deleted.").waitFor();

    // Everything, in one place.
    await app.shelf();
    await app.page.getByRole("button", { name: "This device" }).click();
    await app.page.getByRole("button", { name: "Delete everything" }).click();
    await app.page.getByRole("button", { name: "Really delete?" }).click();
    await app.page.getByText("Everything was deleted.").waitFor(SLOW);
    const left = await app.page.evaluate(LEFTOVERS);
    for (const [store, count] of Object.entries(left.records))
      assert.equal(count, 0, `${store} still holds ${count}`);
    assert.deepEqual(left.files, []);
  },
);

test("files that cannot be read say why", LIMIT, async (t) => {
  const { app } = await stage(t, { server: { mounts } });
  await app.start.waitFor();
  const view = await open(app);
  await view.getByRole("button", { name: /^Download the search/ }).click();
  await view.getByText("No documents yet.").waitFor(SLOW);
  const refuse = async (file, code) => {
    const chooser = app.page.waitForEvent("filechooser");
    await view.getByRole("button", { name: "Add files…" }).click();
    await (await chooser).setFiles(file);
    await view.getByText(`Code: ${code}`).waitFor(SLOW);
  };
  const named = (name, buffer) => ({
    name,
    mimeType: name.endsWith("pdf") ? "application/pdf" : "text/plain",
    buffer,
  });
  const broken = Buffer.from("%PDF-1.7\n1 0 obj << /Pages 1 0 R >> trailer");
  await refuse(named("broken.pdf", broken), "file_bad_pdf");
  await refuse(
    named("picture.txt", Buffer.from([255, 0, 254])),
    "file_not_text",
  );
  await refuse(named("blank.txt", Buffer.from(" \n \n")), "file_empty");
  assert.deepEqual(await violations(app.page), []);
  // And the next good one goes in.
  await addFiles(app, view, LETTER);
});

test("a text and a PDF go with a message", LIMIT, async (t) => {
  const { app } = await stage(t);
  await app.load();
  await app.settings({ Temperature: 0, "Longest reply (tokens)": 24 });
  const attach = app.page.getByRole("button", { name: "Attach a text, PDF" });
  const chooser = app.page.waitForEvent("filechooser");
  await attach.click();
  await (await chooser).setFiles([MANUAL, LETTER]);
  await app.page
    .getByRole("button", { name: "Remove letter.md" })
    .waitFor(SLOW);
  assert.deepEqual(await violations(app.page), []);
  // They wait with the draft, also over a reload.
  await app.page.reload();
  await app.ready();
  await app.page.getByRole("button", { name: "Remove letter.md" }).click();
  assert.notEqual(await app.ask("How long is the warranty?"), "");
  const question = app.articles.first();
  await question.getByText("manual.pdf").click();
  await question.getByText(/two years from the day of purchase/).waitFor();
  assert.equal(await app.page.getByText("letter.md").count(), 0);
  // Dropping a model still opens it; what is no text is refused in words.
  const drop = (name, text) =>
    app.page.evaluate(
      ([name, text]) => {
        const dataTransfer = new DataTransfer();
        dataTransfer.items.add(new File([text], name));
        dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true }));
      },
      [name, text],
    );
  await drop("noise.bin", "\0\0\0");
  await app.page.getByText("Code: file_not_text").waitFor();
  await drop("noise.gguf", "not a model");
  await app.page.getByText("Code: not_gguf").waitFor(SLOW);
});

test(
  "a PDF that names its character maps: fetched when it is read, kept for offline use",
  LIMIT,
  async (t) => {
    const profile = await profileFolder(t);
    const server = await serve(t, { mounts });
    const attach = async (app, ...files) => {
      const chooser = app.page.waitForEvent("filechooser");
      await app.page
        .getByRole("button", { name: "Attach a text, PDF" })
        .click();
      await (await chooser).setFiles(files);
    };
    const attached = (app, { name }) =>
      app.page.getByRole("button", { name: `Remove ${name}` }).waitFor(SLOW);
    {
      const { browser, close, complaints } = await browse(t, profile);
      const app = await visit(browser, server);
      await app.load();
      await app.settings({ Temperature: 0, "Longest reply (tokens)": 8 });
      // The reader is kept for offline use by now, and none of its maps.
      await app.page.waitForFunction(
        async () =>
          (await (await caches.open("smidgen-extras")).keys()).length > 3,
        null,
        SLOW,
      );
      assert.equal(server.count("/cmaps/"), 0);
      await attach(app, MANUAL);
      await attached(app, MANUAL);
      assert.equal(server.count("/cmaps/"), 0);
      await attach(app, MENUS.chinese);
      await attached(app, MENUS.chinese);
      assert.ok(server.count("/cmaps/") > 0);
      assert.deepEqual(complaints, []);
      await close();
    }
    await server.stop();
    const { browser } = await browse(t, profile);
    const app = await visit(browser, server);
    await app.ready();
    // The same maps again, from this device; others are not here, and that is what the page says.
    const again = { ...MENUS.chinese, name: "again.pdf" };
    await attach(app, again);
    await attached(app, again);
    await attach(app, MENUS.japanese);
    await app.page.getByText("Code: file_needs_map").waitFor(SLOW);
    assert.deepEqual(await violations(app.page), []);
    await app.message.fill("What is on the menu?");
    await app.send.click();
    await app.articles.nth(1).waitFor(SLOW);
    for (const { name } of [MENUS.chinese, again]) {
      await app.articles.first().getByText(name, { exact: true }).click();
    }
    const read = app.articles.first().getByText(MENUS.chinese.says);
    await read.first().waitFor();
    assert.equal(await read.count(), 2);
  },
);
