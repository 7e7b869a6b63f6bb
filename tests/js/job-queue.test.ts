// One job at a time, in order, cancellable while waiting and while running.

import assert from "node:assert/strict";
import { test } from "node:test";
import { JobQueue } from "../../src/js/job-queue.ts";

const tick = () => new Promise((resolve) => setTimeout(resolve, 1));

test("jobs run one after the other in the order they came", async () => {
  const queue = new JobQueue();
  const seen: string[] = [];
  const job = (name: string) => async () => {
    seen.push(`${name} starts`);
    await tick();
    seen.push(`${name} ends`);
  };
  queue.add(1, job("a"), assert.fail);
  queue.add(2, job("b"), assert.fail);
  await tick();
  queue.add(3, job("c"), assert.fail);
  for (let turns = 0; seen.length < 6 && turns < 200; turns++) await tick();
  assert.deepEqual(seen, [
    "a starts",
    "a ends",
    "b starts",
    "b ends",
    "c starts",
    "c ends",
  ]);
});

test("a waiting job is refused and never runs; a running one sees its signal", async () => {
  const queue = new JobQueue();
  let refusal: Error | undefined;
  let reason: unknown;
  const running = new Promise<void>((resolve) => {
    queue.add(
      1,
      async (signal) => {
        await new Promise((stop) => signal.addEventListener("abort", stop));
        reason = signal.reason;
        resolve();
      },
      assert.fail,
    );
  });
  queue.add(
    2,
    async () => assert.fail("ran though it was cancelled"),
    (error) => {
      refusal = error;
    },
  );
  queue.cancel(2);
  assert.equal(refusal?.name, "AbortError");
  queue.cancel(1);
  await running;
  assert.equal((reason as { code: string }).code, "aborted");
  // Neither an unknown nor a finished job is anything to stumble over.
  queue.cancel(1);
  queue.cancel(99);
  await new Promise<void>((resolve) => {
    queue.add(3, async () => resolve(), assert.fail);
  });
});
