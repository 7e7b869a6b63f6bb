// Chromium through Playwright, or unwatched through Puppeteer.

import { chromium } from "playwright-core";
import puppeteer from "puppeteer-core";
import { makeFolder, removeFolder } from "./folder.mjs";

// The browser must not call anyone by itself: tests count requests, and the demo promises none.
const QUIET = [
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** A Playwright browser context on a profile folder: what tests use that need more than one page or see the network. */
export function context(driven, profile, options = {}) {
  return chromium.launchPersistentContext(profile, {
    executablePath: driven.executable,
    headless: true,
    chromiumSandbox: driven.sandbox ?? true,
    ...options,
    args: [...QUIET, ...(options.args ?? [])],
  });
}

/**
 * A driver that listens to the network makes the renderer keep a copy of every answer below 10 MB: a download in ranges
 * costs twice the time on its thread then, and 100 MB more. What is measured is measured without.
 */
async function openUnwatched(driven, profile, phone) {
  const browser = await puppeteer.launch({
    executablePath: driven.executable,
    headless: true,
    userDataDir: profile,
    args: driven.sandbox === false ? [...QUIET, "--no-sandbox"] : QUIET,
    networkEnabled: false,
    protocolTimeout: 0,
    issuesEnabled: false,
  });
  const page = (await browser.pages())[0] ?? (await browser.newPage());
  if (phone) await page.setViewport(asPhone(phone).viewport);
  return {
    // Who measures has a patience of their own.
    goto: async (address) => void (await page.goto(address, { timeout: 0 })),
    evaluate: (expression) => page.evaluate(expression),
    close: () => browser.close(),
  };
}

const asPhone = ({ width, height, userAgent }) => ({
  viewport: { width, height },
  userAgent,
  hasTouch: true,
  isMobile: true,
  deviceScaleFactor: 2,
});

export async function open(driven, { profile, unwatched, phone } = {}) {
  if (unwatched) return openUnwatched(driven, profile, phone);
  const own = profile ? undefined : await makeFolder("profile");
  const browser = await context(
    driven,
    profile ?? own,
    phone && asPhone(phone),
  );
  const page = browser.pages()[0] ?? (await browser.newPage());
  return {
    goto: async (address) => void (await page.goto(address)),
    evaluate: (expression) => page.evaluate(expression),
    tap: phone && ((x, y) => page.touchscreen.tap(x, y)),
    picture: async (path) => void (await page.screenshot({ path })),
    close: async () => {
      await browser.close();
      if (own) await removeFolder(own);
    },
  };
}
