// Firefox through Puppeteer and WebDriver BiDi, which needs no driver program.

import puppeteer from "puppeteer-core";

export async function open(driven, { profile } = {}) {
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
  return {
    goto: async (address) => void (await page.goto(address)),
    evaluate: (expression) => page.evaluate(expression),
    close: () => browser.close(),
  };
}
