// What every test of the package starts from: a server with the built package and the model, and Chromium on a profile.

import { stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { makeFolder, removeFolder } from "../drive/folder.mjs";
import { TestServer } from "./server.mjs";

const HERE = dirname(fileURLToPath(import.meta.url));
export const ROOT = join(HERE, "../../..");
export const DIST = join(ROOT, "pkg/dist");
export const MODEL =
  process.env.SMIDGEN_MODEL ??
  join(ROOT, ".cache/models/SmolLM2-135M-Instruct.Q4_1.gguf");
export const MODEL_PATH = "/models/model.gguf";
export const MODEL_BYTES = (await stat(MODEL)).size;

/** Every test may have its model from the network, and no suite may take for ever. */
export const LIMIT = { timeout: 900_000 };

/** A server of the package, its test page and the model. */
export async function serve(options = {}) {
  const server = new TestServer({
    isolated: true,
    ...options,
    mounts: {
      "/pkg/": DIST,
      ...options.mounts,
      [MODEL_PATH]: MODEL,
      "/": HERE,
    },
  });
  return server.start(options.port);
}

/** Chromium on `profile`, or on a new one that goes with it. */
export async function browse(context, { profile, args = [] } = {}) {
  const own = profile ?? (await makeFolder("profile"));
  const browser = await chromium.launchPersistentContext(own, {
    executablePath: process.env.SMIDGEN_CHROMIUM ?? "/usr/bin/chromium",
    headless: true,
    chromiumSandbox: false,
    args: ["--disable-quic", "--no-first-run", ...args],
  });
  let open = true;
  const close = async () => {
    if (!open) return;
    open = false;
    await browser.close();
    if (!profile) await removeFolder(own);
  };
  context.after(close);
  return { browser, close };
}

/** The test page, ready; what it prints as an error is printed here. */
export async function visit(browser, server, path = "/index.html") {
  const page = await browser.newPage();
  page.on("pageerror", (error) => console.error("page:", error.message));
  await page.goto(server.origin + path);
  await page.waitForFunction(() => window.ready);
  return page;
}

/** One server, one browser, one page. */
export async function stage(context, options = {}) {
  const server = await serve(options);
  context.after(() => server.stop());
  const { browser } = await browse(context, options);
  const page = await visit(browser, server);
  return { server, browser, page };
}
