//! q4_0: 32 values, f16 scale `d`, 4-bit `qs`; value = d · (q − 8). Byte j holds values j (low) and j + 16 (high).

use super::{
    BlockFormat, Codes, Integers, Parts, parts, read_f16, read_u16, signed_max, write_f16,
};

/// The format's marker.
pub struct Q4_0;

impl BlockFormat for Q4_0 {
    const BLOCK_LEN: usize = 32;
    const BLOCK_BYTES: usize = 18;
    const QUANTISE: Option<super::Quantise> = Some(quantise);
    const INTEGERS: Option<Integers> = Some(Integers {
        codes: Codes::Offset(8),
        unit: 1.0,
        split,
    });

    fn dequantise(block: &[u8], out: &mut [f32]) {
        let d = read_f16(block, 0);
        for (j, q) in block[2..].iter().enumerate() {
            out[j] = f32::from((q & 15) as i8 - 8) * d;
            out[j + 16] = f32::from((q >> 4) as i8 - 8) * d;
        }
    }
}

fn split(block: &[u8], parts: &mut Parts) {
    parts.d[0] = read_u16(block, 0);
    parts::nibbles(&block[2..], &mut parts.codes[..32]);
}

fn quantise(x: &[f32], block: &mut [u8]) {
    // The value of largest magnitude, with its sign, becomes −8.
    let d = signed_max(x) / -8.0;
    let id = if d != 0.0 { 1.0 / d } else { 0.0 };
    write_f16(block, 0, d);
    let q = |v: f32| ((v * id + 8.5) as i32).clamp(0, 15) as u8;
    for j in 0..16 {
        block[2 + j] = q(x[j]) | q(x[j + 16]) << 4;
    }
}
