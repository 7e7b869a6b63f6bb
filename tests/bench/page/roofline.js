// What this browser on this machine can do at best: bytes read from memory and products of integers, in hand-made wasm.

/** Bytes that are read: far more than any cache. */
const READ_BYTES = 96 << 20;
const ACCUMULATORS = 8;

const unsigned = (n) => {
  const bytes = [];
  do {
    bytes.push((n & 127) | (n > 127 ? 128 : 0));
    n >>>= 7;
  } while (n > 0);
  return bytes;
};
const signed = (n) => {
  const bytes = [];
  for (;;) {
    const byte = n & 127;
    n >>= 7;
    if ((n === 0 && !(byte & 64)) || (n === -1 && byte & 64)) {
      return [...bytes, byte];
    }
    bytes.push(byte | 128);
  }
};
const vector = (items) => [...unsigned(items.length), ...items.flat()];
const section = (id, body) => [id, ...unsigned(body.length), ...body];
const simd = (op, ...immediates) => [
  0xfd,
  ...unsigned(op),
  ...immediates.flatMap(unsigned),
];
const get = (local) => [0x20, ...unsigned(local)];
const set = (local) => [0x21, ...unsigned(local)];
const i32 = (n) => [0x41, ...signed(n)];

const I32 = 0x7f;
const V128 = 0x7b;
const LOAD = 0x00;
const SPLAT8 = 0x0f;
const SPLAT16 = 0x10;
const SPLAT32 = 0x11;
const LANE32 = 0x1b;
const ADD32 = 0xae;
const ADD64 = 0xce;
const DOT16 = 0xba;
const RELAXED_DOT = 0x113;

/** A function of two i32 (0 and 1) that repeats `body` until `until` is 0; accumulators are locals 2…, and what it returns is made of all of them. */
function loop(body, until) {
  const all = Array.from({ length: ACCUMULATORS }, (_, i) => 2 + i);
  const sum = all.flatMap((local, i) => [
    ...get(local),
    ...(i > 0 ? simd(ADD64) : []),
  ]);
  const code = [
    ...vector([[...unsigned(ACCUMULATORS), V128]]),
    ...[0x03, 0x40],
    ...all.flatMap((local) => [...body(local), ...set(local)]),
    ...until,
    ...[0x0d, 0x00],
    0x0b,
    ...sum,
    ...simd(LANE32),
    0,
    0x0b,
  ];
  return [...unsigned(code.length), ...code];
}

/** @param {boolean} relaxed */
function assemble(relaxed) {
  // local 0: address, local 1: end.
  const next = (step) => [...get(0), ...i32(step), 0x6a, 0x22, 0];
  const read = loop(
    (local) => [
      ...get(local),
      ...get(0),
      ...simd(LOAD, 4, 16 * (local - 2)),
      ...simd(ADD64),
    ],
    [...next(16 * ACCUMULATORS), ...get(1), 0x49],
  );
  // local 0: rounds left.
  const other = (local) => 2 + ((local - 1) % ACCUMULATORS);
  const dot = loop(
    (local) =>
      relaxed
        ? [
            ...get(other(local)),
            ...get(1),
            ...simd(SPLAT16),
            ...get(local),
            ...simd(RELAXED_DOT),
          ]
        : [
            ...get(other(local)),
            ...get(1),
            ...simd(SPLAT16),
            ...simd(DOT16),
            ...get(local),
            ...simd(ADD32),
          ],
    next(-1),
  );
  // One relaxed dot of bytes 0 and 1, to see what it makes of a second one over 127.
  const probe = [
    ...vector([]),
    ...[...get(0), ...simd(SPLAT8), ...get(1), ...simd(SPLAT8)],
    ...[...i32(0), ...simd(SPLAT32), ...simd(RELAXED_DOT)],
    ...[...simd(LANE32), 0, 0x0b],
  ];
  const functions = relaxed
    ? [read, dot, [...unsigned(probe.length), ...probe]]
    : [read, dot];
  const name = (text) => [text.length, ...new TextEncoder().encode(text)];
  return Uint8Array.from([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, vector([[0x60, ...vector([[I32], [I32]]), 1, I32]])),
    ...section(3, vector(functions.map(() => [0]))),
    ...section(5, vector([[0, ...unsigned(READ_BYTES / 65536)]])),
    ...section(
      7,
      vector([
        [...name("memory"), 2, 0],
        [...name("read"), 0, 0],
        [...name("dot"), 0, 1],
        ...(relaxed ? [[...name("probe"), 0, 2]] : []),
      ]),
    ),
    ...section(10, vector(functions)),
  ]);
}

/** The best of some tries, in ms. */
function best(work, tries = 7) {
  let least = Infinity;
  for (let i = 0; i < tries; i++) {
    const start = performance.now();
    work();
    least = Math.min(least, performance.now() - start);
  }
  return least;
}

/** Whether the dot takes a whole byte, signed or not, without saturation. */
const exact = ({ probe }) => [129540, -508].includes(probe(127, 255));

/** GB/s of a single thread that reads all of a large memory, and GMAC/s of dots that touch none. */
export async function roofline() {
  const start = async (relaxed) =>
    (await WebAssembly.instantiate(assemble(relaxed))).instance.exports;
  const plain = await start(false);
  new Uint8Array(plain.memory.buffer).fill(1);
  const rounds = 2_000_000;
  const dots = (products, { dot }) =>
    (rounds * products * ACCUMULATORS) / 1e6 / best(() => dot(rounds, 1));
  return {
    read_gb_per_s: READ_BYTES / 1e6 / best(() => plain.read(0, READ_BYTES)),
    dot_gmac_per_s: dots(8, plain),
    ...(await start(true).then(
      (relaxed) => ({
        relaxed_dot_gmac_per_s: dots(16, relaxed),
        relaxed_dot_is_exact: exact(relaxed),
      }),
      () => ({ relaxed_dot_gmac_per_s: null, relaxed_dot_is_exact: false }),
    )),
  };
}
