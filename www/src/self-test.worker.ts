// One second of what a model does all the time: reads 4-bit weights from memory and multiplies them. Also tries how
// much memory the browser gives. It refuses to guess where WebAssembly SIMD is missing: then it says so.

/**
 * (func (param $from i32) (param $end i32) (result i32)): for every 16 bytes of weights, the lower and the upper four
 * bits of each are multiplied by eight-bit inputs, in the four instructions that the engine's own kernels consist of.
 *
 * local 0 from, 1 end, 2 sum (v128), 3 weights (v128)
 */
const BODY = [
  // locals: 2 × v128
  ...[0x01, 0x02, 0x7b],
  // loop
  ...[0x03, 0x40],
  // weights = v128.load(from)
  ...[0x20, 0x00, 0xfd, 0x00, 0x04, 0x00, 0x21, 0x03],
  // for both halves of the low and the high nibbles: sum += dot(extend(nibbles), extend(weights))
  ...dot(0x87, nibblesLow()),
  ...dot(0x88, nibblesLow()),
  ...dot(0x87, nibblesHigh()),
  ...dot(0x88, nibblesHigh()),
  // from += 16; continue while from < end
  ...[0x20, 0x00, 0x41, 0x10, 0x6a, 0x22, 0x00],
  ...[0x20, 0x01, 0x49, 0x0d, 0x00],
  // end of loop; the sum's first lane is the result
  ...[0x0b, 0x20, 0x02, 0xfd, 0x1b, 0x00, 0x0b],
];

function nibblesLow() {
  // v128.and(weights, i8x16.splat(15))
  return [0x20, 0x03, 0x41, 0x0f, 0xfd, 0x0f, 0xfd, 0x4e];
}

function nibblesHigh() {
  // i8x16.shr_u(weights, 4)
  return [0x20, 0x03, 0x41, 0x04, 0xfd, 0x6d];
}

/** `extend`: i16x8.extend_low_i8x16_s (0x87) or _high_ (0x88). */
function dot(extend: number, nibbles: number[]) {
  return [
    // sum (left operand of the addition)
    ...[0x20, 0x02],
    ...nibbles,
    ...[0xfd, extend, 0x01],
    ...[0x20, 0x03, 0xfd, extend, 0x01],
    // i32x4.dot_i16x8_s, i32x4.add, into sum
    ...[0xfd, 0xba, 0x01, 0xfd, 0xae, 0x01, 0x21, 0x02],
  ];
}

const section = (id: number, bytes: number[]) => [
  id,
  ...leb(bytes.length),
  ...bytes,
];

function leb(value: number): number[] {
  const bytes = [];
  do {
    const rest = value >>> 7;
    bytes.push((value & 0x7f) | (rest ? 0x80 : 0));
    value = rest;
  } while (value);
  return bytes;
}

const text = (word: string) => [
  word.length,
  ...word.split("").map((letter) => letter.charCodeAt(0)),
];

const MODULE = new Uint8Array([
  ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
  ...section(1, [0x01, 0x60, 0x02, 0x7f, 0x7f, 0x01, 0x7f]),
  ...section(2, [0x01, ...text("m"), ...text("m"), 0x02, 0x00, 0x01]),
  ...section(3, [0x01, 0x00]),
  ...section(7, [0x01, ...text("f"), 0x00, 0x00]),
  ...section(10, [0x01, ...leb(BODY.length), ...BODY]),
]);

const PAGE = 65_536;
/** More than any cache holds, so that memory is read. */
const WEIGHTS_BYTES = 48 * 1024 * 1024;
const TEST_MS = 700;

/** Bytes of 4-bit weights multiplied in a second by one thread. */
async function speed(): Promise<number> {
  const memory = new WebAssembly.Memory({ initial: WEIGHTS_BYTES / PAGE });
  // Pages that were never written share one page of zeros, which every cache holds.
  new Uint32Array(memory.buffer).fill(0x9e3779b9);
  const { instance } = await WebAssembly.instantiate(MODULE, {
    m: { m: memory },
  });
  const pass = instance.exports["f"] as (from: number, end: number) => number;
  pass(0, WEIGHTS_BYTES);
  const start = performance.now();
  let passes = 0;
  let now = start;
  do {
    pass(0, WEIGHTS_BYTES);
    passes += 1;
    now = performance.now();
  } while (now - start < TEST_MS);
  return (passes * WEIGHTS_BYTES * 1000) / (now - start);
}

/** The most of `sizes` (largest first) that one memory may have; nothing of it is touched. */
function mostMemory(sizes: readonly number[]): number {
  for (const bytes of sizes) {
    try {
      new WebAssembly.Memory({ initial: Math.ceil(bytes / PAGE) });
      return bytes;
    } catch {
      continue;
    }
  }
  return 0;
}

onmessage = async ({ data }: MessageEvent<{ sizes: number[] }>) => {
  if (!WebAssembly.validate(MODULE))
    return postMessage({ bytesPerSecond: 0, mostMemory: 0 });
  postMessage({
    bytesPerSecond: await speed(),
    mostMemory: mostMemory(data.sizes),
  });
};

export type SelfTest = { bytesPerSecond: number; mostMemory: number };
