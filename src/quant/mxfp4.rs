//! mxfp4: 32 values, one power-of-two scale `e` (E8M0), 4-bit floats (E2M1) of the OCP microscaling formats.
//!
//! Bytes: e 0, qs 1..17. Byte j holds values j (low) and j + 16 (high). VALUES are the floats doubled, and the scale is
//! halved to match: value = 2^(e − 128) · VALUES[q].

use super::{BlockFormat, Quantise, signed_max};

/// The format's marker.
pub struct Mxfp4;

/// Twice the E2M1 float of each code.
const VALUES: [i8; 16] = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12];

impl BlockFormat for Mxfp4 {
    const BLOCK_LEN: usize = 32;
    const BLOCK_BYTES: usize = 17;
    const QUANTISE: Option<Quantise> = Some(quantise);

    fn dequantise(block: &[u8], out: &mut [f32]) {
        let d = half_scale(block[0]);
        for (j, q) in block[1..].iter().enumerate() {
            out[j] = d * f32::from(VALUES[usize::from(q & 15)]);
            out[j + 16] = d * f32::from(VALUES[usize::from(q >> 4)]);
        }
    }
}

/// 2^(e − 128); e = 255, NaN in the specification, is 2^127 as in the reference.
fn half_scale(e: u8) -> f32 {
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
    let e = ((max.to_bits() >> 23) as i32 - 2).max(0) as u8;
    block[0] = if max > 0.0 { e } else { 0 };
    let d = half_scale(block[0]);
    let index = |x: f32| {
        let mut best = (0, f32::INFINITY);
        for (i, value) in VALUES.iter().enumerate() {
            let error = (f32::from(*value) * d - x).abs();
            if error < best.1 {
                best = (i as u8, error);
            }
        }
        best.0
    };
    for j in 0..16 {
        block[1 + j] = index(x[j]) | index(x[j + 16]) << 4;
    }
}
