//! q3_k: 256 values in 16 groups of 16, signed 6-bit scales, 3-bit quants; value = d · (scale − 32) · (q − 4).
//!
//! Bytes: hmask 0..32, qs 32..96, scales 96..108, d 108..110 (f16). `qs` holds the low two bits as q2_k does; bit b of
//! hmask byte l is the third bit of value 32 b + l. Scale j has its low nibble in byte j % 8 (high half for j ≥ 8) and
//! its upper two bits at bit 2 (j / 4) of byte 8 + j % 4.

use super::search::{nearest, symmetric_by_turns};
use super::{
    BlockFormat, Codes, Integers, Parts, Quantise, read_f16, read_u16, signed_max, two_bits,
    write_f16,
};

/// The format's marker.
pub struct Q3K;

impl BlockFormat for Q3K {
    const BLOCK_LEN: usize = 256;
    const BLOCK_BYTES: usize = 110;
    const QUANTISE: Option<Quantise> = Some(quantise);
    const INTEGERS: Option<Integers> = Some(Integers {
        codes: Codes::Offset(4),
        unit: 1.0,
        split,
    });

    fn dequantise(block: &[u8], out: &mut [f32]) {
        let d = read_f16(block, 108);
        quants(block, |i, q| {
            out[i] = d * f32::from(scale(&block[96..108], i / 16)) * f32::from(q as i8 - 4);
        });
    }
}

fn split(block: &[u8], parts: &mut Parts) {
    parts.d[0] = read_u16(block, 108);
    for (j, s) in parts.scales.iter_mut().enumerate() {
        *s = scale(&block[96..108], j) as u8;
    }
    quants(block, |i, q| parts.codes[i] = q);
}

/// Calls `value(i, q)` for each of the 256 quants of `block`.
fn quants(block: &[u8], mut value: impl FnMut(usize, u8)) {
    two_bits::read(&block[32..96], |i, q| {
        value(i, q | (block[i % 32] >> (i / 32) & 1) << 2)
    });
}

/// Scale `j` of the 12 bytes, without its offset of 32.
fn scale(bytes: &[u8], j: usize) -> i8 {
    let low = bytes[j % 8] >> (4 * (j / 8)) & 15;
    let high = bytes[8 + j % 4] >> (2 * (j / 4)) & 3;
    (low | high << 4) as i8 - 32
}

fn quantise(x: &[f32], block: &mut [u8]) {
    let mut q = [0i8; 256];
    let mut scales = [0.0f32; 16];
    for (j, (x, q)) in x.chunks_exact(16).zip(q.chunks_exact_mut(16)).enumerate() {
        scales[j] = symmetric_by_turns(4, x, q);
    }
    block.fill(0);
    let max = signed_max(&scales);
    if max != 0.0 {
        // The scale of largest magnitude, with its sign, becomes −32.
        let inverse = -32.0 / max;
        for (j, scale) in scales.iter().enumerate() {
            let l = (nearest(inverse * scale).clamp(-32, 31) + 32) as u8;
            block[96 + j % 8] |= (l & 15) << (4 * (j / 8));
            block[104 + j % 4] |= (l >> 4) << (2 * (j / 4));
        }
        write_f16(block, 108, 1.0 / inverse);
    }
    let d = read_f16(block, 108);
    for (j, (x, q)) in x.chunks_exact(16).zip(q.chunks_exact_mut(16)).enumerate() {
        let d = d * f32::from(scale(&block[96..108], j));
        if d != 0.0 {
            q.iter_mut()
                .zip(x)
                .for_each(|(q, x)| *q = nearest(x / d).clamp(-4, 3) as i8);
        }
    }
    let stored = |i: usize| (q[i] + 4) as u8;
    for i in 0..256 {
        block[i % 32] |= (stored(i) >> 2) << (i / 32);
    }
    two_bits::write(&mut block[32..96], |i| stored(i) & 3);
}
