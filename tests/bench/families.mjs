// `cargo xtask bench --families`: a table of what tests/bench/families.rs has measured, and steps over contexts as an SVG.
// Usage: node families.mjs RESULTS.jsonl [TABLE.md CHART.svg]

import { readFileSync, writeFileSync } from "node:fs";

const [results, table, chart] = process.argv.slice(2);
const rows = readFileSync(results, "utf8")
  .split("\n")
  .filter((line) => line.startsWith("{"))
  .map((line) => JSON.parse(line));

const share = (x) => (x === null ? "–" : x.toExponential(1));
const titles = [
  "architecture",
  "reference",
  "folder, worst",
  "GGUF, worst",
  "tok/s",
  "KB at 4,096",
  "of these cache",
];
const lines = [
  `| ${titles.join(" | ")} |`,
  `|${titles.map(() => "---").join("|")}|`,
  ...rows.map((row) => {
    const cells = [
      row.family,
      row.reference,
      share(row.folder),
      share(row.gguf),
      row.tokensPerSecond ?? "–",
      row.kilobytes ?? "–",
      row.cacheKilobytes ?? "–",
    ];
    return `| ${cells.join(" | ")} |`;
  }),
];
const timed = rows.filter((row) => row.microseconds);
const lengths = timed[0]?.microseconds.map(([n]) => n) ?? [];
lines.push(
  "",
  `| µs a step after | ${lengths.join(" | ")} |`,
  `|---|${lengths.map(() => "---").join("|")}|`,
  ...timed.map(
    (row) =>
      `| ${row.family} | ${row.microseconds.map(([, us]) => us.toFixed(0)).join(" | ")} |`,
  ),
);
console.log(lines.join("\n"));
if (table) writeFileSync(table, `${lines.join("\n")}\n`);

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
if (chart && timed.length > 0) writeFileSync(chart, plot());
