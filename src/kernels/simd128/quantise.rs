//! f32 activations → quants in blocks of 32, with scale and sums.

use core::arch::wasm32::*;

use super::super::activations::Quants;
use super::SCALE_UP;

/// Largest magnitude of 32 values, and the values.
#[inline(always)]
fn block(x: &[f32]) -> ([v128; 8], f32) {
    assert!(x.len() == 32);
    let mut v = [f32x4_splat(0.0); 8];
    let mut max = f32x4_splat(0.0);
    for (i, v) in v.iter_mut().enumerate() {
        // SAFETY: i < 8, and x has 32 values.
        *v = unsafe { v128_load(x.as_ptr().add(4 * i).cast()) };
        max = f32x4_pmax(max, f32x4_abs(*v));
    }
    (v, largest_lane(max))
}

/// The largest of four lanes, of which none is NaN.
#[inline(always)]
pub(super) fn largest_lane(v: v128) -> f32 {
    let v = f32x4_pmax(v, i32x4_shuffle::<2, 3, 0, 1>(v, v));
    f32x4_extract_lane::<0>(f32x4_pmax(v, i32x4_shuffle::<1, 0, 3, 2>(v, v)))
}

/// The nearest whole numbers, of ties the even ones, for magnitudes below 2²².
#[inline(always)]
pub(super) fn rounded(v: v128) -> v128 {
    // Where one is the last bit of the fraction, an addition rounds so.
    let ones = f32x4_splat(12_582_912.0);
    i32x4_sub(f32x4_add(v, ones), ones)
}

/// The same 32 numbers in sixteen bits.
#[inline(always)]
fn eights(q32: &[v128; 8]) -> [v128; 4] {
    core::array::from_fn(|i| i16x8_narrow_i32x4(q32[2 * i], q32[2 * i + 1]))
}

/// Scale and sums of one block of quants.
#[inline(always)]
fn sums(eights: &[v128; 4], scale: f32, to: &mut Quants) {
    let [a, b, c, d] = eights.map(|q| i32x4_dot_i16x8(q, i16x8_splat(1)));
    let (low, high) = (i32x4_add(a, b), i32x4_add(c, d));
    let both = i32x4_add(
        i32x4_shuffle::<0, 1, 4, 5>(low, high),
        i32x4_shuffle::<2, 3, 6, 7>(low, high),
    );
    let both = i32x4_add(both, i32x4_shuffle::<1, 0, 3, 2>(both, both));
    let (low, high) = (i32x4_extract_lane::<0>(both), i32x4_extract_lane::<2>(both));
    to.d = scale * SCALE_UP;
    to.s = scale * (low + high) as f32 * SCALE_UP;
    to.s16[0] = scale * low as f32 * SCALE_UP;
    to.s16[1] = scale * high as f32 * SCALE_UP;
}

/// The largest value of two planes of signed bytes: 127 · 128.
const PLANES_MAX: f32 = 16_256.0;

/// `x` ([n, 32]) → 15-bit values = 128 · high + low, in two planes of signed bytes; of every 16 values first the high
/// bytes, then the low ones.
#[inline(never)]
pub(in super::super) fn quantise_planes(x: &[f32], to: &mut [Quants]) {
    for (x, to) in x.chunks_exact(32).zip(to) {
        let (v, max) = block(x);
        let scale = max / PLANES_MAX;
        let inverse = f32x4_splat(if max > 0.0 { PLANES_MAX / max } else { 0.0 });
        let q32 = v.map(|v| rounded(f32x4_mul(v, inverse)));
        let eights = eights(&q32);
        let high = eights.map(|q| i16x8_shr(i16x8_add(q, i16x8_splat(64)), 7));
        for (half, q) in to.q.chunks_exact_mut(32).enumerate() {
            let (all, high) = (&eights[2 * half..][..2], &high[2 * half..][..2]);
            let low = [0, 1].map(|i| i16x8_sub(all[i], i16x8_shl(high[i], 7)));
            // SAFETY: q has 32 bytes.
            unsafe {
                v128_store(q.as_mut_ptr().cast(), i8x16_narrow_i16x8(high[0], high[1]));
                v128_store(
                    q.as_mut_ptr().add(16).cast(),
                    i8x16_narrow_i16x8(low[0], low[1]),
                );
            }
        }
        sums(&eights, scale, to);
    }
}

/// `x` ([n, 32]) → signed 16-bit values; of every eight x₀…x₇ the order is x₀x₂ x₄x₆ x₁x₃ x₅x₇.
#[inline(never)]
pub(in super::super) fn quantise_i16(x: &[f32], to: &mut [Quants]) {
    for (x, to) in x.chunks_exact(32).zip(to) {
        let (v, max) = block(x);
        let scale = max / 32767.0;
        let inverse = f32x4_splat(if max > 0.0 { 32767.0 / max } else { 0.0 });
        let q32 = v.map(|v| rounded(f32x4_mul(v, inverse)));
        let eights = eights(&q32);
        for (i, eight) in eights.iter().enumerate() {
            let ordered = i16x8_shuffle::<0, 2, 4, 6, 1, 3, 5, 7>(*eight, *eight);
            // SAFETY: i < 4 of 64 bytes.
            unsafe { v128_store(to.q.as_mut_ptr().add(16 * i).cast(), ordered) };
        }
        sums(&eights, scale, to);
    }
}

/// Value `i` of a block in the order of [`quantise_planes`].
pub(in super::super) fn planes_value(Quants { q, d, .. }: &Quants, i: usize) -> f32 {
    let at = 32 * (i / 16) + i % 16;
    (128.0 * f32::from(q[at] as i8) + f32::from(q[at + 16] as i8)) * (d / SCALE_UP)
}

/// Value `i` of a block of signed 16-bit values in the order of [`quantise_i16`].
pub(in super::super) fn i16_value(Quants { q, d, .. }: &Quants, i: usize) -> f32 {
    let at = 16 * (i / 8) + 2 * [0, 4, 1, 5, 2, 6, 3, 7][i % 8];
    f32::from(i16::from_le_bytes([q[at], q[at + 1]])) * (d / SCALE_UP)
}
