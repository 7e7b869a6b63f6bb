// The server of the demo over real HTTP: isolation, types, ranges, validators, and no way out of its folders.

import assert from "node:assert/strict";
import { stat } from "node:fs/promises";
import { request } from "node:http";
import { basename } from "node:path";
import { after, before, test } from "node:test";
import { model, serve } from "./drive/server.mjs";

let server;
let path;
let size;

before(async () => {
  server = await serve();
  path = `/models/${basename(model())}`;
  ({ size } = await stat(model()));
});
after(() => server.stop());

/** A request whose path is sent as it is; fetch would tidy it up first. */
function raw(path, { method = "GET", headers = {} } = {}) {
  return new Promise((resolve, reject) => {
    const { port } = server;
    request({ host: "127.0.0.1", port, path, method, headers }, (response) => {
      const parts = [];
      response.on("data", (part) => parts.push(part));
      response.on("end", () =>
        resolve({
          status: response.statusCode,
          headers: response.headers,
          body: Buffer.concat(parts),
        }),
      );
    })
      .on("error", reject)
      .end();
  });
}

test("every answer isolates the page", async () => {
  for (const path of ["/", "/pkg/index.js", "/bench/index.html", "/nothing"]) {
    const { headers } = await raw(path);
    assert.equal(headers["cross-origin-opener-policy"], "same-origin", path);
    assert.equal(headers["cross-origin-embedder-policy"], "require-corp", path);
    assert.equal(headers["cross-origin-resource-policy"], "same-origin", path);
  }
});

test("types", async () => {
  const type = async (path) => (await raw(path)).headers["content-type"];
  assert.match(await type("/"), /^text\/html/);
  assert.match(await type("/pkg/index.js"), /^text\/javascript/);
  assert.equal(
    await type("/pkg/wasm/simd128/smidgen_bg.wasm"),
    "application/wasm",
  );
});

test("HEAD has the length and no body", async () => {
  const { status, headers, body } = await raw(path, { method: "HEAD" });
  assert.equal(status, 200);
  assert.equal(headers["content-length"], String(size));
  assert.equal(headers["accept-ranges"], "bytes");
  assert.equal(body.length, 0);
});

test("parts of a file", async () => {
  const part = await raw(path, { headers: { range: "bytes=0-3" } });
  assert.equal(part.status, 206);
  assert.equal(part.headers["content-range"], `bytes 0-3/${size}`);
  assert.equal(part.body.toString(), "GGUF");

  const tail = await raw(path, { headers: { range: `bytes=${size - 2}-` } });
  assert.equal(tail.status, 206);
  assert.equal(tail.body.length, 2);

  const beyond = await raw(path, { headers: { range: `bytes=${size}-` } });
  assert.equal(beyond.status, 416);
  assert.equal(beyond.headers["content-range"], `bytes */${size}`);
});

test("validators", async () => {
  const { headers } = await raw(path, { method: "HEAD" });
  const same = { "if-range": headers.etag, range: "bytes=4-7" };
  assert.equal((await raw(path, { headers: same })).status, 206);
  // Another file than the one that the client holds a part of: all of it.
  const other = { "if-range": '"other"', range: "bytes=4-7" };
  const whole = await raw(path, { method: "HEAD", headers: other });
  assert.equal(whole.status, 200);
  const known = { "if-none-match": headers.etag };
  assert.equal((await raw(path, { headers: known })).status, 304);
});

test("what changes is asked for anew, what cannot change is not", async () => {
  const page = await raw("/");
  assert.equal(page.headers["cache-control"], "no-cache");
  const [, asset] = /"\.?\/?(assets\/[^"]+\.js)"/.exec(page.body.toString());
  const { headers, status } = await raw(`/${asset}`);
  assert.equal(status, 200);
  assert.match(headers["cache-control"], /immutable/);
});

test("no way out of the served folders", async () => {
  for (const path of [
    "/../Cargo.toml",
    "/models/../../Cargo.toml",
    "/pkg/%2e%2e/package.json",
    "/pkg/..%2fpackage.json",
    "/pkg/..%5cpackage.json",
    "/models/%00",
    "/%ff",
    "/pkg",
    "/models/",
  ]) {
    assert.equal((await raw(path)).status, 404, path);
  }
  const { status, headers } = await raw("/", { method: "DELETE" });
  assert.equal(status, 405);
  assert.equal(headers.allow, "GET, HEAD");
});
