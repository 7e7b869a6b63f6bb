// `cargo xtask bench --kernels`: every format's kernels of every flavour by themselves, beside what the machine can do at best.

import { writeFile } from "node:fs/promises";
import { context } from "../e2e/drive/chromium.mjs";
import { withProfile } from "./profile.mjs";
import { table } from "./statistics.mjs";

/** Inputs at once: decoding, guessing ahead, evaluating a prompt. */
const TOKENS = [1, 4, 64];

/**
 * @typedef {object} Plan what xtask hands over, as JSON
 * @property {string} address
 * @property {import("../e2e/drive/browser.mjs").Driven} browser
 * @property {{ flavour: string, folder: string }[]} builds
 * @property {string[]} formats all of them if empty
 * @property {boolean} json
 * @property {string} [record] file that gets the results, one JSON object a line
 */

const rounded = (object) =>
  JSON.parse(
    JSON.stringify(object, (_, value) =>
      typeof value === "number" ? Number(value.toFixed(1)) : value,
    ),
  );

/** @param {Plan} plan */
async function measure(plan, { flavour, folder }) {
  return withProfile(async (profile) => {
    const browser = await context(plan.browser, profile);
    try {
      const page = browser.pages()[0] ?? (await browser.newPage());
      await page.goto(`${plan.address}/side/kernels.html`);
      await page.waitForFunction("globalThis.kernels");
      const roofline = await page.evaluate("kernels.roofline()");
      const all = await page.evaluate(
        `kernels.load(${JSON.stringify(folder)})`,
      );
      const dot = Math.max(
        roofline.dot_gmac_per_s,
        // The relaxed dot is not used where it saturates, see the relaxed kernels.
        roofline.relaxed_dot_is_exact && flavour === "relaxed"
          ? roofline.relaxed_dot_gmac_per_s / 2
          : 0,
      );
      const rows = [];
      for (const format of plan.formats.length > 0 ? plan.formats : all) {
        const call = `kernels.measure(${JSON.stringify(format)}, ${JSON.stringify(TOKENS)})`;
        const row = await page.evaluate(call);
        rows.push({
          flavour,
          ...row,
          of_read: (100 * row.gb_per_s) / roofline.read_gb_per_s,
          of_dot_1: (100 * row.gmac_1) / dot,
          of_dot_64: (100 * row.gmac_64) / dot,
        });
      }
      return { roofline: { flavour, ...roofline }, rows };
    } finally {
      await browser.close();
    }
  });
}

/** @param {Plan} plan */
async function kernels(plan) {
  const lines = [];
  for (const build of plan.builds) {
    process.stderr.write(`  ${build.flavour}\n`);
    const { roofline, rows } = rounded(await measure(plan, build));
    lines.push(roofline, ...rows);
    if (plan.json) continue;
    console.log(
      `${build.flavour}: reads ${roofline.read_gb_per_s} GB/s, multiplies ${roofline.dot_gmac_per_s} GMAC/s (relaxed dot ${roofline.relaxed_dot_gmac_per_s ?? "–"})`,
    );
    const titles = [
      "format",
      ...TOKENS.map((n) => `GMAC/s, ${n}`),
      "GB/s, 1",
      "% of reading",
      "% of dots, 1",
      "% of dots, 64",
      "packs MB/s",
    ];
    const cells = rows.map((row) => [
      row.format,
      ...TOKENS.map((n) => row[`gmac_${n}`]),
      row.gb_per_s,
      row.of_read,
      row.of_dot_1,
      row.of_dot_64,
      row.pack_mb_per_s,
    ]);
    console.log(table(titles, cells));
  }
  const text = lines.map((line) => JSON.stringify(line)).join("\n");
  if (plan.json) console.log(text);
  if (plan.record) await writeFile(plan.record, `${text}\n`);
}

await kernels(JSON.parse(process.argv[2]));
