// The grammar module with the demo model's vocabulary, and replies drawn at random among the tokens it allows: what the model itself would say plays no part.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { DIST, MODEL } from "../package/stage.mjs";

/** A reply that is longer is not looked at. */
const MAX_TOKENS = 600;
/** How often a token is drawn among those that only close something, so that replies come to an end. */
const CLOSING = 0.35;

/** An even sequence that every run repeats. */
export function seeded(seed) {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

async function started(name) {
  const module = await import(join(DIST, `wasm/${name}/smidgen.js`));
  const path = join(DIST, `wasm/${name}/smidgen_bg.wasm`);
  await module.default({ module_or_path: await readFile(path) });
  return module;
}

/** The engine itself with the demo model, no worker and no façade around it; to be freed. */
export async function bareEngine(flavour) {
  const { Loader } = await started(flavour);
  const loader = new Loader("{}");
  const file = await readFile(MODEL);
  for (let at = 0; at < file.length; at += 1 << 20) {
    loader.push(file.subarray(at, at + (1 << 20)));
  }
  return loader.finish();
}

/** Draws replies under grammars. */
export class Draws {
  #vocabulary;
  /** Bytes by id. */
  #tokens = [];
  #stops;
  #closers = [];

  static async open() {
    const draws = new Draws();
    const engine = await bareEngine("simd128");
    const packed = engine.vocabulary();
    engine.free();
    const view = new DataView(packed.buffer, packed.byteOffset);
    const [count, ends] = [view.getUint32(0, true), view.getUint32(4, true)];
    draws.#stops = Array.from({ length: ends }, (_, i) =>
      view.getUint32(8 + 4 * i, true),
    );
    for (let id = 0, at = 8 + 4 * ends; id < count; id++) {
      const length = view.getUint32(at, true) & 0x7fffffff;
      const bytes = Buffer.from(packed.subarray(at + 4, at + 4 + length));
      draws.#tokens.push(bytes);
      if (/^["\]}]+$/.test(bytes.toString("latin1"))) draws.#closers.push(id);
      at += 4 + length;
    }
    const { Vocabulary } = await started("grammar");
    draws.#vocabulary = new Vocabulary(packed);
    return draws;
  }

  /** The constraint of one reply, to be freed. */
  constrain(grammar) {
    return this.#vocabulary.constrain(JSON.stringify(grammar));
  }

  /** One reply; undefined where it did not end. */
  draw(grammar, random) {
    const constraint = this.constrain(grammar);
    const bytes = [];
    try {
      for (let n = 0; n < MAX_TOKENS; n++) {
        const mask = constraint.mask();
        const may = (id) => (mask[id >> 5] >>> (id & 31)) & 1;
        const text = () => Buffer.concat(bytes).toString();
        if (this.#stops.some(may) && random() < 0.5) return text();
        const closing = this.#closers.filter(may);
        const id =
          closing.length > 0 && random() < CLOSING
            ? closing[Math.floor(random() * closing.length)]
            : drawn(mask, random);
        if (this.#stops.includes(id)) return text();
        bytes.push(this.#tokens[id]);
        constraint.accept(id);
      }
      return undefined;
    } finally {
      constraint.free();
    }
  }
}

/** One of the ids whose bits are set, each as likely. */
function drawn(mask, random) {
  const total = mask.reduce((sum, word) => sum + ones(word), 0);
  assert.ok(total > 0, "an empty mask");
  let left = Math.floor(random() * total);
  let index = 0;
  while (left >= ones(mask[index])) left -= ones(mask[index++]);
  let bits = mask[index];
  for (; left > 0; left--) bits &= bits - 1;
  return index * 32 + 31 - Math.clz32(bits & -bits);
}

function ones(word) {
  let bits = word - ((word >>> 1) & 0x55555555);
  bits = (bits & 0x33333333) + ((bits >>> 2) & 0x33333333);
  return Math.imul((bits + (bits >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}
