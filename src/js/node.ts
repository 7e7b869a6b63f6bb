// The entry point `smidgen/node`: the package in Node, which has workers of its own kind and files instead of a browser's storage.

import { pathToFileURL } from "node:url";
import { Worker as NodeWorker } from "node:worker_threads";
import { isName } from "./catalogue-name.ts";
import { Smidgen as Browser, type Llm } from "./index.ts";
import type { LoadOptions, ModelSource } from "./types.ts";

export * from "./index.ts";

/** As much of the web's `Worker` as the package uses, over `worker_threads`. */
class WebWorker {
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onerror: ((event: object) => void) | null = null;
  readonly #worker: NodeWorker;

  constructor(url: URL) {
    this.#worker = new NodeWorker(
      new URL("./node-worker.js", import.meta.url),
      {
        workerData: url.href,
      },
    );
    this.#worker.on("message", (data: unknown) => this.onmessage?.({ data }));
    this.#worker.on("error", (error: Error) =>
      this.onerror?.({ message: error.message, preventDefault() {} }),
    );
  }

  postMessage(message: unknown): void {
    this.#worker.postMessage(message);
  }

  terminate(): void {
    void this.#worker.terminate();
  }
}

// Deno and Bun have the web's.
if (typeof globalThis.Worker !== "function") {
  Object.assign(globalThis, { Worker: WebWorker });
}

/**
 * A path is read from the disk, as a `file:` address is; nothing is kept besides. What has no slash and no ending is a
 * name of the catalogue.
 */
function load(source: ModelSource, options: LoadOptions = {}): Promise<Llm> {
  const named = Array.isArray(source) ? source.map(addressOf) : source;
  const path = typeof named === "string" && !isName(named);
  return Browser.load(path ? addressOf(named) : named, {
    cache: false,
    ...options,
  });
}

function addressOf<T>(file: T): T | URL {
  // A drive's letter is no scheme.
  const isPath = typeof file === "string" && !/^[a-z][a-z\d+.-]+:/i.test(file);
  return isPath ? pathToFileURL(file) : file;
}

export const Smidgen = { ...Browser, load };
