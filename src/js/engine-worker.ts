// This tab's worker for the engine: started, and started anew where the browser forgets it.

import type { Port } from "./connection.ts";
import { SmidgenError, WORKER_REPLACED } from "./errors.ts";
import type { FromWorker, Ping, ToPage, ToWorker } from "./protocol.ts";

/**
 * Browsers lose workers: Firefox's came to a stand in one of fifty visits right after its start, before their first
 * word could be heard or in their first call, and the next worker ran at once. So without a word for so long another
 * one is started beside it, twice at most, and who speaks first stays: on a slow line both wait for the same script,
 * and nothing is lost.
 */
const PATIENCE_MS = [4000, 12_000];
/** Until a worker has said more than that it is there, it is asked this often whether it still is. */
const PING_MS = 4000;
/** Questions without an answer before it is given up. It never works that long without a look at its messages then. */
const MAX_UNANSWERED = 2;
/** Where new ones hang too, it is something else, and being slow is better than never coming to an end. */
const MAX_GIVEN_UP = 3;

let givenUp = 0;

export function startWorker(): Port {
  const workers = new Set<Worker>();
  /** What was sent before one of them spoke. */
  const sent: ToWorker[] = [];
  let chosen: Worker | undefined;
  let unanswered = 0;
  let closed = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let pings: ReturnType<typeof setInterval> | undefined;
  let receive: (message: ToPage) => void = () => {};
  let fail: (error: SmidgenError) => void = () => {};

  const ping = () => {
    if (unanswered++ < MAX_UNANSWERED) {
      chosen?.postMessage({ type: "ping" } satisfies Ping);
      return;
    }
    givenUp += 1;
    // Who called asks a new one.
    fail(new SmidgenError(WORKER_REPLACED, "the engine's worker hangs"));
  };
  const choose = (worker: Worker) => {
    chosen = worker;
    clearTimeout(timer);
    for (const other of workers) if (other !== worker) other.terminate();
    if (sent.splice(0).length > 0) watch();
  };
  const watch = () => {
    if (givenUp < MAX_GIVEN_UP) pings ??= setInterval(ping, PING_MS);
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
      if (worker !== chosen) return;
      unanswered = 0;
      if (data.type === "up") return;
      // It works, and may be too busy to answer from now on.
      clearInterval(pings);
      receive(data);
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
      if (chosen) watch();
      else sent.push(message);
      for (const worker of chosen ? [chosen] : workers) {
        worker.postMessage(message);
      }
    },
    close() {
      closed = true;
      clearTimeout(timer);
      clearInterval(pings);
      for (const worker of workers) worker.terminate();
    },
    listen(onMessage, onFailure) {
      receive = onMessage;
      fail = onFailure;
    },
  };
}
