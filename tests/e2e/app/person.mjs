// A person at the page, in any browser engine: sees what the page shows, presses what has a name, types, gives files.
// It asks for no more than the face of drive/browser.mjs has, so that all engines are tested by the same words.

const PATIENCE_MS = 120_000;
const LOOK_EVERY_MS = 150;

/** Defined in the page before each look: what is shown, by its name. */
const EYES = `
  const shown = (node) => node.checkVisibility
    ? node.checkVisibility({ visibilityProperty: true })
    : node.getClientRects().length > 0;
  const nameOf = (node) =>
    (node.getAttribute("aria-label") ?? node.labels?.[0]?.textContent ?? node.textContent).trim();
  const usable = (node) => !node.disabled && node.ariaDisabled !== "true" && node.getAttribute("aria-disabled") !== "true";
  const named = (selector, name) => [...document.querySelectorAll(selector)].filter((node) =>
    shown(node) && (typeof name === "string" ? nameOf(node) === name : name.test(nameOf(node)))).at(-1);
`;

const PRESSED = "button, a, summary, input[type=checkbox]";

const inPage = (body) => `(() => { ${EYES} ${body} })()`;
const literal = (name) =>
  name instanceof RegExp ? String(name) : JSON.stringify(name);

export class Person {
  /** @param {import("../drive/browser.mjs").Page} page */
  constructor(page) {
    this.page = page;
  }

  /** The value of the function body `look` in the page, once it is neither false nor empty. */
  async until(what, look) {
    const end = Date.now() + PATIENCE_MS;
    let last;
    for (;;) {
      // The page may be in the middle of a reload.
      const value = await this.page.evaluate(inPage(look)).catch((error) => {
        last = error.message;
      });
      if (value) return value;
      if (Date.now() > end) {
        const seen = await this.page
          .evaluate("document.body.innerText")
          .catch((error) => error.message);
        throw new Error(
          `${what}: not within ${PATIENCE_MS} ms ${last ?? ""}; the page says: ${seen}`,
        );
      }
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    }
  }

  /** @param {string | RegExp} text */
  see(text) {
    const found =
      text instanceof RegExp
        ? `return ${text}.exec(document.body.innerText)?.[0];`
        : `return document.body.innerText.includes(${JSON.stringify(text)});`;
    return this.until(`to see ${text}`, found);
  }

  /**
   * Presses the button, link or summary of that name: with a finger where the engine's driver has one. What something
   * else lies over cannot be pressed.
   * @param {string | RegExp} name
   */
  async press(name) {
    const [x, y] = await this.until(
      `to press ${name}`,
      `const node = named("${PRESSED}", ${literal(name)});
       if (!node || !usable(node)) return;
       node.scrollIntoView({ block: "center", behavior: "instant" });
       const { left, top, width, height } = node.getBoundingClientRect();
       const at = [left + width / 2, top + height / 2];
       const hit = document.elementFromPoint(...at);
       if (!hit || (hit !== node && !node.contains(hit))) return;
       return at;`,
    );
    if (this.page.tap) await this.page.tap(x, y);
    else
      await this.page.evaluate(
        inPage(`named("${PRESSED}", ${literal(name)}).click();`),
      );
  }

  /** Writes into the field of that name, as a keyboard's suggestion does. */
  write(name, text) {
    return this.until(
      `to write into ${name}`,
      `const field = named("input, textarea", ${literal(name)});
       if (!field) return;
       field.focus();
       field.value = ${JSON.stringify(text)};
       field.dispatchEvent(new InputEvent("input", { bubbles: true }));
       field.dispatchEvent(new Event("change", { bubbles: true }));
       return true;`,
    );
  }

  async send(text) {
    await this.write("Message", text);
    await this.press("Send");
  }

  /** Sends, waits for the whole reply and returns its text and figures. */
  async ask(text) {
    const before = await this.page.evaluate(
      `document.querySelectorAll("article").length`,
    );
    await this.send(text);
    return this.until(
      `a reply to ${text}`,
      `const all = [...document.querySelectorAll("article")];
       if (all.length !== ${before + 2} || named("button", "Stop")) return;
       const last = all.at(-1);
       const figures = last.querySelector(".meta")?.textContent;
       return figures && { text: last.innerText, figures };`,
    );
  }

  /** Gives files to the input for which the button of that name opens the browser's own dialog. */
  give(accept, files) {
    const made = files.map(
      ({ name, mimeType, buffer }) =>
        `new File([Uint8Array.from(atob("${buffer.toString("base64")}"), (one) => one.charCodeAt(0))],
          ${JSON.stringify(name)}, { type: ${JSON.stringify(mimeType)} })`,
    );
    return this.until(
      `to give files`,
      `const input = document.querySelector(${JSON.stringify(accept)});
       if (!input) return;
       const data = new DataTransfer();
       for (const file of [${made.join(",")}]) data.items.add(file);
       input.files = data.files;
       input.dispatchEvent(new Event("change", { bubbles: true }));
       return true;`,
    );
  }

  /** Until the model is loaded. */
  ready() {
    return this.until(
      "a loaded model",
      `return document.querySelector(".chip[data-phase=ready]") !== null;`,
    );
  }
}
