// A worker that the browser never runs: another one is started beside it, gets what was sent, and the first is ended.

import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import { startWorker } from "../../src/js/engine-worker.ts";
import type { SmidgenError } from "../../src/js/errors.ts";
import type { ToPage, ToWorker } from "../../src/js/protocol.ts";

class FakeWorker {
  static all: FakeWorker[] = [];
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onerror: ((event: object) => void) | null = null;
  got: unknown[] = [];
  ended = false;

  constructor() {
    FakeWorker.all.push(this);
  }

  postMessage(message: unknown): void {
    this.got.push(message);
  }

  terminate(): void {
    this.ended = true;
  }
}

const real = globalThis.Worker;
beforeEach(() => {
  FakeWorker.all = [];
  Object.assign(globalThis, { Worker: FakeWorker });
  mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
});
afterEach(() => {
  Object.assign(globalThis, { Worker: real });
  mock.timers.reset();
});

const cancel = (id: number): ToWorker => ({ type: "cancel", id });
const up = { data: { type: "up" } };

function listening() {
  const port = startWorker();
  const heard: ToPage[] = [];
  const failures: SmidgenError[] = [];
  port.listen(
    (message) => heard.push(message),
    (error) => failures.push(error),
  );
  return { port, heard, failures };
}

const ping = { type: "ping" };

test("a worker that hangs before it has said anything is given up, one that answers never", () => {
  const { port, heard, failures } = listening();
  const [worker] = FakeWorker.all;
  worker!.onmessage!(up);
  mock.timers.tick(60_000);
  // Nothing was asked of it yet.
  assert.deepEqual(worker!.got, []);
  port.post(cancel(1));
  for (let i = 0; i < 20; i++) {
    mock.timers.tick(4000);
    assert.deepEqual(worker!.got.at(-1), ping);
    worker!.onmessage!(up);
  }
  assert.equal(failures.length, 0);
  mock.timers.tick(8000);
  assert.equal(failures.length, 0);
  mock.timers.tick(4000);
  assert.deepEqual(
    failures.map(({ code }) => code),
    ["worker_replaced"],
  );
  port.close();
  const asked = worker!.got.length;
  mock.timers.tick(60_000);
  assert.equal(worker!.got.length, asked);
  assert.deepEqual(heard, []);
});

test("one that works is not asked any more", () => {
  const { port, failures } = listening();
  const [worker] = FakeWorker.all;
  port.post(cancel(1));
  worker!.onmessage!(up);
  mock.timers.tick(4000);
  assert.deepEqual(worker!.got, [cancel(1), ping]);
  const event = { type: "event", id: 1, event: {} };
  worker!.onmessage!({ data: event });
  mock.timers.tick(60_000);
  port.post(cancel(2));
  mock.timers.tick(60_000);
  assert.deepEqual(worker!.got, [cancel(1), ping, cancel(2)]);
  assert.deepEqual(failures, []);
});

test("a worker that speaks is the only one", () => {
  const { port, heard } = listening();
  port.post(cancel(1));
  const [first] = FakeWorker.all;
  first!.onmessage!(up);
  port.post(cancel(2));
  const done = { type: "done", id: 1, out: null } as ToPage;
  first!.onmessage!({ data: done });
  mock.timers.tick(60_000);
  assert.equal(FakeWorker.all.length, 1);
  assert.deepEqual(first!.got, [cancel(1), cancel(2)]);
  assert.deepEqual(heard, [done]);
});

test("beside one that is silent another is started, which gets what was sent", () => {
  const { port, failures } = listening();
  port.post(cancel(1));
  mock.timers.tick(3999);
  assert.equal(FakeWorker.all.length, 1);
  mock.timers.tick(1);
  const [first, second] = FakeWorker.all;
  port.post(cancel(2));
  assert.deepEqual(second!.got, [cancel(1), cancel(2)]);
  second!.onmessage!(up);
  assert.ok(first!.ended && !second!.ended);
  // What the other says afterwards is nobody's.
  first!.onerror!({ message: "late", preventDefault() {} });
  assert.deepEqual(failures, []);
  mock.timers.tick(60_000);
  assert.equal(FakeWorker.all.length, 2);
});

test("the first may still be the one, and two more are the most", () => {
  const { port } = listening();
  for (let i = 0; i < 5; i++) mock.timers.tick(60_000);
  const [first, second, third] = FakeWorker.all;
  assert.equal(FakeWorker.all.length, 3);
  first!.onmessage!(up);
  assert.deepEqual(
    [first, second, third].map((worker) => worker!.ended),
    [false, true, true],
  );
  port.post(cancel(1));
  assert.deepEqual(first!.got, [cancel(1)]);
});

test("closed before anything was said, all end and none follows", () => {
  const { port } = listening();
  mock.timers.tick(4000);
  port.close();
  mock.timers.tick(120_000);
  assert.deepEqual(
    FakeWorker.all.map((worker) => worker.ended),
    [true, true],
  );
});
