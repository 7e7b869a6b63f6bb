// Which flavour a browser gets, and that the probes are real modules.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  chooseFlavours,
  chooseThreads,
  detectFeatures,
  type Features,
} from "../../src/js/features.ts";

const all: Features = { simd128: true, relaxed: true, threads: true, cores: 4 };

test("the probes validate where the opcodes are known", () => {
  const found = detectFeatures();
  // Every Node this project accepts has SIMD128.
  assert.equal(found.simd128, true);
  // Node's main thread is not cross-origin isolated.
  assert.equal(found.threads, false);
  assert.ok(found.cores >= 1);
});

test("the fastest flavour comes first and single-threaded ones stand behind it", () => {
  assert.deepEqual(chooseFlavours(all, "auto", 4), [
    "relaxed-threads",
    "relaxed",
    "simd128",
  ]);
  assert.deepEqual(chooseFlavours(all, "auto", 1), ["relaxed", "simd128"]);
  const plain = { ...all, relaxed: false };
  assert.deepEqual(chooseFlavours(plain, "auto", 2), [
    "simd128-threads",
    "simd128",
  ]);
  assert.deepEqual(chooseFlavours(plain, "auto", 1), ["simd128"]);
});

test("a flavour that was asked for is taken or refused, never swapped", () => {
  assert.deepEqual(chooseFlavours(all, "simd128", 4), ["simd128"]);
  const bare = { ...all, relaxed: false, threads: false };
  for (const flavour of ["relaxed", "simd128-threads"] as const) {
    assert.throws(() => chooseFlavours(bare, flavour, 1), {
      code: "flavour_unavailable",
    });
  }
});

test("a browser without SIMD is told so", () => {
  assert.throws(() => chooseFlavours({ ...all, simd128: false }, "auto", 1), {
    code: "no_simd",
  });
});

test("threads: as asked where they can run, one where not, one core left over for auto", () => {
  assert.equal(chooseThreads(all, 3), 3);
  assert.equal(chooseThreads(all, "auto"), 3);
  assert.equal(chooseThreads({ ...all, cores: 1 }, "auto"), 1);
  assert.equal(chooseThreads({ ...all, cores: 64 }, "auto"), 8);
  assert.equal(chooseThreads({ ...all, threads: false }, 4), 1);
});
