// A store that takes a chunk and never says what became of it: the write fails, and who waits goes on.

import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { MemoryStorage } from "../../src/js/storage/memory.ts";
import { FileWriter, newRecord } from "../../src/js/storage/writer.ts";

test("a write without an answer fails after half a minute", async () => {
  const storage = new MemoryStorage();
  const file = { ...newRecord({ id: "a", name: "a" }), chunkBytes: 1000 };
  await storage.begin(file);
  let asked = () => {};
  const asking = new Promise<void>((resolve) => (asked = resolve));
  storage.append = () => {
    asked();
    return new Promise(() => {});
  };
  mock.timers.enable({ apis: ["setInterval"] });
  try {
    const writer = new FileWriter(storage, file);
    const written = writer.write(0, new Uint8Array(10));
    await asking;
    // The writer goes on from its call of `append` to its waiting.
    await new Promise((resolve) => setImmediate(resolve));
    mock.timers.tick(25_000);
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(writer.failure, undefined);
    mock.timers.tick(5000);
    await written;
    assert.match(String(writer.failure), /storage does not answer/);
    await assert.rejects(writer.commit({ totalBytes: 10 }), /not answer/);
  } finally {
    mock.timers.reset();
  }
});
