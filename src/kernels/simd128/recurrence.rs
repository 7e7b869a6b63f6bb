//! Short convolution and the steps of states on four lanes. Widths that are no multiple of four are padded: their last
//! lanes are computed by the reference.

use core::arch::wasm32::*;

use super::super::recurrence::{Decaying, Replacing, convolve_scalar};
use super::Simd;

/// Four values from `i` on.
///
/// # Safety
/// i + 4 ≤ x.len().
#[inline(always)]
unsafe fn four(x: &[f32], i: usize) -> v128 {
    debug_assert!(i + 4 <= x.len());
    // SAFETY: the caller's promise.
    unsafe { v128_load(x.as_ptr().add(i).cast()) }
}

/// The same, to be written.
///
/// # Safety
/// i + 4 ≤ x.len().
#[inline(always)]
unsafe fn put(x: &mut [f32], i: usize, v: v128) {
    debug_assert!(i + 4 <= x.len());
    // SAFETY: the caller's promise.
    unsafe { v128_store(x.as_mut_ptr().add(i).cast(), v) }
}

#[inline(always)]
fn horizontal_sum(v: v128) -> f32 {
    (f32x4_extract_lane::<0>(v) + f32x4_extract_lane::<1>(v))
        + (f32x4_extract_lane::<2>(v) + f32x4_extract_lane::<3>(v))
}

/// See `kernels::recurrence::convolve`.
#[inline(never)]
pub fn convolve<S: Simd>(x: &mut [f32], taps: &[f32], bias: &[f32], state: &mut [f32]) {
    let (channels, before) = (x.len(), state.len());
    assert!(taps.len() == before + channels && before.is_multiple_of(channels));
    assert!(bias.is_empty() || bias.len() == channels);
    let whole = channels / 4 * 4;
    for c in (0..whole).step_by(4) {
        // SAFETY: c + 4 ≤ channels, and every row of `taps` and `state` is as long.
        unsafe {
            let input = four(x, c);
            let mut sum = f32x4_mul(four(taps, before + c), input);
            for at in (c..before).step_by(channels) {
                let held = four(state, at);
                sum = S::madd(four(taps, at), held, sum);
                if at >= channels {
                    put(state, at - channels, held);
                }
            }
            if before > 0 {
                put(state, before - channels + c, input);
            }
            if !bias.is_empty() {
                sum = f32x4_add(sum, four(bias, c));
            }
            put(x, c, sum);
        }
    }
    convolve_scalar(x, taps, bias, state, whole);
}

/// See `kernels::recurrence::scan`.
#[inline(never)]
#[allow(clippy::needless_range_loop)] // columns index several arrays at once
pub fn scan<S: Simd>(head: &Decaying<'_>, state: &mut [f32], out: &mut [f32]) {
    let columns = head.key.len();
    assert!(head.query.len() == columns && state.len() == head.values.len() * columns);
    let whole = columns / 4 * 4;
    let decay = f32x4_splat(head.decay);
    for ((state, value), out) in state
        .chunks_exact_mut(columns)
        .zip(head.values)
        .zip(out.iter_mut())
    {
        let taken = head.step * value;
        let splat = f32x4_splat(taken);
        let mut sum = f32x4_splat(0.0);
        for i in (0..whole).step_by(4) {
            // SAFETY: i + 4 ≤ columns, which all of them have.
            unsafe {
                let added = f32x4_mul(splat, four(head.key, i));
                let s = S::madd(four(state, i), decay, added);
                put(state, i, s);
                sum = S::madd(s, four(head.query, i), sum);
            }
        }
        let mut sum = horizontal_sum(sum);
        for i in whole..columns {
            state[i] = state[i] * head.decay + taken * head.key[i];
            sum += state[i] * head.query[i];
        }
        *out = sum + head.skip * value;
    }
}

/// See `kernels::recurrence::replace`.
#[inline(never)]
#[allow(clippy::needless_range_loop)] // columns index several arrays at once
pub fn replace<S: Simd>(head: &Replacing<'_>, state: &mut [f32], out: &mut [f32]) {
    let columns = head.key.len();
    assert!(state.len() == head.values.len() * columns);
    let each = [head.decays, head.removed, head.replaced, head.query];
    assert!(each.iter().all(|x| x.len() == columns));
    let whole = columns / 4 * 4;
    for ((state, value), out) in state
        .chunks_exact_mut(columns)
        .zip(head.values)
        .zip(out.iter_mut())
    {
        let mut read = f32x4_splat(0.0);
        for i in (0..whole).step_by(4) {
            // SAFETY: i + 4 ≤ columns, which all of them have.
            unsafe { read = S::madd(four(state, i), four(head.removed, i), read) };
        }
        let mut read = horizontal_sum(read);
        for i in whole..columns {
            read += state[i] * head.removed[i];
        }
        let (reads, values) = (f32x4_splat(read), f32x4_splat(*value));
        let mut sum = f32x4_splat(0.0);
        for i in (0..whole).step_by(4) {
            // SAFETY: as above.
            unsafe {
                let added = f32x4_mul(values, four(head.key, i));
                let added = S::madd(reads, four(head.replaced, i), added);
                let s = S::madd(four(state, i), four(head.decays, i), added);
                put(state, i, s);
                sum = S::madd(s, four(head.query, i), sum);
            }
        }
        let mut sum = horizontal_sum(sum);
        for i in whole..columns {
            state[i] = state[i] * head.decays[i] + read * head.replaced[i] + value * head.key[i];
            sum += state[i] * head.query[i];
        }
        *out = sum;
    }
}
