// One randomised run: a visit whose server goes wrong and whose tab, worker or server dies at random bytes, again and again, until the model is there. Every choice follows from the seed.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { random } from "./model.mjs";
import { FAULTS, Site } from "./server.mjs";
import { inPage, LIMIT_MS, Stuck, Tab, within } from "./tab.mjs";

/** Codes that a load may end with while its server goes wrong; the next load goes on. */
const EXCUSED = new Set([
  "download_http",
  "download_network",
  "download_interrupted",
  "download_changed",
  "download_range",
  "truncated",
  "sha256_mismatch",
]);
/** Loads that the last visit may need: as many as faults can spoil. */
const MAX_LOADS = 12;

const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");

/**
 * @typedef {object} World what all runs share
 * @property {import("./server.mjs").FaultServer} server
 * @property {{ body: Buffer, etag: string, sha256: string, ids: number[] }[]} revisions `ids`: what an undisturbed chat says
 * @property {string[]} deaths that this browser can be made to die
 * @property {string[]} storages that this browser has
 * @property {() => Promise<import("../drive/browser.mjs").Page & { crash?(): Promise<void> }>} newPage
 */

/** The plan of a run, all drawn from its seed. */
export function plan(seed, { deaths, storages }) {
  const next = random(seed);
  const pick = (list) => list[Math.floor(next() * list.length)];
  const named = next() < 0.5;
  const origin = pick(["same", "same", "shown", "hidden"]);
  // Damage on the line is only ever noticed where the file's hash is known, and a changed file has another one.
  const kinds = FAULTS.filter((kind) =>
    kind === "corrupt"
      ? named
      : kind === "change"
        ? !named
        : kind === "cors"
          ? origin !== "same"
          : kind !== "stall",
  );
  const faults = kinds.filter(() => next() < 0.6);
  // Each costs as long as the package has patience with a silent line.
  if (next() < 0.02) faults.push("stall");
  return {
    seed,
    named,
    origin,
    faults,
    ranges: next() < 0.85,
    budget: Math.floor(next() * 7),
    delay: pick([0, 0, 1, 2]),
    kills: Array.from({ length: Math.floor(next() * 4) }, () => ({
      death: pick(deaths),
      // Part of the file; beyond 1 a death after the end, or of a load that fetches nothing any more.
      at: next() * 1.05,
      wait: next() * 40,
    })),
    offline: next() < 0.3,
    // The visits take them in turn: what one back end has begun, another goes on with.
    storages: next() < 0.25 ? storages : [pick(storages)],
  };
}

/** @param {World} world */
export async function run(world, seed) {
  const drawn = plan(seed, world);
  const { server, revisions } = world;
  const site = new Site({ ...drawn, revisions });
  const { origin, url } = server.add(`run-${seed}`, site);
  const source = drawn.named ? { url, sha256: revisions[0].sha256 } : url;
  const size = revisions[0].body.length;
  let loads = 0;
  const load = () => {
    const storage = drawn.storages[loads++ % drawn.storages.length];
    return [inPage.load, source, { storage }];
  };
  const result = { seed, drawn, site, kills: 0, loads: 0, size };

  let tab = await visit(world, origin);
  try {
    for (const kill of drawn.kills) {
      site.durable = await durable(tab, url, site);
      const reached = site.after(Math.max(1, kill.at * size - site.sent));
      await tab.begin(...load());
      const settled = tab.finish("a load that is to be killed");
      // What becomes of it is not waited for.
      settled.catch(() => {});
      const ended = await Promise.race([
        within(reached, "the byte of a death"),
        settled.then((outcome) => excused(outcome)),
      ]);
      if (!ended) await new Promise((go) => setTimeout(go, kill.wait));
      const lied = () => site.seen.length || site.seen.change;
      tab = await die(world, kill.death, { tab, origin, site });
      result.kills += 1;
      // A load that outlives its server's death throws away what it has once it believes that the file has changed.
      if (kill.death === "server" && lied()) {
        await settled.catch((error) => {
          if (error instanceof Stuck) throw error;
        });
      }
    }

    for (let loads = 1; ; loads++) {
      site.durable = await durable(tab, url, site);
      const outcome = await tab.call(...load());
      result.loads += 1;
      if (!excused(outcome)) break;
      assert.ok(loads < MAX_LOADS, `no load of ${MAX_LOADS} succeeded`);
    }
    await verify(tab, { url, site, world, result });
    if (drawn.offline) {
      // Another visit, with the server gone.
      site.kill();
      await tab.close();
      tab = await visit(world, origin);
      const { value } = await tab.call(...load());
      assert.equal(value?.fromCache, true, "the second visit used the network");
      await verify(tab, { url, site, world, result });
    }
    await tab.call(inPage.clear);
  } catch (error) {
    error.message = `run ${seed}: ${error.message}`;
    throw Object.assign(error, { drawn, log: site.log, result });
  } finally {
    server.sites.delete(new URL(url).hostname);
    await tab.close().catch(() => {});
  }
  return result;
}

async function visit(world, origin) {
  const tab = new Tab(await world.newPage());
  await tab.open(origin);
  return tab;
}

/** True for an error that the faults explain; throws for every other. */
function excused({ value, error }) {
  if (value) return false;
  if (EXCUSED.has(error.code)) return true;
  throw new Error(`a load failed with ${error.code}: ${error.message}`);
}

/** What is on the device of the file as the server has it now. */
async function durable(tab, url, site) {
  // Only the whole file's hash tells of damage on the line, and not where it is: then all of it is rightly fetched anew.
  if (site.seen.corrupt) return [];
  const { value, error } = await tab.call(inPage.durable, url);
  if (error) return [];
  // Nor is it held against a load that it began with a length that was a lie.
  const same =
    (value.etag === undefined || value.etag === site.file.etag) &&
    (value.totalBytes ?? site.file.body.length) === site.file.body.length;
  return same ? value.spans : [];
}

async function die(world, death, { tab, origin, site }) {
  if (death === "server") {
    site.kill();
    await new Promise((resolve) => setTimeout(resolve, 300));
    site.down = false;
    return tab;
  }
  if (death === "worker") {
    await tab.page.evaluate("answer.workers.at(-1)?.terminate()");
    return tab;
  }
  if (death === "reload") {
    await tab.open(origin);
    return tab;
  }
  if (death === "crash") await tab.page.crash();
  await tab.close().catch(() => {});
  return visit(world, origin);
}

/** The model talks as it would undisturbed, and what is stored is the file to the last bit. */
async function verify(tab, { url, site, world, result }) {
  const { value: ids } = await tab.call(inPage.chat);
  const { value: hash } = await tab.call(inPage.stored, url);
  const revision = world.revisions.find(({ sha256 }) => sha256 === hash);
  assert.ok(revision, "wrong weights were accepted");
  assert.deepEqual(ids, revision.ids, "the chat is not the model's");
  if (!site.faults.includes("change")) {
    assert.equal(revision, world.revisions[0], "another file was accepted");
  }
  assert.equal(site.sentAgain, 0, "durable bytes were fetched again");
  const { value: list } = await tab.call(inPage.list);
  assert.deepEqual(
    list.map(({ complete, totalBytes }) => [complete, totalBytes]),
    [[true, result.size]],
  );
}

/** What an undisturbed visit says of each revision. */
export async function learn(world, bodies) {
  const revisions = [];
  for (const [index, body] of bodies.entries()) {
    const etag = `"revision-${index + 1}"`;
    const site = new Site({
      seed: 0,
      revisions: [{ body, etag }],
      origin: "same",
      ranges: true,
      faults: [],
      budget: 0,
    });
    const { origin, url } = world.server.add(`learn-${index}`, site);
    const tab = await visit(world, origin);
    const { error } = await tab.call(inPage.load, url);
    assert.equal(error, undefined);
    const { value: ids } = await tab.call(inPage.chat);
    assert.equal(site.sent, body.length, "an undisturbed load fetched more");
    revisions.push({ body, etag, sha256: sha256(body), ids });
    await tab.close();
  }
  return revisions;
}

/** All of the seeds, some at a time; every one's result or error. */
export async function runAll(world, seeds, atOnce, tell = () => {}) {
  const results = [];
  const waiting = [...seeds];
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      for (let seed; (seed = waiting.shift()) !== undefined;) {
        const limit = LIMIT_MS * 4;
        const result = await within(run(world, seed), `run ${seed}`, limit)
          // A failed run must not hide what the others come to.
          .catch((error) => ({ seed, ...error.result, error }));
        results.push(result);
        tell(result);
      }
    }),
  );
  return results;
}

/** What became of a run that failed. */
export const isStuck = ({ error }) => error instanceof Stuck;
export const isWrong = ({ error }) =>
  /wrong weights|not the model's|another file/.test(error?.message ?? "");
/** Bytes that a run fetched beyond its file. */
export const beyond = ({ site, size }) => Math.max(0, site.sent - size);

/** The figures that the runs add up to. */
export function table(results) {
  const done = results.filter(({ error }) => !error);
  const failed = results.filter(({ error }) => error);
  const sum = (value) =>
    done.reduce((total, result) => total + value(result), 0);
  const tally = (list) => {
    const counts = {};
    for (const name of list) counts[name] = (counts[name] ?? 0) + 1;
    return counts;
  };
  const faults = {};
  for (const { site } of done) {
    for (const [name, count] of Object.entries(site.seen)) {
      faults[name] = (faults[name] ?? 0) + count;
    }
  }
  return {
    runs: results.length,
    "ended with a verified model and a chat": done.length,
    "stuck states": failed.filter(isStuck).length,
    "wrong weights accepted": failed.filter(isWrong).length,
    "durable bytes fetched again": sum(({ site }) => site.sentAgain),
    "other failures": failed.filter(
      (result) => !isStuck(result) && !isWrong(result),
    ).length,
    kills: sum(({ kills }) => kills),
    deaths: tally(
      done.flatMap(({ drawn, kills }) =>
        drawn.kills.slice(0, kills).map(({ death }) => death),
      ),
    ),
    faults,
    storages: tally(done.map(({ drawn }) => drawn.storages.join(" and "))),
    "loads in last visits": sum(({ loads }) => loads),
    "bytes of all files": sum(({ size }) => size),
    "bytes fetched beyond the files' sizes": sum(beyond),
    "of these in runs with ranges and without changed or damaged files": sum(
      (result) =>
        result.drawn.ranges &&
        !["corrupt", "length", "change", "whole"].some(
          (name) => result.site.seen[name],
        )
          ? beyond(result)
          : 0,
    ),
  };
}
