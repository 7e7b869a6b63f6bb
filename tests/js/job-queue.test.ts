// Jobs in order, alone or beside each other, cancellable while waiting and while running.

import assert from "node:assert/strict";
import { test } from "node:test";
import { JobQueue, type Manner } from "../../src/js/job-queue.ts";

type Work = (signal: AbortSignal) => Promise<void>;

const alone = (
  id: number,
  run: Work,
  refuse: (reason: Error) => void = assert.fail,
) => ({ id, manner: "alone" as const, run, refuse });

const tick = () => new Promise((resolve) => setTimeout(resolve, 1));

test("jobs run one after the other in the order they came", async () => {
  const queue = new JobQueue();
  const seen: string[] = [];
  const job = (name: string) => async () => {
    seen.push(`${name} starts`);
    await tick();
    seen.push(`${name} ends`);
  };
  queue.add(alone(1, job("a")));
  queue.add(alone(2, job("b")));
  await tick();
  queue.add(alone(3, job("c")));
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
      alone(1, async (signal) => {
        await new Promise((stop) => signal.addEventListener("abort", stop));
        reason = signal.reason;
        resolve();
      }),
    );
  });
  queue.add(
    alone(
      2,
      async () => assert.fail("ran though it was cancelled"),
      (error) => {
        refusal = error;
      },
    ),
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
    queue.add(alone(3, async () => resolve()));
  });
});

test("jobs run beside each other up to the bound, and never beside one that is alone", async () => {
  const queue = new JobQueue();
  queue.most = 2;
  const running = new Set<string>();
  const ends = new Map<string, () => void>();
  const seen: string[] = [];
  const add = (id: number, name: string, manner: Manner) =>
    queue.add({
      id,
      manner,
      run: async () => {
        running.add(name);
        seen.push([...running].join("+"));
        await new Promise<void>((resolve) => ends.set(name, resolve));
        running.delete(name);
      },
      refuse: assert.fail,
    });
  const end = async (name: string) => {
    ends.get(name)!();
    await tick();
  };
  add(1, "a", "beside");
  add(2, "b", "beside");
  add(3, "c", "beside");
  add(4, "all", "alone");
  add(5, "d", "beside");
  add(6, "aside", "aside");
  assert.deepEqual(seen, ["a", "a+b", "a+b+aside"]);
  await end("aside");
  await end("a");
  assert.deepEqual(seen.slice(3), ["b+c"]);
  await end("c");
  await end("b");
  await end("all");
  assert.deepEqual(seen.slice(4), ["all", "d"]);
  await end("d");
  assert.equal(running.size, 0);
});

test("a cancelled job makes way for those behind it", async () => {
  const queue = new JobQueue();
  queue.most = 2;
  let ended = () => {};
  const ran: number[] = [];
  const job = (id: number, manner: Manner) => ({
    id,
    manner,
    run: async () => {
      ran.push(id);
      if (id === 1) await new Promise<void>((resolve) => (ended = resolve));
    },
    refuse: () => {},
  });
  queue.add(job(1, "beside"));
  queue.add(job(2, "alone"));
  queue.add(job(3, "beside"));
  assert.deepEqual(ran, [1]);
  queue.cancel(2);
  assert.deepEqual(ran, [1, 3]);
  ended();
  await tick();
});
