// Bundles src/js into dist/: index.js for the page, worker.js, thread.js and storage-thread.js for the engine, the façades that are entry points of their own, and the same for Node. `--tests`: the unit tests too.

import { build } from "esbuild";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";

const common = {
  bundle: true,
  format: "esm",
  target: ["es2022", "safari16.4", "chrome91", "firefox114"],
  // Sources lie outside this folder; their dependencies lie in it.
  nodePaths: ["node_modules"],
  sourcemap: true,
  logLevel: "warning",
  legalComments: "inline",
};

/** What bundlers must read in each `import(url)` to leave it alone; minifying takes comments out. */
const LEFT_ALONE = "/* @vite-ignore */ /* webpackIgnore: true */";
const IMPORT = /\bimport\(/g;

/** Puts the comments back. Lines are short, so source maps are off for the rest of one line only. */
function markImports(path, expected) {
  const text = readFileSync(path, "utf8");
  const found = text.match(IMPORT)?.length ?? 0;
  if (found !== expected) {
    throw new Error(`${path}: ${found} dynamic imports, not ${expected}`);
  }
  writeFileSync(path, text.replace(IMPORT, `import(${LEFT_ALONE} `));
}

if (process.argv.includes("--tests")) {
  rmSync("node_modules/.tests", { recursive: true, force: true });
  const folder = "../tests/js";
  await build({
    ...common,
    platform: "node",
    target: "node20",
    packages: "external",
    entryPoints: readdirSync(folder)
      .filter((name) => name.endsWith(".test.ts"))
      .map((name) => `${folder}/${name}`),
    outdir: "node_modules/.tests",
  });
} else {
  await build({
    ...common,
    entryPoints: [
      "index",
      "worker",
      "thread",
      "storage-thread",
      "prompt-api",
      "ai-sdk",
    ].map((name) => `../src/js/${name}.ts`),
    // The program that uses the AI SDK brings it.
    external: ["@ai-sdk/provider"],
    outdir: "dist",
    minify: true,
    lineLimit: 200,
  });
  await build({
    ...common,
    platform: "node",
    target: "node20",
    entryPoints: ["node", "node-worker"].map((name) => `../src/js/${name}.ts`),
    // One copy of the package, wherever it is imported from.
    plugins: [
      {
        name: "beside",
        setup: ({ onResolve }) =>
          onResolve({ filter: /^\.\/index\.ts$/ }, () => ({
            path: "./index.js",
            external: true,
          })),
      },
    ],
    outdir: "dist",
  });
  markImports("dist/worker.js", 1);
  markImports("dist/thread.js", 1);
}
