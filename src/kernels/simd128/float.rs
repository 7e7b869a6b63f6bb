//! Weights in f32, f16 and bf16: eight rows a column, inputs in f32.

use core::arch::wasm32::*;

use super::super::activations::BLOCK;
use super::super::packed::TILE_ROWS;
use super::{Place, Simd, halves, load};
use crate::quant::Format;

/// Rows of a product with float weights; `x` [tokens, blocks, 32].
pub(super) fn multiply<S: Simd>(format: Format, groups: &[u8], x: &[f32], place: &Place) {
    match format {
        Format::F32 => product::<S, 4>(groups, x, place, load8_f32),
        Format::F16 => product::<S, 2>(groups, x, place, load8_f16),
        Format::BF16 => product::<S, 2>(groups, x, place, load8_bf16),
        _ => unreachable!("{format:?} is not a float format"),
    }
}

unsafe fn load8_f32(p: *const u8) -> [v128; 2] {
    // SAFETY: the caller's 32 bytes.
    unsafe { [load(p), load(p.add(16))] }
}

unsafe fn load8_f16(p: *const u8) -> [v128; 2] {
    let up = f32x4_splat(f32::from_bits((127 + 112) << 23));
    // SAFETY: the caller's 16 bytes.
    unsafe { [f32x4_mul(halves(p), up), f32x4_mul(halves(p.add(8)), up)] }
}

unsafe fn load8_bf16(p: *const u8) -> [v128; 2] {
    // SAFETY: the caller's 16 bytes.
    let v = unsafe { load(p) };
    [
        i32x4_shl(i32x4_extend_low_i16x8(v), 16),
        i32x4_shl(i32x4_extend_high_i16x8(v), 16),
    ]
}

#[inline(always)]
fn product<S: Simd, const SIZE: usize>(
    groups: &[u8],
    x: &[f32],
    place: &Place,
    load8: unsafe fn(*const u8) -> [v128; 2],
) {
    let cols = place.blocks * BLOCK;
    let bytes = cols * TILE_ROWS * SIZE;
    for (g, group) in groups.chunks_exact(bytes).enumerate() {
        let mut t = 0;
        while t < place.tokens {
            let n = if place.tokens - t >= 4 { 4 } else { 1 };
            let x = &x[t * cols..(t + n) * cols];
            if n == 4 {
                columns::<S, SIZE, 4>(group, x, cols, load8, |i, sums| place.put(g, t + i, sums));
            } else {
                columns::<S, SIZE, 1>(group, x, cols, load8, |i, sums| place.put(g, t + i, sums));
            }
            t += n;
        }
    }
}

#[inline(always)]
fn columns<S: Simd, const SIZE: usize, const TOKENS: usize>(
    group: &[u8],
    x: &[f32],
    cols: usize,
    load8: unsafe fn(*const u8) -> [v128; 2],
    mut put: impl FnMut(usize, [v128; 2]),
) {
    assert!(group.len() == cols * TILE_ROWS * SIZE && x.len() == TOKENS * cols);
    let mut sums = [[f32x4_splat(0.0); 2]; TOKENS];
    for k in 0..cols {
        // SAFETY: k < cols, for which the assertion above shows both to be long enough.
        unsafe {
            let w = load8(group.as_ptr().add(k * TILE_ROWS * SIZE));
            for (t, sums) in sums.iter_mut().enumerate() {
                let x = v128_load32_splat(x.as_ptr().add(t * cols + k).cast());
                sums[0] = S::madd(w[0], x, sums[0]);
                sums[1] = S::madd(w[1], x, sums[1]);
            }
        }
    }
    for (t, sums) in sums.iter().enumerate() {
        put(t, *sums);
    }
}
