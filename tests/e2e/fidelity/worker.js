// Loads one flavour and a model, and compares its distributions with the saved ones, window after window.

/** Reads a body in pieces of the sizes asked for. */
class Exactly {
  #reader;
  #held = new Uint8Array(0);

  constructor(body) {
    this.#reader = body.getReader();
  }

  async take(bytes) {
    const out = new Uint8Array(bytes);
    let at = 0;
    while (at < bytes) {
      if (this.#held.length === 0) {
        const { done, value } = await this.#reader.read();
        if (done) throw new Error(`${bytes - at} bytes are missing`);
        this.#held = value;
      }
      const n = Math.min(this.#held.length, bytes - at);
      out.set(this.#held.subarray(0, n), at);
      this.#held = this.#held.subarray(n);
      at += n;
    }
    return out;
  }
}

async function body(address) {
  const response = await fetch(address);
  if (!response.ok) throw new Error(`${address}: ${response.status}`);
  return response.body;
}

async function load({ Loader }, address, options) {
  const loader = new Loader(JSON.stringify(options));
  const reader = (await body(address)).getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return loader.finish();
    loader.push(value);
  }
}

async function measure({ flavour, model, logits, windows, reference }) {
  const wasm = await import(`/pkg/wasm/${flavour}/smidgen.js`);
  await wasm.default({
    module_or_path: new URL(`/pkg/wasm/${flavour}/smidgen_bg.wasm`, location),
  });
  // The layout stands in src/bin/smidgen/logits.rs.
  const file = new Exactly(await body(logits));
  const header = new DataView((await file.take(24)).buffer);
  const [context, from, vocabulary, count] = [8, 12, 16, 20].map((at) =>
    header.getUint32(at, true),
  );
  const engine = await load(wasm, model, { contextLength: context, reference });
  const total = {
    tokens: 0,
    nll: 0,
    referenceNll: 0,
    kl: 0,
    agreed: 0,
    difference: 0,
    maxDifference: 0,
  };
  const start = performance.now();
  for (let i = 0; i < Math.min(count, windows ?? count); i++) {
    const ids = new Uint32Array((await file.take(4 * context)).buffer);
    const packed = await file.take(2 * vocabulary * (context - 1 - from));
    const sums = JSON.parse(engine.compare(ids, from, packed));
    for (const key of Object.keys(total)) {
      total[key] =
        key === "maxDifference"
          ? Math.max(total[key], sums[key])
          : total[key] + sums[key];
    }
  }
  return {
    ...JSON.parse(engine.info()),
    ...total,
    seconds: (performance.now() - start) / 1000,
  };
}

onmessage = ({ data }) =>
  measure(data).then(
    (answer) => postMessage(answer),
    (error) => postMessage({ error: String(error?.message ?? error) }),
  );
