// `cargo xtask bench --sessions`: how long the first words of a turn take, in a new conversation, in one that goes on, and in one that was kept and is taken up by a browser that has just been started.

import { writeFile } from "node:fs/promises";
import { open } from "../e2e/drive/chromium.mjs";
import { withProfile } from "./profile.mjs";
import { spread } from "./statistics.mjs";

/** Room for the turns behind the system message. */
const TURNS = 256;

/**
 * @typedef {object} Plan what xtask hands over, as JSON
 * @property {string} address
 * @property {import("../e2e/drive/browser.mjs").Driven} browser
 * @property {string} model address of the GGUF file
 * @property {string[]} flavours
 * @property {number[]} prompts lengths of the system message, in tokens
 * @property {number} repetitions
 * @property {boolean} json
 * @property {string} [record] file that gets the results, one JSON object a line
 */

/** One page in a browser of its own on `profile`, with the model loaded. */
async function visited(plan, profile, flavour, tokens, work) {
  const page = await open(plan.browser, { profile, unwatched: true });
  try {
    await page.goto(`${plan.address}/side/sessions.html`);
    const call = async (name, ...given) => {
      const list = given.map((value) => JSON.stringify(value)).join();
      return page.evaluate(`sessions.${name}(${list})`);
    };
    const { model } = plan;
    const loadMs = await call("load", {
      model,
      flavour,
      contextLength: tokens + TURNS,
    });
    return await work(call, loadMs);
  } finally {
    await page.close();
  }
}

/** @param {Plan} plan */
function measure(plan, flavour, tokens) {
  return withProfile(async (profile) => {
    const talk = await visited(plan, profile, flavour, tokens, (call) =>
      call("talk", tokens),
    );
    const { messages, first, second, ...kept } = talk;
    const restored = await visited(
      plan,
      profile,
      flavour,
      tokens,
      async (call, loadMs) => ({ loadMs, ...(await call("goOn", messages)) }),
    );
    if (restored.text !== second.text)
      throw new Error(`"${restored.text}" after restoring, "${second.text}"`);
    return { first, second, restored, ...kept };
  });
}

/** @param {Plan} plan */
async function bench(plan) {
  const results = [];
  for (const flavour of plan.flavours)
    for (const tokens of plan.prompts) {
      const runs = [];
      for (let i = 1; i <= plan.repetitions; i += 1) {
        const name = `${flavour}, ${tokens} tokens`;
        process.stderr.write(`  ${i}/${plan.repetitions} ${name}\n`);
        runs.push(await measure(plan, flavour, tokens));
      }
      const over = (value) => spread(runs.map(value), 0);
      const [{ first, second, restored, bytes }] = runs;
      results.push({
        flavour,
        prompt_tokens: first.prompt,
        first_ms: over((run) => run.first.firstMs),
        first_evaluated: first.evaluated,
        second_ms: over((run) => run.second.firstMs),
        second_evaluated: second.evaluated,
        restored_ms: over(
          (run) => run.restored.restoreMs + run.restored.firstMs,
        ),
        restored_evaluated: restored.evaluated,
        restore_ms: over((run) => run.restored.restoreMs),
        save_ms: over((run) => run.saveMs),
        session_mb: Number((bytes / 1e6).toFixed(1)),
        load_ms: over((run) => run.restored.loadMs),
        repetitions: runs.length,
      });
    }
  const lines = results.map((row) => JSON.stringify(row)).join("\n");
  console.log(plan.json ? lines : markdown(results));
  if (plan.record) await writeFile(plan.record, `${lines}\n`);
}

function markdown(results) {
  const show = ({ median, min, max }) => `${median} (${min}–${max})`;
  const cell = (row, turn) =>
    `${show(row[`${turn}_ms`])}, ${row[`${turn}_evaluated`]}`;
  return [
    "| flavour | prompt tokens | first turn: ms to first token, tokens evaluated | second turn | restored session | of which restoring | kept in | MB |",
    "|---|--:|--:|--:|--:|--:|--:|--:|",
    ...results.map((row) =>
      [
        "",
        row.flavour,
        row.prompt_tokens,
        cell(row, "first"),
        cell(row, "second"),
        cell(row, "restored"),
        show(row.restore_ms),
        show(row.save_ms),
        row.session_mb,
        "",
      ]
        .join(" | ")
        .trim(),
    ),
  ].join("\n");
}

await bench(JSON.parse(process.argv[2]));
