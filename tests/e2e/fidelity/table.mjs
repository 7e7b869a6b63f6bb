// Measures files of one model in one flavour, one after the other, for `cargo xtask formats-table`.
//
// The argument is a plan: { flavour, windows, record, models: [{ format, path }] }. Each row goes into the record (JSON
// lines) as soon as it is there, so what a run did not reach is left to the next. Without a record, rows are printed.

import { appendFile, readFile, stat } from "node:fs/promises";
import { measure } from "./reference.mjs";

const plan = JSON.parse(process.argv[2]);
const lines = plan.record
  ? await readFile(plan.record, "utf8").catch(() => "")
  : "";
const done = lines.split("\n").filter(Boolean).map(JSON.parse);

for (const { format, path } of plan.models) {
  const bytes = (await stat(path)).size;
  const same = (row) =>
    row.format === format &&
    row.flavour === plan.flavour &&
    row.bytes === bytes;
  if (done.some(same)) continue;
  const closing = [];
  try {
    const context = { after: (close) => closing.unshift(close) };
    const found = await measure(context, { ...plan, model: path });
    const row = { format, bytes, ...found };
    if (plan.record) await appendFile(plan.record, JSON.stringify(row) + "\n");
    else console.log(JSON.stringify(row));
    console.error(
      `${format}: perplexity ${found.perplexity.toFixed(3)}, KL ${found.kl.toFixed(5)}, ` +
        `top-1 ${(100 * found.top1).toFixed(2)} %, ${found.seconds.toFixed(0)} s`,
    );
  } finally {
    for (const close of closing) await close();
  }
}
