// Weights of the models of tests/golden/families, which follow from the names of their tensors.

/** `n` values in [-1, 1): splitmix64 seeded with FNV-1a of the name, as reference.py has it. */
function noise(name, n) {
  let seed = 0xcbf29ce484222325n;
  for (const byte of Buffer.from(name))
    seed = BigInt.asUintN(64, (seed ^ BigInt(byte)) * 0x100000001b3n);
  const values = new Float32Array(n);
  for (let i = 0; i < n; i++) {
    seed = BigInt.asUintN(64, seed + 0x9e3779b97f4a7c15n);
    let z = seed;
    z = BigInt.asUintN(64, (z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n);
    z = BigInt.asUintN(64, (z ^ (z >> 27n)) * 0x94d049bb133111ebn);
    z ^= z >> 31n;
    values[i] = Number(z >> 40n) / 8388608 - 1;
  }
  return values;
}

/** The tensors as one .safetensors file. */
export function weights(rows) {
  const header = {};
  const parts = [];
  let end = 0;
  for (const [name, shape, mean, spread] of rows) {
    const values = noise(
      name,
      shape.reduce((a, b) => a * b, 1),
    );
    const [m, s] = [Math.fround(mean), Math.fround(spread)];
    for (let i = 0; i < values.length; i++)
      values[i] = Math.fround(values[i] * s) + m;
    const start = end;
    end += values.byteLength;
    header[name] = { dtype: "F32", shape, data_offsets: [start, end] };
    parts.push(Buffer.from(values.buffer));
  }
  const json = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json, ...parts]);
}
