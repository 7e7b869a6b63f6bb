//! Keys and values → the whole numbers of q16_0, where `kernels::attention` lays them out.

use core::arch::wasm32::*;

use super::super::attention::{CHUNK, KEY_BLOCK, VALUE_SPAN};
use super::load;
use super::quantise::{largest_lane, rounded};
use super::vector::sum_of_squares;

/// The largest magnitude in `x` [n · 8].
pub fn largest(x: &[f32]) -> f32 {
    let mut max = f32x4_splat(0.0);
    for four in x.as_chunks::<4>().0 {
        // SAFETY: `four` has 16 bytes.
        max = f32x4_pmax(max, f32x4_abs(unsafe { load(four.as_ptr().cast()) }));
    }
    largest_lane(max)
}

/// The root of the sum of squares of `x`.
pub fn length(x: &[f32]) -> f32 {
    sum_of_squares(x).sqrt()
}

/// Eight numbers times `inverse`, as quants.
#[inline(always)]
fn quants(x: &[f32; 8], inverse: v128) -> v128 {
    let [low, high] = [0, 4].map(|at| {
        // SAFETY: `x` has 32 bytes.
        let four = unsafe { load(x.as_ptr().add(at).cast()) };
        rounded(f32x4_mul(four, inverse))
    });
    i16x8_narrow_i32x4(low, high)
}

/// The quants of the key `k` [n · 8], which is multiplied by `inverse`, into `place` of their block.
pub fn key(block: &mut [u8], k: &[f32], place: usize, inverse: f32) {
    assert!(place < KEY_BLOCK && block.len() >= 2 * k.len() * KEY_BLOCK);
    let inverse = f32x4_splat(inverse);
    for (i, eight) in k.as_chunks::<8>().0.iter().enumerate() {
        let q = quants(eight, inverse);
        // Pairs of dimensions, those of eight keys side by side.
        let at = 4 * (4 * i * KEY_BLOCK + place);
        // SAFETY: the last pair ends at 4 · ((k.len() / 2 − 1) · KEY_BLOCK + place + 1), within what was asserted.
        unsafe {
            let at = block.as_mut_ptr().add(at);
            v128_store32_lane::<0>(q, at.cast());
            v128_store32_lane::<1>(q, at.add(4 * KEY_BLOCK).cast());
            v128_store32_lane::<2>(q, at.add(8 * KEY_BLOCK).cast());
            v128_store32_lane::<3>(q, at.add(12 * KEY_BLOCK).cast());
        }
    }
}

/// The quants of the value `v` [n · 8], which is multiplied by `inverse`, to `position` of their chunk.
pub fn value(chunk: &mut [u8], v: &[f32], position: usize, inverse: f32) {
    assert!(position < CHUNK && chunk.len() >= 2 * v.len() * CHUNK);
    let inverse = f32x4_splat(inverse);
    let odd = position % 2 == 1;
    let theirs = i32x4_splat(if odd { 0xffff } else { 0xffff << 16 });
    let shift = if odd { 16 } else { 0 };
    for (i, eight) in v.as_chunks::<VALUE_SPAN>().0.iter().enumerate() {
        let q = quants(eight, inverse);
        // Two positions share the pairs of a span.
        let at = 2 * VALUE_SPAN * (CHUNK * i + position / 2 * 2);
        let halves = [u32x4_extend_low_u16x8(q), u32x4_extend_high_u16x8(q)];
        for (at, q) in [at, at + 16].into_iter().zip(halves) {
            // SAFETY: a span is 2 · VALUE_SPAN · CHUNK bytes, of which this one's begin at CHUNK · i.
            unsafe {
                let at = chunk.as_mut_ptr().add(at);
                let both = v128_bitselect(load(at), i32x4_shl(q, shift), theirs);
                v128_store(at.cast(), both);
            }
        }
    }
}
