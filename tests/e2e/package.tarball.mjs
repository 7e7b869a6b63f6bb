// The package as it is published: what is in it and what is not, its entry points, its types, its licences.

import {
  checkPackage,
  createPackageFromTarballData,
} from "@arethetypeswrong/core";
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { publint } from "publint";
import { makeFolder, removeFolder } from "./drive/folder.mjs";
import { pack, PKG } from "./package/pack.mjs";
import { LIMIT, ROOT } from "./package/stage.mjs";

const FLAVOURS = [
  "grammar",
  ...["relaxed", "simd128"].flatMap((name) => [
    name,
    `${name}-threads`,
    `${name}-folders`,
  ]),
];

describe("the tarball", LIMIT, () => {
  let folder;
  let packed;
  let tarball;
  before(async () => {
    folder = await makeFolder("pack");
    const made = await pack(folder);
    packed = made.packed;
    tarball = await readFile(made.path);
  });
  after(() => removeFolder(folder));

  test("holds every file that is needed, and none that is not", async () => {
    const files = packed.files.map(({ path }) => path);
    const { exports } = JSON.parse(await readFile(join(PKG, "package.json")));
    const targets = Object.values(exports)
      .flatMap((target) =>
        typeof target === "string" ? [target] : Object.values(target),
      )
      .filter((target) => !target.includes("*"));
    for (const needed of [
      ...targets.map((target) => target.slice("./".length)),
      ...["worker", "thread", "storage-thread", "node-worker"].map(
        (name) => `dist/${name}.js`,
      ),
      ...FLAVOURS.flatMap((name) =>
        ["smidgen.js", "smidgen_bg.wasm"].map(
          (file) => `dist/wasm/${name}/${file}`,
        ),
      ),
      "LICENSE",
      "README.md",
      "dist/THIRD-PARTY.txt",
    ]) {
      assert.ok(files.includes(needed), `${needed} is not packed`);
    }
    for (const path of files) {
      assert.match(
        path,
        /^(LICENSE|README\.md|package\.json|dist\/.+\.(js|js\.map|d\.ts|wasm|txt))$/,
      );
      assert.doesNotMatch(path, /test|node_modules/);
    }
    for (const path of files.filter((path) => /\.(js|txt|ts)$/.test(path))) {
      const text = await readFile(join(PKG, path), "utf8");
      assert.ok(!text.includes(ROOT), `${path} names a folder of this machine`);
    }
  });

  test("names the licence of everything that is compiled into it", async () => {
    const notices = await readFile(join(PKG, "dist/THIRD-PARTY.txt"), "utf8");
    for (const name of [
      "llguidance",
      "minijinja",
      "serde_json",
      "@noble/hashes",
    ]) {
      assert.match(notices, new RegExp(`^${name} [0-9].* \\(.+\\)$`, "m"));
    }
    assert.match(notices, /Permission is hereby granted/);
    const own = await readFile(join(PKG, "LICENSE"), "utf8");
    assert.equal(own, await readFile(join(ROOT, "LICENSE"), "utf8"));
  });

  test("publint finds nothing", async () => {
    const { messages } = await publint({ pkgDir: PKG, strict: true });
    assert.deepEqual(messages, []);
  });

  test("types are right wherever ES modules are imported", async () => {
    const data = new Uint8Array(tarball);
    const { types, problems } = await checkPackage(
      createPackageFromTarballData(data),
      { excludeEntrypoints: ["./worker", "./package.json", "./dist/*"] },
    );
    assert.equal(types.kind, "included");
    const relevant = problems.filter(
      // There is no CommonJS, and TypeScript's oldest way knows no `exports`.
      ({ kind, resolutionKind }) =>
        !["node10", "node16-cjs"].includes(resolutionKind) &&
        kind !== "CJSResolvesToESM",
    );
    assert.deepEqual(relevant, []);
  });
});
