// Each flavour's distributions over English text against the same weights computed in f32: perplexity, KL, top-1.
//
// The f32 computation is the native reference, whose distributions `smidgen perplexity --save-logits` writes once.
// SMIDGEN_FULL=1 compares 8,493 tokens and takes minutes; otherwise one window of the same text.

import assert from "node:assert/strict";
import { test } from "node:test";
import { CONTEXT, FROM, measure } from "./fidelity/reference.mjs";
import { LIMIT } from "./package/stage.mjs";

const FULL = Boolean(process.env.SMIDGEN_FULL);
const WINDOWS = FULL ? 19 : 1;

// What the project promises of its demo model. One window is too little text for a mean to settle.
const KL = FULL ? 0.004 : 0.006;
const TOP_1 = FULL ? 0.97 : 0.96;
const PERPLEXITY = FULL ? 0.005 : 0.02;

for (const flavour of ["simd128", "relaxed"]) {
  test(
    `${flavour}: the demo model computes what f32 computes`,
    {
      ...LIMIT,
      timeout: 3_600_000,
    },
    async (context) => {
      const found = await measure(context, { flavour, windows: WINDOWS });
      const change = found.perplexity / found.referencePerplexity - 1;
      console.log(
        `${flavour}: ${found.tokens} tokens, perplexity ${found.perplexity.toFixed(4)} ` +
          `(f32 ${found.referencePerplexity.toFixed(4)}, ${(100 * change).toFixed(3)} %), ` +
          `KL ${found.kl.toFixed(5)}, top-1 ${(100 * found.top1).toFixed(2)} %, ` +
          `mean |Δ log p| ${found.meanDifference.toFixed(4)}, largest ${found.maxDifference.toFixed(3)}, ` +
          `${found.seconds.toFixed(0)} s`,
      );
      assert.equal(found.flavour, flavour);
      assert.equal(found.tokens, WINDOWS * (CONTEXT - 1 - FROM));
      assert.ok(Math.abs(change) <= PERPLEXITY, `perplexity ${change}`);
      assert.ok(found.kl <= KL, `KL ${found.kl}`);
      assert.ok(found.top1 >= TOP_1, `top-1 ${found.top1}`);
    },
  );
}
