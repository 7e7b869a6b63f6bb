//! q8_0: 32 values, f16 scale `d`, signed 8-bit `qs`; value = d · q.

use super::{BlockFormat, Codes, Integers, Parts, parts, read_f16, read_u16, write_f16};

/// The format's marker.
pub struct Q8_0;

impl BlockFormat for Q8_0 {
    const BLOCK_LEN: usize = 32;
    const BLOCK_BYTES: usize = 34;
    const QUANTISE: Option<super::Quantise> = Some(quantise);
    const INTEGERS: Option<Integers> = Some(Integers {
        codes: Codes::Offset(128),
        unit: 1.0,
        split,
    });

    fn dequantise(block: &[u8], out: &mut [f32]) {
        let d = read_f16(block, 0);
        for (out, q) in out.iter_mut().zip(&block[2..]) {
            *out = f32::from(*q as i8) * d;
        }
    }
}

fn split(block: &[u8], parts: &mut Parts) {
    parts.d[0] = read_u16(block, 0);
    let codes = parts.codes.chunks_exact_mut(8);
    for (code, q) in codes.zip(block[2..].chunks_exact(8)) {
        // To add 128 to a byte is to flip its highest bit.
        code.copy_from_slice(&(parts::word(q) ^ 0x8080_8080_8080_8080).to_le_bytes());
    }
}

fn quantise(x: &[f32], block: &mut [u8]) {
    let amax = x.iter().fold(0.0f32, |m, v| m.max(v.abs()));
    let d = amax / 127.0;
    let id = if d != 0.0 { 1.0 / d } else { 0.0 };
    write_f16(block, 0, d);
    for (q, x) in block[2..].iter_mut().zip(x) {
        *q = (x * id).round() as i8 as u8;
    }
}
