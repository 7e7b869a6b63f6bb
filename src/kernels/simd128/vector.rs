//! exp, SiLU and sums on four lanes.

use core::arch::wasm32::*;

use super::Simd;

/// eˣ within 2 ULP for x ≤ 88; 0 below −87.3.
///
/// x = n·ln 2 + r with |r| ≤ ln 2 / 2 (two-part constant after Cody and Waite), a degree-6 polynomial for eʳ, then
/// n is added to the exponent. Added to 1.5 · 2²³, a number is rounded to a whole one, which then stands in the lowest
/// bits: converting it would be seven instructions on x86.
#[inline(always)]
pub fn exp(x: v128) -> v128 {
    let x = f32x4_pmin(x, f32x4_splat(88.0));
    let whole = f32x4_splat(12_582_912.0);
    let lifted = f32x4_add(f32x4_mul(x, f32x4_splat(core::f32::consts::LOG2_E)), whole);
    let n = f32x4_sub(lifted, whole);
    let r = f32x4_sub(x, f32x4_mul(n, f32x4_splat(0.693_359_4)));
    let r = f32x4_add(r, f32x4_mul(n, f32x4_splat(2.121_944_4e-4)));
    let mut p = f32x4_splat(1.0 / 720.0);
    for c in [1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        p = f32x4_add(f32x4_mul(p, r), f32x4_splat(c));
    }
    let power = i32x4_add(i32x4_shl(lifted, 23), i32x4_splat(127 << 23));
    let alive = f32x4_gt(x, f32x4_splat(-87.3));
    v128_and(f32x4_mul(p, power), alive)
}

/// Calls `f` on every four values of `x`, the last ones padded with `pad`.
#[inline(always)]
fn map(x: &mut [f32], pad: f32, mut f: impl FnMut(usize, v128) -> v128) {
    let n = x.len() / 4 * 4;
    for i in (0..n).step_by(4) {
        // SAFETY: i + 4 ≤ len.
        unsafe {
            let at: *mut v128 = x.as_mut_ptr().add(i).cast();
            v128_store(at, f(i, v128_load(at)));
        }
    }
    if n < x.len() {
        let rest = &mut x[n..];
        let mut four = [pad; 4];
        four[..rest.len()].copy_from_slice(rest);
        // SAFETY: `four` has 16 bytes.
        unsafe {
            let at: *mut v128 = four.as_mut_ptr().cast();
            v128_store(at, f(n, v128_load(at)));
        }
        rest.copy_from_slice(&four[..rest.len()]);
    }
}

pub(super) fn horizontal_sum(v: v128) -> f32 {
    (f32x4_extract_lane::<0>(v) + f32x4_extract_lane::<1>(v))
        + (f32x4_extract_lane::<2>(v) + f32x4_extract_lane::<3>(v))
}

/// The largest of `v`'s lanes and `more`, leaving out those that are NaN.
pub(super) fn horizontal_max(v: v128, more: &[f32]) -> f32 {
    let mut lanes = [0.0f32; 4];
    // SAFETY: `lanes` has 16 bytes.
    unsafe { v128_store(lanes.as_mut_ptr().cast(), v) };
    let larger = |a: f32, b: &f32| if a < *b { *b } else { a };
    lanes.iter().chain(more).fold(f32::NEG_INFINITY, larger)
}

/// See `kernels::vector::exp_sum`.
#[inline(never)]
pub fn exp_sum(x: &mut [f32], max: f32) -> f32 {
    let mut sum = f32x4_splat(0.0);
    let max = f32x4_splat(max);
    map(x, f32::NEG_INFINITY, |_, v| {
        let e = exp(f32x4_sub(v, max));
        sum = f32x4_add(sum, e);
        e
    });
    horizontal_sum(sum)
}

/// See `kernels::vector::silu_mul`.
#[inline(never)]
pub fn silu_mul(gate: &mut [f32], up: &[f32]) {
    assert_eq!(gate.len(), up.len());
    let ((gates, last), (ups, last_up)) = (gate.as_chunks_mut::<4>(), up.as_chunks::<4>());
    for (gate, up) in gates.iter_mut().zip(ups) {
        // SAFETY: both have 16 bytes.
        unsafe {
            let (at, up): (*mut v128, *const v128) = (gate.as_mut_ptr().cast(), up.as_ptr().cast());
            let gate = v128_load(at);
            v128_store(at, f32x4_mul(f32x4_mul(gate, sigmoid(gate)), v128_load(up)));
        }
    }
    silu(last);
    for (gate, up) in last.iter_mut().zip(last_up) {
        *gate *= up;
    }
}

/// 1 / (1 + e⁻ˣ).
#[inline(always)]
fn sigmoid(x: v128) -> v128 {
    let one = f32x4_splat(1.0);
    f32x4_div(one, f32x4_add(one, exp(f32x4_neg(x))))
}

/// See `kernels::vector::sigmoid`.
#[inline(never)]
pub fn sigmoids(x: &mut [f32]) {
    map(x, 0.0, |_, x| sigmoid(x));
}

/// See `kernels::vector::silu`.
#[inline(never)]
pub fn silu(x: &mut [f32]) {
    map(x, 0.0, |_, x| f32x4_mul(x, sigmoid(x)));
}

/// See `kernels::vector::gelu`.
///
/// erf by formula 7.1.26 of Abramowitz and Stegun: off by at most 1.5e-7.
#[inline(never)]
pub fn gelu(x: &mut [f32]) {
    let (one, half) = (f32x4_splat(1.0), f32x4_splat(0.5));
    map(x, 0.0, |_, x| {
        let z = f32x4_mul(x, f32x4_splat(core::f32::consts::FRAC_1_SQRT_2));
        let size = f32x4_abs(z);
        let t = f32x4_div(
            one,
            f32x4_add(one, f32x4_mul(size, f32x4_splat(0.327_591_1))),
        );
        let mut p = f32x4_splat(1.061_405_4);
        for c in [-1.453_152, 1.421_413_7, -0.284_496_74, 0.254_829_6] {
            p = f32x4_add(f32x4_mul(p, t), f32x4_splat(c));
        }
        let tail = f32x4_mul(f32x4_mul(p, t), exp(f32x4_neg(f32x4_mul(size, size))));
        // 1 + erf(z) = 2 − tail for z ≥ 0, and tail below: no cancellation on either side.
        let sum = v128_bitselect(
            tail,
            f32x4_sub(f32x4_splat(2.0), tail),
            f32x4_lt(z, f32x4_splat(0.0)),
        );
        f32x4_mul(f32x4_mul(x, half), sum)
    });
}

/// See `kernels::vector::gelu_tanh`: (1 + tanh(u)) / 2 is the sigmoid of 2u.
#[inline(never)]
pub fn gelu_tanh(x: &mut [f32]) {
    map(x, 0.0, |_, x| {
        let cube = f32x4_mul(f32x4_mul(x, x), f32x4_mul(x, f32x4_splat(0.044_715)));
        let inner = f32x4_mul(
            f32x4_add(x, cube),
            f32x4_splat(2.0 * super::super::vector::GELU_TANH),
        );
        f32x4_mul(x, sigmoid(inner))
    });
}

/// See `kernels::vector::max`.
#[inline(never)]
pub fn max(x: &[f32]) -> f32 {
    let mut max = f32x4_splat(f32::NEG_INFINITY);
    let (fours, rest) = x.as_chunks::<4>();
    for four in fours {
        // SAFETY: `four` has 16 bytes.
        max = f32x4_pmax(max, unsafe { v128_load(four.as_ptr().cast()) });
    }
    horizontal_max(max, rest)
}

/// See `kernels::vector::shift`.
#[inline(never)]
pub fn shift(x: &mut [f32], factor: f32, offset: f32) {
    let (factor, offset) = (f32x4_splat(factor), f32x4_splat(offset));
    map(x, 0.0, |_, x| f32x4_add(f32x4_mul(x, factor), offset));
}

/// See `kernels::vector::scale_by`.
#[inline(never)]
pub fn scale_by(x: &mut [f32], scale: f32, weight: &[f32]) {
    assert_eq!(x.len(), weight.len());
    let splat = f32x4_splat(scale);
    let whole = x.len() / 4 * 4;
    for i in (0..whole).step_by(4) {
        // SAFETY: i + 4 ≤ the length of both.
        unsafe {
            let at: *mut v128 = x.as_mut_ptr().add(i).cast();
            let scaled = f32x4_mul(v128_load(at), splat);
            let weight = v128_load(weight.as_ptr().add(i).cast());
            v128_store(at, f32x4_mul(scaled, weight));
        }
    }
    for (x, w) in x[whole..].iter_mut().zip(&weight[whole..]) {
        *x = *x * scale * w;
    }
}

/// See `kernels::vector::add_scaled`.
#[inline(never)]
pub fn add_scaled<S: Simd>(sum: &mut [f32], share: f32, x: &[f32]) {
    assert_eq!(sum.len(), x.len());
    let splat = f32x4_splat(share);
    let whole = x.len() / 4 * 4;
    for i in (0..whole).step_by(4) {
        // SAFETY: i + 4 ≤ the length of both.
        unsafe {
            let at: *mut v128 = sum.as_mut_ptr().add(i).cast();
            let x = v128_load(x.as_ptr().add(i).cast());
            v128_store(at, S::madd(splat, x, v128_load(at)));
        }
    }
    for (sum, x) in sum[whole..].iter_mut().zip(&x[whole..]) {
        *sum += share * x;
    }
}

/// See `kernels::vector::sum`.
#[inline(never)]
pub fn sum(x: &[f32]) -> f32 {
    let mut sum = f32x4_splat(0.0);
    let (fours, rest) = x.as_chunks::<4>();
    for four in fours {
        // SAFETY: `four` has 16 bytes.
        sum = f32x4_add(sum, unsafe { v128_load(four.as_ptr().cast()) });
    }
    horizontal_sum(sum) + rest.iter().sum::<f32>()
}

/// Σ x², in two rounds of four lanes.
#[inline(never)]
pub fn sum_of_squares(x: &[f32]) -> f32 {
    let mut sum = f32x4_splat(0.0);
    let (fours, rest) = x.as_chunks::<4>();
    for four in fours {
        // SAFETY: `four` has 16 bytes.
        let v = unsafe { v128_load(four.as_ptr().cast()) };
        sum = f32x4_add(sum, f32x4_mul(v, v));
    }
    horizontal_sum(sum) + rest.iter().map(|v| v * v).sum::<f32>()
}
