// A server that sends a model from memory at a fixed rate over all connections together, or as fast as it goes, so that what storing costs can be told from the line.

import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";

const TYPES = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".wasm": "application/wasm",
};
const PIECE = 256 * 1024;

/**
 * @param {{ mounts: Record<string, string>, body: Buffer, bytesPerSecond: number }} options
 *   `mounts`: address prefix → folder; `body`: what every address ending in .gguf is; `bytesPerSecond`: 0 is as fast as it goes
 */
export async function serve({ mounts, body, bytesPerSecond }) {
  const files = new Map();
  let freeAt = 0;

  /** Resolves when the line has carried so many bytes more. */
  async function carry(bytes) {
    if (bytesPerSecond === 0) return;
    const now = performance.now();
    freeAt = Math.max(freeAt, now) + (bytes * 1000) / bytesPerSecond;
    // Timers come late by a millisecond or more: what was lost in one wait is made up for in the next.
    const wait = freeAt - now - 4;
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
  }

  async function model(request, response) {
    const headers = {
      etag: '"1"',
      "content-type": "application/octet-stream",
      "cross-origin-resource-policy": "cross-origin",
    };
    const asked = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "");
    const start = Number(asked?.[1] ?? 0);
    const end = Math.min(Number(asked?.[2] || Infinity) + 1, body.length);
    if (asked)
      headers["content-range"] = `bytes ${start}-${end - 1}/${body.length}`;
    headers["content-length"] = end - start;
    response.writeHead(asked ? 206 : 200, headers);
    for (let at = start; at < end && !response.destroyed; at += PIECE) {
      const piece = body.subarray(at, Math.min(at + PIECE, end));
      await carry(piece.length);
      if (response.write(piece)) continue;
      await new Promise((resolve) => {
        const go = () => {
          response.off("drain", go).off("close", go);
          resolve();
        };
        response.on("drain", go).on("close", go);
      });
    }
    response.end();
  }

  async function file(pathname, response) {
    const prefix = Object.keys(mounts).find((one) => pathname.startsWith(one));
    const path =
      prefix && join(mounts[prefix], normalize(pathname.slice(prefix.length)));
    if (path && !files.has(path)) {
      files.set(path, await readFile(path).catch(() => undefined));
    }
    const found = path && files.get(path);
    response.writeHead(found ? 200 : 404, {
      "content-type": TYPES[extname(pathname)] ?? "application/octet-stream",
      "cross-origin-opener-policy": "same-origin",
      "cross-origin-embedder-policy": "require-corp",
      // As on a second visit to a site that caches its files.
      "cache-control": "max-age=3600",
    });
    response.end(found);
  }

  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url, "http://localhost");
    const answer = pathname.endsWith(".gguf")
      ? model(request, response)
      : file(pathname, response);
    answer.catch(() => response.destroy());
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    origin: `http://localhost:${server.address().port}`,
    stop: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
