// Times single kernels of one flavour: GMAC/s and GB/s of every format at 1, 4 and 64 inputs, and MB/s of packing.

import { roofline } from "./roofline.js";

/** As short as a clock allows: what is measured must fit between two interruptions by others. */
const SAMPLE_MS = 2;
const SAMPLES = 60;
/** A matrix of a small model's size, beyond the second-level cache. */
const ROWS = 8192;
const COLS = 768;

/** The browser compiles what runs often a second time, and better, meanwhile. */
const WARM_MS = 250;

/** Milliseconds of one call, the best of many. */
function perCall(call) {
  const warm = performance.now() + WARM_MS;
  while (performance.now() < warm) call(1);
  let times = 1;
  for (;;) {
    const start = performance.now();
    call(times);
    if (performance.now() - start > SAMPLE_MS) break;
    times *= 2;
  }
  let least = Infinity;
  for (let i = 0; i < SAMPLES; i++) {
    const start = performance.now();
    call(times);
    least = Math.min(least, (performance.now() - start) / times);
  }
  return least;
}

globalThis.kernels = {
  roofline,

  async load(folder) {
    const glue = await import(`${folder}/kernels.js`);
    await glue.default({ module_or_path: `${folder}/kernels_bg.wasm` });
    globalThis.kernels.glue = glue;
    return glue.formats().split(" ");
  },

  /** @param {string} format @param {number[]} tokens */
  measure(format, tokens) {
    const { Kernel } = globalThis.kernels.glue;
    const row = { format };
    for (const n of tokens) {
      const kernel = Kernel.of(format, ROWS, COLS, n);
      const ms = perCall((times) => kernel.multiply(times));
      row[`gmac_${n}`] = (ROWS * COLS * n) / 1e6 / ms;
      if (n === 1) {
        row.gb_per_s = kernel.bytes() / 1e6 / ms;
        row.pack_mb_per_s =
          kernel.bytes() / 1e3 / perCall((times) => kernel.pack(times));
      }
      kernel.free();
    }
    return row;
  },
};
