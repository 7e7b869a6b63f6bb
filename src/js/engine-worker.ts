// This tab's worker for the engine: started, and started once more beside itself where the browser forgets to run it.

import type { Port } from "./connection.ts";
import { SmidgenError } from "./errors.ts";
import type { FromWorker, ToPage, ToWorker } from "./protocol.ts";

/**
 * Without a word for so long, another one is started, twice at most; who speaks first stays. Firefox never runs one
 * worker in fifty of those made right after its own start, and the next one at once; on a slow line both wait for the
 * same script, and nothing is lost.
 */
const PATIENCE_MS = [4000, 12_000];

export function startWorker(): Port {
  const workers = new Set<Worker>();
  /** What was sent before one of them spoke. */
  const sent: ToWorker[] = [];
  let chosen: Worker | undefined;
  let closed = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let receive: (message: ToPage) => void = () => {};
  let fail: (error: SmidgenError) => void = () => {};

  const choose = (worker: Worker) => {
    chosen = worker;
    clearTimeout(timer);
    sent.length = 0;
    for (const other of workers) if (other !== worker) other.terminate();
  };
  const start = () => {
    // This exact form is what bundlers look for.
    const worker = new Worker(new URL("./worker.js", import.meta.url), {
      type: "module",
      name: "smidgen-engine",
    });
    workers.add(worker);
    worker.onmessage = ({ data }: MessageEvent<FromWorker>) => {
      if (!chosen) choose(worker);
      if (worker === chosen && data.type !== "up") receive(data);
    };
    worker.onerror = (event) => {
      event.preventDefault();
      if (chosen && worker !== chosen) return;
      fail(
        new SmidgenError(
          "worker_failed",
          event.message
            ? `the engine's worker stopped: ${event.message}`
            : "the engine's worker could not be started: check that worker.js is served beside index.js, with a JavaScript MIME type, from the page's own origin, and that the Content-Security-Policy allows worker-src 'self'",
          { details: { file: event.filename, line: event.lineno } },
        ),
      );
    };
    for (const message of sent) worker.postMessage(message);
    const patience = PATIENCE_MS[workers.size - 1];
    if (patience !== undefined) {
      timer = setTimeout(() => {
        if (!closed && !chosen) start();
      }, patience);
    }
  };
  start();
  return {
    post(message) {
      if (!chosen) sent.push(message);
      for (const worker of chosen ? [chosen] : workers) {
        worker.postMessage(message);
      }
    },
    close() {
      closed = true;
      clearTimeout(timer);
      for (const worker of workers) worker.terminate();
    },
    listen(onMessage, onFailure) {
      receive = onMessage;
      fail = onFailure;
    },
  };
}
