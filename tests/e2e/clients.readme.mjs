// A new user's first minutes: the tarball of `npm pack` installed into a fresh Vite project, the lines of the two READMEs pasted as they stand there, built or served by Vite, opened in Chromium.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import * as vite from "vite";
import { makeFolder, removeFolder } from "./drive/folder.mjs";
import { pack } from "./package/pack.mjs";
import { TestServer } from "./package/server.mjs";
import { browse, LIMIT, MODEL, MODEL_BYTES, ROOT } from "./package/stage.mjs";

const PATIENCE = { timeout: 120_000 };
const HUB = "https://huggingface.co";

/** The first program of a README, every line of it. */
async function linesOf(readme) {
  const text = await readFile(join(ROOT, readme), "utf8");
  const [, lines] = /^```js\n([^]*?)^```$/m.exec(text) ?? [];
  assert.match(lines, /Smidgen\.load\(/);
  return lines;
}

/** What `lines` load. */
function sourceOf(lines) {
  const [, source] = /Smidgen\.load\("([^"]+)"/.exec(lines) ?? [];
  assert.ok(source, "the source of the model is no text");
  return source;
}

describe("the lines of the READMEs", LIMIT, () => {
  let folder;
  let tarball;
  const npm = (cwd, ...args) => promisify(execFile)("npm", args, { cwd });
  before(async () => {
    folder = await makeFolder("readme");
    tarball = (await pack(folder)).path;
  });
  after(() => removeFolder(folder));

  /** A project as Vite's own template for plain JavaScript lays it out. */
  async function project(name, lines) {
    const root = join(folder, name);
    await mkdir(join(root, "src"), { recursive: true });
    await writeFile(
      join(root, "package.json"),
      JSON.stringify({ name, private: true, type: "module" }),
    );
    await npm(root, "install", "--offline", "--no-audit", "--no-fund", tarball);
    await writeFile(
      join(root, "index.html"),
      `<!doctype html>
<html lang="en">
  <head><link rel="icon" href="data:," /></head>
  <body><script type="module" src="/src/main.js"></script></body>
</html>`,
    );
    // The last line is ours: it tells that the others have ended.
    await writeFile(
      join(root, "src/main.js"),
      `${lines}\ndocument.body.dataset.ended = "";\n`,
    );
    return root;
  }

  /** Opens the page and reads what the program has written. */
  async function reply(page, address) {
    const problems = [];
    page.on("pageerror", (error) => problems.push(error.message));
    // A download ends connections that it no longer needs.
    page.on("requestfailed", (request) => {
      if (!request.url().endsWith(".gguf")) problems.push(request.url());
    });
    await page.goto(address);
    await page
      .locator("body[data-ended]")
      .waitFor({ ...PATIENCE, state: "attached" })
      .catch((error) => {
        throw new Error(`${problems.join("\n")}\n${error.message}`);
      });
    assert.deepEqual(problems, []);
    return (await page.innerText("body")).trim();
  }

  test("README.md, as Vite's development server has it", async (context) => {
    const lines = await linesOf("README.md");
    const root = await project("developed", lines);
    const model = join(root, "public", sourceOf(lines));
    await mkdir(dirname(model), { recursive: true });
    await symlink(MODEL, model);
    const server = await vite.createServer({
      root,
      configFile: false,
      logLevel: "warn",
      server: { port: 0, host: "127.0.0.1" },
    });
    await server.listen();
    const { browser, close } = await browse(context);
    try {
      const page = await browser.newPage();
      const logged = [];
      page.on("console", (message) => logged.push(message.text()));
      const { port } = server.httpServer.address();
      const text = await reply(page, `http://127.0.0.1:${port}/`);
      assert.match(text, /Paris/);
      assert.ok(logged.includes(`${MODEL_BYTES} of ${MODEL_BYTES}`));
    } finally {
      await close();
      await server.close();
    }
  });

  test("pkg/README.md, built, with a local server in the hub's place", async (context) => {
    const lines = await linesOf("pkg/README.md");
    const root = await project("built", lines);
    await vite.build({ root, configFile: false, logLevel: "warn" });

    const { CATALOGUE } = await import(join(ROOT, "pkg/dist/catalogue.js"));
    const { repo, file } = CATALOGUE.find(
      ({ name }) => name === sourceOf(lines),
    );
    const path = `/${repo}/resolve/main/${file}`;
    const site = await new TestServer({
      mounts: { "/": join(root, "dist/") },
    }).start();
    const hub = await new TestServer({
      mounts: { [path]: MODEL },
      headers: {
        "access-control-allow-origin": "*",
        "access-control-expose-headers": "Content-Range, ETag",
      },
    }).start();
    const { browser, close } = await browse(context);
    context.after(async () => {
      await close();
      await site.stop();
      await hub.stop();
    });
    const asked = new Set();
    // The hub too sends its readers on, to where it keeps its files.
    await browser.route(`${HUB}/**`, (route) => {
      const address = route.request().url();
      asked.add(address);
      return route.fulfill({
        status: 302,
        headers: {
          location: hub.origin + new URL(address).pathname,
          "access-control-allow-origin": "*",
        },
      });
    });
    const page = await browser.newPage();
    const text = await reply(page, `${site.origin}/index.html`);
    assert.match(text, /Paris/);
    assert.deepEqual([...asked], [HUB + path]);
    assert.ok(hub.sent.get(path) >= MODEL_BYTES);
  });
});
