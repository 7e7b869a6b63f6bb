//! q5_1: 32 values, f16 scale `d`, f16 min `m`, the fifth bits as one u32 `qh`, 4-bit `qs`; value = d · q + m.
//!
//! Bytes: d 0..2, m 2..4, qh 4..8, qs 8..24. Byte j of `qs` holds values j (low) and j + 16 (high), bit j of `qh`
//! value j.

use super::{
    BlockFormat, Codes, Integers, Parts, Quantise, fifth_bits, range, read_f16, read_u16, write_f16,
};

/// The format's marker.
pub struct Q5_1;

impl BlockFormat for Q5_1 {
    const BLOCK_LEN: usize = 32;
    const BLOCK_BYTES: usize = 24;
    const QUANTISE: Option<Quantise> = Some(quantise);
    const INTEGERS: Option<Integers> = Some(Integers {
        codes: Codes::Offset(0),
        unit: 1.0,
        split,
    });

    fn dequantise(block: &[u8], out: &mut [f32]) {
        let (d, m) = (read_f16(block, 0), read_f16(block, 2));
        fifth_bits::read(&block[4..], |j, q| out[j] = f32::from(q) * d + m);
    }
}

fn split(block: &[u8], parts: &mut Parts) {
    (parts.d[0], parts.m) = (read_u16(block, 0), read_u16(block, 2));
    fifth_bits::split(&block[4..], &mut parts.codes[..32]);
}

fn quantise(x: &[f32], block: &mut [u8]) {
    let (min, max) = range(x);
    let d = (max - min) / 31.0;
    let id = if d != 0.0 { 1.0 / d } else { 0.0 };
    write_f16(block, 0, d);
    write_f16(block, 2, min);
    let q = |j: usize| (((x[j] - min) * id + 0.5) as i32).clamp(0, 31) as u8;
    fifth_bits::write(&mut block[4..], q);
}
