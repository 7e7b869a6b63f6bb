//! Scores and weighted values of one chunk of the f16 KV cache, for up to four query heads at once.

use core::arch::wasm32::*;

use super::super::attention::{CHUNK, Chunk, KEY_BLOCK, MAX_GROUP};
use super::{Simd, halves};

/// f16 is read times 2⁻¹¹²; queries and weights carry the rest.
const UP: f32 = f32::from_bits((127 + 112) << 23);

/// See `kernels::attention::score`. Whole key blocks are computed.
pub fn score<S: Simd>(
    q: &[f32],
    head_dim: usize,
    chunk: &Chunk<'_>,
    scores: &mut [[f32; CHUNK]; MAX_GROUP],
) {
    assert!(chunk.end <= CHUNK);
    assert!(chunk.keys.len() >= chunk.end.div_ceil(KEY_BLOCK) * KEY_BLOCK * head_dim);
    match q.len() / head_dim {
        1 => score_group::<S, 1>(q, head_dim, chunk, scores),
        2 => score_group::<S, 2>(q, head_dim, chunk, scores),
        3 => score_group::<S, 3>(q, head_dim, chunk, scores),
        4 => score_group::<S, 4>(q, head_dim, chunk, scores),
        n => unreachable!("groups of {n} heads are split before"),
    }
}

#[inline(never)]
fn score_group<S: Simd, const G: usize>(
    q: &[f32],
    head_dim: usize,
    chunk: &Chunk<'_>,
    scores: &mut [[f32; CHUNK]; MAX_GROUP],
) {
    assert_eq!(q.len(), G * head_dim);
    let up = f32x4_splat(UP);
    for block in chunk.begin / KEY_BLOCK..chunk.end.div_ceil(KEY_BLOCK) {
        let mut sums = [[f32x4_splat(0.0); 2]; G];
        let mut at: *const u8 = chunk.keys[block * KEY_BLOCK * head_dim..].as_ptr().cast();
        let mut q_at = q.as_ptr();
        for _ in 0..head_dim {
            // SAFETY: `score` asserted head_dim × 8 keys in this block; q has G × head_dim values.
            unsafe {
                let (low, high) = (halves(at), halves(at.add(8)));
                for (h, sums) in sums.iter_mut().enumerate() {
                    let q = f32x4_mul(v128_load32_splat(q_at.add(h * head_dim).cast()), up);
                    sums[0] = S::madd(q, low, sums[0]);
                    sums[1] = S::madd(q, high, sums[1]);
                }
                at = at.add(2 * KEY_BLOCK);
                q_at = q_at.add(1);
            }
        }
        for (scores, sums) in scores.iter_mut().zip(&sums) {
            let out = &mut scores[block * KEY_BLOCK..(block + 1) * KEY_BLOCK];
            // SAFETY: `out` has eight values.
            unsafe {
                v128_store(out.as_mut_ptr().cast(), sums[0]);
                v128_store(out.as_mut_ptr().add(4).cast(), sums[1]);
            }
        }
    }
}

/// See `kernels::attention::mix`.
pub fn mix<S: Simd>(
    scores: &[[f32; CHUNK]; MAX_GROUP],
    head_dim: usize,
    chunk: &Chunk<'_>,
    out: &mut [f32],
) {
    assert!(chunk.end <= CHUNK && chunk.values.len() >= chunk.end * head_dim);
    match out.len() / head_dim {
        1 => mix_group::<S, 1>(scores, head_dim, chunk, out),
        2 => mix_group::<S, 2>(scores, head_dim, chunk, out),
        3 => mix_group::<S, 3>(scores, head_dim, chunk, out),
        4 => mix_group::<S, 4>(scores, head_dim, chunk, out),
        n => unreachable!("groups of {n} heads are split before"),
    }
}

/// Dimensions computed at once: G × 2 sums stay in registers.
const SPAN: usize = 8;

#[inline(never)]
fn mix_group<S: Simd, const G: usize>(
    scores: &[[f32; CHUNK]; MAX_GROUP],
    head_dim: usize,
    chunk: &Chunk<'_>,
    out: &mut [f32],
) {
    assert_eq!(out.len(), G * head_dim);
    let up = f32x4_splat(UP);
    let whole = head_dim / SPAN * SPAN;
    for i in (0..whole).step_by(SPAN) {
        let mut sums = [[f32x4_splat(0.0); 2]; G];
        for p in chunk.begin..chunk.end {
            // SAFETY: `mix` asserted end × head_dim values; i + 8 ≤ head_dim; p < CHUNK.
            unsafe {
                let at: *const u8 = chunk.values.as_ptr().add(p * head_dim + i).cast();
                let (low, high) = (halves(at), halves(at.add(8)));
                for (h, sums) in sums.iter_mut().enumerate() {
                    let weight = v128_load32_splat(scores[h].as_ptr().add(p).cast());
                    sums[0] = S::madd(weight, low, sums[0]);
                    sums[1] = S::madd(weight, high, sums[1]);
                }
            }
        }
        for (h, sums) in sums.iter().enumerate() {
            let out = &mut out[h * head_dim + i..][..SPAN];
            // SAFETY: `out` has eight values.
            unsafe {
                v128_store(out.as_mut_ptr().cast(), f32x4_mul(sums[0], up));
                v128_store(out.as_mut_ptr().add(4).cast(), f32x4_mul(sums[1], up));
            }
        }
    }
    for i in whole..head_dim {
        for h in 0..G {
            out[h * head_dim + i] = (chunk.begin..chunk.end)
                .map(|p| {
                    scores[h][p] * half::f16::from_bits(chunk.values[p * head_dim + i]).to_f32()
                })
                .sum();
        }
    }
}
