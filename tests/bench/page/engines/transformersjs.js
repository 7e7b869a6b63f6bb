// transformers.js on ONNX Runtime's WebAssembly back end, int8: its default and its fastest on the CPU.

import {
  AutoModelForCausalLM,
  AutoTokenizer,
  TextStreamer,
  env,
} from "/nm/@huggingface/transformers/dist/transformers.min.js";

export async function load({ onnx, threads }) {
  env.allowRemoteModels = false;
  env.allowLocalModels = true;
  env.backends.onnx.wasm.wasmPaths = "/nm/onnxruntime-web/dist/";
  env.backends.onnx.wasm.numThreads = threads;
  const parts = new URL(onnx, location.href).pathname.split("/");
  const id = parts.pop();
  env.localModelPath = `${parts.join("/")}/`;
  const tokenizer = await AutoTokenizer.from_pretrained(id);
  const model = await AutoModelForCausalLM.from_pretrained(id, {
    device: "wasm",
    dtype: "q8",
  });
  return {
    info: { threads, version: env.version },
    async complete({ text, tokens }, onToken) {
      const inputs = tokenizer(text, { add_special_tokens: false });
      const streamer = new TextStreamer(tokenizer, {
        skip_prompt: true,
        callback_function: () => {},
        token_callback_function: onToken,
      });
      await model.generate({
        ...inputs,
        streamer,
        do_sample: false,
        min_new_tokens: tokens,
        max_new_tokens: tokens,
      });
      return inputs.input_ids.dims[1];
    },
  };
}
