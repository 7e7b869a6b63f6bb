// The package as its users build it: Vite, webpack and esbuild from an installed copy, and as plain files; each chats in Chromium.

import assert from "node:assert/strict";
import { cp, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import * as esbuild from "esbuild";
import * as vite from "vite";
import webpack from "webpack";
import { makeFolder, removeFolder } from "./drive/folder.mjs";
import { install } from "./package/installed.mjs";
import { browse, LIMIT, MODEL_PATH, serve } from "./package/stage.mjs";

const MAIN = `
import { Smidgen } from "smidgen";
window.chat = async (model, options) => {
  const llm = await Smidgen.load(model, options);
  const reply = await llm.chat.completions.create({
    messages: [{ role: "user", content: "Hello" }],
    max_tokens: 3,
  });
  const constrained = await llm.chat.completions.create({
    messages: [{ role: "user", content: "Hello" }],
    grammar: { type: "choice", choices: ["yes", "no"] },
  });
  await llm.unload();
  return { info: llm.info, reply, constrained };
};
window.ready = true;
`;

/** Below a folder, as on GitHub Pages: nothing may expect to lie at the root. */
const BASE = "/below/a/folder/";

const BUNDLERS = {
  async vite(project) {
    await vite.build({
      root: project,
      base: "./",
      logLevel: "warn",
      configFile: false,
      build: { outDir: join(project, "out") },
    });
  },

  async webpack(project) {
    const stats = await new Promise((resolve, reject) =>
      webpack(
        {
          mode: "production",
          context: project,
          entry: "./main.js",
          output: { path: join(project, "out") },
          performance: false,
        },
        (error, stats) => (error ? reject(error) : resolve(stats)),
      ),
    );
    const { errors, warnings } = stats.toJson({
      all: false,
      errors: true,
      warnings: true,
    });
    assert.deepEqual(
      [...errors, ...warnings].map(({ message }) => message),
      [],
    );
    await page(project, '<script src="./main.js"></script>');
  },

  /** esbuild leaves workers and wasm where they are: what the engine needs is copied beside its output. */
  async esbuild(project) {
    await esbuild.build({
      absWorkingDir: project,
      entryPoints: ["main.js"],
      bundle: true,
      format: "esm",
      minify: true,
      outdir: "out",
    });
    const dist = join(project, "node_modules/smidgen/dist");
    for (const name of [
      "worker.js",
      "thread.js",
      "storage-thread.js",
      "wasm",
    ]) {
      await cp(join(dist, name), join(project, "out", name), {
        recursive: true,
      });
    }
    await page(project, '<script type="module" src="./main.js"></script>');
  },

  async "plain files"(project) {
    await mkdir(join(project, "out"));
    await cp(
      join(project, "node_modules/smidgen/dist"),
      join(project, "out/smidgen"),
      {
        recursive: true,
      },
    );
    const map = { imports: { smidgen: "./smidgen/index.js" } };
    await cp(join(project, "main.js"), join(project, "out/main.js"));
    await page(
      project,
      `<script type="importmap">${JSON.stringify(map)}</script>
       <script type="module" src="./main.js"></script>`,
    );
  },
};

const page = (project, scripts) =>
  writeFile(
    join(project, "out/index.html"),
    `<!doctype html><link rel="icon" href="data:," />${scripts}`,
  );

describe("the package, built by its users' tools", LIMIT, () => {
  let folder;
  before(async () => {
    folder = await makeFolder("bundlers");
  });
  after(() => removeFolder(folder));

  for (const [name, build] of Object.entries(BUNDLERS)) {
    test(name, async (context) => {
      const project = join(folder, name.replace(" ", "-"));
      await mkdir(project, { recursive: true });
      // What npm would install: the files that package.json names.
      await install(project);
      await writeFile(join(project, "package.json"), '{ "type": "module" }');
      await writeFile(join(project, "main.js"), MAIN);
      await writeFile(
        join(project, "index.html"),
        '<!doctype html><link rel="icon" href="data:," /><script type="module" src="./main.js"></script>',
      );
      await build(project);

      const server = await serve({ mounts: { [BASE]: join(project, "out/") } });
      context.after(() => server.stop());
      const { browser } = await browse(context);
      const tab = await browser.newPage();
      const failed = [];
      // A download ends connections that it no longer needs.
      tab.on("requestfailed", (request) => {
        if (!request.url().endsWith(MODEL_PATH)) failed.push(request.url());
      });
      await tab.goto(`${server.origin}${BASE}index.html`);
      await tab.waitForFunction(() => window.ready);
      for (const threads of [1, 2]) {
        server.log.length = 0;
        const { info, reply, constrained } = await tab.evaluate(
          ([model, threads]) => chat(model, { threads }),
          [MODEL_PATH, threads],
        );
        assert.equal(info.threads, threads);
        assert.deepEqual(info.warnings, []);
        assert.equal(reply.usage.completion_tokens, 3);
        assert.match(constrained.choices[0].message.content, /^(yes|no)$/);
        // One flavour, and the grammar module once it was needed.
        const wasm = server.log.filter((line) => line.includes(".wasm"));
        assert.equal(wasm.length, 2, wasm.join());
      }
      assert.deepEqual(failed, []);
    });
  }
});
