// A model of more than 2 GiB in the wasm that ships, in Node: what lies beyond the reach of a signed 32-bit number is
// read as what it is. With --full only: it takes 3 GB of memory.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

const DIM = 512;
const HIDDEN = 32768;
/** 53 MB each. */
const LAYERS = 44;
const Q8_0 = 8;
const F32 = 0;
const TOKENS = Array.from({ length: 96 }, (_, i) =>
  i < 94 ? String.fromCharCode(33 + i) : ["Ġ", "<|im_end|>"][i - 94],
);

/** A GGUF header, little-endian. */
class Header {
  #parts = [];
  #n = 0;

  #number(bytes, write) {
    const view = new DataView(new ArrayBuffer(bytes));
    write(view);
    this.#parts.push(Buffer.from(view.buffer));
  }
  u32(n) {
    this.#number(4, (view) => view.setUint32(0, n, true));
  }
  u64(n) {
    this.#number(8, (view) => view.setBigUint64(0, BigInt(n), true));
  }
  text(text) {
    const bytes = Buffer.from(text);
    this.u64(bytes.length);
    this.#parts.push(bytes);
  }
  key(name, value) {
    this.#n++;
    this.text(name);
    if (typeof value === "string") {
      this.u32(8);
      this.text(value);
    } else if (Array.isArray(value)) {
      this.u32(9);
      this.u32(8);
      this.u64(value.length);
      value.forEach((one) => this.text(one));
    } else if (Number.isInteger(value)) {
      this.u32(4);
      this.u32(value);
    } else {
      this.u32(6);
      this.#number(4, (view) => view.setFloat32(0, value, true));
    }
  }
  finish(tensors) {
    const keys = this.#parts;
    this.#parts = [Buffer.from("GGUF")];
    this.u32(3);
    this.u64(tensors.length);
    this.u64(this.#n);
    this.#parts.push(...keys);
    let offset = 0;
    for (const { name, shape, type, bytes } of tensors) {
      this.text(name);
      this.u32(shape.length);
      shape.forEach((n) => this.u64(n));
      this.u32(type);
      this.u64(offset);
      offset += bytes;
    }
    const whole = Buffer.concat(this.#parts);
    return Buffer.concat([
      whole,
      Buffer.alloc((32 - (whole.length % 32)) % 32),
    ]);
  }
}

const matrix = (name, cols, rows) => ({
  name,
  shape: [cols, rows],
  type: Q8_0,
  bytes: (cols / 32) * 34 * rows,
});
const ones = (name) => ({
  name,
  shape: [DIM],
  type: F32,
  bytes: 4 * DIM,
  data: () => Buffer.from(new Float32Array(DIM).fill(1).buffer),
});

/** Row r has a one in column `column(r)`, in q8_0: a scale of f16 1.0, and quants. */
function marked(name, column) {
  const tensor = matrix(name, DIM, TOKENS.length);
  const data = () => {
    const bytes = Buffer.alloc(tensor.bytes);
    for (let r = 0; r < TOKENS.length; r++) {
      const block = (r * (DIM / 32) + Math.floor(column(r) / 32)) * 34;
      bytes.writeUInt16LE(0x3c00, block);
      bytes.writeInt8(1, block + 2 + (column(r) % 32));
    }
    return bytes;
  };
  return { ...tensor, data };
}

test(
  "what lies beyond 2 GiB is computed with",
  { skip: !process.env.SMIDGEN_FULL, timeout: 600_000 },
  async () => {
    const folder = join(ROOT, "pkg/dist/wasm/simd128");
    const { default: init, Loader } = await import(join(folder, "smidgen.js"));
    const bytes = await readFile(join(folder, "smidgen_bg.wasm"));
    await init({ module_or_path: await WebAssembly.compile(bytes) });

    const header = new Header();
    header.key("general.architecture", "llama");
    for (const [name, n] of Object.entries({
      context_length: 64,
      embedding_length: DIM,
      block_count: LAYERS,
      feed_forward_length: HIDDEN,
      "attention.head_count": 8,
      "attention.head_count_kv": 8,
      "rope.dimension_count": 64,
      "attention.layer_norm_rms_epsilon": 1.5e-5,
    }))
      header.key(`llama.${name}`, n);
    header.key("tokenizer.ggml.model", "gpt2");
    header.key("tokenizer.ggml.pre", "gpt-2");
    header.key("tokenizer.ggml.eos_token_id", TOKENS.length - 1);
    header.key("tokenizer.ggml.tokens", TOKENS);
    header.key("tokenizer.ggml.merges", ["a b"].slice(1));
    // Every layer adds nothing; the last matrix, behind all of them, says which token follows which.
    const n = TOKENS.length;
    const tensors = [marked("token_embd.weight", (r) => r)];
    for (let i = 0; i < LAYERS; i++) {
      const name = (part) => `blk.${i}.${part}.weight`;
      for (const part of ["attn_q", "attn_k", "attn_v", "attn_output"])
        tensors.push(matrix(name(part), DIM, DIM));
      tensors.push(ones(name("attn_norm")), ones(name("ffn_norm")));
      tensors.push(matrix(name("ffn_gate"), DIM, HIDDEN));
      tensors.push(matrix(name("ffn_up"), DIM, HIDDEN));
      tensors.push(matrix(name("ffn_down"), HIDDEN, DIM));
    }
    tensors.push(ones("output_norm.weight"));
    const follows = (t) => (5 * t + 3) % n;
    const from = (r) =>
      Array.from({ length: n }, (_, t) => t).find((t) => follows(t) === r);
    tensors.push(marked("output.weight", (r) => from(r)));
    const total = tensors.reduce((sum, { bytes }) => sum + bytes, 0);
    assert.ok(total > 2 ** 31 + 2 ** 27, `${total} bytes`);

    const loader = new Loader(JSON.stringify({ contextLength: 64 }));
    loader.push(header.finish(tensors));
    const plan = JSON.parse(loader.plan());
    assert.ok(plan.weightsBytes > 2 ** 31 && plan.totalBytes < 2 ** 32);
    const zeros = Buffer.alloc(1 << 20);
    for (const { data, bytes } of tensors) {
      const given = data?.();
      for (let at = 0; at < bytes; at += zeros.length) {
        const piece = Math.min(zeros.length, bytes - at);
        loader.push(
          (given ?? zeros).subarray(given ? at : 0, (given ? at : 0) + piece),
        );
      }
    }
    const engine = loader.finish();
    // 0 and 5 first, so that the reply is not a fixed point.
    engine.begin(
      JSON.stringify({
        ids: [0, 5],
        maxTokens: 6,
        temperature: 0,
        ignoreEos: true,
      }),
    );
    while (!engine.prefill(512));
    const ids = Array.from({ length: 6 }, () => JSON.parse(engine.decode()).id);
    const expected = [follows(5)];
    while (expected.length < ids.length)
      expected.push(follows(expected.at(-1)));
    assert.deepEqual(ids, expected);
    engine.free();
  },
);
