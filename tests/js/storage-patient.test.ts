// A store that is asked for something and never answers: the call fails, and who waits goes on.

import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { MemoryStorage } from "../../src/js/storage/memory.ts";
import { patient } from "../../src/js/storage/patient.ts";
import { readChunk } from "../../src/js/storage/reader.ts";
import { FileWriter, newRecord } from "../../src/js/storage/writer.ts";

/** Lets what has been asked for get to its waiting. */
const settled = () => new Promise((resolve) => setImmediate(resolve));
const never = () => new Promise<never>(() => {});

/** Fails unless `asked` rejects after `seconds` and not five seconds earlier. */
async function silentFor(
  seconds: number,
  asked: () => Promise<unknown>,
): Promise<Error> {
  mock.timers.enable({ apis: ["setInterval"] });
  try {
    let outcome: unknown;
    const settle = (value: unknown) => {
      outcome = value;
    };
    const end = asked().then(() => settle("answered"), settle);
    await settled();
    mock.timers.tick(1000 * (seconds - 5));
    await settled();
    assert.equal(outcome, undefined);
    mock.timers.tick(5000);
    await end;
    const failure: unknown = outcome;
    assert.ok(failure instanceof Error);
    return failure;
  } finally {
    mock.timers.reset();
  }
}

test("a write without an answer fails after half a minute, and later ones at once", async () => {
  const storage = new MemoryStorage();
  const file = { ...newRecord({ id: "a", name: "a" }), chunkBytes: 1000 };
  await storage.begin(file);
  storage.append = never;
  const asked = patient(storage);
  const writer = new FileWriter(asked, file);
  const failure = await silentFor(30, async () => {
    await writer.write(0, new Uint8Array(10));
    throw writer.failure;
  });
  assert.match(failure.message, /storage does not answer/);
  await assert.rejects(writer.commit({ totalBytes: 10 }), /not answer/);
  await assert.rejects(asked.listComplete(), /not answer/);
});

test("records are waited for for ten seconds", async () => {
  for (const name of [
    "complete",
    "partial",
    "listComplete",
    "listPartial",
  ] as const) {
    const storage = new MemoryStorage();
    storage[name] = never;
    const asked = patient(storage);
    const failure = await silentFor(10, () => asked[name]("a"));
    assert.match(failure.message, /storage does not answer/);
  }
});

test("a chunk that never comes says whose it is", async () => {
  const storage = new MemoryStorage();
  storage.readChunk = never;
  const chunk = { bytes: 10, sha256: "0" };
  const record = { ...newRecord({ id: "a", name: "a.gguf" }), chunks: [chunk] };
  const failure = await silentFor(30, () =>
    readChunk({ storage: patient(storage), record }, 0),
  );
  assert.equal((failure as { code?: string }).code, "storage_failed");
  assert.match(failure.message, /a\.gguf cannot be read .*not answer/);
});

test("answers, refusals and lent buffers go through", async () => {
  const lent: ArrayBuffer[] = [];
  const storage = Object.assign(new MemoryStorage(), {
    giveBack: (buffer: ArrayBuffer) => void lent.push(buffer),
  });
  const asked = patient(storage);
  const buffer = new ArrayBuffer(1);
  asked.giveBack!(buffer);
  assert.deepEqual(lent, [buffer]);
  assert.equal(patient(new MemoryStorage()).giveBack, undefined);
  assert.equal(asked.kind, "memory");
  assert.equal(await asked.complete("a"), undefined);
  storage.complete = () => Promise.reject(new DOMException("", "DataError"));
  await assert.rejects(asked.complete("a"), { name: "DataError" });
  assert.deepEqual(await asked.listComplete(), []);
});
