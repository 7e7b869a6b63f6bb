// Chromium through Playwright.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

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

export async function open(driven, { profile } = {}) {
  const own = profile ? undefined : await mkdtemp(join(tmpdir(), "smidgen-"));
  const browser = await context(driven, profile ?? own);
  const page = browser.pages()[0] ?? (await browser.newPage());
  return {
    goto: async (address) => void (await page.goto(address)),
    evaluate: (expression) => page.evaluate(expression),
    close: async () => {
      await browser.close();
      if (own)
        await rm(own, {
          recursive: true,
          force: true,
          maxRetries: 20,
          retryDelay: 100,
        });
    },
  };
}
