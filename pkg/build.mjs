// Bundles src/js into dist/: index.js for the page, worker.js, thread.js and storage-thread.js for the engine, the façades that are entry points of their own, and the same for Node. `--tests`: the unit tests too.

import { build } from "esbuild";
import { readdirSync, rmSync } from "node:fs";

const common = {
  bundle: true,
  format: "esm",
  target: ["es2022", "safari16.4", "chrome91", "firefox114"],
  // Sources lie outside this folder; their dependencies lie in it.
  nodePaths: ["node_modules"],
  sourcemap: true,
  logLevel: "warning",
  // Whitespace stays: bundlers of our users read the comments inside import().
  legalComments: "inline",
};

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
}
