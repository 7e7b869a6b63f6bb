// Bundles src/js into dist/: index.js for the page, worker.js, thread.js and storage-thread.js for the engine, the façades and the catalogue that are entry points of their own, and the same for Node. `--tests`: the unit tests too.

import { build } from "esbuild";
import {
  copyFileSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";

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
const LEFT_ALONE = "/* @vite-ignore */ /* webpackIgnore: true */ ";
const IMPORT = "import(";

const DIGITS =
  "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/** The catalogue is for those who ask for it: `index.js` fetches it with the first name. */
const CATALOGUE = {
  name: "catalogue",
  setup: ({ onResolve }) =>
    onResolve({ filter: /^\.\/catalogue\.ts$/ }, ({ kind }) =>
      kind === "dynamic-import"
        ? { path: "./catalogue.js", external: true }
        : undefined,
    ),
};

/** The first number of a segment of a source map, and how many digits it has. */
function readColumn(segment) {
  let [value, length] = [0, 0];
  for (let digit = 32; digit & 32; length += 1) {
    digit = DIGITS.indexOf(segment[length]);
    value |= (digit & 31) << (5 * length);
  }
  return { value: value & 1 ? -(value >> 1) : value >> 1, length };
}

function writeColumn(value) {
  let rest = value < 0 ? (-value << 1) | 1 : value << 1;
  let digits = "";
  do {
    digits += DIGITS[(rest & 31) | (rest > 31 ? 32 : 0)];
    rest >>>= 5;
  } while (rest > 0);
  return digits;
}

/** `mappings` after `length` columns were put in at `column` of `line`: columns are relative, so one number changes. */
function moved(mappings, line, column, length) {
  const lines = mappings.split(";");
  const segments = lines[line].split(",");
  let at = 0;
  for (const [index, segment] of segments.entries()) {
    const { value, length: digits } = readColumn(segment);
    at += value;
    if (at < column) continue;
    segments[index] = writeColumn(value + length) + segment.slice(digits);
    break;
  }
  lines[line] = segments.join(",");
  return lines.join(";");
}

/** Puts the comments back into the one dynamic import of a file, and moves its source map along. */
function markImport(path) {
  const text = readFileSync(path, "utf8");
  const [before, after, ...more] = text.split(IMPORT);
  if (after === undefined || more.length > 0) {
    throw new Error(`${path}: not one dynamic import`);
  }
  writeFileSync(path, before + IMPORT + LEFT_ALONE + after);
  const map = JSON.parse(readFileSync(`${path}.map`, "utf8"));
  const lines = (before + IMPORT).split("\n");
  const column = lines.at(-1).length;
  const { length } = LEFT_ALONE;
  map.mappings = moved(map.mappings, lines.length - 1, column, length);
  writeFileSync(`${path}.map`, JSON.stringify(map));
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
      "catalogue",
    ].map((name) => `../src/js/${name}.ts`),
    // The program that uses the AI SDK brings it.
    external: ["@ai-sdk/provider"],
    plugins: [CATALOGUE],
    outdir: "dist",
    minify: true,
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
  // Only what lies in this folder is packed.
  copyFileSync("../LICENSE", "LICENSE");
  markImport("dist/worker.js");
  markImport("dist/thread.js");
}
