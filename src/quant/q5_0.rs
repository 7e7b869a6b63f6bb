//! q5_0: 32 values, f16 scale `d`, the fifth bits as one u32 `qh`, 4-bit `qs`; value = d · (q − 16).
//!
//! Bytes: d 0..2, qh 2..6, qs 6..22. Byte j of `qs` holds values j (low) and j + 16 (high), bit j of `qh` value j.

use super::{
    BlockFormat, Codes, Integers, Parts, Quantise, fifth_bits, read_f16, read_u16, signed_max,
    write_f16,
};

/// The format's marker.
pub struct Q5_0;

impl BlockFormat for Q5_0 {
    const BLOCK_LEN: usize = 32;
    const BLOCK_BYTES: usize = 22;
    const QUANTISE: Option<Quantise> = Some(quantise);
    const INTEGERS: Option<Integers> = Some(Integers {
        codes: Codes::Offset(16),
        unit: 1.0,
        split,
    });

    fn dequantise(block: &[u8], out: &mut [f32]) {
        let d = read_f16(block, 0);
        fifth_bits::read(&block[2..], |j, q| out[j] = f32::from(q as i8 - 16) * d);
    }
}

fn split(block: &[u8], parts: &mut Parts) {
    parts.d[0] = read_u16(block, 0);
    fifth_bits::split(&block[2..], &mut parts.codes[..32]);
}

fn quantise(x: &[f32], block: &mut [u8]) {
    // The value of largest magnitude, with its sign, becomes −16.
    let d = signed_max(x) / -16.0;
    let id = if d != 0.0 { 1.0 / d } else { 0.0 };
    write_f16(block, 0, d);
    fifth_bits::write(&mut block[2..], |j| {
        ((x[j] * id + 16.5) as i32).clamp(0, 31) as u8
    });
}
