//! nvfp4: 64 values in 4 groups of 16, each with an unsigned 8-bit float scale (E4M3), 4-bit floats (E2M1).
//!
//! Bytes: scales 0..4, qs 4..36 (8 bytes a group; byte j holds values j, low, and j + 8, high). value = scale / 2 ·
//! twice the float.

use super::{BlockFormat, Codes, Integers, Parts, Quantise, e2m1, parts, signed_max};

/// The format's marker.
pub struct Nvfp4;

impl BlockFormat for Nvfp4 {
    const BLOCK_LEN: usize = 64;
    const BLOCK_BYTES: usize = 36;
    const QUANTISE: Option<Quantise> = Some(quantise);
    const INTEGERS: Option<Integers> = Some(Integers {
        codes: Codes::Table(e2m1::VALUES),
        unit: 1.0,
        split,
    });

    fn dequantise(block: &[u8], out: &mut [f32]) {
        let (scales, qs) = block.split_at(4);
        for ((scale, qs), out) in scales
            .iter()
            .zip(qs.chunks_exact(8))
            .zip(out.chunks_exact_mut(16))
        {
            e2m1::read(qs, half_scale(*scale), out);
        }
    }
}

fn split(block: &[u8], parts: &mut Parts) {
    let (scales, qs) = block.split_at(4);
    for (g, qs) in qs.chunks_exact(8).enumerate() {
        // Four significant bits and an exponent of −10 to 7: every scale is an f16.
        parts.d[g] = half::f16::from_f32(half_scale(scales[g])).to_bits();
        parts::nibbles(qs, &mut parts.codes[16 * g..16 * (g + 1)]);
    }
}

/// Half the float of `code`: 4 exponent bits (bias 7) and 3 mantissa bits. The topmost bit is ignored, and 0x7F, NaN in
/// the specification, is 0 as in the reference.
fn half_scale(code: u8) -> f32 {
    let (exponent, mantissa) = (code >> 3 & 15, f32::from(code & 7));
    match (exponent, code) {
        (_, 0x7F) => 0.0,
        (0, _) => mantissa / 1024.0,
        // 2^(exponent − 8), whose f32 exponent field is exponent + 119.
        _ => (1.0 + mantissa / 8.0) * f32::from_bits((u32::from(exponent) + 119) << 23),
    }
}

/// The code of the float nearest to `x`, at most 448; halves round up in magnitude, and NaN is 0.
fn scale_code(x: f32) -> u8 {
    const MAX: u8 = 0x7E;
    if x.is_nan() || x <= 0.0 {
        return 0;
    }
    let bits = x.min(448.0).to_bits();
    let exponent = (bits >> 23) as i32 - 127 + 7;
    if exponent <= 0 {
        // Subnormal: multiples of 2^−9. One that rounds up to 8 stays at the largest subnormal, as in the reference.
        return ((x * 512.0 + 0.5) as u8).min(7);
    }
    // Mantissa and exponent as one number: a mantissa that rounds up to 8 carries into the exponent.
    let rounded = (bits >> 20 & 7) + (bits >> 19 & 1) + ((exponent as u32) << 3);
    rounded.min(u32::from(MAX)) as u8
}

fn quantise(x: &[f32], block: &mut [u8]) {
    let (scales, qs) = block.split_at_mut(4);
    for ((scale, qs), x) in scales
        .iter_mut()
        .zip(qs.chunks_exact_mut(8))
        .zip(x.chunks_exact(16))
    {
        // 6 is the largest E2M1 float.
        *scale = scale_code(signed_max(x).abs() / 6.0);
        e2m1::write(x, half_scale(*scale), qs);
    }
}
