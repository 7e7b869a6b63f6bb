// Embeddings of texts of a given length, timed one way for both engines: the median of many calls after a few more.

/** Words of which each is one piece of the vocabulary. */
const WORDS =
  "the river runs from the hills to the sea and along its banks stand villages whose people have built boats and traded for as long as anyone remembers in spring the water is high and brown".split(
    " ",
  );

/** A text of `tokens` tokens, the two around it among them; texts of different `n` begin otherwise. */
function textOf(tokens, n) {
  const words = [];
  for (let i = 0; i < tokens - 2; i += 1)
    words.push(WORDS[(i + 7 * n) % WORDS.length]);
  return words.join(" ");
}

/** Each loads a model and returns what embeds texts and says how many tokens they have. */
const ENGINES = {
  async smidgen({ model, flavour }) {
    const { Smidgen } = await import("/pkg/index.js");
    const llm = await Smidgen.load(new URL(model, location.href), {
      threads: 1,
      contextLength: 512,
      flavour,
    });
    return {
      embed: async (texts) => (await llm.embed(texts)).embeddings,
      // Without the two around it.
      length: async (text) => (await llm.tokenize(text)).length + 2,
    };
  },
  async transformersjs({ onnx }) {
    const { env, pipeline } =
      await import("/nm/@huggingface/transformers/dist/transformers.min.js");
    env.allowRemoteModels = false;
    env.allowLocalModels = true;
    env.backends.onnx.wasm.wasmPaths = "/nm/onnxruntime-web/dist/";
    env.backends.onnx.wasm.numThreads = 1;
    const parts = new URL(onnx, location.href).pathname.split("/");
    const id = parts.pop();
    env.localModelPath = `${parts.join("/")}/`;
    const extract = await pipeline("feature-extraction", id, {
      device: "wasm",
      dtype: "q8",
    });
    const options = { pooling: "mean", normalize: true };
    return {
      embed: async (texts) => (await extract(texts, options)).tolist(),
      length: async (text) => extract.tokenizer(text).input_ids.dims[1],
    };
  },
};

const WARM = 5;
const CALLS = 25;

globalThis.encoder = {
  async measure(options, cases) {
    const engine = await ENGINES[options.engine](options);
    const ms = [];
    const embeddings = [];
    for (const { tokens, texts } of cases) {
      const all = Array.from({ length: texts }, (_, n) => textOf(tokens, n));
      const found = await engine.length(all[0]);
      if (found !== tokens)
        throw new Error(
          `${options.engine} reads ${found} tokens for ${tokens}`,
        );
      const times = [];
      for (let i = 0; i < WARM + CALLS; i += 1) {
        const start = performance.now();
        const made = await engine.embed(all);
        if (i >= WARM) times.push(performance.now() - start);
        if (i === 0) embeddings.push(Array.from(made.at(-1)));
      }
      times.sort((a, b) => a - b);
      ms.push(times[times.length >> 1]);
    }
    return { ms, embeddings };
  },
};
