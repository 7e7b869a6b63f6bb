// A server that goes wrong on purpose. Every host name is a site of its own, with its own model, faults, chance and books.

import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { DIST } from "../package/stage.mjs";
import { random } from "./model.mjs";

const PAGE = join(import.meta.dirname, "../package");
const TYPES = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".wasm": "application/wasm",
};
const PIECE = 16 * 1024;

/** What may go wrong with one answer. */
export const FAULTS = [
  "drop",
  "pause",
  "stall",
  "shorten",
  "corrupt",
  "shift",
  "length",
  "change",
  "whole",
  "status",
  "cors",
];

/**
 * One model on one host, and what happens to it.
 *
 * @typedef {object} Options
 * @property {number} seed
 * @property {{ body: Buffer, etag: string }[]} revisions
 * @property {"same" | "shown" | "hidden"} origin of the page and the model; of another origin, whether its headers are shown
 * @property {boolean} ranges
 * @property {string[]} faults that may come
 * @property {number} budget of faults in all, so that every run comes to an end
 */
export class Site {
  /** Bytes of the body handed to connections. */
  sent = 0;
  /** Of those, what was on the device already: [start, end) spans to watch, and the bytes sent of them. */
  durable = [];
  sentAgain = 0;
  revision = 0;
  down = false;
  /** Faults that came, by name. */
  seen = {};
  log = [];
  sockets = new Set();
  /** No byte of the file from here on is sent before `release`. */
  holdAt = Infinity;
  #watches = [];
  #held = [];

  /** @param {Options} options */
  constructor(options) {
    Object.assign(this, options);
    this.random = random(options.seed);
  }

  get file() {
    return this.revisions[this.revision];
  }

  /** Resolves once so many more bytes have been sent. */
  after(bytes) {
    const at = this.sent + bytes;
    return new Promise((resolve) => this.#watches.push({ at, resolve }));
  }

  count(start, length, partial) {
    this.sent += length;
    this.#watches = this.#watches.filter(({ at, resolve }) => {
      if (this.sent < at) return true;
      resolve();
      return false;
    });
    // A server that sends the whole file when asked for a part has its own way.
    if (!partial) return;
    for (const [from, to] of this.durable) {
      const shared = Math.min(start + length, to) - Math.max(start, from);
      this.sentAgain += Math.max(0, shared);
    }
  }

  /** Resolves where the byte at `place` may go. */
  async pass(place) {
    while (place >= this.holdAt) {
      await new Promise((resolve) => this.#held.push(resolve));
    }
  }

  release() {
    this.holdAt = Infinity;
    for (const go of this.#held.splice(0)) go();
  }

  /** Whatever is under way breaks off, and nothing answers until `up`. */
  kill() {
    this.down = true;
    for (const socket of this.sockets) socket.destroy();
  }

  fault() {
    if (this.budget <= 0 || this.random() < 0.45) return undefined;
    const name = this.faults[Math.floor(this.random() * this.faults.length)];
    if (name === undefined) return undefined;
    this.budget -= 1;
    this.seen[name] = (this.seen[name] ?? 0) + 1;
    // What came of another revision, or damaged, is rightly thrown away and fetched anew.
    if (["corrupt", "length", "change"].includes(name)) this.durable = [];
    return name;
  }
}

export class FaultServer {
  /** @type {Map<string, Site>} by host name */
  sites = new Map();
  #server;
  #files = new Map();

  async start() {
    this.#server = createServer((request, response) => {
      this.#answer(request, response).catch(() => response.destroy());
    });
    await new Promise((resolve) =>
      this.#server.listen(0, "127.0.0.1", resolve),
    );
    this.port = this.#server.address().port;
    return this;
  }

  stop() {
    this.#server.closeAllConnections();
    return new Promise((resolve) => this.#server.close(resolve));
  }

  /** The page's origin and the model's address for a site called `name`. */
  add(name, site) {
    const models = site.origin === "same" ? name : `models-${name}`;
    this.sites.set(`${models}.localhost`, site);
    const at = (host) => `http://${host}.localhost:${this.port}`;
    return { origin: at(name), url: `${at(models)}/model.gguf` };
  }

  async #answer(request, response) {
    const { pathname } = new URL(request.url, "http://localhost");
    const host = request.headers.host.split(":")[0];
    if (pathname === "/model.gguf") {
      const site = this.sites.get(host);
      await this.#model(site, request, response);
      return;
    }
    const headers = {
      "cross-origin-opener-policy": "same-origin",
      "cross-origin-embedder-policy": "require-corp",
      "cache-control": "max-age=3600",
    };
    const path = pathname.startsWith("/pkg/")
      ? join(DIST, normalize(pathname.slice(4)))
      : join(PAGE, normalize(pathname));
    if (!this.#files.has(path)) {
      this.#files.set(path, await readFile(path).catch(() => undefined));
    }
    const body = this.#files.get(path);
    const type = TYPES[extname(path)] ?? "application/octet-stream";
    response.writeHead(body ? 200 : 404, { ...headers, "content-type": type });
    response.end(body);
  }

  async #model(site, request, response) {
    if (!site || site.down) {
      response.destroy();
      return;
    }
    const { socket } = request;
    // A connection carries many requests.
    if (!site.sockets.has(socket)) {
      site.sockets.add(socket);
      socket.once("close", () => site.sockets.delete(socket));
    }
    const fault = site.fault();
    const range = request.headers.range ?? "";
    site.log.push(`${request.method} ${range} ${fault ?? ""}`);
    if (fault === "change") {
      site.revision = (site.revision + 1) % site.revisions.length;
    }
    const headers = { "content-type": "application/octet-stream" };
    if (site.origin !== "same" && fault !== "cors") {
      headers["access-control-allow-origin"] = "*";
      headers["cross-origin-resource-policy"] = "cross-origin";
    }
    if (site.origin === "shown") {
      headers["access-control-expose-headers"] = "ETag, Content-Range";
    }
    if (request.method === "OPTIONS") {
      headers["access-control-allow-headers"] = "range";
      response.writeHead(204, headers).end();
      return;
    }
    if (fault === "status") {
      const status = [429, 500, 502, 503][Math.floor(site.random() * 4)];
      response.writeHead(status, headers).end();
      return;
    }
    const { body, etag } = site.file;
    headers["etag"] = etag;
    headers["last-modified"] = new Date(
      Date.UTC(2026, 0, 1 + site.revision),
    ).toUTCString();
    let [start, end, status] = [0, body.length, 200];
    const asked = /^bytes=(\d+)-(\d*)$/.exec(range);
    const condition = request.headers["if-range"];
    const whole =
      !site.ranges || fault === "whole" || (condition && condition !== etag);
    if (asked && !whole) {
      start = Number(asked[1]);
      if (asked[2]) end = Math.min(end, Number(asked[2]) + 1);
      if (start >= body.length) {
        headers["content-range"] = `bytes */${body.length}`;
        response.writeHead(416, headers).end();
        return;
      }
      status = 206;
      const total = body.length + (fault === "length" ? 777 : 0);
      if (fault === "shift") start = Math.max(0, start - 1000);
      headers["content-range"] = `bytes ${start}-${end - 1}/${total}`;
    }
    headers["content-length"] = String(end - start);
    response.writeHead(status, headers);
    if (request.method === "HEAD") response.end();
    else await this.#send(site, fault, { start, end, status }, response);
  }

  async #send(site, fault, { start, end, status }, response) {
    const { body } = site.file;
    const place = start + Math.floor(site.random() * (end - start));
    for (let at = start; at < end; at += PIECE) {
      let piece = body.subarray(at, Math.min(at + PIECE, end));
      if (place >= at && place < at + piece.length) {
        if (fault === "drop" || fault === "shorten") {
          piece = piece.subarray(0, place - at);
          end = place;
        } else if (fault === "corrupt") {
          piece = Buffer.from(piece);
          piece[place - at] ^= 1 << Math.floor(site.random() * 8);
        } else if (fault === "pause") {
          await wait(100 + site.random() * 1500);
        } else if (fault === "stall") {
          // For as long as the other side has patience.
          await new Promise((resolve) => response.once("close", resolve));
        }
      }
      await site.pass(at);
      if (response.destroyed) return;
      // Bytes that were not asked for are the server's own.
      site.count(at, piece.length, status === 206 && fault !== "shift");
      if (!response.write(piece)) {
        await new Promise((resolve) => {
          const go = () => {
            response.off("drain", go).off("close", go);
            resolve();
          };
          response.on("drain", go).on("close", go);
        });
      }
      // The line is as slow as it takes for a run to be killed in its middle.
      await wait(site.delay ?? 0);
    }
    if (fault === "drop") response.destroy();
    // `shorten` breaks the promise of Content-Length without an error of the line's own.
    else if (fault === "shorten") response.socket?.end();
    else response.end();
  }
}

function wait(ms) {
  return new Promise((resolve) =>
    ms > 0 ? setTimeout(resolve, ms) : setImmediate(resolve),
  );
}
