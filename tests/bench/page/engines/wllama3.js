// wllama 3: llama.cpp compiled to WebAssembly, on the CPU. Needs memory64 and JSPI.

import { Wllama } from "/nm/@wllama/wllama/esm/index.min.js";

const quiet = { debug() {}, log() {}, warn() {}, error: console.error };

export async function load({ model, threads, contextLength }) {
  const wllama = new Wllama(
    { default: "/nm/@wllama/wllama/esm/wasm/wllama.wasm" },
    { logger: quiet, allowOffline: true },
  );
  await wllama.loadModelFromUrl(new URL(model, location.href).href, {
    n_gpu_layers: 0,
    n_threads: threads,
    n_ctx: contextLength,
    seed: 1,
  });
  return {
    info: { threads: wllama.getNumThreads(), version: "3.8.1" },
    async complete({ text, tokens }, onToken) {
      let promptTokens = 0;
      await wllama.createCompletion({
        prompt: text,
        max_tokens: tokens,
        ignore_eos: true,
        temperature: 0,
        top_k: 1,
        cache_prompt: false,
        stream: true,
        timings_per_token: true,
        onData(chunk) {
          promptTokens = chunk.timings?.prompt_n ?? promptTokens;
          const choice = chunk.choices?.[0];
          // A token may have no text yet (half a character); the closing chunk has a reason instead.
          if (choice?.text != null && choice.finish_reason == null) onToken();
        },
      });
      return promptTokens;
    },
  };
}
