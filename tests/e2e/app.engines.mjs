// The page in every browser engine at hand: first visit, a chat, and, where a profile can be kept, again without a server.
// SMIDGEN_BROWSERS names them.

import assert from "node:assert/strict";
import { test } from "node:test";
import { LIMIT, profileFolder, serve } from "./app/stage.mjs";
import { open } from "./drive/browser.mjs";

const BROWSERS = JSON.parse(
  process.env.SMIDGEN_BROWSERS ??
    '[{"name":"chromium","executable":"/usr/bin/chromium","sandbox":false}]',
);
const PATIENCE_MS = 120_000;

/** The value of `expression` in the page once it is neither false nor empty. */
async function until(page, expression) {
  const end = Date.now() + PATIENCE_MS;
  for (;;) {
    // The page may be in the middle of its one reload.
    const value = await page.evaluate(expression).catch(() => undefined);
    if (value) return value;
    if (Date.now() > end) throw new Error(`never true: ${expression}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

const ready = `document.querySelector(".chip[data-phase=ready]") !== null`;
const figures = `[...document.querySelectorAll("article .meta")].at(-1)?.textContent ?? ""`;

async function ask(page, text) {
  const before = await page.evaluate(
    `document.querySelectorAll("article").length`,
  );
  await page.evaluate(
    `(() => {
      const field = document.querySelector('[aria-label="Message"]');
      field.value = ${JSON.stringify(text)};
      field.dispatchEvent(new InputEvent("input", { bubbles: true }));
    })()`,
  );
  await until(
    page,
    `document.querySelector('[aria-label="Send"]')?.ariaDisabled !== "true" &&
     (document.querySelector('[aria-label="Send"]').click(), true)`,
  );
  await until(
    page,
    `document.querySelectorAll("article").length === ${before + 2} &&
     document.querySelector('[aria-label="Stop"]') === null`,
  );
  return until(page, figures);
}

for (const driven of BROWSERS)
  test(`the page in ${driven.name}`, LIMIT, async (t) => {
    // A plain host: isolation is the service worker's work.
    const server = await serve(t, { isolated: false });
    const profile = await profileFolder(t);
    const keeps = driven.name !== "webkit";
    let page = await open(driven, keeps ? { profile } : {});
    try {
      await page.goto(`${server.origin}/`);
      await until(page, "crossOriginIsolated");
      await until(
        page,
        `document.querySelector(".panel .primary") !== null &&
         (document.querySelector(".panel .primary").click(), true)`,
      );
      await until(page, ready);
      const said = await ask(page, "Say hello.");
      t.diagnostic(`${driven.name}: ${said}`);
      assert.match(said, /tok\/s/);
      if (!keeps) return;
      await page.close();
      await server.stop();
      page = await open(driven, { profile });
      await page.goto(`${server.origin}/`);
      await until(page, ready);
      assert.equal(
        await until(page, `document.querySelectorAll("article").length`),
        2,
      );
      assert.match(await ask(page, "And goodbye."), /tok\/s/);
    } finally {
      await page.close();
    }
  });
