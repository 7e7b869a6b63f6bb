//! tq2_0: 256 ternary values, f16 scale `d`, two bits each; value = d · (t − 1). t = 3 reads as 2, quantise never writes it.
//!
//! Bytes: qs 0..64 (see `two_bits.rs`), d 64..66.

use super::tq1_0::ternary;
use super::{
    BlockFormat, Codes, Integers, Parts, Quantise, read_f16, read_u16, signed_max, two_bits,
    write_f16,
};

/// The format's marker.
pub struct Tq2_0;

impl BlockFormat for Tq2_0 {
    const BLOCK_LEN: usize = 256;
    const BLOCK_BYTES: usize = 66;
    const QUANTISE: Option<Quantise> = Some(quantise);
    const INTEGERS: Option<Integers> = Some(Integers {
        codes: Codes::Offset(1),
        unit: 1.0,
        split,
    });

    fn dequantise(block: &[u8], out: &mut [f32]) {
        let d = read_f16(block, 64);
        two_bits::read(&block[..64], |i, t| out[i] = f32::from(t as i8 - 1) * d);
    }
}

fn split(block: &[u8], parts: &mut Parts) {
    parts.d[0] = read_u16(block, 64);
    two_bits::read(&block[..64], |i, t| parts.codes[i] = t);
}

fn quantise(x: &[f32], block: &mut [u8]) {
    let d = signed_max(x).abs();
    let id = if d != 0.0 { 1.0 / d } else { 0.0 };
    two_bits::write(&mut block[..64], |i| ternary(x[i] * id));
    write_f16(block, 64, d);
}
