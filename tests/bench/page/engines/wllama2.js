// wllama 2.3.1: the last whose WebAssembly has llama.cpp's hand-written SIMD kernels. Best with an f32 KV cache.

import { Wllama } from "/nm/wllama2/esm/index.min.js";

const quiet = { debug() {}, log() {}, warn() {}, error: console.error };

export async function load({ model, threads, contextLength }) {
  const wllama = new Wllama(
    {
      "single-thread/wllama.wasm": "/nm/wllama2/esm/single-thread/wllama.wasm",
      "multi-thread/wllama.wasm": "/nm/wllama2/esm/multi-thread/wllama.wasm",
    },
    { logger: quiet, allowOffline: true },
  );
  await wllama.loadModelFromUrl(new URL(model, location.href).href, {
    n_threads: threads,
    n_ctx: contextLength,
    n_batch: 512,
    seed: 1,
    cache_type_k: "f32",
    cache_type_v: "f32",
  });
  // It has no option to go on after the end of the text.
  const ends = [wllama.getEOS(), wllama.getEOT()].filter((id) => id >= 0);
  const logit_bias = ends.map((token) => ({ token, bias: -Infinity }));
  return {
    info: { threads, version: "2.3.1" },
    async complete({ text, tokens }, onToken) {
      const promptTokens = (await wllama.tokenize(text, true)).length;
      await wllama.createCompletion(text, {
        nPredict: tokens,
        sampling: { temp: 0, top_k: 1, logit_bias },
        onNewToken: onToken,
      });
      return promptTokens;
    },
  };
}
