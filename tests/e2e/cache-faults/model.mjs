// A real model of 3 MB for runs by the hundred: the demo model's tokenizer cut to its first tokens, random weights, in two revisions.

import { open } from "node:fs/promises";
import { MODEL } from "../package/stage.mjs";

const VOCAB = 2048;
const DIM = 256;
const HIDDEN = 640;
const HEADS = 4;
const LAYERS = 3;
const HEAD_DIM = DIM / HEADS;
const ALIGNMENT = 32;

/** https://github.com/ggml-org/ggml/blob/master/docs/gguf.md */
const Type = { U32: 4, F32: 6, STRING: 8, ARRAY: 9 };
const SIZES = {
  0: 1,
  1: 1,
  2: 2,
  3: 2,
  4: 4,
  5: 4,
  6: 4,
  7: 1,
  10: 8,
  11: 8,
  12: 8,
};
const F32 = 0;
const Q8_0 = 8;

class Reader {
  #bytes;
  #at;
  constructor(bytes, at) {
    this.#bytes = bytes;
    this.#at = at;
  }
  take(count) {
    this.#at += count;
    return this.#bytes.subarray(this.#at - count, this.#at);
  }
  u32() {
    return this.take(4).readUInt32LE();
  }
  u64() {
    return Number(this.take(8).readBigUInt64LE());
  }
  string() {
    return this.take(this.u64()).toString();
  }
  /** Strings as text, arrays as { type, items }, all else as its bytes. */
  value(type) {
    if (type === Type.STRING) return this.string();
    if (type !== Type.ARRAY) return this.take(SIZES[type]);
    const item = this.u32();
    const items = Array.from({ length: this.u64() }, () => this.value(item));
    return { type: item, items };
  }
}

const u32 = (value) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
};
const u64 = (value) => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
};
const string = (text) => {
  const bytes = Buffer.from(text);
  return Buffer.concat([u64(bytes.length), bytes]);
};

function encode(type, value) {
  if (type === Type.STRING) return string(value);
  if (type !== Type.ARRAY) return value;
  return Buffer.concat([
    u32(value.type),
    u64(value.items.length),
    ...value.items.map((item) => encode(value.type, item)),
  ]);
}

/** The demo model's keys, with the tokenizer and the sizes cut down. */
async function keys() {
  const file = await open(MODEL);
  const bytes = Buffer.alloc(8_000_000);
  await file.read(bytes, 0, bytes.length, 0);
  await file.close();
  const reader = new Reader(bytes, 16);
  const count = reader.u64();
  const found = new Map();
  for (let index = 0; index < count; index++) {
    const key = reader.string();
    const type = reader.u32();
    found.set(key, { type, value: reader.value(type) });
  }
  const tokens = found.get("tokenizer.ggml.tokens").value;
  for (const { value } of found.values()) {
    if (value.items?.length === tokens.items.length && value !== tokens) {
      value.items.length = VOCAB;
    }
  }
  tokens.items.length = VOCAB;
  const known = new Set(tokens.items);
  const merges = found.get("tokenizer.ggml.merges").value;
  merges.items = merges.items.filter((merge) => {
    const [left, right] = merge.split(" ");
    return [left, right, left + right].every((piece) => known.has(piece));
  });
  const set = (key, value) => {
    found.set(`llama.${key}`, { type: Type.U32, value: u32(value) });
  };
  set("block_count", LAYERS);
  set("embedding_length", DIM);
  set("feed_forward_length", HIDDEN);
  set("attention.head_count", HEADS);
  set("attention.head_count_kv", 1);
  set("rope.dimension_count", HEAD_DIM);
  set("vocab_size", VOCAB);
  set("context_length", 512);
  return found;
}

/** Names, columns × rows. A row of 0: a vector. */
function tensors() {
  const list = [["token_embd.weight", DIM, VOCAB]];
  for (let layer = 0; layer < LAYERS; layer++) {
    const add = (name, columns, rows) =>
      list.push([`blk.${layer}.${name}.weight`, columns, rows]);
    add("attn_norm", DIM, 0);
    add("attn_q", DIM, DIM);
    add("attn_k", DIM, HEAD_DIM);
    add("attn_v", DIM, HEAD_DIM);
    add("attn_output", DIM, DIM);
    add("ffn_norm", DIM, 0);
    add("ffn_gate", DIM, HIDDEN);
    add("ffn_up", DIM, HIDDEN);
    add("ffn_down", HIDDEN, DIM);
  }
  list.push(["output_norm.weight", DIM, 0]);
  return list;
}

/** Numbers that look like chance and are the same everywhere. */
export function random(seed) {
  let state = seed >>> 0;
  return () => {
    // mulberry32
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function weights(columns, rows, next) {
  if (rows === 0) {
    return Buffer.from(new Float32Array(columns).fill(1).buffer);
  }
  const blocks = (columns / 32) * rows;
  const bytes = Buffer.alloc(blocks * 34);
  for (let block = 0; block < blocks; block++) {
    // 2⁻¹⁰ in half precision: values up to an eighth.
    bytes.writeUInt16LE(0x1400, block * 34);
    for (let at = 2; at < 34; at++) {
      bytes.writeInt8(Math.floor(next() * 255) - 127, block * 34 + at);
    }
  }
  return bytes;
}

/** `revision`: 1 and 2 differ in the last layer's weights only, those above in all. */
export async function tinyModel(revision) {
  const header = await keys();
  const list = tensors();
  const next = random(Math.max(1, revision - 1));
  const parts = list.map(([name, columns, rows]) =>
    name.startsWith(`blk.${LAYERS - 1}.ffn`) && revision > 1
      ? weights(columns, rows, random(revision))
      : weights(columns, rows, next),
  );
  const aligned = (length) => Math.ceil(length / ALIGNMENT) * ALIGNMENT;
  let offset = 0;
  const directory = list.map(([name, columns, rows], index) => {
    const shape = rows === 0 ? [columns] : [columns, rows];
    const entry = Buffer.concat([
      string(name),
      u32(shape.length),
      ...shape.map(u64),
      u32(rows === 0 ? F32 : Q8_0),
      u64(offset),
    ]);
    offset += aligned(parts[index].length);
    return entry;
  });
  const head = Buffer.concat([
    Buffer.from("GGUF"),
    u32(3),
    u64(list.length),
    u64(header.size),
    ...[...header].map(([key, { type, value }]) =>
      Buffer.concat([string(key), u32(type), encode(type, value)]),
    ),
    ...directory,
  ]);
  const pad = (bytes) =>
    Buffer.concat([bytes, Buffer.alloc(aligned(bytes.length) - bytes.length)]);
  return Buffer.concat([head, ...parts].map(pad));
}
