// Downloads over real HTTP with the faults that phones meet: lost lines, changed files, servers without ranges.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test, type TestContext } from "node:test";
import {
  Download,
  fetchSpan,
  type DownloadOptions,
} from "../../src/js/download.ts";
import { refuseNonModel } from "../../src/js/download-request.ts";
import { TestServer } from "../e2e/package/server.mjs";

const BODY = new Uint8Array(300_000).map((_, index) => (index * 7) >> 3);
const PATH = "/model.gguf";
const QUICK = { retryWaits: [5, 5, 5], stallMs: 500 };

async function serve(context: TestContext): Promise<TestServer> {
  const server = await new TestServer().start();
  server.files.set(PATH, { body: BODY, etag: '"v1"' });
  context.after(() => server.stop());
  return server;
}

async function readAll(download: Download): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for (let piece; (piece = await download.read());) pieces.push(piece);
  return Buffer.concat(pieces);
}

const never = () => new AbortController().signal;
const digest = (bytes: Uint8Array) =>
  createHash("sha256").update(bytes).digest("hex");

test("a whole file, and what the server says of it", async (context) => {
  const server = await serve(context);
  const download = await Download.open(server.origin + PATH, {
    signal: never(),
  });
  assert.equal(download.validators.totalBytes, BODY.length);
  assert.equal(download.validators.etag, '"v1"');
  assert.equal(digest(await readAll(download)), digest(BODY));
  assert.equal(server.log.length, 1);
});

test("a lost line is taken up where it broke", async (context) => {
  const server = await serve(context);
  server.faults.set(PATH, { cutAfter: 100_000, times: 2 });
  const download = await Download.open(server.origin + PATH, {
    signal: never(),
    ...QUICK,
  });
  assert.equal(digest(await readAll(download)), digest(BODY));
  assert.equal(server.log.length, 3);
  assert.match(server.log[1]!, /bytes=\d+-/);
});

test("a line that stays lost ends in download_interrupted", async (context) => {
  const server = await serve(context);
  server.faults.set(PATH, { cutAfter: 100_000, times: 1 });
  const download = await Download.open(server.origin + PATH, {
    signal: never(),
    ...QUICK,
  });
  await download.read();
  server.faults.set(PATH, { status: 503 });
  await assert.rejects(readAll(download), { code: "download_interrupted" });
  // One request, and one for each wait.
  assert.equal(server.log.length, 1 + QUICK.retryWaits.length);
});

test("a silent line counts as lost", async (context) => {
  const server = await serve(context);
  server.faults.set(PATH, { bytesPerSecond: 10_000, times: 1 });
  const download = await Download.open(server.origin + PATH, {
    signal: never(),
    retryWaits: [5],
    stallMs: 300,
  });
  assert.equal(digest(await readAll(download)), digest(BODY));
  assert.equal(server.log.length, 2);
});

test("a file that changed on the server while the line was lost is not patched together", async (context) => {
  const server = await serve(context);
  server.faults.set(PATH, { cutAfter: 100_000, times: 1 });
  const download = await Download.open(server.origin + PATH, {
    signal: never(),
    ...QUICK,
  });
  await download.read();
  server.files.set(PATH, { body: BODY.slice().reverse(), etag: '"v2"' });
  await assert.rejects(readAll(download), { code: "download_interrupted" });
});

test("an older download goes on from its offset", async (context) => {
  const server = await serve(context);
  const download = await Download.open(server.origin + PATH, {
    signal: never(),
    resume: {
      offset: 200_000,
      validators: { etag: '"v1"', totalBytes: BODY.length },
    },
  });
  assert.equal(download.startOffset, 200_000);
  assert.equal(download.validators.totalBytes, BODY.length);
  assert.equal(digest(await readAll(download)), digest(BODY.subarray(200_000)));
  assert.equal(server.sent.get(PATH), 100_000);
});

for (const [what, change] of Object.entries({
  "the file has changed": (server: TestServer) =>
    server.files.set(PATH, { body: BODY, etag: '"v2"' }),
  "the file has another length": (server: TestServer) =>
    server.files.set(PATH, { body: BODY.slice(0, 299_999), etag: '"v1"' }),
  "the server has no ranges": (server: TestServer) => {
    server.ranges = false;
  },
  "the server names no validators": (server: TestServer) => {
    server.validators = false;
  },
  "the offset lies behind the end": (server: TestServer) =>
    server.files.set(PATH, { body: BODY.slice(0, 1000), etag: '"v1"' }),
})) {
  test(`an older download starts over where ${what}`, async (context) => {
    const server = await serve(context);
    change(server);
    const download = await Download.open(server.origin + PATH, {
      signal: never(),
      resume: {
        offset: 200_000,
        validators: { etag: '"v1"', totalBytes: BODY.length },
      },
    });
    assert.equal(download.startOffset, 0);
    assert.ok(server.log.length <= 2);
    const expected = server.files.get(PATH)!.body as Uint8Array;
    assert.equal(digest(await readAll(download)), digest(expected));
  });
}

test("a status is an error that names it", async (context) => {
  const server = await serve(context);
  for (const [status, words] of [
    [403, /licence/],
    [404, /check the address/],
    [429, /wait/],
    [500, /fault/],
  ] as const) {
    server.faults.set(PATH, { status });
    await assert.rejects(
      Download.open(server.origin + PATH, { signal: never() }),
      (error: { code: string; message: string; details: object }) => {
        assert.equal(error.code, "download_http");
        assert.match(error.message, words);
        assert.deepEqual(error.details, { url: server.origin + PATH, status });
        return true;
      },
    );
  }
});

test("a server that is not there is download_network and speaks of CORS", async () => {
  const server = await new TestServer().start();
  await server.stop();
  await assert.rejects(
    Download.open(server.origin + PATH, { signal: never() }),
    { code: "download_network", message: /Access-Control-Allow-Origin/ },
  );
});

test("a short body without validators is truncated at once", async (context) => {
  const server = await serve(context);
  server.validators = false;
  server.faults.set(PATH, { cutAfter: 100_000 });
  const download = await Download.open(server.origin + PATH, {
    signal: never(),
    ...QUICK,
  });
  await assert.rejects(readAll(download), (error: { code: string }) =>
    ["truncated", "download_interrupted"].includes(error.code),
  );
  assert.equal(server.log.length, 1);
});

test("an abort ends a download, while it reads and while it waits", async (context) => {
  const server = await serve(context);
  server.faults.set(PATH, { bytesPerSecond: 50_000 });
  const reading = new AbortController();
  const download = await Download.open(server.origin + PATH, {
    signal: reading.signal,
  });
  setTimeout(() => reading.abort(), 50);
  await assert.rejects(readAll(download), { name: "AbortError" });

  server.faults.set(PATH, { cutAfter: 10 });
  const waiting = new AbortController();
  const other = await Download.open(server.origin + PATH, {
    signal: waiting.signal,
    retryWaits: [60_000],
  });
  setTimeout(() => waiting.abort(), 200);
  await assert.rejects(readAll(other), { name: "AbortError" });
});

test("web pages and LFS pointers are told apart from models", () => {
  const bytes = (text: string) => new TextEncoder().encode(text);
  const url = "https://example.com/m";
  for (const page of [
    "<!DOCTYPE html><html>",
    "\n  <html lang=en>",
    "\ufeff<!doctype HTML>",
    '<?xml version="1.0"?><Error>',
  ]) {
    assert.throws(() => refuseNonModel(bytes(page), url), {
      code: "download_html",
    });
  }
  assert.throws(
    () =>
      refuseNonModel(bytes("version https://git-lfs.github.com/spec/v1"), url),
    { code: "download_lfs_pointer" },
  );
  refuseNonModel(bytes("GGUF\u0003\u0000\u0000\u0000"), url);
  refuseNonModel(new Uint8Array(0), url);
});
