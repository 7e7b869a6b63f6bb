// `cargo xtask bench --encoder`: embeddings by Smidgen and by transformers.js, of the same model in the same browser,
// interleaved, one thread each.

import { writeFile } from "node:fs/promises";
import { context } from "../e2e/drive/chromium.mjs";
import { withProfile } from "./profile.mjs";
import { spread, table } from "./statistics.mjs";

/**
 * @typedef {object} Plan what xtask hands over, as JSON
 * @property {string} address
 * @property {import("../e2e/drive/browser.mjs").Driven} browser
 * @property {string} model address of the GGUF file
 * @property {string} onnx address of the folder that transformers.js loads
 * @property {string[]} flavours
 * @property {number} repetitions
 * @property {boolean} json
 * @property {string} [record] file that gets the results, one JSON object a line
 */

/** Tokens of a text, and how many texts are given at once. */
const CASES = [
  { tokens: 128, texts: 1 },
  { tokens: 16, texts: 1 },
  { tokens: 16, texts: 32 },
  { tokens: 128, texts: 4 },
];

/** @param {Plan} plan */
async function measure(plan, engine, flavour) {
  return withProfile(async (profile) => {
    const browser = await context(plan.browser, profile);
    try {
      const page = browser.pages()[0] ?? (await browser.newPage());
      await page.goto(`${plan.address}/side/encoder.html`);
      await page.waitForFunction("globalThis.encoder");
      const options = JSON.stringify({ ...plan, engine, flavour });
      return await page.evaluate(
        `encoder.measure(${options}, ${JSON.stringify(CASES)})`,
      );
    } finally {
      await browser.close();
    }
  });
}

const cosine = (a, b) => {
  const dot = (x, y) => x.reduce((sum, v, i) => sum + v * y[i], 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
};

/** @param {Plan} plan */
async function bench(plan) {
  const cells = plan.flavours.map((flavour) => ["smidgen q8_0", flavour]);
  cells.push(["transformers.js q8", ""]);
  const all = cells.map(() => []);
  for (let i = 1; i <= plan.repetitions; i += 1)
    for (const [at, [engine, flavour]] of cells.entries()) {
      process.stderr.write(`  ${i}/${plan.repetitions} ${engine} ${flavour}\n`);
      all[at].push(
        await measure(
          plan,
          engine.startsWith("smidgen") ? "smidgen" : "transformersjs",
          flavour,
        ),
      );
    }
  const theirs = all.at(-1);
  const rows = cells.flatMap(([engine, flavour], at) =>
    CASES.map(({ tokens, texts }, n) => {
      const over = (runs) =>
        spread(
          runs.map((run) => run.ms[n]),
          2,
        );
      const ms = over(all[at]);
      return {
        engine,
        flavour,
        tokens,
        texts,
        ms,
        texts_per_s: Math.round((1000 * texts) / ms.median),
        times_as_fast: Number((over(theirs).median / ms.median).toFixed(2)),
        cosine: Number(
          cosine(all[at][0].embeddings[n], theirs[0].embeddings[n]).toFixed(4),
        ),
      };
    }),
  );
  const lines = rows.map((row) => JSON.stringify(row)).join("\n");
  if (plan.json) console.log(lines);
  else
    console.log(
      table(
        [
          "engine",
          "flavour",
          "tokens",
          "texts",
          "ms",
          "texts/s",
          "times",
          "cosine",
        ],
        rows.map((row) => [
          row.engine,
          row.flavour,
          row.tokens,
          row.texts,
          `${row.ms.median} (${row.ms.min}–${row.ms.max})`,
          row.texts_per_s,
          row.times_as_fast,
          row.cosine,
        ]),
      ),
    );
  if (plan.record) await writeFile(plan.record, `${lines}\n`);
}

await bench(JSON.parse(process.argv[2]));
