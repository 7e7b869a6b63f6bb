// One way of counting for every engine: prefill ends with the first token, decode lies between the first and the last.

/**
 * What an adapter in engines/ exports.
 * @typedef {object} Adapter
 * @property {(options: LoadOptions) => Promise<Loaded>} load
 *
 * @typedef {object} LoadOptions
 * @property {string} model address of the file
 * @property {string} [onnx] the same model for engines that read ONNX
 * @property {number} threads
 * @property {number} contextLength
 * @property {string} [flavour] Smidgen's alone
 *
 * @typedef {object} Loaded
 * @property {object} info what the engine says of itself
 * @property {(request: Request, onToken: () => void) => Promise<number>} complete
 *   continues the prompt greedily by `tokens` tokens, end of text or not, and resolves to the prompt's length in tokens
 * @property {(n: number) => Promise<Prompt>} [prompt] Smidgen's alone: text that is `n` tokens long
 *
 * @typedef {{ text: string, ids: number[] }} Prompt
 * @typedef {Prompt & { tokens: number }} Request
 */

/** @type {Loaded} */
let engine;

globalThis.bench = {
  /** @param {string} name @param {LoadOptions} options */
  async load(name, options) {
    const start = performance.now();
    const adapter = await import(`./engines/${name}.js`);
    engine = await adapter.load(options);
    return { loadMs: performance.now() - start, info: engine.info };
  },

  /** @param {number} n */
  prompt: (n) => engine.prompt(n),

  /**
   * Both at once, as for somebody who asks as soon as the model is there.
   * @param {string} name @param {LoadOptions} options @param {Request} request
   */
  async visit(name, options, request) {
    await this.load(name, options);
    return this.complete(request);
  },

  /** @param {Request} request */
  async complete(request) {
    const times = [];
    const start = performance.now();
    const promptTokens = await engine.complete(request, () =>
      times.push(performance.now()),
    );
    const first = times[0];
    const last = times.at(-1);
    return {
      promptTokens,
      generated: times.length,
      // Since navigation: what somebody waits who opens the page.
      firstTokenAt: first,
      firstTokenMs: first - start,
      prefillTps: (promptTokens / (first - start)) * 1000,
      decodeTps: ((times.length - 1) / (last - first)) * 1000,
    };
  },
};
