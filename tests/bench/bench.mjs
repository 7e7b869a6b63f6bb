// `cargo xtask bench`: every engine on every format, thread count and prompt length, interleaved, in fresh browsers.

import { spawnSync } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { open } from "../e2e/drive/chromium.mjs";
import { withProfile } from "./profile.mjs";
import {
  browserOf,
  cpuSeconds,
  rendererGrowth,
  rendererPeaks,
} from "./processes.mjs";
import { spread, table } from "./statistics.mjs";

/** Above this share of a core used by others, a measurement is worth a remark. */
const BUSY = 0.25;

/**
 * @typedef {object} Plan what xtask hands over, as JSON
 * @property {string} address
 * @property {import("../e2e/drive/browser.mjs").Driven} browser
 * @property {{ format: string, url: string, path: string, bytes: number }[]} models
 * @property {number[]} prompts lengths in tokens
 * @property {number} tokens to generate
 * @property {number[]} threads
 * @property {string[]} flavours
 * @property {string[]} peers
 * @property {number} repetitions
 * @property {string} [onnx] address of the model's ONNX export
 * @property {string} [llamaBench] path of the native program
 * @property {boolean} json
 * @property {string} [record] file that gets the results, one JSON object a line
 *
 * @typedef {object} Cell one engine in one setting
 * @property {string} engine
 * @property {string} [flavour]
 * @property {number} threads
 * @property {Plan["models"][number]} model
 */

/** @param {Plan} plan @returns {Cell[]} */
function cells(plan) {
  const all = [];
  for (const model of plan.models)
    for (const threads of plan.threads) {
      for (const kind of plan.flavours) {
        const flavour = threads > 1 ? `${kind}-threads` : kind;
        all.push({ engine: "smidgen", flavour, threads, model });
      }
      for (const engine of plan.peers) {
        if (engine !== "transformersjs") all.push({ engine, threads, model });
        // It has a format of its own, whichever the others read.
        else if (model === plan.models[0])
          all.push({ engine, threads, model: { ...model, format: "onnx_q8" } });
      }
    }
  return all;
}

/** A browser that has just been started still has things of its own to do, for a second or so. */
const SETTLES_MS = 1000;

/** A freshly started browser on the bench page. */
async function withPage(plan, profile, work) {
  const page = await open(plan.browser, { profile, unwatched: true });
  try {
    await new Promise((resolve) => setTimeout(resolve, SETTLES_MS));
    await page.goto(`${plan.address}/side/index.html`);
    while (!(await page.evaluate("Boolean(globalThis.bench)")))
      await new Promise((resolve) => setTimeout(resolve, 50));
    return await work(page, browserOf(profile));
  } finally {
    await page.close();
  }
}

const call = (page, name, ...args) =>
  page.evaluate(`bench.${name}(...${JSON.stringify(args)})`);

/** Prompts of the asked lengths; every engine gets the same ones. */
function prepare(plan) {
  // Any of the flavours that were built for the measurements.
  const { flavour, threads, model } = cells(plan)[0];
  const contextLength = Math.max(...plan.prompts) + plan.tokens;
  const options = { model: model.url, flavour, threads, contextLength };
  return withProfile((profile) =>
    withPage(plan, profile, async (page) => {
      await call(page, "load", "smidgen", options);
      const prompts = [];
      for (const n of plan.prompts) prompts.push(await call(page, "prompt", n));
      return prompts;
    }),
  );
}

/** One repetition of a cell: every prompt length after one load, then the first token in a restarted browser. */
function measure(plan, { engine, flavour, threads, model }, prompts) {
  const contextLength = Math.max(...plan.prompts) + plan.tokens + 8;
  const { onnx, tokens } = plan;
  const options = { model: model.url, onnx, threads, contextLength, flavour };
  return withProfile(async (profile) => {
    const cold = await withPage(plan, profile, async (page, pid) => {
      const empty = rendererPeaks(pid);
      const { loadMs } = await call(page, "load", engine, options);
      const load = rendererGrowth(pid, empty);
      const runs = [];
      for (const prompt of prompts) {
        const before = cpuSeconds(pid);
        const run = await call(page, "complete", { ...prompt, tokens });
        runs.push({ ...run, cpu: cpuSeconds(pid) - before });
      }
      return { loadMs, runs, load, run: rendererGrowth(pid, empty) };
    });
    // The shortest prompt, with whatever the engine has kept of the model.
    const warm = await withPage(plan, profile, (page) =>
      call(page, "visit", engine, options, { ...prompts[0], tokens: 1 }),
    );
    return { ...cold, warmFirstTokenMs: warm.firstTokenAt };
  });
}

/** What other processes take of one core, over half a second. */
async function busy() {
  const { cpus } = await import("node:os");
  const used = () =>
    cpus().reduce(
      (sum, { times }) => sum + times.user + times.sys + times.nice,
      0,
    );
  const before = used();
  await new Promise((resolve) => setTimeout(resolve, 500));
  return (used() - before) / 500;
}

/** @param {Plan} plan @param {Cell} cell @param {object[]} measured */
function summarise(plan, { engine, flavour, threads, model }, measured) {
  return plan.prompts.map((promptTokens, at) => {
    const over = (pick, digits) =>
      spread(
        measured.map((one) => pick(one.runs[at], one)),
        digits,
      );
    const decode = over((run) => run.decodeTps);
    return {
      engine,
      format: model.format,
      flavour: flavour ?? null,
      threads,
      prompt_tokens: promptTokens,
      context: promptTokens,
      generated_tokens: measured[0].runs[at].generated,
      decode_tps: decode,
      prefill_tps: over((run) => run.prefillTps),
      weights_gb_per_s:
        decode && Number(((decode.median * model.bytes) / 1e9).toFixed(2)),
      cpu_seconds: over((run) => run.cpu, 2),
      load_ms: over((_, one) => one.loadMs, 0),
      warm_first_token_ms: over((_, one) => one.warmFirstTokenMs, 0),
      peak_over_empty_mb: over((_, one) => one.run / 1e6, 0),
      load_peak_over_empty_mb: over((_, one) => one.load / 1e6, 0),
      repetitions: measured.length,
    };
  });
}

/** llama.cpp's own program on the same file. */
function native(plan, model, threads) {
  const args = [
    "-m",
    model.path,
    "-t",
    String(threads),
    "-r",
    String(plan.repetitions),
    "-o",
    "json",
  ];
  args.push("-n", String(plan.tokens), "-p", plan.prompts.join(","));
  const { status, stdout, stderr } = spawnSync(plan.llamaBench, args, {
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`llama-bench: ${stderr}`);
  const tests = JSON.parse(stdout);
  const decode = tests.find(
    ({ n_gen, n_prompt }) => n_gen > 0 && n_prompt === 0,
  );
  return tests
    .filter(({ n_prompt, n_gen }) => n_prompt > 0 && n_gen === 0)
    .map(({ n_prompt, samples_ts }) => ({
      engine: "llama.cpp (native)",
      format: model.format,
      flavour: null,
      threads,
      prompt_tokens: n_prompt,
      context: 0,
      decode_tps: spread(decode.samples_ts),
      prefill_tps: spread(samples_ts),
      repetitions: plan.repetitions,
    }));
}

function print(results) {
  const show = (value) =>
    value ? `${value.median} (${value.min}–${value.max})` : "–";
  const titles = [
    "engine",
    "format",
    "flavour",
    "threads",
    "context",
    "decode tok/s",
    "prefill tok/s",
    "GB/s",
    "load ms",
    "warm ms",
    "peak MB",
    "CPU s",
  ];
  const rows = results.map((one) => [
    one.engine,
    one.format,
    one.flavour ?? "",
    one.threads,
    one.prompt_tokens,
    show(one.decode_tps),
    show(one.prefill_tps),
    one.weights_gb_per_s ?? "",
    show(one.load_ms),
    show(one.warm_first_token_ms),
    show(one.peak_over_empty_mb),
    show(one.cpu_seconds),
  ]);
  console.log(table(titles, rows));
}

/** @param {Plan} plan */
async function bench(plan) {
  const say = (text) => process.stderr.write(`${text}\n`);
  const prompts = await prepare(plan);
  const all = cells(plan);
  const measured = new Map(all.map((cell) => [cell, []]));
  for (let repetition = 1; repetition <= plan.repetitions; repetition += 1) {
    for (const cell of all) {
      const others = await busy();
      const name = [
        cell.engine,
        cell.flavour,
        cell.model.format,
        `${cell.threads} thread(s)`,
      ]
        .filter(Boolean)
        .join(", ");
      const remark =
        others > BUSY ? ` (others use ${others.toFixed(1)} cores)` : "";
      say(`  ${repetition}/${plan.repetitions} ${name}${remark}`);
      try {
        measured.get(cell).push(await measure(plan, cell, prompts));
      } catch (error) {
        say(`  failed: ${error.message}`);
      }
    }
  }
  const results = all
    .filter((cell) => measured.get(cell).length > 0)
    .flatMap((cell) => summarise(plan, cell, measured.get(cell)));
  if (plan.llamaBench)
    for (const model of plan.models)
      for (const threads of plan.threads)
        results.push(...native(plan, model, threads));
  const lines = results.map((result) => JSON.stringify(result)).join("\n");
  if (plan.json) console.log(lines);
  else print(results);
  if (plan.record) await writeFile(plan.record, `${lines}\n`);
  const failed = all.filter(
    (cell) => measured.get(cell).length < plan.repetitions,
  );
  if (failed.length > 0) process.exitCode = 1;
}

await bench(JSON.parse(process.argv[2]));
