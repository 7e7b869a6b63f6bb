//! mxfp4: 32 values, one power-of-two scale `e` (E8M0), 4-bit floats (E2M1) of the OCP microscaling formats.
//!
//! Bytes: e 0, qs 1..17. Byte j holds values j (low) and j + 16 (high). value = 2^(e − 128) · twice the float.

use super::{BlockFormat, Codes, Integers, Parts, Quantise, e2m1, parts, signed_max};

/// The format's marker.
pub struct Mxfp4;

impl BlockFormat for Mxfp4 {
    const BLOCK_LEN: usize = 32;
    const BLOCK_BYTES: usize = 17;
    const QUANTISE: Option<Quantise> = Some(quantise);
    const INTEGERS: Option<Integers> = Some(Integers {
        codes: Codes::Table(e2m1::VALUES),
        unit: 1.0,
        split,
    });

    fn dequantise(block: &[u8], out: &mut [f32]) {
        e2m1::read(&block[1..], half_scale(block[0]), out);
    }
}

fn split(block: &[u8], parts: &mut Parts) {
    parts.scales[0] = block[0];
    parts::nibbles(&block[1..], &mut parts.codes[..32]);
}

/// 2^(e − 128); e = 255, NaN in the specification, is 2^127 as in the reference.
pub fn half_scale(e: u8) -> f32 {
    f32::from_bits(match e {
        // Subnormal: 2^−128 and 2^−127.
        0 | 1 => 0x0020_0000 << e,
        _ => (u32::from(e) - 1) << 23,
    })
}

fn quantise(x: &[f32], block: &mut [u8]) {
    let max = signed_max(x).abs();
    // The largest float is 6 = 1.5 · 2²: e puts the largest value into that binade. The exponent bits are
    // floor(log2(max)) exactly, where the reference's logarithm rounds a value just below a power of two up to it.
    block[0] = ((max.to_bits() >> 23) as i32 - 2).max(0) as u8;
    let d = half_scale(block[0]);
    e2m1::write(x, d, &mut block[1..]);
}
