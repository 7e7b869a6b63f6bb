// One run of the bare page: goes there with the run in the address and yields the page's events until it is done.

/** How often the page is asked for news. Far below what a reader notices, far above what costs the page anything. */
const POLL_MS = 40;
const SILENCE_MS = 180_000;

/** An error that the page reported, with its code. */
export class PageError extends Error {
  constructor({ code, message }) {
    super(`${code}: ${message}`);
    this.code = code;
  }
}

/**
 * @param {import("./browser.mjs").Page} page
 * @param {string} address of the server
 * @param {object} run see page/chat.js
 */
export async function* events(page, address, run) {
  const query = encodeURIComponent(JSON.stringify(run));
  await page.goto(`${address}/bench/index.html?run=${query}`);
  let heard = Date.now();
  for (;;) {
    const taken = JSON.parse(await page.evaluate("takeEvents()"));
    for (const event of taken) {
      heard = Date.now();
      if (event.type === "error") throw new PageError(event);
      yield event;
      if (event.type === "done") return;
    }
    if (Date.now() - heard > SILENCE_MS)
      throw new Error(`the page has said nothing for ${SILENCE_MS / 1000} s`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}
