// Lighthouse on the first visit, without a model, three times: performance, accessibility and best practices, each 95 or
// more every time. One visit is an accident.

import assert from "node:assert/strict";
import { test } from "node:test";
import { browse, LIMIT, profileFolder, serve } from "./app/stage.mjs";

const LEAST = 95;
const VISITS = 3;

/** One visit on a profile of its own: each category's score and what it lost points for. */
async function visited(t, lighthouse, server) {
  const port = 9300 + (process.pid % 600);
  const { close } = await browse(t, await profileFolder(t), {
    args: [`--remote-debugging-port=${port}`, "--no-first-run"],
  });
  const { lhr } = await lighthouse(`${server.origin}/`, {
    port,
    output: "json",
    logLevel: "error",
    onlyCategories: ["performance", "accessibility", "best-practices"],
  });
  await close();
  assert.equal(lhr.runtimeError, undefined);
  const figures = ["first-contentful-paint", "largest-contentful-paint"]
    .concat(["total-blocking-time", "cumulative-layout-shift", "speed-index"])
    .map((id) => `${id} ${lhr.audits[id].displayValue}`);
  const categories = Object.values(lhr.categories).map(
    ({ title, score, auditRefs }) => ({
      title,
      score: Math.round(score * 100),
      lost: auditRefs
        .map(({ id }) => lhr.audits[id])
        .filter(({ score }) => score !== null && score < 0.9)
        .map(({ id, displayValue = "" }) => `${id} ${displayValue}`.trim()),
    }),
  );
  return { figures, categories };
}

(process.env.SMIDGEN_FULL ? test : test.skip)(
  "Lighthouse on the first visit",
  LIMIT,
  async (t) => {
    const { default: lighthouse } =
      await import("./lighthouse/node_modules/lighthouse/core/index.js");
    const server = await serve(t, { compress: true });
    for (let visit = 1; visit <= VISITS; visit += 1) {
      const { figures, categories } = await visited(t, lighthouse, server);
      t.diagnostic(`visit ${visit}: ${figures.join(", ")}`);
      for (const { title, score, lost } of categories) {
        t.diagnostic(`visit ${visit}: ${title}: ${score} ${lost.join("; ")}`);
        assert.ok(score >= LEAST, `${title}: ${score}; ${lost.join("; ")}`);
      }
    }
  },
);
