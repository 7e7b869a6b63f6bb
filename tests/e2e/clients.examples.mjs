// The examples, each built as its reader would build it, opened in Chromium and asked its question.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cp, mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import * as vite from "vite";
import { makeFolder, removeFolder } from "./drive/folder.mjs";
import { install } from "./package/installed.mjs";
import { browse, LIMIT, MODEL_PATH, ROOT, serve } from "./package/stage.mjs";

/** Below this folder the clients are found where the tests have installed them. */
const FOLDER = join(
  dirname(fileURLToPath(import.meta.url)),
  "node_modules/.examples",
);

/** What the page shows at the end. */
const EXAMPLES = {
  plain: /\w/,
  "openai-client": /\nremember\(\{.*\}\)$/s,
  "ai-sdk": /\n(geography|history|other): ★{1,5}$/s,
  "prompt-api": /\w/,
  react: /\w/,
};

/** Opens the page at /example/, asks what is in its box and reads the answer. */
async function ask(context, mounts, expected = /\w/) {
  const server = await serve({ mounts });
  context.after(() => server.stop());
  const { browser } = await browse(context);
  const page = await browser.newPage();
  const problems = [];
  page.on("pageerror", (error) => problems.push(error.message));
  // Chromium's own Prompt API has no model here.
  await page.addInitScript(() => delete window.LanguageModel);
  await page.goto(`${server.origin}/example/index.html?model=${MODEL_PATH}`);
  await page.click("button:enabled", { timeout: 120_000 });
  await page.waitForSelector("output[data-done]", { timeout: 120_000 });
  assert.match(await page.textContent("output"), expected);
  assert.deepEqual(problems, []);
}

describe("the examples", LIMIT, () => {
  before(() => mkdir(FOLDER, { recursive: true }));
  after(() => removeFolder(FOLDER));

  // Next.js itself is some hundred megabytes.
  test("nextjs", { skip: !process.env.SMIDGEN_FULL }, async (context) => {
    const project = await makeFolder("nextjs");
    context.after(() => removeFolder(project));
    await cp(join(ROOT, "examples/nextjs"), project, { recursive: true });
    const file = join(project, "package.json");
    const { dependencies, ...rest } = JSON.parse(await readFile(file));
    delete dependencies.smidgen;
    await writeFile(file, JSON.stringify({ ...rest, dependencies }));
    const run = (command, ...options) =>
      promisify(execFile)(command, options, {
        cwd: project,
        env: { ...process.env, NEXT_TELEMETRY_DISABLED: "1" },
      });
    await run("npm", "install", "--no-audit", "--no-fund");
    await install(project);
    await run("npm", "run", "build");
    const out = join(project, "out");
    await ask(context, { "/_next/": join(out, "_next/"), "/example/": out });
  });

  for (const [name, expected] of Object.entries(EXAMPLES)) {
    test(name, async (context) => {
      const project = join(FOLDER, name);
      await cp(join(ROOT, "examples", name), project, { recursive: true });
      await install(project);
      let out = project;
      if (name !== "plain") {
        out = join(project, "out");
        await vite.build({
          root: project,
          base: "./",
          logLevel: "warn",
          configFile: false,
          build: { outDir: out, target: "es2022" },
        });
      }
      await ask(context, { "/example/": `${out}/` }, expected);
    });
  }
});
