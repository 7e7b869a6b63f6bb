// Firefox through Puppeteer and WebDriver BiDi, which needs no driver program.

import puppeteer from "puppeteer-core";

export async function open(driven, { profile, phone } = {}) {
  const browser = await puppeteer.launch({
    browser: "firefox",
    protocol: "webDriverBiDi",
    executablePath: driven.executable,
    headless: true,
    userDataDir: profile,
    // persist() opens a question that nobody here answers, and would wait for ever.
    extraPrefsFirefox: {
      "dom.storageManager.prompt.testing": true,
      "dom.storageManager.prompt.testing.allow": true,
    },
  });
  const page = (await browser.pages())[0] ?? (await browser.newPage());
  if (phone)
    await page.setViewport({ width: phone.width, height: phone.height });
  return {
    goto: async (address) => void (await page.goto(address)),
    evaluate: (expression) => page.evaluate(expression),
    tap: phone && ((x, y) => page.touchscreen.tap(x, y)),
    picture: async (path) => void (await page.screenshot({ path })),
    close: () => browser.close(),
  };
}
