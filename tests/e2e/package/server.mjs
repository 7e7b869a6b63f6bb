// A static server for tests: ranges, validators, isolation headers, faults on demand, and a record of every request.

import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { brotliCompressSync } from "node:zlib";

const COMPRESSED = /^text\/|javascript|json|svg/;

const TYPES = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".mjs": "text/javascript; charset=utf-8",
  ".json": "application/json",
  ".wasm": "application/wasm",
  ".gguf": "application/octet-stream",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".webmanifest": "application/manifest+json",
};

/**
 * @typedef {object} Fault what goes wrong with the next answers for a path
 * @property {number} [status] answer this instead
 * @property {number} [cutAfter] close the connection after so many bytes of the body
 * @property {number} [bytesPerSecond]
 * @property {number} [holdAt] no byte of the file from this offset on is sent while the fault stands; what comes before it is
 * @property {number} [times] for so many answers; for all where it is missing
 */

export class TestServer {
  /** Requests as `METHOD path range`. @type {string[]} */
  log = [];
  /** Bodies sent, in bytes, by path. @type {Map<string, number>} */
  sent = new Map();
  /** Bodies that are being sent, or held. */
  sending = 0;
  /** @type {Map<string, Fault>} */
  faults = new Map();
  /** Files in memory, by path. @type {Map<string, { body: Uint8Array | string, type?: string, etag?: string }>} */
  files = new Map();
  /** Headers on every answer. @type {Record<string, string>} */
  headers = {};
  ranges = true;
  validators = true;

  #server;
  #sockets = new Set();

  /** @param {{ mounts?: Record<string, string>, isolated?: boolean, headers?: Record<string, string>, compress?: boolean }} options `mounts`: address prefix → folder; `compress`: texts in brotli, as hosts do */
  constructor({
    mounts = {},
    isolated = false,
    headers = {},
    compress = false,
  } = {}) {
    this.mounts = mounts;
    this.compress = compress;
    this.headers = {
      "cross-origin-resource-policy": "cross-origin",
      ...(isolated && {
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-embedder-policy": "require-corp",
      }),
      ...headers,
    };
  }

  async start(port = 0) {
    this.#server = createServer((request, response) => {
      this.#answer(request, response).catch((error) => {
        if (response.headersSent) response.destroy(error);
        else response.writeHead(500).end(String(error.stack));
      });
    });
    this.#server.on("connection", (socket) => {
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
    });
    await new Promise((resolve) =>
      this.#server.listen(port, "127.0.0.1", resolve),
    );
    this.port = this.#server.address().port;
    this.origin = `http://127.0.0.1:${this.port}`;
    return this;
  }

  async stop() {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** The logged requests for addresses that start with `prefix`. */
  requests(prefix) {
    return this.log.filter((line) => line.split(" ")[1].startsWith(prefix));
  }

  count(prefix) {
    return this.requests(prefix).length;
  }

  async #answer(request, response) {
    const path = decodeURIComponent(new URL(request.url, this.origin).pathname);
    this.log.push(
      `${request.method} ${path} ${request.headers.range ?? ""}`.trim(),
    );
    const fault = this.#fault(path);
    if (fault?.status) {
      response.writeHead(fault.status, this.headers).end("fault");
      return;
    }
    const file = await this.#find(path);
    if (!file) {
      response.writeHead(404, this.headers).end("not found");
      return;
    }
    const headers = {
      ...this.headers,
      "content-type": file.type,
      "cache-control": "no-cache",
      ...(this.validators && file.etag && { etag: file.etag }),
      ...(this.ranges && { "accept-ranges": "bytes" }),
    };
    if (this.compress && COMPRESSED.test(file.type)) {
      const parts = [];
      for await (const part of file.read(0, file.size)) parts.push(part);
      const body = brotliCompressSync(Buffer.concat(parts));
      headers["content-encoding"] = "br";
      headers["content-length"] = String(body.length);
      response.writeHead(200, headers);
      response.end(request.method === "HEAD" ? undefined : body);
      return;
    }
    let start = 0;
    let end = file.size;
    let status = 200;
    const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "");
    const condition = request.headers["if-range"];
    if (this.ranges && range && (!condition || condition === file.etag)) {
      start = Number(range[1]);
      if (start >= file.size) {
        headers["content-range"] = `bytes */${file.size}`;
        response.writeHead(416, headers).end();
        return;
      }
      if (range[2]) end = Math.min(end, Number(range[2]) + 1);
      status = 206;
      headers["content-range"] = `bytes ${start}-${end - 1}/${file.size}`;
    }
    headers["content-length"] = String(end - start);
    response.writeHead(status, headers);
    if (request.method === "HEAD") {
      response.end();
      return;
    }
    this.sending += 1;
    const body = file.read(start, end);
    await this.#send(path, body, response, fault ?? {}, start).finally(() => {
      this.sending -= 1;
    });
  }

  async #send(path, body, response, fault, start) {
    const { cutAfter, bytesPerSecond, holdAt = Infinity } = fault;
    let sent = 0;
    for await (let piece of held(body, Math.floor(holdAt) - start)) {
      if (start + sent >= Math.floor(holdAt))
        await this.#released(path, fault, response);
      const cut = cutAfter !== undefined && sent + piece.length >= cutAfter;
      if (cut) piece = piece.subarray(0, cutAfter - sent);
      if (response.destroyed) return;
      sent += piece.length;
      this.sent.set(path, (this.sent.get(path) ?? 0) + piece.length);
      if (!response.write(piece)) {
        await new Promise((resolve) => {
          const go = () => {
            response.off("drain", go).off("close", go);
            resolve();
          };
          response.on("drain", go).on("close", go);
        });
      }
      if (cut) {
        // Let what was written leave before the connection goes.
        setTimeout(() => response.destroy(), 50);
        return;
      }
      if (bytesPerSecond) {
        await new Promise((resolve) =>
          setTimeout(resolve, (piece.length * 1000) / bytesPerSecond),
        );
      }
    }
    response.end();
  }

  /** Until `fault` no longer stands for the path, or nobody listens. */
  async #released(path, fault, response) {
    while (this.faults.get(path) === fault && !response.destroyed) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  #fault(path) {
    const fault = this.faults.get(path);
    if (fault?.times !== undefined && --fault.times < 0) {
      this.faults.delete(path);
      return undefined;
    }
    return fault;
  }

  async #find(path) {
    const held = this.files.get(path);
    if (held) {
      const bytes = Buffer.from(held.body);
      return {
        size: bytes.length,
        type: held.type ?? TYPES[extname(path)] ?? "application/octet-stream",
        etag: held.etag ?? `"${bytes.length}"`,
        read: (start, end) => pieces(bytes.subarray(start, end)),
      };
    }
    for (const [prefix, folder] of Object.entries(this.mounts)) {
      if (!path.startsWith(prefix)) continue;
      const rest = normalize(
        path.slice(prefix.length).replace(/(^|\/)$/, "$1index.html"),
      );
      if (rest.startsWith("..")) return undefined;
      // A prefix without a slash at its end is one file.
      const name = prefix.endsWith("/") ? join(folder, rest) : folder;
      const found = await stat(name).catch(() => undefined);
      if (!found?.isFile()) continue;
      return {
        size: found.size,
        type: TYPES[extname(name)] ?? "application/octet-stream",
        etag: `"${found.size}-${Math.floor(found.mtimeMs)}"`,
        read: (start, end) =>
          start < end
            ? createReadStream(name, { start, end: end - 1 })
            : pieces(Buffer.alloc(0)),
      };
    }
    return undefined;
  }
}

/** `body`, with a border between two pieces after `length` bytes. */
async function* held(body, length) {
  let passed = 0;
  for await (const piece of body) {
    const rest = length - passed;
    passed += piece.length;
    if (rest > 0 && rest < piece.length) {
      yield piece.subarray(0, rest);
      yield piece.subarray(rest);
    } else yield piece;
  }
}

async function* pieces(bytes) {
  for (let at = 0; at < bytes.length; at += 65536) {
    yield bytes.subarray(at, at + 65536);
  }
}
