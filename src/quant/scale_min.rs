//! What q4_k and q5_k share: 8 groups of 32 values, each with a 6-bit scale and a 6-bit min, packed into 12 bytes.
//!
//! Groups 0..4: the scale is the low 6 bits of byte j, the min those of byte j + 4. Groups 4..8: the low nibble of the
//! scale and of the min are the halves of byte j + 4, their upper two bits the upper bits of bytes j − 4 and j.

use super::search::{Affine, affine, nearest};
use super::{Parts, read_f16, read_u16, write_f16};

/// Scale and min of group `j` (0..8) of the 12 bytes.
pub(super) fn read(bytes: &[u8], j: usize) -> (u8, u8) {
    if j < 4 {
        return (bytes[j] & 63, bytes[j + 4] & 63);
    }
    let low = bytes[j + 4];
    (
        low & 15 | bytes[j - 4] >> 6 << 4,
        low >> 4 | bytes[j] >> 6 << 4,
    )
}

/// Writes scale and min (below 64) of group `j` to the 12 bytes, which start as zeros; groups in rising order.
fn write(bytes: &mut [u8], j: usize, scale: u8, min: u8) {
    if j < 4 {
        (bytes[j], bytes[j + 4]) = (scale, min);
        return;
    }
    bytes[j + 4] = scale & 15 | (min & 15) << 4;
    bytes[j - 4] |= scale >> 4 << 6;
    bytes[j] |= min >> 4 << 6;
}

/// d, dmin, scales and mins of a block that starts with d, dmin (f16) and the 12 bytes.
pub(super) fn split(block: &[u8], parts: &mut Parts) {
    (parts.d[0], parts.m) = (read_u16(block, 0), read_u16(block, 2));
    for j in 0..8 {
        (parts.scales[j], parts.mins[j]) = read(&block[4..16], j);
    }
}

/// Calls `value(i, d, m)` for each of the 256 values of a block that starts with d, dmin (f16) and the 12 bytes.
pub(super) fn for_each(block: &[u8], mut value: impl FnMut(usize, f32, f32)) {
    let (d, dmin) = (read_f16(block, 0), read_f16(block, 2));
    for j in 0..8 {
        let (scale, min) = read(&block[4..16], j);
        let (d, m) = (d * f32::from(scale), dmin * f32::from(min));
        for i in 32 * j..32 * (j + 1) {
            value(i, d, m);
        }
    }
}

/// Writes the first 16 bytes of `block` for `x` (256) and returns the quants.
pub(super) fn quantise(how: &Affine, x: &[f32], block: &mut [u8]) -> [u8; 256] {
    quantise_by(how, x, own_weights, block)
}

/// As `quantise`, with errors weighted by `weights` (256).
pub(super) fn quantise_weighted(
    how: &Affine,
    x: &[f32],
    weights: &[f32],
    block: &mut [u8],
) -> [u8; 256] {
    quantise_by(
        how,
        x,
        |j, _| core::array::from_fn(|i| weights[32 * j + i]),
        block,
    )
}

/// Root mean square of the group + magnitude.
fn own_weights(_: usize, x: &[f32]) -> [f32; 32] {
    let mut sum_x2 = 0.0f32;
    x.iter().for_each(|x| sum_x2 += x * x);
    let rms = (sum_x2 / 32.0).sqrt();
    core::array::from_fn(|i| rms + x[i].abs())
}

/// `weights`: those of group j, whose values are given.
fn quantise_by(
    how: &Affine,
    x: &[f32],
    weights: impl Fn(usize, &[f32]) -> [f32; 32],
    block: &mut [u8],
) -> [u8; 256] {
    let mut q = [0u8; 256];
    let (mut scales, mut mins) = ([0.0f32; 8], [0.0f32; 8]);
    let (mut max_scale, mut max_min) = (0.0f32, 0.0f32);
    for (j, (x, q)) in x.chunks_exact(32).zip(q.chunks_exact_mut(32)).enumerate() {
        (scales[j], mins[j]) = affine(how, x, &weights(j, x), q);
        max_scale = if scales[j] > max_scale {
            scales[j]
        } else {
            max_scale
        };
        max_min = if mins[j] > max_min { mins[j] } else { max_min };
    }
    let inverse = |max: f32| if max > 0.0 { 63.0 / max } else { 0.0 };
    let (inverse_scale, inverse_min) = (inverse(max_scale), inverse(max_min));
    block[..16].fill(0);
    for j in 0..8 {
        let six_bits = |value: f32| nearest(value).clamp(0, 63) as u8;
        let (scale, min) = (
            six_bits(inverse_scale * scales[j]),
            six_bits(inverse_min * mins[j]),
        );
        write(&mut block[4..16], j, scale, min);
    }
    write_f16(block, 0, max_scale / 63.0);
    write_f16(block, 2, max_min / 63.0);
    for_each(block, |i, d, m| {
        if d != 0.0 {
            q[i] = nearest((x[i] + m) / d).clamp(0, how.max_quant) as u8;
        }
    });
    q
}
