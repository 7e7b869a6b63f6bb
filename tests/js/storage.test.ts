// Every storage back end against the same promises: both-or-neither writes, nothing visible before commit, damage noticed.

import "fake-indexeddb/auto";
import assert from "node:assert/strict";
import { test } from "node:test";
import { sha256Of } from "../../src/js/hash.ts";
import { IndexedDbStorage } from "../../src/js/storage/indexeddb.ts";
import { MemoryStorage } from "../../src/js/storage/memory.ts";
import { Keeper } from "../../src/js/load-keeper.ts";
import { readFile, type Source } from "../../src/js/storage/reader.ts";
import {
  deletableModels,
  deleteOldest,
  estimate,
  listModels,
} from "../../src/js/storage/room.ts";
import { exportModel, importModel } from "../../src/js/storage/transfer.ts";
import {
  missingChunks,
  type FileRecord,
  type StorageBackEnd,
} from "../../src/js/storage/types.ts";
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
): Promise<FileRecord> {
  await storage.begin(file);
  const writer = new FileWriter(storage, file);
  for (const index of indices(bytes, file))
    await write(writer, bytes, index, file);
  return writer.commit({ totalBytes: bytes.length });
}

function indices(bytes: Uint8Array, { chunkBytes }: FileRecord): number[] {
  return Array.from(
    { length: Math.ceil(bytes.length / chunkBytes) },
    (_, index) => index,
  );
}

async function write(
  writer: FileWriter,
  bytes: Uint8Array,
  index: number,
  { chunkBytes }: FileRecord = record("any"),
): Promise<void> {
  const start = index * chunkBytes;
  void writer.write(
    index,
    new Uint8Array(bytes.slice(start, start + chunkBytes)),
  );
  await writer.room();
}

async function readAll(
  storage: StorageBackEnd,
  file: FileRecord,
  mending: Partial<Source> = {},
): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  const source = { storage, record: file, ...mending };
  for await (const chunk of readFile(source)) chunks.push(chunk);
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
    await write(writer, noise(2500), 0);
    await write(writer, noise(2500), 2);
    await writer.settle();
    assert.equal(await storage.complete("a"), undefined);
    const partial = (await storage.partial("a"))!;
    assert.deepEqual(missingChunks({ ...partial, totalBytes: 3500 }), [1, 3]);
    const [listed] = await listModels(storage);
    assert.equal(listed?.complete, false);
    assert.equal(listed.storedBytes, 1500);
    assert.equal((await estimate(storage)).modelBytes, 1500);
    await assert.rejects(writer.commit({ totalBytes: 2500 }), {
      code: "storage_failed",
      message: /chunk 2 of a was never stored/,
    });
    assert.equal(await storage.complete("a"), undefined);
  });

  test(`${name}: a stopped write goes on with the chunks that are missing`, async () => {
    const storage = await open();
    const bytes = noise(4321);
    const file = record("a");
    await storage.begin(file);
    const first = new FileWriter(storage, file);
    for (const index of [3, 1]) await write(first, bytes, index);
    await first.settle();
    const partial = (await storage.partial("a"))!;
    const second = new FileWriter(storage, partial);
    for (const index of [4, 0, 2]) await write(second, bytes, index);
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
    const bytes = noise(3000, 2);
    for (const index of [0, 1, 2]) await write(writer, bytes, index);
    await writer.settle();
    assert.equal((await storage.complete("a"))?.generation, old.generation);
    assert.ok((await readAll(storage, old)).equals(noise(1500, 1)));
    assert.equal((await listModels(storage)).length, 1);
    await writer.commit({ totalBytes: 3000 });
    const found = (await storage.complete("a"))!;
    assert.ok((await readAll(storage, found)).equals(bytes));
    assert.equal(await storage.readChunk(old.chunks[0]!), "is gone");
  });

  test(`${name}: deleting takes the chunks too, and a write under way notices`, async () => {
    const storage = await open();
    const done = await store(storage, noise(1500), record("done"));
    const other = await store(storage, noise(700, 3), record("other"));
    assert.equal(await storage.delete("done"), true);
    assert.equal(await storage.delete("done"), false);
    assert.equal(await storage.readChunk(done.chunks[0]!), "is gone");
    assert.equal((await readAll(storage, other)).length, 700);

    const file = record("a");
    await storage.begin(file);
    const writer = new FileWriter(storage, file);
    const bytes = noise(3000);
    await write(writer, bytes, 0);
    await writer.settle();
    const begun = (await storage.partial("a"))!;
    await storage.delete("a");
    await write(writer, bytes, 1);
    await assert.rejects(writer.commit({ totalBytes: 3000 }), {
      code: "storage_lost",
    });
    assert.equal(await storage.complete("a"), undefined);
    assert.equal(await storage.readChunk(begun.chunks[0]!), "is gone");
  });

  test(`${name}: dropping a stopped download leaves the complete copy, also where the two share chunks`, async () => {
    const storage = await open();
    const bytes = noise(1500);
    const old = await store(storage, bytes, record("a"));
    const file = record("a");
    await storage.begin(file);
    const writer = new FileWriter(storage, file);
    await write(writer, bytes, 0);
    await write(writer, noise(2000, 5), 1);
    await writer.settle();
    const partial = (await storage.partial("a"))!;
    await storage.dropPartial("a");
    assert.equal(await storage.partial("a"), undefined);
    assert.equal(await storage.readChunk(partial.chunks[1]!), "is gone");
    assert.ok((await readAll(storage, old)).equals(bytes));
  });

  test(`${name}: equal chunks are kept once, for as long as one file lists them`, async () => {
    const storage = await open();
    const bytes = noise(2500);
    const revised = Uint8Array.from(bytes);
    revised[1999]! ^= 1;
    const a = await store(storage, bytes, record("a"));
    const b = await store(storage, bytes, record("b"));
    const c = await store(storage, revised, record("c"));
    assert.equal((await estimate(storage)).modelBytes, 3500);
    const sizes = async () =>
      Object.fromEntries(
        (await deletableModels(storage)).map(({ id, bytes }) => [id, bytes]),
      );
    assert.deepEqual(await sizes(), { a: 0, b: 0, c: 1000 });
    await storage.delete("a");
    assert.deepEqual(await sizes(), { b: 1000, c: 1000 });
    assert.ok((await readAll(storage, b)).equals(bytes));
    await storage.delete("b");
    assert.ok((await readAll(storage, c)).equals(revised));
    assert.equal(await storage.readChunk(a.chunks[1]!), "is gone");
    await storage.delete("c");
    assert.equal((await estimate(storage)).modelBytes, 0);
    assert.equal(await storage.readChunk(a.chunks[0]!), "is gone");
  });

  test(`${name}: a file made of chunks that are here is adopted whole or not at all`, async () => {
    const storage = await open();
    const bytes = noise(2500);
    const a = await store(storage, bytes, record("a"));
    const twin = { ...record("twin"), chunks: a.chunks, totalBytes: 2500 };
    assert.equal(await storage.adopt(twin), true);
    await storage.delete("a");
    assert.ok((await readAll(storage, twin)).equals(bytes));
    const foreign = { bytes: 9, sha256: "0".repeat(64) };
    const other = { ...record("other"), chunks: [...a.chunks, foreign] };
    assert.equal(await storage.adopt(other), false);
    assert.equal(await storage.complete("other"), undefined);
  });

  test(`${name}: use is noted and orders the list; what is pinned is not deleted to make room`, async () => {
    const storage = await open();
    for (const [seed, id] of ["a", "b", "c"].entries()) {
      await store(storage, noise(1000, seed), record(id));
      await storage.update(id, { lastUsedAt: seed });
    }
    await storage.update("a", { lastUsedAt: 10 });
    await storage.update("b", { pinned: true });
    assert.equal(await storage.update("missing", { pinned: true }), false);
    const listed = await listModels(storage);
    assert.deepEqual(
      listed.map(({ id, pinned }) => [id, pinned]),
      [
        ["a", false],
        ["c", false],
        ["b", true],
      ],
    );
    assert.deepEqual(
      (await deletableModels(storage, "a")).map(({ id }) => id),
      ["c"],
    );
    assert.deepEqual(await deleteOldest(storage, 500, "x"), ["c"]);
    assert.deepEqual(await deleteOldest(storage, 5000, "x"), ["a"]);
    assert.deepEqual(
      (await listModels(storage)).map(({ id }) => id),
      ["b"],
    );
  });

  test(`${name}: damage to a chunk is an error with its place, unless the chunk can be fetched again`, async () => {
    const storage = await open();
    const bytes = noise(2500);
    const file = await store(storage, bytes, record("a"));
    const damaged = noise(1000, 9);
    await storage.repairChunk(file.chunks[1]!, damaged);
    await assert.rejects(readAll(storage, file), {
      code: "storage_corrupt",
      message: /chunk 2 of 3 has another SHA-256/,
    });
    await storage.repairChunk(file.chunks[2]!, noise(7));
    await assert.rejects(
      async () => {
        const refetch = async (start: number, length: number) =>
          start === 1000
            ? bytes.slice(start, start + length)
            : noise(length, 11);
        await readAll(storage, file, { refetch });
      },
      { message: /chunk 3 of 3 has 7 bytes instead of 500/ },
    );
    const asked: number[][] = [];
    const repaired: string[] = [];
    const refetch = async (start: number, length: number) => {
      asked.push([start, length]);
      return bytes.slice(start, start + length);
    };
    const onRepair = (problem: Error) => repaired.push(problem.message);
    const mended = await readAll(storage, file, { refetch, onRepair });
    assert.ok(mended.equals(bytes));
    // The second one was put right on the way before.
    assert.deepEqual(asked, [[2000, 500]]);
    assert.equal(repaired.length, 1);
    assert.ok((await readAll(storage, file)).equals(bytes));
    await storage.delete("a");
    await assert.rejects(readAll(storage, file), {
      message: /chunk 1 of 3 is gone/,
    });
    // What nobody lists is not put back.
    await storage.repairChunk(file.chunks[0]!, bytes.slice(0, 1000));
    assert.equal(await storage.readChunk(file.chunks[0]!), "is gone");
  });

  test(`${name}: a complete file becomes partial again without its bad chunk`, async () => {
    const storage = await open();
    const bytes = noise(2500);
    const file = await store(storage, bytes, record("a"));
    const chunks = file.chunks.map((chunk, index) =>
      index === 1 ? null : chunk,
    );
    await storage.reopen({ ...file, chunks });
    assert.equal(await storage.complete("a"), undefined);
    assert.equal(await storage.readChunk(file.chunks[1]!), "is gone");
    const partial = (await storage.partial("a"))!;
    assert.deepEqual(missingChunks(partial), [1]);
    const writer = new FileWriter(storage, partial);
    await write(writer, bytes, 1);
    const whole = await writer.commit({ totalBytes: 2500 });
    assert.ok((await readAll(storage, whole)).equals(bytes));
  });

  test(`${name}: a file goes in and comes out without an engine`, async () => {
    const storage = await open();
    const bytes = noise(700_000);
    bytes.set(new TextEncoder().encode("GGUF"));
    const blob = new Blob([bytes]);
    const file = { blob, id: "f", name: "f.gguf" };
    const sha256 = await sha256Of(bytes);
    const stored = await importModel(storage, { ...file, sha256 });
    assert.equal(stored.chunks.length, 3);
    assert.equal(stored.sha256, sha256);
    const out = await exportModel(storage, "f");
    assert.equal(out.name, "f.gguf");
    assert.ok(Buffer.from(await out.arrayBuffer()).equals(bytes));
    await assert.rejects(
      importModel(storage, { ...file, id: "g", sha256: "0".repeat(64) }),
      { code: "sha256_mismatch" },
    );
    await assert.rejects(
      importModel(storage, { ...file, blob: new Blob(["<html>"]) }),
      { code: "not_gguf" },
    );
    await assert.rejects(exportModel(storage, "g"), {
      code: "model_not_stored",
    });
    assert.deepEqual(
      (await listModels(storage)).map(({ id }) => id),
      ["f"],
    );
  });
}

test("the estimate says what a model needs and what could be deleted for it", async () => {
  const storage = new MemoryStorage();
  await store(storage, noise(1000), record("here"));
  const file = record("begun");
  await storage.begin(file);
  const writer = new FileWriter(storage, file);
  await write(writer, noise(3000, 2), 0);
  await writer.settle();
  const about = (id: string, totalBytes: number | undefined) =>
    estimate(storage, { id, totalBytes });
  assert.equal((await about("here", 1000)).neededBytes, 0);
  assert.equal((await about("here", 1000)).fits, true);
  assert.equal((await about("begun", 3000)).neededBytes, 2000);
  assert.equal((await about("new", 3000)).neededBytes, 3000);
  assert.equal((await about("new", undefined)).neededBytes, undefined);
  assert.deepEqual(
    (await about("begun", 3000)).deletable.map(({ id, bytes }) => [id, bytes]),
    [["here", 1000]],
  );
});

/** Fails like a full disk while more than `limit` bytes would be kept. */
function limited(limit: number): StorageBackEnd {
  const storage = new MemoryStorage();
  const append = storage.append.bind(storage);
  storage.append = async (
    file: FileRecord,
    index: number,
    bytes: Uint8Array<ArrayBuffer>,
  ) => {
    const { modelBytes } = await estimate(storage);
    if (modelBytes + bytes.length > limit) {
      throw new DOMException("no room", "QuotaExceededError");
    }
    return append(file, index, bytes);
  };
  return storage;
}

test("a full disk stops the writing, keeps what is stored, and is told once", async () => {
  const storage = limited(2500);
  const file = record("a");
  await storage.begin(file);
  const writer = new FileWriter(storage, file);
  const bytes = noise(10_000);
  for (const index of indices(bytes, file)) await write(writer, bytes, index);
  await writer.settle();
  assert.equal((writer.failure as Error).name, "QuotaExceededError");
  assert.equal((await storage.partial("a"))?.chunks.length, 2);
  await assert.rejects(writer.commit({ totalBytes: 10_000 }), {
    name: "QuotaExceededError",
  });
  // With less to store, the rest goes on from there.
  const rest = new FileWriter(storage, (await storage.partial("a"))!);
  await write(rest, bytes.subarray(0, 2400), 2);
  const whole = await rest.commit({ totalBytes: 2400 });
  assert.ok((await readAll(storage, whole)).equals(bytes.subarray(0, 2400)));
});

test("with consent the oldest files make room, and only as many as needed", async () => {
  const storage = limited(5000);
  for (const [seed, id] of ["old", "older", "new"].entries()) {
    await store(storage, noise(1000, seed + 1), record(id));
    await storage.update(id, { lastUsedAt: id === "older" ? 1 : seed + 2 });
  }
  const file = record("a");
  await storage.begin(file);
  const makeRoom = async (bytes: number) =>
    (await deleteOldest(storage, bytes, "a")).length > 0;
  const writer = new FileWriter(storage, file, makeRoom);
  const bytes = noise(3000, 9);
  for (const index of indices(bytes, file)) await write(writer, bytes, index);
  const whole = await writer.commit({ totalBytes: 3000 });
  assert.ok((await readAll(storage, whole)).equals(bytes));
  assert.deepEqual((await storage.listComplete()).map(({ id }) => id).sort(), [
    "a",
    "new",
    "old",
  ]);
});

for (const [chunkMiB, most] of [
  [4, 6],
  [8, 3],
  [32, 2],
] as const) {
  test(`chunks of ${chunkMiB} MiB: the writer holds ${most} that are not stored yet`, async () => {
    const storage = new MemoryStorage();
    const file = record("a", chunkMiB * 1024 * 1024);
    await storage.begin(file);
    const gates: (() => void)[] = [];
    const append = storage.append.bind(storage);
    storage.append = async (...stored) => {
      await new Promise<void>((open) => gates.push(open));
      return append(...stored);
    };
    const writer = new FileWriter(storage, file);
    // Their length is announced, not looked at: short ones do.
    const bytes = () => noise(10);
    const written: Promise<void>[] = [];
    for (let index = 0; index < most; index++) {
      await writer.room();
      written.push(writer.write(index, bytes()));
    }
    let room = false;
    const waiting = writer.room().then(() => {
      room = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 30));
    assert.equal(room, false, "there was room for one more");
    gates.shift()!();
    await waiting;
    const opening = setInterval(() => gates.shift()?.(), 1);
    await Promise.all(written);
    clearInterval(opening);
    assert.equal(writer.failure, undefined);
  });
}

test("a store of version 1 is taken over with all that can be read", async () => {
  const name = `test-${databases++}`;
  const hashes = await Promise.all(
    [1, 2, 3].map((seed) => sha256Of(noise(100, seed))),
  );
  const chunks = hashes.map((sha256) => ({ bytes: 100, sha256 }));
  const first = {
    ...{ version: 1, generation: "g1", name: "m", chunkBytes: 100 },
    ...{ createdAt: 1, lastUsedAt: 2 },
  };
  await new Promise<void>((resolve, reject) => {
    const request = indexedDB.open(name, 1);
    request.onupgradeneeded = () => {
      const { result } = request;
      const complete = result.createObjectStore("complete", { keyPath: "id" });
      const partial = result.createObjectStore("partial", { keyPath: "id" });
      const store = result.createObjectStore("chunks");
      complete.put({
        ...first,
        id: "whole",
        totalBytes: 200,
        chunks: chunks.slice(0, 2),
      });
      partial.put({
        ...first,
        id: "begun",
        generation: "g2",
        totalBytes: 300,
        chunks,
      });
      store.put(noise(100, 1).buffer, ["g1", 0]);
      store.put(noise(100, 2).buffer, ["g1", 1]);
      store.put(noise(100, 1).buffer, ["g2", 0]);
      // The second chunk of the second file is gone.
      store.put(noise(100, 3).buffer, ["g2", 2]);
      store.put(noise(100, 4).buffer, ["nobody", 0]);
    };
    request.onsuccess = () => {
      request.result.close();
      resolve();
    };
    request.onerror = () => reject(request.error);
  });
  const storage = await IndexedDbStorage.open(name);
  const whole = (await storage.complete("whole"))!;
  assert.equal(whole.version, 2);
  const expected = Buffer.concat([noise(100, 1), noise(100, 2)]);
  assert.ok((await readAll(storage, whole)).equals(expected));
  const begun = (await storage.partial("begun"))!;
  assert.deepEqual(missingChunks(begun), [1]);
  assert.equal((await estimate(storage)).modelBytes, 300);
  const keys = await new Promise((resolve) => {
    const request = indexedDB.open(name);
    request.onsuccess = () => {
      const all = request.result
        .transaction("chunks")
        .objectStore("chunks")
        .getAllKeys();
      all.onsuccess = () => resolve(all.result);
    };
  });
  assert.deepEqual(keys, [...hashes].sort());
});

test("the outcome of storing waits until what went wrong has been told", async () => {
  let asked = () => {};
  const whenAsked = new Promise<void>((resolve) => (asked = resolve));
  let answer = () => {};
  const whenAnswered = new Promise<void>((resolve) => (answer = resolve));
  class Full extends MemoryStorage {
    override append(): Promise<never> {
      return Promise.reject(new DOMException("", "QuotaExceededError"));
    }
    override async listComplete() {
      asked();
      await whenAnswered;
      return super.listComplete();
    }
  }
  const told: string[] = [];
  const keeper = new Keeper(
    {
      storage: new Full(),
      makeRoom: false,
      warn: ({ code }) => told.push(code),
    },
    newRecord({ id: "a", name: "a", totalBytes: 4 }),
    false,
  );
  void keeper.write(0, new Uint8Array(4));
  await whenAsked;
  // Which models could go is still being asked for.
  const stored = keeper.commit(4);
  assert.deepEqual(told, []);
  answer();
  assert.equal(await stored, false);
  assert.deepEqual(told, ["storage_quota"]);
});
