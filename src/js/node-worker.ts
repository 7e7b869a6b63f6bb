// A thread of Node made into a web worker: the globals that the package's workers use, then the worker itself.

import { open, stat } from "node:fs/promises";
import { Readable } from "node:stream";
import { parentPort, workerData } from "node:worker_threads";

const port = parentPort!;
const scope = globalThis as unknown as {
  onmessage: ((event: { data: unknown }) => void) | null;
  postMessage(message: unknown): void;
  fetch: typeof fetch;
};

const early: unknown[] = [];
const deliver = (data: unknown) => {
  if (scope.onmessage) scope.onmessage({ data });
  else early.push(data);
};
port.on("message", deliver);
scope.onmessage = null;
scope.postMessage = (message) => port.postMessage(message);

const fetchNetwork = scope.fetch;
// The package's own files are on the disk, and models may be.
scope.fetch = async (input, options) => {
  const url = input instanceof Request ? input.url : String(input);
  if (!url.startsWith("file:")) return fetchNetwork(input, options);
  options?.signal?.throwIfAborted();
  const { size } = await stat(new URL(url));
  const bytes = Readable.from(pieces(new URL(url)), { highWaterMark: 1 });
  const type = url.endsWith(".wasm") ? "application/wasm" : "text/javascript";
  return new Response(Readable.toWeb(bytes) as ReadableStream<Uint8Array>, {
    headers: { "content-type": type, "content-length": String(size) },
  });
};

/** A file's bytes; it is opened for the first who reads, as answers may be left unread. */
async function* pieces(url: URL): AsyncGenerator<Uint8Array> {
  const file = await open(url);
  try {
    yield* file.createReadStream({ highWaterMark: 1 << 20, autoClose: false });
  } finally {
    await file.close();
  }
}

await import(workerData as string);
early.splice(0).forEach(deliver);
