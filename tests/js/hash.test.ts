// Hashes of chunks and files, and how large chunks are.

import assert from "node:assert/strict";
import { test } from "node:test";
import { sha256Of, StreamHash } from "../../src/js/hash.ts";
import { chunkBytesFor, chunkOf, matches } from "../../src/js/storage/types.ts";

test("a chunk's hash is that of its leaves, and each leaf counts", async () => {
  const bytes = new Uint8Array(600_000).map((_, index) => index % 251);
  const chunk = await chunkOf(bytes);
  assert.ok(chunk.leafBytes! < bytes.length);
  assert.ok(await matches(chunk, bytes));
  for (const at of [0, 300_000, bytes.length - 1]) {
    const other = bytes.slice();
    other[at]! ^= 1;
    assert.ok(!(await matches(chunk, other)), `byte ${at}`);
  }
  assert.ok(!(await matches(chunk, bytes.slice(0, -1))));
  // As stores of earlier releases have them.
  const { leafBytes: _, ...older } = chunk;
  assert.ok(!(await matches(older, bytes)));
  assert.ok(await matches({ ...older, sha256: await sha256Of(bytes) }, bytes));
});

test("chunks are powers of two, a small part of the file, and of bounded size", () => {
  const MB = 1024 * 1024;
  assert.equal(chunkBytesFor(0), MB / 4);
  assert.equal(chunkBytesFor(3 * MB), MB / 4);
  assert.equal(chunkBytesFor(98 * MB), 4 * MB);
  assert.equal(chunkBytesFor(99 * MB), chunkBytesFor(100 * MB));
  assert.equal(chunkBytesFor(4000 * MB), 8 * MB);
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
