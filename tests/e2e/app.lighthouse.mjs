// Lighthouse on the first visit, without a model: performance, accessibility and best practices, each 95 or more.

import assert from "node:assert/strict";
import { test } from "node:test";
import { browse, LIMIT, profileFolder, serve } from "./app/stage.mjs";

const LEAST = 95;

(process.env.SMIDGEN_FULL ? test : test.skip)(
  "Lighthouse on the first visit",
  LIMIT,
  async (t) => {
    const { default: lighthouse } =
      await import("./lighthouse/node_modules/lighthouse/core/index.js");
    const server = await serve(t, { compress: true });
    const port = 9300 + (process.pid % 600);
    await browse(t, await profileFolder(t), {
      args: [`--remote-debugging-port=${port}`, "--no-first-run"],
    });
    const { lhr } = await lighthouse(`${server.origin}/`, {
      port,
      output: "json",
      logLevel: "error",
      onlyCategories: ["performance", "accessibility", "best-practices"],
    });
    assert.equal(lhr.runtimeError, undefined);
    for (const { title, score, auditRefs } of Object.values(lhr.categories)) {
      const lost = auditRefs
        .map(({ id }) => lhr.audits[id])
        .filter(({ score }) => score !== null && score < 0.9)
        .map(({ id, displayValue = "" }) => `${id} ${displayValue}`.trim());
      t.diagnostic(`${title}: ${Math.round(score * 100)} ${lost.join("; ")}`);
      assert.ok(score * 100 >= LEAST, `${title}: ${score * 100}; ${lost}`);
    }
  },
);
