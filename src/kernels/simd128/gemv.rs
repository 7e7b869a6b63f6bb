//! One group of 8 rows times one input: the decode loop.

use core::arch::wasm32::*;

use super::super::activations::{BLOCK, Quants};
use super::{Codes, Loads, Quads, SCALE_UP, Simd};

/// Eight rows of `tiles` tiles at `w` times the first token of `x`.
///
/// # Safety
/// `w` is readable for `tiles` tiles, and `x` has as many columns.
#[inline(never)]
pub(super) unsafe fn gemv<S: Simd, P: Quads, C: Loads>(
    mut w: *const u8,
    tiles: usize,
    x: &Quants,
    codes: &Codes,
) -> [v128; 2] {
    let mut sums = [f32x4_splat(0.0); 2];
    let (offset, table) = (f32x4_splat(codes.offset), codes.table);
    let (mut q, mut d, mut s) = (x.q.as_ptr(), x.d.as_ptr(), x.s.as_ptr());
    let mut s16 = x.s16.as_ptr();
    for _ in 0..tiles {
        // SAFETY: `w`, `q`, `d`, `s` and `s16` advance with the tiles and blocks that the caller promised.
        unsafe {
            let head = C::head(w);
            let mut quants = w.add(C::BYTES);
            for block in 0..C::COLS / BLOCK {
                let d_splat = v128_load32_splat(d.cast());
                if C::GROUP >= BLOCK {
                    let dots = S::dot::<P>(quants, table, q);
                    let s = v128_load32_splat(s.cast());
                    sums = add::<S, C>(sums, dots, d_splat, s, offset, w, head, block * BLOCK / C::GROUP);
                } else {
                    let dots = S::step::<P, 0>(quants, table, q, [i32x4_splat(0); 2]);
                    let dots = S::step::<P, 1>(quants, table, q, dots);
                    let s = v128_load32_splat(s16.cast());
                    sums = add::<S, C>(sums, dots, d_splat, s, offset, w, head, 2 * block);
                    let dots = S::step::<P, 2>(quants, table, q, [i32x4_splat(0); 2]);
                    let dots = S::step::<P, 3>(quants, table, q, dots);
                    let s = v128_load32_splat(s16.add(1).cast());
                    sums = add::<S, C>(sums, dots, d_splat, s, offset, w, head, 2 * block + 1);
                }
                quants = quants.add(P::BYTES);
                q = q.add(S::X_BYTES);
                d = d.add(1);
                s = s.add(1);
                s16 = s16.add(2);
            }
            w = quants;
        }
    }
    let finish = f32x4_splat(C::WHOLE / SCALE_UP * codes.unit);
    [f32x4_mul(sums[0], finish), f32x4_mul(sums[1], finish)]
}

/// `sums` + the products of one group of columns.
///
/// # Safety
/// `w` is a tile of which `group` is a group.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
unsafe fn add<S: Simd, C: Loads>(
    sums: [v128; 2],
    dots: [v128; 2],
    d: v128,
    s: v128,
    offset: v128,
    w: *const u8,
    head: C::Head,
    group: usize,
) -> [v128; 2] {
    // SAFETY: the caller's promise.
    let scales = unsafe { C::scales(w, head, group) };
    let dots = dots.map(|v| f32x4_convert_i32x4(v));
    if C::MINS {
        // SAFETY: as above.
        let mins = unsafe { C::mins(w, head, group) };
        let add = |r: usize| S::madd(s, mins[r], S::madd(f32x4_mul(dots[r], d), scales[r], sums[r]));
        [add(0), add(1)]
    } else {
        let correction = f32x4_mul(s, offset);
        let add = |r: usize| S::madd(S::madd(dots[r], d, correction), scales[r], sums[r]);
        [add(0), add(1)]
    }
}
