// `cargo xtask bench --families`: what tests/bench/families.rs has measured natively, and the same models in a tab, as a
// table, and steps over contexts as an SVG.

import { readFileSync, writeFileSync } from "node:fs";
import { context } from "../e2e/drive/chromium.mjs";
import { withProfile } from "./profile.mjs";

/**
 * @typedef {object} Plan what xtask hands over, as JSON
 * @property {string} address
 * @property {import("../e2e/drive/browser.mjs").Driven} browser
 * @property {string} results file of families.rs
 * @property {string} flavour one that reads folders
 * @property {boolean} json
 * @property {string} [table] file that gets the table
 * @property {string} [chart] file that gets the plot
 */

/** @type {Plan} */
const plan = JSON.parse(process.argv[2]);
const rows = readFileSync(plan.results, "utf8")
  .split("\n")
  .filter((line) => line.startsWith("{"))
  .map((line) => JSON.parse(line));

await withProfile(async (profile) => {
  const browser = await context(plan.browser, profile);
  try {
    const page = browser.pages()[0] ?? (await browser.newPage());
    await page.goto(`${plan.address}/side/families.html`);
    await page.waitForFunction("globalThis.families");
    await page.evaluate(`families.load(${JSON.stringify(plan.flavour)})`);
    for (const row of rows) {
      const { family, files, context, timed } = row;
      const given = [`/families/${family}`, files, context, timed];
      const call = given.map((value) => JSON.stringify(value)).join();
      row.tab = Math.round(await page.evaluate(`families.measure(${call})`));
      process.stderr.write(`  ${family}\n`);
    }
  } finally {
    await browser.close();
  }
});
if (plan.json) console.log(rows.map((row) => JSON.stringify(row)).join("\n"));

/** What memory is told for; models with a learned vector for each position have fewer. */
const CONTEXT = Math.max(...rows.map((row) => row.context));
const share = (x) => (x === null ? "–" : x.toExponential(1));
const titles = [
  "architecture",
  "reference",
  "folder, worst",
  "GGUF, worst",
  "native tok/s",
  "in a tab tok/s",
  `KB at ${CONTEXT.toLocaleString("en")}`,
  "of these cache",
];
const lines = [
  `Small models of random weights in f32, natively by the reference loops and in a tab of Chromium (${plan.flavour}), one thread each. Differences are shares of the largest logit; of models that read, of the largest number of a text's mean. Those read ${rows.find((row) => row.timed.text).timed.text.length} bytes for their tokens a second, the others write behind ${rows.find((row) => row.timed.ids).timed.ids} tokens.`,
  "",
  `| ${titles.join(" | ")} |`,
  `|${titles.map(() => "---").join("|")}|`,
  ...rows.map((row) => {
    const fewer = row.context < CONTEXT ? ` (at ${row.context})` : "";
    const cells = [
      row.family,
      row.reference,
      share(row.folder),
      share(row.gguf),
      row.tokensPerSecond,
      row.tab,
      `${row.kilobytes}${fewer}`,
      row.cacheKilobytes,
    ];
    return `| ${cells.join(" | ")} |`;
  }),
];
const timed = rows.filter((row) => row.microseconds);
const lengths = timed[0].microseconds.map(([n]) => n);
lines.push(
  "",
  `| µs a step after | ${lengths.join(" | ")} |`,
  `|---|${lengths.map(() => "---").join("|")}|`,
  ...timed.map(
    (row) =>
      `| ${row.family} | ${row.microseconds.map(([, us]) => us.toFixed(0)).join(" | ")} |`,
  ),
);
if (!plan.json) console.log(lines.join("\n"));
if (plan.table) writeFileSync(plan.table, `${lines.join("\n")}\n`);

const WIDTH = 640;
const HEIGHT = 320;
const ROOM = { left: 50, right: 130, top: 30, bottom: 40 };
const COLOURS = ["#0f8f80", "#b4530a", "#5a5fcf", "#8a97a3", "#c0392b"];

/** Times as long as at the shortest context, over the context. */
function plot() {
  const ratios = timed.map(({ family, microseconds }) => ({
    family,
    points: microseconds.map(([n, us]) => [n, us / microseconds[0][1]]),
  }));
  const most = Math.max(
    2,
    ...ratios.flatMap((r) => r.points.map(([, y]) => y)),
  );
  const x = (n) =>
    ROOM.left +
    ((Math.log2(n) - Math.log2(lengths[0])) /
      (Math.log2(lengths.at(-1)) - Math.log2(lengths[0]))) *
      (WIDTH - ROOM.left - ROOM.right);
  const y = (ratio) =>
    HEIGHT - ROOM.bottom - (ratio / most) * (HEIGHT - ROOM.top - ROOM.bottom);
  const text = (at, up, content, attributes = "") =>
    `<text x="${at.toFixed(1)}" y="${up.toFixed(1)}" ${attributes}>${content}</text>`;
  const parts = [
    text(ROOM.left, 18, "Time of a step, as a multiple of that at 128 tokens"),
    `<path d="M${ROOM.left} ${y(0)}H${WIDTH - ROOM.right}M${ROOM.left} ${y(1)}H${WIDTH - ROOM.right}" stroke="currentColor" stroke-opacity="0.3"/>`,
    text(ROOM.left - 8, y(1) + 4, "1", 'text-anchor="end"'),
    text(ROOM.left - 8, y(most) + 4, most.toFixed(1), 'text-anchor="end"'),
    ...lengths.map((n) =>
      text(x(n), HEIGHT - 16, n.toLocaleString("en"), 'text-anchor="middle"'),
    ),
  ];
  const ends = ratios
    .map(({ points }, i) => ({ i, at: y(points.at(-1)[1]) }))
    .sort((a, b) => a.at - b.at);
  // Names stand below each other where lines end close together.
  for (let k = 1; k < ends.length; k += 1)
    ends[k].at = Math.max(ends[k].at, ends[k - 1].at + 15);
  for (const { i, at } of ends) {
    const { family, points } = ratios[i];
    const colour = COLOURS[i % COLOURS.length];
    const line = points.map(
      ([n, r]) => `${x(n).toFixed(1)},${y(r).toFixed(1)}`,
    );
    parts.push(
      `<polyline points="${line.join(" ")}" fill="none" stroke="${colour}" stroke-width="2"/>`,
      text(WIDTH - ROOM.right + 8, at + 4, family, `fill="${colour}"`),
    );
  }
  const style =
    "text{font:13px system-ui,sans-serif}text:not([fill]){fill:currentColor}svg{color:#1c2733}@media(prefers-color-scheme:dark){svg{color:#e6edf3}}";
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="img" aria-label="Steps over contexts"><style>${style}</style>${parts.join("")}</svg>\n`;
}
if (plan.chart) writeFileSync(plan.chart, plot());
