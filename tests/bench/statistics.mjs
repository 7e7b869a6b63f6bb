// Median, smallest and largest of a handful of measurements, and tables of them.

/** @param {number[]} values @param {number} [digits] */
export function spread(values, digits = 1) {
  const sorted = values.filter(Number.isFinite).sort((a, b) => a - b);
  if (sorted.length === 0) return undefined;
  const half = sorted.length >> 1;
  const median =
    sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
  const round = (value) => Number(value.toFixed(digits));
  return {
    median: round(median),
    min: round(sorted[0]),
    max: round(sorted.at(-1)),
  };
}

/** @param {string[]} titles @param {(string | number)[][]} rows */
export function table(titles, rows) {
  const lines = [titles, ...rows].map((row) => row.map(String));
  const widths = titles.map((_, at) =>
    Math.max(...lines.map((row) => row[at].length)),
  );
  return lines
    .map((row) =>
      row
        .map((cell, at) =>
          at < 3 ? cell.padEnd(widths[at]) : cell.padStart(widths[at]),
        )
        .join("  "),
    )
    .join("\n");
}
