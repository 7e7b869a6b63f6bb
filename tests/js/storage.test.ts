// Every storage back end against the same promises: both-or-neither writes, nothing visible before commit, damage noticed.

import "fake-indexeddb/auto";
import assert from "node:assert/strict";
import { test } from "node:test";
import { sha256Of, StreamHash } from "../../src/js/hash.ts";
import { estimate, listModels } from "../../src/js/storage/index.ts";
import { IndexedDbStorage } from "../../src/js/storage/indexeddb.ts";
import { MemoryStorage } from "../../src/js/storage/memory.ts";
import { readFile } from "../../src/js/storage/reader.ts";
import type { FileRecord, StorageBackEnd } from "../../src/js/storage/types.ts";
import { FileWriter, newRecord } from "../../src/js/storage/writer.ts";

let databases = 0;
const BACK_ENDS: Record<string, () => Promise<StorageBackEnd>> = {
  memory: async () => new MemoryStorage(),
  indexeddb: () => IndexedDbStorage.open(`test-${databases++}`),
};

/** Bytes that no two places share. */
function noise(length: number, seed = 1): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  let state = seed;
  for (let index = 0; index < length; index++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    bytes[index] = state >>> 24;
  }
  return bytes;
}

function record(id: string, chunkBytes = 1000): FileRecord {
  return { ...newRecord({ id, name: id, etag: '"1"' }), chunkBytes };
}

async function store(
  storage: StorageBackEnd,
  bytes: Uint8Array,
  file: FileRecord,
  pieces = 333,
): Promise<FileRecord> {
  await storage.begin(file);
  const writer = new FileWriter(storage, file);
  for (let at = 0; at < bytes.length; at += pieces) {
    await writer.write(bytes.subarray(at, at + pieces));
  }
  return writer.commit({ totalBytes: bytes.length });
}

async function readAll(
  storage: StorageBackEnd,
  file: FileRecord,
): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of readFile(storage, file)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

for (const [name, open] of Object.entries(BACK_ENDS)) {
  test(`${name}: what goes in comes out, at every length around a chunk's`, async () => {
    const storage = await open();
    for (const length of [0, 1, 999, 1000, 1001, 2000, 4567]) {
      const bytes = noise(length);
      await store(storage, bytes, record(`file-${length}`));
      const found = await storage.complete(`file-${length}`);
      assert.equal(found?.totalBytes, length);
      assert.equal(found.chunks.length, Math.ceil(length / 1000));
      assert.ok((await readAll(storage, found)).equals(bytes));
    }
  });

  test(`${name}: a file is not there before it is committed`, async () => {
    const storage = await open();
    const file = record("a");
    await storage.begin(file);
    const writer = new FileWriter(storage, file);
    await writer.write(noise(2500));
    await writer.settle();
    assert.equal(await storage.complete("a"), undefined);
    const partial = await storage.partial("a");
    assert.equal(partial?.chunks.length, 2);
    const [listed] = await listModels(storage);
    assert.equal(listed?.complete, false);
    assert.equal(listed.storedBytes, 2000);
    assert.equal((await estimate(storage)).modelBytes, 2000);
  });

  test(`${name}: a stopped write goes on from its last whole chunk`, async () => {
    const storage = await open();
    const bytes = noise(4321);
    const file = record("a");
    await storage.begin(file);
    const first = new FileWriter(storage, file);
    await first.write(bytes.subarray(0, 2700));
    await first.settle();
    const partial = (await storage.partial("a"))!;
    const second = new FileWriter(storage, partial);
    await second.write(bytes.subarray(2000));
    await second.commit({ totalBytes: bytes.length });
    const found = (await storage.complete("a"))!;
    assert.ok((await readAll(storage, found)).equals(bytes));
    assert.equal(await storage.partial("a"), undefined);
  });

  test(`${name}: a new attempt replaces the old copy only when it is complete`, async () => {
    const storage = await open();
    const old = await store(storage, noise(1500, 1), record("a"));
    const file = record("a");
    await storage.begin(file);
    const writer = new FileWriter(storage, file);
    await writer.write(noise(3000, 2));
    await writer.settle();
    assert.equal((await storage.complete("a"))?.generation, old.generation);
    assert.ok((await readAll(storage, old)).equals(noise(1500, 1)));
    assert.equal((await listModels(storage)).length, 1);
    await writer.commit({ totalBytes: 3000 });
    const found = (await storage.complete("a"))!;
    assert.ok((await readAll(storage, found)).equals(noise(3000, 2)));
    assert.equal(await storage.readChunk(old, 0), undefined);
  });

  test(`${name}: deleting takes the chunks too, and a write under way notices`, async () => {
    const storage = await open();
    const done = await store(storage, noise(1500), record("done"));
    const other = await store(storage, noise(700), record("other"));
    assert.equal(await storage.delete("done"), true);
    assert.equal(await storage.delete("done"), false);
    assert.equal(await storage.readChunk(done, 0), undefined);
    assert.equal((await readAll(storage, other)).length, 700);

    const file = record("a");
    await storage.begin(file);
    const writer = new FileWriter(storage, file);
    await writer.write(noise(1000));
    await writer.settle();
    await storage.delete("a");
    await writer.write(noise(1500));
    await assert.rejects(writer.commit({ totalBytes: 2500 }), {
      code: "storage_lost",
    });
    assert.equal(await storage.complete("a"), undefined);
    assert.equal(await storage.readChunk(file, 1), undefined);
  });

  test(`${name}: dropping a stopped download leaves the complete copy`, async () => {
    const storage = await open();
    const old = await store(storage, noise(1500), record("a"));
    const file = record("a");
    await storage.begin(file);
    const writer = new FileWriter(storage, file);
    await writer.write(noise(2000));
    await writer.settle();
    await storage.dropPartial("a");
    assert.equal(await storage.partial("a"), undefined);
    assert.equal(await storage.readChunk(file, 0), undefined);
    assert.equal((await readAll(storage, old)).length, 1500);
  });

  test(`${name}: use is noted and orders the list`, async () => {
    const storage = await open();
    await store(storage, noise(10), record("a"));
    await store(storage, noise(10), record("b"));
    await storage.touch("a", Date.now() + 1000);
    await storage.touch("missing", 1);
    const ids = (await listModels(storage)).map((model) => model.id);
    assert.deepEqual(ids, ["a", "b"]);
  });

  test(`${name}: damage to a chunk is an error with its place`, async () => {
    const storage = await open();
    const file = await store(storage, noise(2500), record("a"));
    const wrong = structuredClone(file);
    wrong.chunks[1]!.sha256 = "0".repeat(64);
    await assert.rejects(readAll(storage, wrong), {
      code: "storage_corrupt",
      message: /chunk 2 of 3 has another SHA-256/,
    });
    const short = structuredClone(file);
    short.chunks[2]!.bytes = 7;
    await assert.rejects(readAll(storage, short), {
      message: /chunk 3 of 3 has 500 bytes instead of 7/,
    });
    await storage.delete("a");
    await assert.rejects(readAll(storage, file), {
      message: /chunk 1 of 3 is gone/,
    });
  });
}

test("a full disk stops the writing, keeps the rest going, and is told once", async () => {
  const storage = new MemoryStorage();
  const file = record("a");
  await storage.begin(file);
  let appends = 0;
  const full: StorageBackEnd = Object.create(storage, {
    append: {
      value: async (next: FileRecord, bytes: Uint8Array<ArrayBuffer>) => {
        appends += 1;
        if (appends > 2) {
          throw new DOMException("no room", "QuotaExceededError");
        }
        await MemoryStorage.prototype.append.call(storage, next, bytes);
      },
    },
    partial: { value: (id: string) => storage.partial(id) },
  }) as StorageBackEnd;
  const writer = new FileWriter(full, file);
  for (let index = 0; index < 20; index++) await writer.write(noise(500));
  await writer.settle();
  assert.equal((writer.failure as Error).name, "QuotaExceededError");
  assert.equal(appends, 3);
  assert.equal((await storage.partial("a"))?.chunks.length, 2);
  await assert.rejects(writer.commit({ totalBytes: 10_000 }), {
    name: "QuotaExceededError",
  });
});

test("the writer holds no more than two chunks that are not stored yet", async () => {
  const storage = new MemoryStorage();
  const file = record("a", 100);
  await storage.begin(file);
  const gates: (() => void)[] = [];
  const append = storage.append.bind(storage);
  storage.append = async (next, bytes) => {
    await new Promise<void>((open) => gates.push(open));
    await append(next, bytes);
  };
  const writer = new FileWriter(storage, file);
  let taken = 0;
  const writing = (async () => {
    for (let index = 0; index < 10; index++) {
      await writer.write(noise(100));
      taken += 1;
    }
  })();
  await new Promise((resolve) => setTimeout(resolve, 30));
  assert.ok(taken <= 2, `${taken} chunks were taken while none was stored`);
  const opening = setInterval(() => gates.shift()?.(), 1);
  await writing;
  await writer.commit({ totalBytes: 1000 });
  clearInterval(opening);
  assert.equal((await storage.complete("a"))?.chunks.length, 10);
});

test("both ways to hash agree with a known answer", async () => {
  const abc = new Uint8Array([97, 98, 99]);
  const known =
    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
  assert.equal(await sha256Of(abc), known);
  const stream = new StreamHash();
  for (const byte of abc) stream.update(Uint8Array.of(byte));
  assert.equal(stream.digest(), known);
});
