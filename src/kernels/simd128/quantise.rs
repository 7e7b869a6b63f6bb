//! f32 activations → quants in blocks of 32, with scale and sum.

use core::arch::wasm32::*;

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
    let m = |i: f32, j: f32| if i > j { i } else { j };
    let max = m(
        m(f32x4_extract_lane::<0>(max), f32x4_extract_lane::<1>(max)),
        m(f32x4_extract_lane::<2>(max), f32x4_extract_lane::<3>(max)),
    );
    (v, max)
}

#[inline(always)]
fn horizontal_sum(v: v128) -> i32 {
    i32x4_extract_lane::<0>(v)
        + i32x4_extract_lane::<1>(v)
        + i32x4_extract_lane::<2>(v)
        + i32x4_extract_lane::<3>(v)
}

/// `x` ([n, 32]) → signed bytes in order.
#[inline(never)]
pub fn quantise_i8(x: &[f32], q: &mut [u8], d: &mut [f32], s: &mut [f32]) {
    for (((x, q), d), s) in x.chunks_exact(32).zip(q.chunks_exact_mut(32)).zip(d).zip(s) {
        let (v, max) = block(x);
        let scale = max / 127.0;
        let inverse = f32x4_splat(if max > 0.0 { 127.0 / max } else { 0.0 });
        let q32 = v.map(|v| i32x4_trunc_sat_f32x4(f32x4_nearest(f32x4_mul(v, inverse))));
        let q16 = |i: usize| i16x8_narrow_i32x4(q32[i], q32[i + 1]);
        // SAFETY: q has 32 bytes.
        unsafe {
            v128_store(q.as_mut_ptr().cast(), i8x16_narrow_i16x8(q16(0), q16(2)));
            v128_store(q.as_mut_ptr().add(16).cast(), i8x16_narrow_i16x8(q16(4), q16(6)));
        }
        let sum = horizontal_sum(q32.into_iter().fold(i32x4_splat(0), |a, b| i32x4_add(a, b)));
        *d = scale * SCALE_UP;
        *s = scale * sum as f32 * SCALE_UP;
    }
}

/// `x` ([n, 32]) → signed 16-bit values; of every eight x₀…x₇ the order is x₀x₂ x₄x₆ x₁x₃ x₅x₇.
#[inline(never)]
pub fn quantise_i16(x: &[f32], q: &mut [u8], d: &mut [f32], s: &mut [f32]) {
    for (((x, q), d), s) in x.chunks_exact(32).zip(q.chunks_exact_mut(64)).zip(d).zip(s) {
        let (v, max) = block(x);
        let scale = max / 32767.0;
        let inverse = f32x4_splat(if max > 0.0 { 32767.0 / max } else { 0.0 });
        let q32 = v.map(|v| i32x4_trunc_sat_f32x4(f32x4_nearest(f32x4_mul(v, inverse))));
        for i in 0..4 {
            let eight = i16x8_narrow_i32x4(q32[2 * i], q32[2 * i + 1]);
            let ordered = i16x8_shuffle::<0, 2, 4, 6, 1, 3, 5, 7>(eight, eight);
            // SAFETY: i < 4, and q has 64 bytes.
            unsafe { v128_store(q.as_mut_ptr().add(16 * i).cast(), ordered) };
        }
        let sum = horizontal_sum(q32.into_iter().fold(i32x4_splat(0), |a, b| i32x4_add(a, b)));
        *d = scale * SCALE_UP;
        *s = scale * sum as f32 * SCALE_UP;
    }
}
