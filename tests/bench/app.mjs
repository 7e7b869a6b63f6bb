// `cargo xtask bench-app`: the chat page as a person on a slow phone meets it. A first visit, then a second one with the
// server stopped and the browser started anew: until something is painted, the model is ready, the first token is there;
// and how long the page is held up while a reply streams.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Person } from "../e2e/app/person.mjs";
import { open } from "../e2e/drive/browser.mjs";
import { serve } from "../e2e/drive/server.mjs";
import { cpuShare } from "./cpu-share.mjs";
import { spread, table } from "./statistics.mjs";

/**
 * @typedef {object} Plan what xtask hands over, as JSON
 * @property {import("../e2e/drive/browser.mjs").Driven} browser
 * @property {number} cores that the browser gets; 0 for all
 * @property {string} models folder with the demo model
 * @property {number} repetitions
 * @property {number} patienceSeconds for one step
 * @property {boolean} json
 */

const QUESTION = "Write a story about a fox.";
/** A longer reply tells nothing more. */
const MOST_TOKENS = 64;

/** Resolves in the page with `result(now)` as soon as it is defined; looks when the page changes, not by the clock. */
const once = (result) => `new Promise((done) => {
  const result = ${result};
  const look = () => {
    const value = result(performance.now());
    if (value === undefined) return;
    observer.disconnect();
    done(JSON.stringify(value));
  };
  const observer = new MutationObserver(look);
  observer.observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
  look();
})`;

const OFFERED = once(
  `(now) => document.querySelector(".panel .primary") ? { at: now } : undefined`,
);

const READY = once(`(now) => {
  const phase = document.querySelector(".chip")?.dataset.phase;
  if (phase === "ready") return { at: now };
  if (phase === "failed") return { failed: document.querySelector(".panel").innerText };
}`);

const SEND = `(() => {
  const field = document.querySelector("#composer");
  field.value = ${JSON.stringify(QUESTION)};
  field.dispatchEvent(new InputEvent("input", { bubbles: true }));
  window.before = document.querySelectorAll("article").length;
  // What Chromium calls long: 50 ms by the clock, in which nobody's finger is answered.
  window.longTasks = [];
  new PerformanceObserver((list) =>
    window.longTasks.push(...list.getEntries().map((task) => task.duration)),
  ).observe({ type: "longtask" });
  setTimeout(() => {
    window.sentAt = performance.now();
    document.querySelector('[aria-label="Send"]').click();
  });
})()`;

/** The question and its reply come behind what a conversation held before. */
const REPLY = `[...document.querySelectorAll("article")][window.before + 1]`;

const FIRST_TOKEN = once(`(now) => {
  const reply = ${REPLY};
  if (reply?.querySelector(".problem")) return { failed: reply.innerText };
  if (reply?.querySelector(".block")) return { after: now - window.sentAt };
}`);

const FIGURES = once(`() => {
  const meta = ${REPLY}?.querySelector(".meta")?.textContent ?? "";
  const speed = /([\\d.,]+) tok\\/s/.exec(meta);
  if (speed && !document.querySelector('[aria-label="Stop"]'))
    return {
      tokensPerSecond: Number(speed[1].replace(",", "")),
      longTasks: window.longTasks.length,
      longestTask: Math.max(0, ...window.longTasks),
    };
}`);

const PAINTED = `new Promise((done) => {
  const look = () => {
    const [paint] = performance.getEntriesByName("first-contentful-paint");
    if (paint) done(JSON.stringify({ at: paint.startTime }));
    else setTimeout(look, 50);
  };
  look();
})`;

class Visit {
  figures = {};

  constructor(page, patienceSeconds) {
    this.page = page;
    this.patience = patienceSeconds * 1000;
  }

  async step(name, expression) {
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(async () => {
        const seen = await this.page
          .evaluate("document.body.innerText")
          .catch((error) => error.message);
        reject(
          new Error(
            `${name}: not within ${this.patience / 1000} s; the page says: ${seen}`,
          ),
        );
      }, this.patience);
    });
    try {
      const said = await Promise.race([this.page.evaluate(expression), late]);
      const value = JSON.parse(said);
      if (value.failed) throw new Error(`${name}: ${value.failed}`);
      return value;
    } finally {
      clearTimeout(timer);
    }
  }

  async chat() {
    const { page, figures } = this;
    const person = new Person(page);
    await person.press("Settings of this conversation");
    await person.write("Temperature", "0");
    await person.write("Longest reply (tokens)", String(MOST_TOKENS));
    await person.press("Done");
    await page.evaluate(SEND);
    figures.firstToken = (await this.step("first token", FIRST_TOKEN)).after;
    Object.assign(figures, await this.step("the reply", FIGURES));
  }
}

async function first(page, origin, plan) {
  const visit = new Visit(page, plan.patienceSeconds);
  const { figures } = visit;
  await page.goto(`${origin}/`);
  figures.painted = (await visit.step("first paint", PAINTED)).at;
  figures.offered = (await visit.step("the offer", OFFERED)).at;
  await page.evaluate(
    `window.pressedAt = performance.now(), document.querySelector(".panel .primary").click()`,
  );
  const { at } = await visit.step("ready", READY);
  figures.ready = at - (await page.evaluate("window.pressedAt"));
  await visit.chat();
  // A question that nobody asked again: what is kept for later visits is kept when the page says so.
  await visit.step(
    "kept for offline use",
    `navigator.serviceWorker.ready.then(() => JSON.stringify({}))`,
  );
  return figures;
}

async function second(page, origin, plan) {
  const visit = new Visit(page, plan.patienceSeconds);
  const { figures } = visit;
  await page.goto(`${origin}/`);
  figures.painted = (await visit.step("first paint", PAINTED)).at;
  figures.ready = (await visit.step("ready", READY)).at;
  await visit.chat();
  return figures;
}

/** Both visits of one profile. */
async function measure(plan) {
  const folder = await mkdtemp(join(tmpdir(), "smidgen-app-"));
  const share = plan.cores > 0 ? await cpuShare(plan.cores, folder) : undefined;
  const { browser } = plan;
  const driven = share
    ? { ...browser, executable: await share.wrapped(browser.executable) }
    : browser;
  const server = await serve({ models: plan.models });
  const visited = async (work) => {
    const profile = join(folder, "profile");
    const page = await open(driven, {
      profile,
      unwatched: true,
      phone: { width: 412, height: 915 },
    });
    try {
      return await work(page, server.origin, plan);
    } finally {
      await page.close();
    }
  };
  try {
    const online = await visited(first);
    await server.stop();
    const offline = await visited(second);
    return { by: share?.by, online, offline };
  } finally {
    await server.stop();
    await share?.remove();
    await rm(folder, {
      recursive: true,
      force: true,
      maxRetries: 20,
      retryDelay: 100,
    });
  }
}

const seconds = (figure) =>
  figure && `${figure.median} (${figure.min} to ${figure.max})`;

function report(plan, runs) {
  const of = (visit, name, scale = 1000) =>
    spread(
      runs.map((run) => run[visit][name] / scale),
      2,
    );
  const rows = [
    ["first visit", "first paint", of("online", "painted"), "s"],
    ["", "the model is offered", of("online", "offered"), "s"],
    ["", "pressed → ready", of("online", "ready"), "s"],
    ["", "sent → first token", of("online", "firstToken"), "s"],
    ["", "reply", of("online", "tokensPerSecond", 1), "tok/s"],
    ["", "tasks over 50 ms", of("online", "longTasks", 1), ""],
    ["", "the longest of them", of("online", "longestTask"), "s"],
    ["second visit, offline", "first paint", of("offline", "painted"), "s"],
    ["", "ready, by itself", of("offline", "ready"), "s"],
    ["", "sent → first token", of("offline", "firstToken"), "s"],
    ["", "reply", of("offline", "tokensPerSecond", 1), "tok/s"],
    ["", "tasks over 50 ms", of("offline", "longTasks", 1), ""],
    ["", "the longest of them", of("offline", "longestTask"), "s"],
  ];
  const held = plan.cores
    ? `held to ${plan.cores} of a core by ${runs[0].by}`
    : "with the whole processor";
  console.log(
    `\n${plan.browser.name}, ${held}, ${runs.length} times; no limit on the line\n`,
  );
  console.log(
    table(
      ["visit", "step", "unit", "median (least to most)"],
      rows.map(([visit, step, figure, unit]) => [
        visit,
        step,
        unit,
        seconds(figure),
      ]),
    ),
  );
}

const plan = JSON.parse(process.argv[2]);
const runs = [];
for (let run = 0; run < plan.repetitions; run += 1) {
  const figures = await measure(plan);
  if (plan.json) console.log(JSON.stringify(figures));
  runs.push(figures);
}
if (!plan.json) report(plan, runs);
