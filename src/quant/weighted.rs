//! Rounding that knows how much each value matters: the mean square of what it is multiplied with.
//!
//! The searches are those of the plain rounding, with other weights. Formats that are not named here have errors too
//! small to move (q8_0), or are rounded as without weights.

use super::search::{Affine, affine, nearest, symmetric_weighted};
use super::{Format, q6_k, read_f16, scale_min, write_f16};

/// Rounds whole blocks: `x`, `importance` (as long) → `bytes`.
pub(super) fn quantise(format: Format, x: &[f32], importance: &[f32], bytes: &mut [u8]) {
    assert_eq!(x.len(), importance.len());
    let one: fn(&[f32], &[f32], &mut [u8]) = match format {
        Format::Q4_0 => q4_0,
        Format::Q4_1 => q4_1,
        Format::Q5_0 => q5_0,
        Format::Q5_1 => q5_1,
        Format::Q4K => q4_k,
        Format::Q5K => q5_k,
        Format::Q6K => q6_k::quantise_weighted,
        other => return other.quantise(x, bytes),
    };
    let len = format.block_len();
    let blocks = x.chunks_exact(len).zip(importance.chunks_exact(len));
    for ((x, importance), block) in blocks.zip(bytes.chunks_exact_mut(format.block_bytes())) {
        one(x, &weights(x, importance), block);
    }
}

/// Importance × √(mean square + square): large values count more, as in the reference implementation.
fn weights(x: &[f32], importance: &[f32]) -> Vec<f32> {
    let mean = x.iter().map(|x| x * x).sum::<f32>() / x.len() as f32;
    let weights: Vec<f32> = x
        .iter()
        .zip(importance)
        .map(|(x, i)| i * (mean + x * x).sqrt())
        .collect();
    // Columns that nothing ever came in on say nothing: then all count alike.
    if weights.iter().any(|w| *w > 0.0 && w.is_finite()) {
        weights
    } else {
        vec![1.0; x.len()]
    }
}

fn nibbles(q: &[u8], qs: &mut [u8]) {
    for (i, byte) in qs.iter_mut().enumerate() {
        *byte = q[i] & 15 | q[i + 16] << 4;
    }
}

fn fifth_bits(q: &[u8]) -> [u8; 4] {
    let bits = q
        .iter()
        .enumerate()
        .fold(0u32, |bits, (i, q)| bits | u32::from(q >> 4) << i);
    bits.to_le_bytes()
}

/// d into the block and the quants for its rounded value, as 0..2n.
fn symmetric_quants(n: i32, x: &[f32], weights: &[f32], block: &mut [u8]) -> [u8; 32] {
    let mut q = [0i8; 32];
    let d = symmetric_weighted(n, x, weights, &mut q);
    write_f16(block, 0, d);
    let d = read_f16(block, 0);
    if d == 0.0 {
        return [n as u8; 32];
    }
    core::array::from_fn(|i| (nearest(x[i] / d).clamp(-n, n - 1) + n) as u8)
}

fn q4_0(x: &[f32], weights: &[f32], block: &mut [u8]) {
    let q = symmetric_quants(8, x, weights, block);
    nibbles(&q, &mut block[2..]);
}

fn q5_0(x: &[f32], weights: &[f32], block: &mut [u8]) {
    let q = symmetric_quants(16, x, weights, block);
    block[2..6].copy_from_slice(&fifth_bits(&q));
    nibbles(&q, &mut block[6..]);
}

/// d and m into the block and the quants for their rounded values.
fn affine_quants(max_quant: i32, x: &[f32], weights: &[f32], block: &mut [u8]) -> [u8; 32] {
    let how = Affine {
        max_quant,
        first: -0.9,
        steps: 36,
        absolute: false,
    };
    let mut q = [0; 32];
    let (d, m) = affine(&how, x, weights, &mut q);
    write_f16(block, 0, d);
    write_f16(block, 2, -m);
    let (d, min) = (read_f16(block, 0), read_f16(block, 2));
    if d == 0.0 {
        return [0; 32];
    }
    core::array::from_fn(|i| nearest((x[i] - min) / d).clamp(0, max_quant) as u8)
}

fn q4_1(x: &[f32], weights: &[f32], block: &mut [u8]) {
    let q = affine_quants(15, x, weights, block);
    nibbles(&q, &mut block[4..]);
}

fn q5_1(x: &[f32], weights: &[f32], block: &mut [u8]) {
    let q = affine_quants(31, x, weights, block);
    block[4..8].copy_from_slice(&fifth_bits(&q));
    nibbles(&q, &mut block[8..]);
}

fn q4_k(x: &[f32], weights: &[f32], block: &mut [u8]) {
    const SEARCH: Affine = Affine {
        max_quant: 15,
        first: -0.9,
        steps: 36,
        absolute: false,
    };
    let q = scale_min::quantise_weighted(&SEARCH, x, weights, block);
    super::q4_k::pack(&q, block);
}

fn q5_k(x: &[f32], weights: &[f32], block: &mut [u8]) {
    const SEARCH: Affine = Affine {
        max_quant: 31,
        first: -0.9,
        steps: 36,
        absolute: false,
    };
    let q = scale_min::quantise_weighted(&SEARCH, x, weights, block);
    super::q5_k::pack(&q, block);
}
