//! q4_1: 32 values, f16 scale `d`, f16 min `m`, 4-bit `qs`; value = d · q + m. Byte j holds values j and j + 16.

use super::{BlockFormat, Codes, Integers, Parts, parts, range, read_f16, read_u16, write_f16};

/// The format's marker.
pub struct Q4_1;

impl BlockFormat for Q4_1 {
    const BLOCK_LEN: usize = 32;
    const BLOCK_BYTES: usize = 20;
    const QUANTISE: Option<super::Quantise> = Some(quantise);
    const INTEGERS: Option<Integers> = Some(Integers {
        codes: Codes::Offset(0),
        unit: 1.0,
        split,
    });

    fn dequantise(block: &[u8], out: &mut [f32]) {
        let (d, m) = (read_f16(block, 0), read_f16(block, 2));
        for (j, q) in block[4..].iter().enumerate() {
            out[j] = f32::from(q & 15) * d + m;
            out[j + 16] = f32::from(q >> 4) * d + m;
        }
    }
}

fn split(block: &[u8], parts: &mut Parts) {
    (parts.d[0], parts.m) = (read_u16(block, 0), read_u16(block, 2));
    parts::nibbles(&block[4..], &mut parts.codes[..32]);
}

fn quantise(x: &[f32], block: &mut [u8]) {
    let (min, max) = range(x);
    let d = (max - min) / 15.0;
    let id = if d != 0.0 { 1.0 / d } else { 0.0 };
    write_f16(block, 0, d);
    write_f16(block, 2, min);
    let q = |v: f32| (((v - min) * id + 0.5) as i32).clamp(0, 15) as u8;
    for j in 0..16 {
        block[4 + j] = q(x[j]) | q(x[j + 16]) << 4;
    }
}
