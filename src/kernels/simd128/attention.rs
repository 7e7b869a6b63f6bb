//! Scores and weighted values of one chunk of the KV cache, for up to four query heads at once.

use core::arch::wasm32::*;

use super::super::attention::{
    CHUNK, CacheFormat, Chunk, KEY_BLOCK, MAX_GROUP, MAX_HEAD_DIM, Query, VALUE_SPAN, load_value,
};
use super::vector::{horizontal_max, horizontal_sum, shift, sum_of_squares};
use super::{Simd, halves, load, splat4, store};

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
    query: &Query<'_>,
    chunk: &Chunk<'_>,
    scores: &mut [[f32; CHUNK]; MAX_GROUP],
) {
    let (q, head_dim) = (query.heads, query.head_dim);
    assert!(chunk.end <= CHUNK);
    let end = chunk.end.next_multiple_of(KEY_BLOCK);
    assert!(chunk.keys.len() >= end * chunk.format.bytes(head_dim));
    match chunk.format {
        CacheFormat::Q16_0 => match query.group() {
            1 => score_integers::<1>(query, chunk, scores),
            2 => score_integers::<2>(query, chunk, scores),
            3 => score_integers::<3>(query, chunk, scores),
            4 => score_integers::<4>(query, chunk, scores),
            n => unreachable!("groups of {n} heads are split before"),
        },
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

/// Added to a number of a magnitude below 2²², it rounds it to a whole one in the lowest bits.
const WHOLE: f32 = 12_582_912.0;

/// `a` and `b`, each at most 32767, rounded to i16.
#[inline(always)]
fn round(a: v128, b: v128) -> v128 {
    let whole = f32x4_splat(WHOLE);
    let [a, b] = [a, b].map(|x| i32x4_sub(f32x4_add(x, whole), whole));
    i16x8_narrow_i32x4(a, b)
}

/// The longest query in q16_0, see `KEY_LENGTH`.
const QUERY_LENGTH: f32 = 65_000.0;

/// The largest sum of a chunk's weights, see `LARGEST_VALUE`.
const WEIGHTS: f32 = 260_000.0;

/// Query heads as whole numbers.
pub struct Quants {
    /// [group, head_dim rounded up to pairs].
    numbers: [i16; MAX_GROUP * MAX_HEAD_DIM],
    /// What a quant of each head is worth.
    units: [f32; MAX_GROUP],
}

impl Default for Quants {
    fn default() -> Quants {
        Quants {
            numbers: [0; MAX_GROUP * MAX_HEAD_DIM],
            units: [0.0; MAX_GROUP],
        }
    }
}

impl Quants {
    /// Of `heads` [group, head_dim].
    #[inline(never)]
    pub fn of(heads: &[f32], head_dim: usize) -> Quants {
        let mut all = Quants::default();
        let stride = head_dim.next_multiple_of(2);
        let heads = heads.chunks_exact(head_dim);
        for ((q, out), unit) in heads
            .zip(all.numbers.chunks_exact_mut(stride))
            .zip(&mut all.units)
        {
            let (fours, rest) = q.as_chunks::<4>();
            let mut largest = f32x4_splat(0.0);
            for four in fours {
                // SAFETY: `four` has 16 bytes.
                largest = f32x4_pmax(largest, f32x4_abs(unsafe { load(four.as_ptr().cast()) }));
            }
            let largest = rest
                .iter()
                .fold(horizontal_max(largest, &[]), |max, q| max.max(q.abs()));
            let by_length = sum_of_squares(q).sqrt() / QUERY_LENGTH;
            *unit = by_length.max(largest / f32::from(i16::MAX));
            let inverse = if *unit > 0.0 { 1.0 / *unit } else { 0.0 };
            let (out, behind) = out.as_chunks_mut::<4>();
            for (four, out) in fours.iter().zip(out) {
                // SAFETY: `four` has 16 bytes, `out` eight.
                unsafe {
                    let x = f32x4_mul(load(four.as_ptr().cast()), f32x4_splat(inverse));
                    v128_store64_lane::<0>(round(x, x), out.as_mut_ptr().cast());
                }
            }
            for (q, out) in rest.iter().zip(behind) {
                *out = (q * inverse).round_ties_even() as i16;
            }
        }
        all
    }
}

#[inline(never)]
fn score_integers<const G: usize>(
    query: &Query<'_>,
    chunk: &Chunk<'_>,
    scores: &mut [[f32; CHUNK]; MAX_GROUP],
) {
    let stride = query.head_dim.next_multiple_of(2);
    let size = KEY_BLOCK * CacheFormat::Q16_0.bytes(query.head_dim);
    for block in chunk.begin / KEY_BLOCK..chunk.end.div_ceil(KEY_BLOCK) {
        let mut sums = [[i32x4_splat(0); 2]; G];
        let mut at = chunk.keys[block * size..].as_ptr();
        let mut q_at = query.quants.numbers.as_ptr();
        for _ in 0..stride / 2 {
            // SAFETY: `score` asserted stride × 8 keys in this block; there are G × stride quants of queries.
            unsafe {
                let (low, high) = (load(at), load(at.add(16)));
                for (h, sums) in sums.iter_mut().enumerate() {
                    let q = splat4(q_at.add(h * stride).cast());
                    sums[0] = i32x4_add(sums[0], i32x4_dot_i16x8(low, q));
                    sums[1] = i32x4_add(sums[1], i32x4_dot_i16x8(high, q));
                }
                at = at.add(32);
                q_at = q_at.add(2);
            }
        }
        // SAFETY: the block's eight scales follow its keys.
        let scales = unsafe { [load(at), load(at.add(16))] };
        for (h, (scores, sums)) in scores.iter_mut().zip(&sums).enumerate() {
            let unit = f32x4_splat(query.quants.units[h]);
            let out = scores[block * KEY_BLOCK..(block + 1) * KEY_BLOCK].as_mut_ptr();
            for (i, sum) in sums.iter().enumerate() {
                let score = f32x4_mul(f32x4_convert_i32x4(*sum), f32x4_mul(scales[i], unit));
                // SAFETY: eight scores stand there.
                unsafe { store(out.add(4 * i).cast(), score) };
            }
        }
    }
}

/// See `kernels::attention::mix`.
pub fn mix<S: Simd>(
    scores: &mut [[f32; CHUNK]; MAX_GROUP],
    head_dim: usize,
    chunk: &Chunk<'_>,
    out: &mut [f32],
) {
    let size = chunk.format.bytes(head_dim);
    let held = match chunk.format {
        CacheFormat::Q16_0 => CHUNK,
        CacheFormat::F16 | CacheFormat::Q8_0 => chunk.end,
    };
    assert!(chunk.end <= CHUNK && chunk.values.len() >= held * size);
    if !head_dim.is_multiple_of(SPAN) {
        mix_rest(scores, head_dim, chunk, out);
    }
    match chunk.format {
        CacheFormat::Q16_0 => match out.len() / head_dim {
            1 => mix_integers::<1>(scores, head_dim, chunk, out),
            2 => mix_integers::<2>(scores, head_dim, chunk, out),
            3 => mix_integers::<3>(scores, head_dim, chunk, out),
            4 => mix_integers::<4>(scores, head_dim, chunk, out),
            n => unreachable!("groups of {n} heads are split before"),
        },
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
const SPAN: usize = VALUE_SPAN;

/// `scores` (whole fours) times `scales`, as whole numbers → what one of them is worth.
#[inline(never)]
fn weigh(scores: &mut [f32], scales: &[u8], out: &mut [i16]) -> f32 {
    let (fours, _) = scores.as_chunks_mut::<4>();
    let (scales, _) = scales.as_chunks::<16>();
    let (out, _) = out.as_chunks_mut::<4>();
    let [mut largest, mut sum] = [f32x4_splat(0.0); 2];
    for (four, scale) in fours.iter_mut().zip(scales) {
        // SAFETY: each has 16 bytes.
        unsafe {
            let weight = f32x4_mul(load(four.as_ptr().cast()), load(scale.as_ptr()));
            store(four.as_mut_ptr().cast(), weight);
            largest = f32x4_pmax(largest, weight);
            sum = f32x4_add(sum, weight);
        }
    }
    let largest = horizontal_max(largest, &[]) / f32::from(i16::MAX);
    let unit = largest.max(horizontal_sum(sum) / WEIGHTS);
    let inverse = f32x4_splat(if unit > 0.0 { 1.0 / unit } else { 0.0 });
    for (four, out) in fours.iter().zip(out) {
        // SAFETY: `four` has 16 bytes, `out` eight.
        unsafe {
            let x = f32x4_mul(load(four.as_ptr().cast()), inverse);
            v128_store64_lane::<0>(round(x, x), out.as_mut_ptr().cast());
        }
    }
    unit
}

#[inline(never)]
fn mix_integers<const G: usize>(
    scores: &mut [[f32; CHUNK]; MAX_GROUP],
    head_dim: usize,
    chunk: &Chunk<'_>,
    out: &mut [f32],
) {
    assert_eq!(out.len(), G * head_dim);
    let seen = chunk.begin / 4 * 4..chunk.end.next_multiple_of(4);
    let scales = &chunk.values[2 * CHUNK * head_dim.next_multiple_of(2)..];
    let mut weights = [[0i16; CHUNK]; G];
    let mut units = [0.0f32; G];
    for h in 0..G {
        // What is not seen weighs nothing.
        scores[h][seen.start..chunk.begin].fill(0.0);
        scores[h][chunk.end..seen.end].fill(0.0);
        let scales = &scales[4 * seen.start..4 * seen.end];
        let (scores, weights) = (&mut scores[h][seen.clone()], &mut weights[h][seen.clone()]);
        units[h] = weigh(scores, scales, weights);
    }
    for i in (0..head_dim / SPAN * SPAN).step_by(SPAN) {
        let mut sums = [[i32x4_splat(0); 2]; G];
        // SAFETY: `mix` asserted a whole chunk of values; i + 8 ≤ head_dim; the end is at most CHUNK.
        unsafe {
            let mut at = chunk.values.as_ptr().add(2 * CHUNK * i + 16 * seen.start);
            let mut w_at = weights.as_ptr().cast::<u8>().add(2 * seen.start);
            for _ in 0..seen.len() / 2 {
                let (low, high) = (load(at), load(at.add(16)));
                for (h, sums) in sums.iter_mut().enumerate() {
                    let w = splat4(w_at.add(h * 2 * CHUNK));
                    sums[0] = i32x4_add(sums[0], i32x4_dot_i16x8(low, w));
                    sums[1] = i32x4_add(sums[1], i32x4_dot_i16x8(high, w));
                }
                at = at.add(32);
                w_at = w_at.add(4);
            }
        }
        for (h, sums) in sums.iter().enumerate() {
            let unit = f32x4_splat(units[h]);
            let out = out[h * head_dim + i..][..SPAN].as_mut_ptr();
            for (j, sum) in sums.iter().enumerate() {
                // SAFETY: `out` has eight values.
                unsafe {
                    store(
                        out.add(4 * j).cast(),
                        f32x4_mul(f32x4_convert_i32x4(*sum), unit),
                    );
                }
            }
        }
    }
}

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
