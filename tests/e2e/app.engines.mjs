// One person's way through the whole app in every browser engine at hand, on a phone's screen: first visit, a download cut
// off and taken up, a chat, stop, another visit, files, pictures, documents, formulas, hostile text, search, Arabic, no
// server, everything deleted. SMIDGEN_BROWSERS names them.

import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { drawn, INVOICE } from "./app/drawn.mjs";
import { LETTER, MANUAL, MENUS } from "./app/files.mjs";
import { LEFTOVERS } from "./app/leftovers.mjs";
import { Person } from "./app/person.mjs";
import {
  archive,
  ENCODER_FILE,
  ENCODER_PATH,
  MODEL_BYTES,
  MODEL_PATH,
  PICTURES,
  profileFolder,
  sent,
  serve,
} from "./app/stage.mjs";
import { open } from "./drive/browser.mjs";

const BROWSERS = JSON.parse(
  process.env.SMIDGEN_BROWSERS ??
    '[{"name":"chromium","executable":"/usr/bin/chromium","sandbox":false}]',
);
const LIMIT = { timeout: 600_000 };

/** The screen of a Pixel; of an iPhone for the engine that iPhones have, with what Safari there says it is. */
const PIXEL = { width: 412, height: 915 };
const PHONES = {
  webkit: {
    width: 390,
    height: 844,
    userAgent:
      "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1",
  },
};

/** A reply that would run scripts and fetch `/stolen…` if it could. */
const HOSTILE = [
  '<img src=/stolen.png onerror="window.hurt=1">',
  "![pixel](/stolen-too.png)",
  "[go](javascript:window.hurt=2)",
  "<script>window.hurt=3</script><iframe src=/stolen-page></iframe>",
  "<svg onload=window.hurt=4><a xlink:href=javascript:window.hurt=5>x</a></svg>",
  "[ok](https://example.invalid/page)",
  "the last words",
].join("\n\n");

const NOTES = {
  name: "notes.json",
  mimeType: "application/json",
  buffer: archive({
    title: "Notes",
    updatedAt: 1000,
    messages: [
      { role: "user", content: "Show me." },
      {
        role: "assistant",
        content:
          "$$a^2 + b^2 = c^2$$\n\n```python\ndef square(x):\n    return x * x\n```\n\n| a | b |\n|---|---|\n| 3 | 4 |",
      },
      { role: "user", content: "And this?" },
      { role: "assistant", content: HOSTILE },
    ],
  }),
};

for (const driven of BROWSERS)
  test(`the page in ${driven.name}`, LIMIT, async (t) => {
    // A plain host: isolation is the service worker's work.
    const server = await serve(t, {
      isolated: false,
      mounts: { [ENCODER_PATH]: ENCODER_FILE },
    });
    const profile = await profileFolder(t);
    const phone = PHONES[driven.name] ?? PIXEL;
    let page;
    const visit = async () => {
      page = await open(driven, { profile, phone });
      await page.goto(`${server.origin}/`);
      return new Person(page);
    };
    await mkdir(join(PICTURES, "engines"), { recursive: true });
    const picture = (what) =>
      page.picture(join(PICTURES, "engines", `${driven.name}-${what}.png`));
    // Whatever happens, no browser stays behind; it closes before its profile goes.
    try {
      let me = await visit();
      await me.until("isolation", "return crossOriginIsolated;");
      await me.see("A language model that runs on this device");
      await me.until(
        "a manifest with icons",
        `return fetch(document.querySelector("link[rel=manifest]").href)
           .then((response) => response.json())
           .then(({ icons, display }) => display === "standalone" && icons.length >= 3);`,
      );
      await picture("offer");

      // The line holds at 60 %; the person closes the browser.
      server.faults.set(MODEL_PATH, { holdAt: MODEL_BYTES * 0.6 });
      await me.press(/^Download and start/);
      await sent(server, MODEL_PATH, MODEL_BYTES * 0.55);
      // Engines hold back more or less of what has come.
      await me.until(
        "a good part of it in the page",
        `return document.querySelector("progress")?.value >= 0.3;`,
      );
      await page.close();
      server.faults.clear();
      const before = server.sent.get(MODEL_PATH);
      me = await visit();
      await picture("continue");
      await me.press(/^Continue the download/);
      await me.ready();
      const again = server.sent.get(MODEL_PATH) - before;
      t.diagnostic(`${driven.name}: ${again} of ${MODEL_BYTES} bytes came`);
      assert.ok(again < MODEL_BYTES * 0.8, `${again} bytes came again`);

      await me.press("Settings of this conversation");
      await me.write("Temperature", "0");
      await me.press("Done");
      const hello = await me.ask("Say hello.");
      t.diagnostic(`${driven.name}: ${hello.figures}`);
      assert.match(hello.figures, /tok\/s/);
      await picture("reply");

      // Stopped at its first words, by whatever the page does next.
      await me.send("Write a long story about a fox.");
      await page.evaluate(`new Promise((done) => {
        const look = () => {
          const stop = document.querySelector('[aria-label="Stop"]');
          const words = [...document.querySelectorAll("article")].at(-1)?.querySelector(".markdown")?.textContent;
          if (!stop || !words) return;
          observer.disconnect();
          stop.click();
          done(true);
        };
        const observer = new MutationObserver(look);
        observer.observe(document.body, { subtree: true, childList: true, characterData: true });
        look();
      })`);
      await me.see("Stopped");
      await me.press("Settings of this conversation");
      await me.write("Longest reply (tokens)", "12");
      await me.press("Done");
      await me.press("Write this reply again");
      await me.see("Length limit reached");

      // Another visit while the browser runs: nothing is downloaded.
      const had = server.sent.get(MODEL_PATH);
      await page.goto(`${server.origin}/`);
      await me.ready();
      assert.equal(server.sent.get(MODEL_PATH), had);
      await me.until(
        "the conversation",
        `return document.querySelectorAll("article").length === 4;`,
      );

      // A second conversation, with a document.
      await me.press("New conversation");
      await me.see("Ask something.");
      await me.press("Show conversations");
      if (phone.userAgent) {
        await me.press("This device");
        await me.see(/share menu and choose “Add to Home Screen”/);
        await me.press("Close");
      }
      await me.press("Documents");
      await me.press(/^Download the search model/);
      await me.see("No documents yet.");
      await me.give("dialog[open] input[type=file][multiple]", [LETTER]);
      await me.press("Answer from my documents in this conversation");
      await picture("documents");
      await me.press("Close");
      await me.press("Close");
      // A PDF, and one whose characters are named in maps that are fetched for it.
      const files = [MANUAL, MENUS.chinese];
      await me.give(".composer input[type=file]", files);
      await me.until(
        "both files attached",
        `return named("button", "Remove menu-zh.pdf") && named("button", "Remove manual.pdf") && true;`,
      );
      // A picture of a bill: its text, by what is fetched for it.
      const bill = await drawn(
        (expression) => page.evaluate(expression),
        "bill.png",
        INVOICE,
      );
      const readBill = async () => {
        await me.press("Text of bill.png");
        await me.until(
          "the text of the bill",
          `return /4711\\s+total 38\\.50/.test(named("textarea", "What was read")?.value);`,
        );
      };
      await me.give(".composer input[type=file]", [bill]);
      await me.press(/^Fetch it/);
      await readBill();
      await picture("picture");
      await me.press("Done");
      await me.press("Remove bill.png");
      const cited = await me.ask("When were the apple trees planted?");
      assert.match(cited.text, /\[1\] letter\.md/);
      for (const { name } of files) await me.press(name);
      await me.see(MENUS.chinese.says);
      await me.see("Keep the receipt; send claims to the dealer.");
      await picture("sources");

      // A formula, code and a table, brought by a file; the page in Arabic.
      await me.press("Show conversations");
      await me.give(".shelf-files input[type=file]", [NOTES]);
      await me.until(
        "formula, colours, table",
        `return ["math", ".hljs-keyword", "table"].every((one) => document.querySelector("article " + one));`,
      );
      await picture("markup");
      await me.see("the last words");
      await me.until(
        "links that open elsewhere",
        `const links = [...document.querySelectorAll("article a[href^='https:']")];
         return links.length > 0 && links.every(({ rel, target }) => /noopener/.test(rel) && target === "_blank");`,
      );
      assert.equal(
        await page.evaluate(
          `document.querySelectorAll("article :is(img, script, iframe, svg:not(.icon)), article a[href^='javascript']").length`,
        ),
        0,
      );
      assert.equal(await page.evaluate("window.hurt === undefined"), true);
      assert.equal(server.count("/stolen"), 0);

      // Found by a word of a message, named anew, pinned.
      await me.press("Show conversations");
      const entries = (count) =>
        me.until(
          `${count} conversations`,
          `return document.querySelectorAll("dialog[open] .entry").length === ${count};`,
        );
      await entries(3);
      await me.write("Search conversations", "SQUARE");
      await entries(1);
      await me.write("Search conversations", "");
      await entries(3);
      await me.press("More about “Notes”");
      await me.press("Pin to the top");
      await me.write("Name", "Numbers");
      await me.press("Rename");
      await me.until(
        "the new name on top",
        `return document.querySelector("dialog[open] .entry").innerText.includes("Numbers");`,
      );
      await me.press("Close");
      const speak = async (language, dir) => {
        await me.until(
          `to choose ${language}`,
          `const choice = document.querySelector("dialog[open] select");
           if (!choice) return;
           choice.value = "${language}";
           choice.dispatchEvent(new Event("change", { bubbles: true }));
           return true;`,
        );
        await me.until(
          language,
          `return (document.documentElement.dir || "ltr") === "${dir}";`,
        );
      };
      await me.press("Show conversations");
      await speak("ar", "rtl");
      await picture("arabic");
      await speak("en", "ltr");
      await me.press("When were the apple trees planted?");

      // No server, a browser started anew.
      await page.close();
      await server.stop();
      me = await visit();
      await me.ready();
      await picture("offline");
      await me.press("Show conversations");
      await entries(3);
      await me.press("Close");
      await me.give(".composer input[type=file]", [bill]);
      await readBill();
      await me.press("Done");
      await me.press("Remove bill.png");
      const offline = await me.ask("Who planted the apple trees?");
      assert.match(offline.text, /letter\.md/);
      t.diagnostic(`${driven.name}, offline: ${offline.figures}`);

      await me.press("Show conversations");
      await me.press("This device");
      await me.press("Delete everything");
      await me.press("Really delete?");
      await me.see("Everything was deleted.");
      await picture("deleted");
      const left = await page.evaluate(LEFTOVERS);
      for (const [store, count] of Object.entries(left.records))
        assert.equal(count, 0, `${store} still holds ${count}`);
      assert.deepEqual(left.files, []);
      assert.equal(await page.evaluate(`caches.has("smidgen-reading")`), false);
    } finally {
      await page?.close().catch(() => {});
    }
  });
