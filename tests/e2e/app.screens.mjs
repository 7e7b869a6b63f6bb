// Every screen, on a phone and on a desktop, in light and in dark: no violation of WCAG 2.2 AA, nothing wider than the
// page, also at 320 pixels, and a picture of each in .cache/screenshots/screens.

import assert from "node:assert/strict";
import { test } from "node:test";
import { BROKEN, drawn, INVOICE } from "./app/drawn.mjs";
import { LETTER, MANUAL } from "./app/files.mjs";
import {
  archive,
  ENCODER_FILE,
  ENCODER_PATH,
  imported,
  LIMIT,
  MODEL_BYTES,
  MODEL_PATH,
  picture,
  readingPath,
  sent,
  SLOW,
  stage,
  violations,
} from "./app/stage.mjs";

const CONVERSATIONS = [
  {
    title: "How do plants make sugar?",
    pinned: true,
    updatedAt: 5000,
    messages: [
      { role: "user", content: "How do plants make sugar from light?" },
      {
        role: "assistant",
        content: [
          "Plants use **photosynthesis**. In short:",
          "1. Leaves take in carbon dioxide and water.\n2. Chlorophyll catches light.\n3. Sugar and oxygen come out.",
          "$$6\\,CO_2 + 6\\,H_2O \\rightarrow C_6H_{12}O_6 + 6\\,O_2$$",
          "| part | role |\n|---|---|\n| stroma | builds sugar |\n| thylakoid | catches light |",
          "```python\ndef sugar(light, water):\n    # one molecule for six of each\n    return min(light // 8, water // 6)\n```",
          "> Small models make mistakes: check what matters.",
        ].join("\n\n"),
        outcome: "length",
        speed: { tokens: 128, tokensPerSecond: 31.4, firstTokenMs: 420 },
      },
    ],
  },
  {
    title: "A letter to the landlord",
    updatedAt: 4000,
    messages: [{ role: "user", content: "Write a letter to my landlord." }],
  },
  {
    title: "رسالة إلى صديق",
    updatedAt: 3000,
    messages: [{ role: "user", content: "اكتب رسالة إلى صديق" }],
  },
  {
    title:
      "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft",
    updatedAt: 2000,
    messages: [
      { role: "user", content: "https://example.org/" + "a".repeat(90) },
    ],
  },
];

async function bring(app) {
  await imported(app, archive(...CONVERSATIONS));
  await app.articles.last().locator("math").first().waitFor(SLOW);
  await app.articles.last().locator(".hljs-keyword").first().waitFor(SLOW);
}

const VIEWS = {
  phone: {
    viewport: { width: 412, height: 915 },
    hasTouch: true,
    isMobile: true,
    deviceScaleFactor: 2,
  },
  desktop: { viewport: { width: 1280, height: 800 } },
};

for (const [view, browser] of Object.entries(VIEWS))
  test(`every screen on a ${view}`, LIMIT, async (t) => {
    const { app, server } = await stage(t, {
      browser: { ...browser, reducedMotion: "reduce" },
      server: { mounts: { [ENCODER_PATH]: ENCODER_FILE } },
    });
    const { page } = app;
    const found = [];
    const check = async (screen) => {
      for (const colorScheme of ["light", "dark"]) {
        await page.emulateMedia({ colorScheme });
        for (const violation of await violations(page))
          found.push(`${screen}, ${colorScheme}: ${violation}`);
        await picture(page, `screens/${view}-${screen}-${colorScheme}`);
      }
      await page.emulateMedia({ colorScheme: "light" });
      const widths = view === "phone" ? [412, 320] : [1280];
      for (const width of widths) {
        await page.setViewportSize({ ...browser.viewport, width });
        const wide = await page.evaluate(
          () => document.documentElement.scrollWidth,
        );
        if (wide > width) found.push(`${screen}: ${wide} pixels wide`);
        if (width === 320) await picture(page, `screens/narrow-${screen}`);
      }
      await page.setViewportSize(browser.viewport);
    };
    const close = async () => {
      while (await page.locator("dialog[open]").count())
        await page.keyboard.press("Escape");
    };

    await app.start.waitFor();
    await check("offer");
    await page.getByText("A model of your own").click();
    await check("offer-own");
    await page.getByRole("button", { name: "Choose a model" }).click();
    await page
      .getByText(/about [\d.,]+ tok\/s/)
      .first()
      .waitFor(SLOW);
    await check("models-none");
    await close();
    server.faults.set(MODEL_PATH, { holdAt: MODEL_BYTES * 0.6 });
    await app.start.click();
    await app.progress.waitFor(SLOW);
    await sent(server, MODEL_PATH, MODEL_BYTES * 0.55);
    await check("loading");
    await page.getByRole("button", { name: "Pause" }).click();
    await page.getByText("Download paused").first().waitFor();
    await check("paused");
    server.faults.clear();
    await page.getByRole("button", { name: /^Continue the download/ }).click();
    await app.ready();
    await check("ready");
    await bring(app);
    await check("reply");
    await app.articles.last().getByText("tok/s").click();
    await page.getByRole("button", { name: "Edit", exact: true }).click();
    await check("editing");
    await page.getByRole("button", { name: "Cancel" }).click();
    await app.model.click();
    await page.getByText("Model details").waitFor();
    await check("models");
    await close();
    await page
      .getByRole("button", { name: "Settings of this conversation" })
      .click();
    await check("settings");
    await close();
    await app.shelf();
    await check("conversations");
    await page.getByRole("button", { name: /^More about “How/ }).click();
    await check("conversation");
    await close();
    await app.shelf();
    await page.getByRole("button", { name: "This device" }).click();
    await check("device");
    await close();
    await app.shelf();
    await page.getByRole("button", { name: "Documents", exact: true }).click();
    const documents = page.getByRole("dialog", { name: "Documents" });
    const get = documents.getByRole("button", { name: /^Download the search/ });
    await get.waitFor(SLOW);
    await check("documents-first");
    await get.click();
    await documents.getByText("No documents yet.").waitFor(SLOW);
    await check("documents-none");
    const chooser = page.waitForEvent("filechooser");
    await documents.getByRole("button", { name: "Add files…" }).click();
    await (await chooser).setFiles([MANUAL, LETTER]);
    await documents.getByText("letter.md").first().waitFor(SLOW);
    await documents.getByText("Add files…").waitFor(SLOW);
    await documents.getByLabel("Answer from my documents").check();
    await check("documents");
    await close();
    await app.settings({ Temperature: 0, "Longest reply (tokens)": 24 });
    const attach = async (...files) => {
      const chosen = page.waitForEvent("filechooser");
      await page.locator(".composer .icon-button").first().click();
      await (await chosen).setFiles(files);
    };
    await attach(LETTER);
    await page.getByRole("button", { name: "Remove letter.md" }).waitFor(SLOW);
    await app.message.fill("When were the apple trees planted?");
    await check("composing");
    await app.send.click();
    await app.finished();
    await app.articles
      .last()
      .getByRole("region", { name: "From your documents" })
      .getByText("letter.md")
      .first()
      .click();
    await check("sources");
    const draw = (name, lines) =>
      drawn((expression) => page.evaluate(expression), name, lines);
    const bill = await draw("bill.png", INVOICE);
    await attach(bill);
    const fetchIt = page.getByRole("button", { name: /^Fetch it/ });
    await fetchIt.waitFor(SLOW);
    await check("picture-ask");
    const english = await readingPath("eng.traineddata.gz");
    server.faults.set(english, { holdAt: 1_500_000 });
    await fetchIt.click();
    await sent(server, english, 1_500_000);
    await check("picture-fetching");
    server.faults.clear();
    const text = page.getByRole("button", { name: "Text of bill.png" });
    await text.waitFor(SLOW);
    await attach(await draw("meadow.png", []), BROKEN);
    await page.getByText("No text found").waitFor(SLOW);
    await page.getByText("Code: picture_unreadable").waitFor(SLOW);
    await check("pictures");
    await text.click();
    await page.getByLabel("What was read").waitFor();
    await check("picture-text");
    await close();
    await app.model.click();
    await page.getByText("Reading of pictures").waitFor();
    await page.getByText("Reading of pictures").scrollIntoViewIfNeeded();
    await check("models-reading");
    await close();
    await page.goto(`${server.origin}/?model=/nothing.gguf`);
    await app.start.click();
    await page.getByText("Code: download_http").waitFor(SLOW);
    await check("problem");
    await app.shelf();
    await page.getByLabel("Language").selectOption("ar");
    await page.getByText("محادثة جديدة").first().waitFor(SLOW);
    await check("arabic");
    await close();
    await app.model.or(page.locator(".chip")).first().click();
    await page.locator("dialog[open] .fit").first().waitFor(SLOW);
    await check("arabic-models");
    await close();
    await page.goto(`${server.origin}/`);
    await page.locator(".chip[data-phase=ready]").waitFor(SLOW);
    await check("arabic-ready");
    await attach(await draw("meadow.png", []));
    await page.getByRole("button", { name: /^جلب/ }).click(SLOW);
    await page.getByText("لم يُعثر على نص").first().waitFor(SLOW);
    await check("arabic-picture");
    assert.deepEqual(found, []);
  });
