// What every test of the app starts from: a server with the built page and the model, Chromium, and the page's parts
// by the names a person or a screen reader knows them by.

import { mkdir, mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import AxeBuilder from "@axe-core/playwright";
import { chromium } from "playwright-core";
import { TestServer } from "../package/server.mjs";

const HERE = dirname(fileURLToPath(import.meta.url));
const ROOT = join(HERE, "../../..");
export const WWW = join(ROOT, "www/dist");
const MODEL =
  process.env.SMIDGEN_MODEL ??
  join(ROOT, ".cache/models/SmolLM2-135M-Instruct.Q4_1.gguf");
/** Where the page looks for its model. */
export const MODEL_PATH = "/models/SmolLM2-135M-Instruct.Q4_1.gguf";
/** The encoder, and where the page looks for it. */
export const ENCODER_FILE =
  process.env.SMIDGEN_ENCODER ??
  join(ROOT, ".cache/models/all-MiniLM-L6-v2.Q8_0.gguf");
export const ENCODER_PATH = "/models/all-MiniLM-L6-v2.Q8_0.gguf";
export const MODEL_NAME = basename(MODEL_PATH, ".gguf");
export const MODEL_FILE = MODEL;
export const MODEL_BYTES = (await stat(MODEL)).size;

export const LIMIT = { timeout: 300_000 };
/** For a load of the model or a whole reply on a busy machine. */
export const SLOW = { timeout: 120_000 };

const ends = new WeakMap();

/** What began last ends first: a browser closes before its profile and its server go. */
function atEnd(context, work) {
  if (!ends.has(context)) {
    ends.set(context, []);
    context.after(async () => {
      const failed = [];
      for (const end of ends.get(context).reverse())
        await end().catch((error) => failed.push(error));
      if (failed.length > 0) throw failed[0];
    });
  }
  ends.get(context).push(work);
}

/** A server of the page and the model beside it, as `cargo xtask demo` has them; `isolated: false` is a plain host. */
export async function serve(context, options = {}) {
  const server = await new TestServer({
    isolated: true,
    ...options,
    mounts: { [MODEL_PATH]: MODEL, "/": WWW, ...options.mounts },
  }).start(options.port);
  atEnd(context, () => server.stop().catch(() => {}));
  return server;
}

/** A folder for a browser's profile, which outlives the browser. */
export async function profileFolder(context) {
  const folder = await mkdtemp(join(tmpdir(), "smidgen-app-"));
  atEnd(context, () =>
    rm(folder, { recursive: true, force: true, maxRetries: 5 }),
  );
  return folder;
}

/** Chromium on `profile`; what any page requests or complains of is recorded. */
export async function browse(context, profile, options = {}) {
  const browser = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.SMIDGEN_CHROMIUM ?? "/usr/bin/chromium",
    headless: true,
    chromiumSandbox: false,
    viewport: { width: 412, height: 892 },
    locale: "en",
    args: ["--disable-quic", "--no-first-run"],
    ...options,
  });
  const requests = [];
  const complaints = [];
  browser.on("request", (request) => requests.push(request.url()));
  browser.on("console", (message) => {
    if (message.type() === "error") complaints.push(message.text());
  });
  browser.on("weberror", (error) => complaints.push(String(error.error())));
  let open = true;
  const close = async () => {
    if (open) await browser.close();
    open = false;
  };
  atEnd(context, close);
  return { browser, close, requests, complaints };
}

/** The page's parts, by role and name. */
export class App {
  constructor(page) {
    this.page = page;
    const button = (name) => page.getByRole("button", { name });
    this.message = page.getByRole("textbox", { name: "Message" });
    this.send = button("Send");
    this.stop = button("Stop");
    this.start = button(/^(Download and start|Continue the download)/);
    this.model = button(/^Model: /);
    this.articles = page.getByRole("article");
    this.live = page.getByRole("status").first();
    this.menu = button("Show conversations");
    this.fresh = button("New conversation");
    this.progress = page.getByRole("progressbar", {
      name: "Loading the model",
    });
  }

  /** Waits until the model that the page offers is loaded, by pressing the button if it has to be pressed. */
  async load() {
    await this.start.click();
    await this.ready();
    return this;
  }

  async ready() {
    await this.page
      .getByRole("button", { name: `Model: ${MODEL_NAME}`, exact: true })
      .waitFor(SLOW);
  }

  /** Types and sends; resolves when the reply is finished. */
  async ask(text) {
    const before = await this.articles.count();
    await this.message.fill(text);
    await this.send.click();
    await this.articles.nth(before + 1).waitFor();
    await this.finished();
    return this.reply();
  }

  async finished() {
    await this.articles.last().getByText("tok/s").waitFor(SLOW);
    await this.stop.waitFor({ state: "hidden" });
  }

  /** The last article's text, without its heading and its figures. */
  async reply() {
    const parts = this.articles.last().locator(".block, .code pre");
    return (await parts.allInnerTexts()).join("\n").trim();
  }

  async settings(fields) {
    await this.page
      .getByRole("button", { name: "Settings of this conversation" })
      .click();
    for (const [label, value] of Object.entries(fields)) {
      await this.page.getByLabel(label).fill(String(value));
    }
    await this.page.getByRole("button", { name: "Done" }).click();
  }

  async shelf() {
    if (await this.menu.isVisible()) await this.menu.click();
    return this.page.getByRole("searchbox", { name: "Search conversations" });
  }
}

/** A file as the page saves conversations. */
export const archive = (...conversations) =>
  Buffer.from(
    JSON.stringify({
      format: "smidgen-conversations",
      version: 1,
      conversations,
    }),
  );

/** Gives `buffer` to the page as a file of conversations. */
export async function imported(app, buffer) {
  await app.shelf();
  const chooser = app.page.waitForEvent("filechooser");
  await app.page.getByRole("button", { name: "Import…" }).click();
  await (
    await chooser
  ).setFiles({
    name: "conversations.json",
    mimeType: "application/json",
    buffer,
  });
}

/** Waits until `server` has sent so much of the file at `path`: with `holdAt` the download then stands still. */
export async function sent(server, path, bytes) {
  const end = Date.now() + SLOW.timeout;
  while ((server.sent.get(path) ?? 0) < bytes) {
    if (Date.now() > end) throw new Error(`${path}: never sent ${bytes} bytes`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Where the page finds a file of what reads pictures. */
export async function readingPath(name) {
  const folders = await readdir(join(WWW, "ocr"));
  if (folders.length !== 1) throw new Error(`not one folder: ${folders}`);
  return `/ocr/${folders[0]}/${name}`;
}

/** Where pictures of the page are kept. */
export const PICTURES = join(ROOT, ".cache/screenshots");

export async function picture(page, name) {
  await mkdir(PICTURES, { recursive: true });
  await page.screenshot({ path: join(PICTURES, `${name}.png`) });
}

/** The page in a new tab. */
export async function visit(browser, server, path = "/") {
  const page = await browser.newPage();
  await page.goto(server.origin + path);
  return new App(page);
}

/** A server, a browser and the page, model not loaded. */
export async function stage(context, options = {}) {
  const server = await serve(context, options.server);
  const profile = await profileFolder(context);
  const chrome = await browse(context, profile, options.browser);
  const app = await visit(chrome.browser, server, options.path);
  return { server, profile, app, ...chrome };
}

/** What axe finds, in words. */
export async function violations(page) {
  const { violations } = await new AxeBuilder({ page }).analyze();
  return violations.map(
    ({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" | ")}`,
  );
}
