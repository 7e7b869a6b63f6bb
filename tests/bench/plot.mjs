// Draws a record of `cargo xtask bench --json` as an SVG: one bar for each engine, format and flavour, per prompt length.
// Usage: node plot.mjs RECORD.jsonl CHART.svg

import { readFileSync, writeFileSync } from "node:fs";

const WIDTH = 760;
const LABEL = 250;
const ROW = 22;
const HEAD = 46;
const GAP = 26;
const ROOM_FOR_NUMBERS = 120;

/** Ours stand out; both colours read on light and dark pages. */
const OURS = "#0f8f80";
const OTHERS = "#8a97a3";

const escape = (text) =>
  text.replace(
    /[<>&"]/g,
    (sign) => ({ "<": "&lt;", ">": "&gt;", "&": "&amp;", '"': "&quot;" })[sign],
  );

/** @param {number} y */
const text = (x, y, content, attributes = "") =>
  `<text x="${x}" y="${y}" ${attributes}>${escape(content)}</text>`;

function name({ engine, format, flavour, threads }) {
  const detail = [format, flavour].filter(Boolean).join(", ");
  return `${engine} ${detail}${threads > 1 ? `, ${threads} threads` : ""}`;
}

/** One panel: the bars of one measure at one prompt length, fastest first. */
function panel(title, results, measure, top) {
  const rows = results
    .filter((result) => result[measure])
    .sort((a, b) => b[measure].median - a[measure].median);
  const most = Math.max(...rows.map((row) => row[measure].max));
  const scale = (WIDTH - LABEL - ROOM_FOR_NUMBERS) / most;
  const parts = [text(0, top + 16, title, 'class="title"')];
  rows.forEach((row, at) => {
    const y = top + HEAD - 18 + at * ROW;
    const { median, min, max } = row[measure];
    const colour = row.engine === "smidgen" ? OURS : OTHERS;
    const middle = y + ROW / 2 + 4;
    parts.push(
      text(LABEL - 8, middle, name(row), 'text-anchor="end"'),
      `<rect x="${LABEL}" y="${y + 3}" width="${(median * scale).toFixed(1)}" height="${ROW - 6}" rx="2" fill="${colour}"/>`,
      // The whole range of the repetitions.
      `<path d="M${(LABEL + min * scale).toFixed(1)} ${y + ROW / 2}H${(LABEL + max * scale).toFixed(1)}" stroke="currentColor" stroke-opacity="0.6"/>`,
      text(LABEL + max * scale + 6, middle, `${median}`),
    );
  });
  return { parts, bottom: top + HEAD + rows.length * ROW + GAP };
}

function chart(results) {
  const lengths = [...new Set(results.map(({ prompt_tokens: n }) => n))].sort(
    (a, b) => a - b,
  );
  const parts = [];
  let top = 0;
  for (const [measure, what] of [
    ["decode_tps", "Decode, tok/s, after a prompt of"],
    ["prefill_tps", "Prefill, tok/s, of a prompt of"],
  ]) {
    for (const length of lengths) {
      const some = results.filter(({ prompt_tokens: n }) => n === length);
      if (!some.some((result) => result[measure])) continue;
      const drawn = panel(`${what} ${length} tokens`, some, measure, top);
      parts.push(...drawn.parts);
      top = drawn.bottom;
    }
  }
  const style =
    "text{font:13px system-ui,sans-serif;fill:currentColor}.title{font-weight:600}svg{color:#1c2733}@media(prefers-color-scheme:dark){svg{color:#e6edf3}}";
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${top}" width="${WIDTH}" height="${top}" role="img" aria-label="Speed side by side"><style>${style}</style>${parts.join("")}</svg>\n`;
}

const [record, target] = process.argv.slice(2);
const results = readFileSync(record, "utf8")
  .split("\n")
  .filter(Boolean)
  .map((line) => JSON.parse(line));
writeFileSync(target, chart(results));
