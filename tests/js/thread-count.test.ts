// Threads are dropped where another program has taken their core, and come back after it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { DECODE, PREFILL, ThreadCount } from "../../src/js/thread-count.ts";

/** Runs steps whose time depends on the count: the counts used, and the time that all took. */
function run(
  count: ThreadCount,
  steps: number,
  time: (threads: number, step: number) => number,
) {
  const used: number[] = [];
  let total = 0;
  for (let step = 0; step < steps; step++) {
    const threads = count.next;
    used.push(threads);
    const took = time(threads, step);
    total += took;
    count.took(took);
  }
  return { used, total };
}

const share = (used: number[], threads: number) =>
  used.filter((used) => used === threads).length / used.length;

/** A machine on which two threads are 1.7 times as fast as one. */
const quiet = (threads: number) => (threads === 1 ? 10 : 10 / 1.7);
/** One on which another program burns a core: the threads wait for each other. */
const burning = (threads: number) => (threads === 1 ? 10 : 25);

test("threads that help stay, and are rarely called into question", () => {
  const { used, total } = run(new ThreadCount(2, DECODE), 1000, quiet);
  assert.ok(share(used, 2) > 0.97);
  assert.ok(10_000 / total > 1.65);
});

test("threads that hinder are dropped within a few steps", () => {
  const { used, total } = run(new ThreadCount(2, DECODE), 1000, burning);
  assert.deepEqual(used.slice(0, 6), [2, 2, 2, 1, 1, 1]);
  assert.ok(10_000 / total > 0.9, `${10_000 / total}`);
});

test("a core lost in the middle is noticed at once, and found again", () => {
  const count = new ThreadCount(2, DECODE);
  run(count, 500, quiet);
  const lost = run(count, 200, burning);
  assert.equal(
    lost.used.lastIndexOf(2) < 40 || share(lost.used, 1) > 0.85,
    true,
  );
  assert.equal(lost.used.slice(8, 14).includes(1), true);
  const found = run(count, 600, quiet);
  assert.equal(found.used.at(-1), 2);
  assert.ok(share(found.used, 2) > 0.7);
});

test("noise changes nothing", () => {
  let state = 1;
  const noisy = (threads: number) => {
    state = (state * 48271) % 2147483647;
    return quiet(threads) * (0.9 + (0.2 * state) / 2147483647);
  };
  const { used } = run(new ThreadCount(2, DECODE), 1000, noisy);
  assert.ok(share(used, 2) > 0.95);
});

test("a longer context slows every count, and is no reason to drop one", () => {
  const growing = (threads: number, step: number) =>
    quiet(threads) * (1 + step / 500);
  const { used } = run(new ThreadCount(4, DECODE), 1000, growing);
  assert.ok(share(used, 4) > 0.95);
});

test("slices of a prompt are tried one at a time", () => {
  const { used } = run(new ThreadCount(2, PREFILL), 9, burning);
  assert.deepEqual(used, [2, 1, 1, 1, 1, 1, 1, 1, 1]);
});

test("a trial that goes badly is cut short", () => {
  const count = new ThreadCount(2, DECODE);
  count.suggest(1);
  const { used } = run(count, 200, burning);
  assert.deepEqual(used.slice(0, 6), [1, 1, 1, 2, 1, 1]);
  assert.ok(share(used, 2) < 0.04);
});

test("threads that are fast only at times are not taken up", () => {
  let state = 1;
  const atTimes = (threads: number) => {
    state = (state * 48271) % 2147483647;
    const free = state / 2147483647 < 0.6;
    return threads === 1 ? 10 : free ? 6 : 15;
  };
  const count = new ThreadCount(2, DECODE);
  count.suggest(1);
  const { used } = run(count, 1000, atTimes);
  assert.ok(share(used, 1) > 0.9, `${share(used, 1)}`);
});

test("one thread is one thread", () => {
  const { used } = run(new ThreadCount(1, DECODE), 50, quiet);
  assert.equal(share(used, 1), 1);
});
