// The record of the randomised runs and the table that it makes in the architecture page. By itself it writes that table anew from what is recorded.

import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beyond, isStuck, isWrong } from "./runs.mjs";

const ROOT = join(import.meta.dirname, "../../..");
const RECORD = join(ROOT, "tests/bench/record/cache-faults.jsonl");
const PAGE = join(ROOT, "src/README.md");
const MARKS = ["<!-- faults-table -->", "<!-- /faults-table -->"];

/** Kinds as a person would say them, in the table's order. */
const KINDS = {
  tab: "tab closed",
  crash: "tab crashed",
  reload: "page reloaded",
  worker: "worker killed",
  server: "server killed",
  drop: "connection dropped",
  stall: "connection silent for good",
  pause: "connection silent for a while",
  shorten: "fewer bytes than announced",
  corrupt: "bits flipped on the line",
  shift: "another range than asked for",
  length: "a lie about the length",
  change: "file changed on the server",
  whole: "whole file instead of a range",
  status: "status 429, 500, 502, 503",
  cors: "CORS header forgotten",
  none: "none of these",
};

/** Per kind: runs in which it came, how often, bytes beyond their files, and what became of them. */
function kindsOf(results) {
  const rows = {};
  for (const result of results) {
    const { site, drawn, kills } = result;
    const came = { ...site?.seen };
    for (const { death } of drawn?.kills.slice(0, kills) ?? []) {
      came[death] = (came[death] ?? 0) + 1;
    }
    if (Object.keys(came).length === 0) came.none = 1;
    for (const [kind, times] of Object.entries(came)) {
      const row = (rows[kind] ??= {
        ...{ runs: 0, times: 0, fileBytes: 0, beyondBytes: 0 },
        ...{ wrong: 0, stuck: 0, otherwise: 0 },
      });
      row.runs += 1;
      row.times += times;
      row.fileBytes += result.size ?? 0;
      row.beyondBytes += site ? beyond(result) : 0;
      row.wrong += isWrong(result) ? 1 : 0;
      row.stuck += isStuck(result) ? 1 : 0;
      row.otherwise +=
        result.error && !isWrong(result) && !isStuck(result) ? 1 : 0;
    }
  }
  return rows;
}

/** Puts these runs in place of recorded ones of the same browser and seed, where SMIDGEN_RECORD asks for it. */
export async function record(browser, seed, results, counts) {
  if (!process.env.SMIDGEN_RECORD) return;
  const lines = (await recorded()).filter(
    (line) => line.browser !== browser || line.seed !== seed,
  );
  lines.push({ browser, seed, ...counts, kinds: kindsOf(results) });
  lines.sort((a, b) => a.browser.localeCompare(b.browser) || a.seed - b.seed);
  const text = lines.map((line) => `${JSON.stringify(line)}\n`).join("");
  await writeFile(RECORD, text);
  await render();
}

async function recorded() {
  const text = await readFile(RECORD, "utf8").catch(() => "");
  return text
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line));
}

async function render() {
  const lines = await recorded();
  const browsers = [...new Set(lines.map(({ browser }) => browser))];
  const sum = (list, pick) =>
    list.reduce((total, entry) => total + (pick(entry) ?? 0), 0);
  const of = (browser) => lines.filter((line) => line.browser === browser);
  const cells = (rows) => {
    const [runs, times, file, over, wrong, stuck, otherwise] = [
      "runs",
      "times",
      "fileBytes",
      "beyondBytes",
      "wrong",
      "stuck",
      "otherwise",
    ].map((name) => sum(rows, (row) => row[name]));
    return [
      times,
      `${((100 * over) / Math.max(1, file)).toFixed(1)} %`,
      wrong,
      stuck + otherwise,
      runs,
    ];
  };
  const kinds = Object.entries(KINDS).flatMap(([kind, said]) => {
    const rows = lines.flatMap(({ kinds }) => kinds[kind] ?? []);
    if (rows.length === 0) return [];
    const [times, over, wrong, stuck] = cells(rows);
    const runs = browsers.map((browser) =>
      sum(of(browser), ({ kinds }) => kinds[kind]?.runs),
    );
    return [[said, ...runs, times, over, wrong, stuck]];
  });
  const all = [
    "all",
    ...browsers.map((browser) => sum(of(browser), ({ runs }) => runs)),
    sum(lines, (line) => line.kills) +
      sum(lines, ({ faults }) => sum(Object.values(faults), (n) => n)),
    `${((100 * sum(lines, (line) => line["bytes fetched beyond the files' sizes"])) / sum(lines, (line) => line["bytes of all files"])).toFixed(1)} %`,
    sum(lines, (line) => line["wrong weights accepted"]),
    sum(lines, (line) => line["stuck states"] + line["other failures"]),
  ];
  const head = [
    "fault",
    ...browsers.map((name) => `runs, ${name}`),
    "times",
    "fetched beyond the file",
    "wrong weights",
    "stuck",
  ];
  const rule = head.map((_, index) => (index === 0 ? "---" : "--:"));
  const table = [head, rule, ...kinds, all]
    .map((row) => `| ${row.join(" | ")} |`)
    .join("\n");
  const page = await readFile(PAGE, "utf8");
  const [from, to] = MARKS.map((mark) => page.indexOf(mark));
  if (from < 0 || to < from) throw new Error(`${PAGE} lacks ${MARKS}`);
  await writeFile(
    PAGE,
    `${page.slice(0, from)}${MARKS[0]}\n${table}\n${page.slice(to)}`,
  );
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await render();
