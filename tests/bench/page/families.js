// Times the small model of one architecture after another in the tab, in the wasm that ships.

/** Steps are too short for a tab's clock: so many are timed together, so many times over. */
const ROUNDS = 15;
/** The browser compiles what runs often a second time, and better, meanwhile. */
const WARM_MS = 300;
const PIECE = 1 << 20;

let Loader;

const median = (times) => times.sort((a, b) => a - b)[times.length >> 1];

/** Milliseconds of `work`, the median of several after some time of warming up. */
function milliseconds(work) {
  const warm = performance.now() + WARM_MS;
  while (performance.now() < warm) work();
  return median(Array.from({ length: ROUNDS }, work));
}

/** Milliseconds of steps behind so many tokens. */
function steps(engine, { ids, steps }) {
  engine.reset();
  const request = {
    ids: Array.from({ length: ids }, (_, i) => 1 + ((i * 7) % 299)),
    maxTokens: steps + 1,
    ignoreEos: true,
  };
  const { reply } = JSON.parse(engine.begin(JSON.stringify(request)));
  while (engine.prefill(reply, ids) === 0);
  const one = () =>
    engine.step(Uint32Array.of(reply), new Uint32Array(), new Uint32Array());
  one();
  const start = performance.now();
  for (let i = 0; i < steps; i += 1) one();
  return performance.now() - start;
}

/** Milliseconds of reading a text so many times. */
function readings(engine, { text, times }) {
  const texts = JSON.stringify([text]);
  const start = performance.now();
  for (let i = 0; i < times; i += 1) engine.embed(texts, undefined, undefined);
  return performance.now() - start;
}

globalThis.families = {
  async load(flavour) {
    const folder = `/pkg/wasm/${flavour}`;
    const glue = await import(`${folder}/smidgen.js`);
    await glue.default({ module_or_path: `${folder}/smidgen_bg.wasm` });
    Loader = glue.Loader;
  },

  /** Tokens a second of the model whose files lie in `folder`. */
  async measure(folder, files, context, timed) {
    const loader = new Loader(JSON.stringify({ contextLength: context }));
    for (const name of files) {
      const answer = await fetch(`${folder}/${name}`);
      if (!answer.ok) throw new Error(`${folder}/${name}: ${answer.status}`);
      const bytes = new Uint8Array(await answer.arrayBuffer());
      loader.file(name);
      for (let at = 0; at < bytes.length; at += PIECE)
        loader.push(bytes.subarray(at, at + PIECE));
    }
    const engine = loader.finish();
    try {
      if (timed.ids !== undefined)
        return (1000 * timed.steps) / milliseconds(() => steps(engine, timed));
      const tokens = engine.tokenize(timed.text, false).length;
      const ms = milliseconds(() => readings(engine, timed));
      return (1000 * tokens * timed.times) / ms;
    } finally {
      engine.free();
    }
  },
};
