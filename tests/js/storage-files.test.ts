// Chunks in files: a file system that never answers is done without.

import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { ChunkFiles } from "../../src/js/storage/chunk-files.ts";

test("a file system that never answers is refused after five seconds", async () => {
  const before = Object.getOwnPropertyDescriptor(globalThis, "navigator");
  const storage = { getDirectory: () => new Promise(() => {}) };
  Object.defineProperty(globalThis, "navigator", {
    value: { storage },
    configurable: true,
  });
  mock.timers.enable({ apis: ["setTimeout"] });
  try {
    const opening = ChunkFiles.open();
    let settled = false;
    opening.then(
      () => (settled = true),
      () => (settled = true),
    );
    mock.timers.tick(4999);
    await Promise.resolve();
    assert.equal(settled, false);
    mock.timers.tick(1);
    await assert.rejects(opening, /the file system does not answer/);
  } finally {
    mock.timers.reset();
    if (before) Object.defineProperty(globalThis, "navigator", before);
    else Reflect.deleteProperty(globalThis, "navigator");
  }
});
