// One tab of any browser engine as the fault runs need it: calls functions in the page, and waits no longer than a limit.

/** Nothing that a run waits for takes this long unless it is stuck. */
export const LIMIT_MS = 60_000;
const POLL_MS = 15;

export class Stuck extends Error {}

/** Rejects with Stuck where `promise` takes longer than the limit. */
export async function within(promise, what, ms = LIMIT_MS) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Stuck(what)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

export class Tab {
  /** @param {import("../drive/browser.mjs").Page} page */
  constructor(page) {
    this.page = page;
  }

  async open(origin) {
    await this.page.goto(`${origin}/index.html`);
    await this.#until("window.ready === true", "the page");
    await this.page.evaluate(`(${install})()`);
  }

  /** Begins `work(...args)` in the page. */
  async begin(work, ...args) {
    const call = args.map((value) => JSON.stringify(value)).join(", ");
    await this.page.evaluate(`window.answer.begin(() => (${work})(${call}))`);
  }

  /** What the work begun last came to: { value } or { error: { name, code, message } }; undefined while it goes on. */
  async outcome() {
    const text = await this.page.evaluate("window.answer.outcome");
    return text ? JSON.parse(text) : undefined;
  }

  /** Begins and waits. */
  async call(work, ...args) {
    await this.begin(work, ...args);
    return this.finish(work.name);
  }

  async finish(what) {
    await this.#until("Boolean(window.answer.outcome)", what);
    return this.outcome();
  }

  async #until(expression, what) {
    const end = Date.now() + LIMIT_MS;
    while (!(await this.page.evaluate(expression))) {
      if (Date.now() > end) throw new Stuck(what);
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }

  close() {
    return this.page.close();
  }
}

/** Runs in the page: results as JSON, and a handle on every worker. */
function install() {
  if (window.answer) return;
  const answer = { outcome: "", workers: [], begun: 0 };
  window.answer = answer;
  answer.begin = (work) => {
    // A load that outlived its server may end during a later call: that is not the later call's outcome.
    const mine = ++answer.begun;
    answer.outcome = "";
    const settle = (outcome) => {
      if (mine === answer.begun) answer.outcome = JSON.stringify(outcome);
    };
    Promise.resolve()
      .then(work)
      .then(
        (value) => settle({ value: value ?? null }),
        ({ name, code, message }) => settle({ error: { name, code, message } }),
      );
    return null;
  };
  const Native = window.Worker;
  window.Worker = class extends Native {
    constructor(...given) {
      super(...given);
      answer.workers.push(this);
    }
  };
}

/** Page functions; each stands alone. */
export const inPage = {
  load: (source, options) =>
    load(source, options).then(({ info, warnings }) => ({
      fromCache: info.fromCache,
      cached: info.cached,
      warnings: warnings.map(({ code }) => code),
    })),
  /** A chat whose ids depend on every layer; the model is small and knows no end. */
  chat: () =>
    generate(llm, {
      messages: [{ role: "user", content: "Hello there" }],
      maxTokens: 4,
      temperature: 0,
      seed: 1,
      ignoreEos: true,
    }).then(({ ids }) => ids),
  /** SHA-256 of what is stored under the address. */
  stored: async (url) => {
    const file = await Smidgen.models.export(url);
    const bytes = await crypto.subtle.digest(
      "SHA-256",
      await file.arrayBuffer(),
    );
    return Array.from(new Uint8Array(bytes), (byte) =>
      byte.toString(16).padStart(2, "0"),
    ).join("");
  },
  list: () => Smidgen.models.list(),
  /** The spans that are durable, read past the package. */
  durable: (url) =>
    new Promise((resolve, reject) => {
      const opening = indexedDB.open("smidgen");
      opening.onerror = () => reject(opening.error);
      opening.onupgradeneeded = () => opening.transaction.abort();
      opening.onsuccess = () => {
        const database = opening.result;
        const held = database
          .transaction("partial")
          .objectStore("partial")
          .get(url);
        held.onsuccess = () => {
          database.close();
          const record = held.result;
          const spans = (record?.chunks ?? []).flatMap((chunk, index) => {
            const start = index * record.chunkBytes;
            return chunk ? [[start, start + chunk.bytes]] : [];
          });
          const { etag, lastModified, totalBytes } = record ?? {};
          resolve({ etag, lastModified, totalBytes, spans });
        };
      };
    }),
  clear: async () => {
    for (const { name } of await indexedDB.databases()) {
      indexedDB.deleteDatabase(name);
    }
    const root = await navigator.storage.getDirectory?.();
    await root?.removeEntry("smidgen", { recursive: true }).catch(() => {});
  },
};
