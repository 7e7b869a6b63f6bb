//! Scores and weighted values of one chunk of the KV cache, for up to four query heads at once.

use core::arch::wasm32::*;

use super::super::attention::{
    CHUNK, CacheFormat, Chunk, KEY_BLOCK, MAX_GROUP, MAX_HEAD_DIM, load_value,
};
use super::vector::shift;
use super::{Simd, halves};

/// What keys and values are held in, as the loops read it.
trait Element {
    /// Bytes of a number.
    const BYTES: usize;
    /// Bytes of the scale behind a key or a value.
    const SCALE: usize;
    /// Queries and weights carry what numbers are read too small by.
    const UP: f32;

    /// Eight numbers at `at`, divided by UP.
    ///
    /// # Safety
    /// 8 × BYTES are readable there.
    unsafe fn eight(at: *const u8) -> (v128, v128);
}

struct Half;

impl Element for Half {
    const BYTES: usize = 2;
    const SCALE: usize = 0;
    const UP: f32 = f32::from_bits((127 + 112) << 23);

    #[inline(always)]
    unsafe fn eight(at: *const u8) -> (v128, v128) {
        // SAFETY: the caller's promise.
        unsafe { (halves(at), halves(at.add(8))) }
    }
}

struct Byte;

impl Element for Byte {
    const BYTES: usize = 1;
    const SCALE: usize = 4;
    const UP: f32 = 1.0;

    #[inline(always)]
    unsafe fn eight(at: *const u8) -> (v128, v128) {
        // SAFETY: the caller's promise; the instruction needs no alignment.
        let eight = unsafe { i16x8_load_extend_i8x8(at.cast()) };
        (
            f32x4_convert_i32x4(i32x4_extend_low_i16x8(eight)),
            f32x4_convert_i32x4(i32x4_extend_high_i16x8(eight)),
        )
    }
}

/// See `kernels::attention::score`. Whole key blocks are computed.
pub fn score<S: Simd>(
    q: &[f32],
    head_dim: usize,
    chunk: &Chunk<'_>,
    scores: &mut [[f32; CHUNK]; MAX_GROUP],
) {
    assert!(chunk.end <= CHUNK);
    let end = chunk.end.next_multiple_of(KEY_BLOCK);
    assert!(chunk.keys.len() >= end * chunk.format.bytes(head_dim));
    match chunk.format {
        CacheFormat::F16 => score_groups::<S, Half>(q, head_dim, chunk, scores),
        CacheFormat::Q8_0 => score_groups::<S, Byte>(q, head_dim, chunk, scores),
    }
}

fn score_groups<S: Simd, E: Element>(
    q: &[f32],
    head_dim: usize,
    chunk: &Chunk<'_>,
    scores: &mut [[f32; CHUNK]; MAX_GROUP],
) {
    match q.len() / head_dim {
        1 => score_group::<S, E, 1>(q, head_dim, chunk, scores),
        2 => score_group::<S, E, 2>(q, head_dim, chunk, scores),
        3 => score_group::<S, E, 3>(q, head_dim, chunk, scores),
        4 => score_group::<S, E, 4>(q, head_dim, chunk, scores),
        n => unreachable!("groups of {n} heads are split before"),
    }
}

#[inline(never)]
fn score_group<S: Simd, E: Element, const G: usize>(
    q: &[f32],
    head_dim: usize,
    chunk: &Chunk<'_>,
    scores: &mut [[f32; CHUNK]; MAX_GROUP],
) {
    assert_eq!(q.len(), G * head_dim);
    let mut up = [[0.0f32; MAX_HEAD_DIM]; G];
    let up = &mut up.as_flattened_mut()[..q.len()];
    up.copy_from_slice(q);
    shift(up, E::UP, 0.0);
    let q = &*up;
    let size = KEY_BLOCK * (E::BYTES * head_dim + E::SCALE);
    for block in chunk.begin / KEY_BLOCK..chunk.end.div_ceil(KEY_BLOCK) {
        let mut sums = [[f32x4_splat(0.0); 2]; G];
        let mut at = chunk.keys[block * size..].as_ptr();
        let mut q_at = q.as_ptr();
        for _ in 0..head_dim {
            // SAFETY: `score` asserted head_dim × 8 keys in this block; q has G × head_dim values.
            unsafe {
                let (low, high) = E::eight(at);
                for (h, sums) in sums.iter_mut().enumerate() {
                    let q = v128_load32_splat(q_at.add(h * head_dim).cast());
                    sums[0] = S::madd(q, low, sums[0]);
                    sums[1] = S::madd(q, high, sums[1]);
                }
                at = at.add(E::BYTES * KEY_BLOCK);
                q_at = q_at.add(1);
            }
        }
        if E::SCALE > 0 {
            // SAFETY: the block's eight scales follow its keys.
            let scales = unsafe { [v128_load(at.cast()), v128_load(at.add(16).cast())] };
            for sums in &mut sums {
                *sums = [0, 1].map(|i| f32x4_mul(sums[i], scales[i]));
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
    let size = chunk.format.bytes(head_dim);
    assert!(chunk.end <= CHUNK && chunk.values.len() >= chunk.end * size);
    match chunk.format {
        CacheFormat::F16 => mix_groups::<S, Half>(scores, head_dim, chunk, out),
        CacheFormat::Q8_0 => {
            // What a value is multiplied by is its weight times its scale.
            let mut scaled = *scores;
            for p in chunk.begin..chunk.end {
                let scale = &chunk.values[p * size + head_dim..(p + 1) * size];
                let scale = f32::from_le_bytes([scale[0], scale[1], scale[2], scale[3]]);
                for scores in scaled.iter_mut().take(out.len() / head_dim) {
                    scores[p] *= scale;
                }
            }
            mix_groups::<S, Byte>(&scaled, head_dim, chunk, out);
        }
    }
    if !head_dim.is_multiple_of(SPAN) {
        mix_rest(scores, head_dim, chunk, out);
    }
}

/// The last dimensions of heads that are not whole spans.
#[inline(never)]
fn mix_rest(
    scores: &[[f32; CHUNK]; MAX_GROUP],
    head_dim: usize,
    chunk: &Chunk<'_>,
    out: &mut [f32],
) {
    let whole = head_dim / SPAN * SPAN;
    let value = &mut [0.0; MAX_HEAD_DIM][..head_dim];
    for out in out.chunks_exact_mut(head_dim) {
        out[whole..].fill(0.0);
    }
    for p in chunk.begin..chunk.end {
        load_value(chunk.format, chunk.values, p, value);
        for (out, scores) in out.chunks_exact_mut(head_dim).zip(scores) {
            for (out, v) in out[whole..].iter_mut().zip(&value[whole..]) {
                *out += scores[p] * v;
            }
        }
    }
}

fn mix_groups<S: Simd, E: Element>(
    scores: &[[f32; CHUNK]; MAX_GROUP],
    head_dim: usize,
    chunk: &Chunk<'_>,
    out: &mut [f32],
) {
    match out.len() / head_dim {
        1 => mix_group::<S, E, 1>(scores, head_dim, chunk, out),
        2 => mix_group::<S, E, 2>(scores, head_dim, chunk, out),
        3 => mix_group::<S, E, 3>(scores, head_dim, chunk, out),
        4 => mix_group::<S, E, 4>(scores, head_dim, chunk, out),
        n => unreachable!("groups of {n} heads are split before"),
    }
}

/// Dimensions computed at once: G × 2 sums stay in registers.
const SPAN: usize = 8;

#[inline(never)]
fn mix_group<S: Simd, E: Element, const G: usize>(
    scores: &[[f32; CHUNK]; MAX_GROUP],
    head_dim: usize,
    chunk: &Chunk<'_>,
    out: &mut [f32],
) {
    assert_eq!(out.len(), G * head_dim);
    let up = f32x4_splat(E::UP);
    let size = E::BYTES * head_dim + E::SCALE;
    let whole = head_dim / SPAN * SPAN;
    for i in (0..whole).step_by(SPAN) {
        let mut sums = [[f32x4_splat(0.0); 2]; G];
        for p in chunk.begin..chunk.end {
            // SAFETY: `mix` asserted end × head_dim values; i + 8 ≤ head_dim; p < CHUNK.
            unsafe {
                let at = chunk.values.as_ptr().add(p * size + i * E::BYTES);
                let (low, high) = E::eight(at);
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
}
