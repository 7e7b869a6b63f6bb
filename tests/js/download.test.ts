// Downloads over real HTTP with the faults that phones meet: lost lines, changed files, servers without ranges.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test, type TestContext } from "node:test";
import {
  Download,
  fetchSpan,
  type DownloadOptions,
} from "../../src/js/download.ts";
import { refuseNonModel } from "../../src/js/download-request.ts";
import { TestServer } from "../e2e/package/server.mjs";

// 40 chunks of 64 KiB and a rest; no two places alike.
const CHUNK = 65_536;
const BODY = new Uint8Array(40 * CHUNK + 1000).map(
  (_, index) => Math.imul(index, 2654435761) >>> 24,
);
const PATH = "/model.gguf";
const COUNT = Math.ceil(BODY.length / CHUNK);
const QUICK = { retryWaits: [5, 5, 5], stallMs: 500 };
const VALIDATORS = { etag: '"v1"', totalBytes: BODY.length };

async function serve(context: TestContext): Promise<TestServer> {
  const server = await new TestServer().start();
  server.files.set(PATH, { body: BODY, etag: '"v1"' });
  context.after(() => server.stop());
  return server;
}

const never = () => new AbortController().signal;

const open = (server: TestServer, options: Partial<DownloadOptions> = {}) =>
  Download.open(server.origin + PATH, {
    signal: never(),
    ...QUICK,
    ...options,
  });

/** What a chunk plan got, and what was read; `have`: chunks not to get. */
async function readAll(
  download: Download,
  {
    have = [],
    slow = false,
    chunkBytes = CHUNK,
  }: { have?: number[]; slow?: boolean; chunkBytes?: number } = {},
): Promise<{ read: Buffer; stored: Map<number, Uint8Array>; order: number[] }> {
  const stored = new Map<number, Uint8Array>();
  const order: number[] = [];
  download.start({
    chunkBytes,
    have: (index) => have.includes(index),
    room: async () => {},
    store: async (index, bytes) => {
      assert.ok(!stored.has(index), `chunk ${index} came twice`);
      stored.set(index, bytes.slice());
      order.push(index);
      if (slow) await new Promise((resolve) => setTimeout(resolve, 10));
    },
  });
  const pieces: Uint8Array[] = [];
  for (let index = 0; index < (download.chunkCount || Infinity); index++) {
    if (have.includes(index)) continue;
    const before = pieces.length;
    for await (const piece of download.chunk(index)) {
      pieces.push(piece.slice());
    }
    if (pieces.length === before) break;
  }
  await download.cancel();
  return { read: Buffer.concat(pieces), stored, order };
}

/** Everything came, once, in its place. */
function assertWhole(
  { read, stored }: Awaited<ReturnType<typeof readAll>>,
  have: number[] = [],
  body: Uint8Array = BODY,
  chunkBytes = CHUNK,
): void {
  const wanted: Uint8Array[] = [];
  for (let index = 0; index * chunkBytes < body.length; index++) {
    const chunk = body.subarray(index * chunkBytes, (index + 1) * chunkBytes);
    if (have.includes(index)) {
      assert.ok(!stored.has(index), `chunk ${index} was here already`);
    } else {
      wanted.push(chunk);
      assert.equal(digest(stored.get(index)!), digest(chunk), `chunk ${index}`);
    }
  }
  assert.equal(digest(read), digest(Buffer.concat(wanted)));
}

const digest = (bytes: Uint8Array) =>
  createHash("sha256").update(bytes).digest("hex");

/** The spans that were asked for, in order of their starts. */
const spans = (server: TestServer) =>
  server.log
    .map((line) => /bytes=(\d+)-(\d*)$/.exec(line)!)
    .map(([, start, end]) => [Number(start), Number(end)] as const)
    .sort(([a], [b]) => a - b);

test("a whole file over several connections, no byte of it twice, and what the server says of it", async (context) => {
  const server = await serve(context);
  // A lane that is fast enough gets everything alone.
  server.faults.set(PATH, { bytesPerSecond: 20e6 });
  const download = await open(server);
  assert.equal(download.validators.totalBytes, BODY.length);
  assert.equal(download.validators.etag, '"v1"');
  assert.equal(download.resumed, false);
  assertWhole(await readAll(download));
  assert.equal(server.sent.get(PATH), BODY.length);
  const asked = spans(server);
  assert.ok(asked.length > 1);
  for (const [index, [start]] of asked.entries()) {
    assert.equal(start, index === 0 ? 0 : asked[index - 1]![1] + 1);
  }
});

test("chunks are stored out of order where a connection lags, and read in order", async (context) => {
  const server = await serve(context);
  let first = true;
  const fetch: typeof globalThis.fetch = async (input, init) => {
    const slow = first;
    first = false;
    const answer = await globalThis.fetch(input, init);
    if (!slow) return answer;
    const pieces = answer.body!.pipeThrough(
      new TransformStream({
        async transform(piece, controller) {
          await new Promise((resolve) => setTimeout(resolve, 100));
          controller.enqueue(piece);
        },
      }),
    );
    return new Response(pieces, answer);
  };
  const chunkBytes = 1024 * 1024;
  const body = new Uint8Array(48 * chunkBytes).map((_, index) => index >> 8);
  server.files.set(PATH, { body, etag: '"v1"' });
  const download = await open(server, { fetch });
  const got = await readAll(download, { chunkBytes });
  assertWhole(got, [], body, chunkBytes);
  assert.notDeepEqual(
    got.order,
    [...got.order].sort((a, b) => a - b),
  );
  // What waits to be read is bounded, by 32 MiB: nothing of the last eighth was there while the first connection lagged.
  assert.ok(got.order.indexOf(42) > got.order.indexOf(0));
  assert.equal(server.sent.get(PATH), body.length);
});

test("lost lines are taken up where they broke", async (context) => {
  const server = await serve(context);
  server.faults.set(PATH, { cutAfter: 100_000, times: 5 });
  assertWhole(await readAll(await open(server)));
});

test("lines that stay lost end in download_interrupted, with what came before stored", async (context) => {
  const server = await serve(context);
  server.faults.set(PATH, { cutAfter: 100_000, times: 1 });
  const download = await open(server);
  server.faults.set(PATH, { status: 503 });
  await assert.rejects(readAll(download), { code: "download_interrupted" });
});

test("a server that refuses a second connection is served by one", async (context) => {
  const server = await serve(context);
  let under = 0;
  let refused = 0;
  const fetch: typeof globalThis.fetch = async (input, init) => {
    if (under > 0) {
      refused += 1;
      return new Response("busy", { status: 503 });
    }
    under += 1;
    const answer = await globalThis.fetch(input, init);
    let left = Number(answer.headers.get("content-length"));
    const body = answer.body!.pipeThrough(
      new TransformStream({
        transform(piece, controller) {
          controller.enqueue(piece);
          left -= piece.length;
          if (left === 0) under -= 1;
        },
      }),
    );
    return new Response(body, answer);
  };
  server.faults.set(PATH, { bytesPerSecond: 20e6 });
  const download = await open(server, { fetch, retryWaits: [1] });
  assertWhole(await readAll(download));
  assert.ok(refused > 0);
});

test("a silent line counts as lost", async (context) => {
  const server = await serve(context);
  server.faults.set(PATH, { bytesPerSecond: 10_000, times: 1 });
  const download = await open(server, { retryWaits: [5], stallMs: 1500 });
  assertWhole(await readAll(download));
});

test("a server that accepts and never answers does not hold a download up for ever", async () => {
  const server = createServer(() => {});
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await assert.rejects(
    Download.open(`http://127.0.0.1:${port}/`, {
      signal: never(),
      stallMs: 100,
    }),
    { code: "download_network" },
  );
  server.closeAllConnections();
  server.close();
});

for (const [what, changed] of Object.entries({
  "the ETag": { body: BODY.slice().reverse(), etag: '"v2"' },
  "the length": { body: BODY.slice(0, 2 * CHUNK), etag: '"v1"' },
})) {
  test(`a file that changes in ${what} under way is not patched together`, async (context) => {
    const server = await serve(context);
    server.faults.set(PATH, { cutAfter: 100_000, times: 1 });
    const download = await open(server);
    server.files.set(PATH, changed);
    await assert.rejects(readAll(download), { code: "download_changed" });
  });
}

test("a server that stops giving ranges under way is followed in one stream", async (context) => {
  const server = await serve(context);
  const download = await open(server);
  server.ranges = false;
  assertWhole(await readAll(download));
});

test("an older download gets what is missing and nothing else", async (context) => {
  const server = await serve(context);
  const have = [0, 1, 2, 5, 6, 12];
  const missing = Array.from({ length: COUNT }, (_, at) => at).filter(
    (at) => !have.includes(at),
  );
  const download = await open(server, {
    resume: { validators: VALIDATORS, chunkBytes: CHUNK, missing },
  });
  assert.equal(download.resumed, true);
  assertWhole(await readAll(download, { have }), have);
  assert.equal(server.sent.get(PATH), BODY.length - have.length * CHUNK);
});

test("a server without ranges sends it all, and what is here is not stored again", async (context) => {
  const server = await serve(context);
  server.ranges = false;
  const have = [0, 3];
  const download = await open(server, {
    resume: { validators: VALIDATORS, chunkBytes: CHUNK, missing: [1, 2] },
  });
  assert.equal(download.resumed, true);
  assertWhole(await readAll(download, { have, slow: true }), have);
  assert.equal(server.log.length, 1);
});

test("a server that sent it all and broke off is asked for what is not here", async (context) => {
  const server = await serve(context);
  const cutAfter = 2 * CHUNK + 500;
  server.faults.set(PATH, { cutAfter, times: 1 });
  let first = true;
  const fetch: typeof globalThis.fetch = (input, init) => {
    const refused = first;
    first = false;
    return refused
      ? Promise.resolve(new Response(null, { status: 503 }))
      : globalThis.fetch(input, init);
  };
  const have = [0, 2, 3, 5, 6];
  const missing = Array.from({ length: COUNT }, (_, at) => at).filter(
    (at) => !have.includes(at),
  );
  const download = await open(server, {
    resume: { validators: VALIDATORS, chunkBytes: CHUNK, missing },
    fetch,
  });
  assertWhole(await readAll(download, { have }), have);
  const [whole, ...parts] = server.log;
  assert.equal(whole, `GET ${PATH}`);
  // Chunk 1 had come before the line broke.
  const beyond = server.sent.get(PATH)! - cutAfter;
  assert.equal(beyond, BODY.length - (have.length + 1) * CHUNK);
  assert.match(parts[0]!, new RegExp(`bytes=${4 * CHUNK}-${5 * CHUNK - 1}`));
});

for (const [what, change] of Object.entries({
  "the file has changed": (server: TestServer) =>
    server.files.set(PATH, { body: BODY, etag: '"v2"' }),
  "the file has another length": (server: TestServer) =>
    server.files.set(PATH, { body: BODY.slice(0, 299_999), etag: '"v1"' }),
  "the server names no validators": (server: TestServer) => {
    server.validators = false;
  },
  "the missing part lies behind the end": (server: TestServer) =>
    server.files.set(PATH, { body: BODY.slice(0, 1000), etag: '"v1"' }),
})) {
  test(`an older download starts over where ${what}`, async (context) => {
    const server = await serve(context);
    change(server);
    const missing = [3, 4, 5];
    const download = await open(server, {
      resume: { validators: VALIDATORS, chunkBytes: CHUNK, missing },
    });
    assert.equal(download.resumed, false);
    const body = server.files.get(PATH)!.body as Uint8Array;
    assertWhole(await readAll(download), [], body);
  });
}

test("a stream without a length is read to its end", async () => {
  for (const length of [0, 10, CHUNK, 3 * CHUNK, BODY.length]) {
    const body = BODY.slice(0, length);
    const fetch = async () =>
      new Response(
        new ReadableStream({
          start(controller) {
            for (let at = 0; at < length; at += 10_000) {
              controller.enqueue(body.subarray(at, at + 10_000));
            }
            controller.close();
          },
        }),
      );
    const download = await Download.open("http://localhost/m", {
      signal: never(),
      fetch,
    });
    assert.equal(download.validators.totalBytes, undefined);
    assertWhole(await readAll(download), [], body);
    assert.equal(download.chunkCount, Math.ceil(length / CHUNK));
  }
});

test("a server that lies about what it sends is not believed", async () => {
  const lie = (contentRange: string, body: Uint8Array<ArrayBuffer>) => {
    const headers = { etag: '"v1"', "content-range": contentRange };
    const fetch = async () => new Response(body, { status: 206, headers });
    return Download.open("http://localhost/m", {
      signal: never(),
      fetch,
      ...QUICK,
    });
  };
  const total = BODY.length;
  // Another part than was asked for; then a part when the whole was asked for.
  const shifted = lie(`bytes 5-1004/${total}`, BODY.slice(5, 1005));
  await assert.rejects(shifted, { code: "download_range" });
  // Fewer bytes than announced, and always the first ones.
  const short = await lie(`bytes 0-99999/${total}`, BODY.slice(0, 500));
  await assert.rejects(readAll(short), { code: "download_interrupted" });
});

test("one part is fetched alone", async (context) => {
  const server = await serve(context);
  const url = server.origin + PATH;
  const part = () => fetchSpan(url, { signal: never(), ...QUICK }, 1000, 5000);
  server.faults.set(PATH, { cutAfter: 300, times: 1 });
  assert.equal(digest(await part()), digest(BODY.subarray(1000, 6000)));
  assert.equal(server.log.length, 2);
  server.ranges = false;
  await assert.rejects(part(), { code: "download_refused" });
});

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

test("a short body without validators cannot be taken up", async (context) => {
  const server = await serve(context);
  server.validators = false;
  server.faults.set(PATH, { cutAfter: 100_000 });
  const download = await open(server);
  server.log.length = 0;
  await assert.rejects(readAll(download), (error: { code: string }) =>
    ["truncated", "download_interrupted"].includes(error.code),
  );
  assert.equal(server.log.length, 0);
});

test("an abort ends a download, while it reads and while it waits", async (context) => {
  const server = await serve(context);
  server.faults.set(PATH, { bytesPerSecond: 50_000 });
  const reading = new AbortController();
  const download = await open(server, { signal: reading.signal });
  setTimeout(() => reading.abort(), 50);
  await assert.rejects(readAll(download), { name: "AbortError" });

  server.faults.set(PATH, { cutAfter: 10 });
  const waiting = new AbortController();
  const other = await open(server, {
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
