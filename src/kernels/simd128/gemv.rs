//! One group of 8 rows times one input: the decode loop.

use core::arch::wasm32::*;

use super::super::activations::{BLOCK, Quants};
use super::{Codes, Loads, Quads, SCALE_UP, Simd};

/// Eight rows of `tiles` tiles at `w` times the blocks from `x` on.
///
/// # Safety
/// `w` is readable for `tiles` tiles, and `x` for as many columns.
#[inline(never)]
pub(super) unsafe fn gemv<S: Simd, P: Quads, C: Loads>(
    mut w: *const u8,
    tiles: usize,
    mut x: *const Quants,
    codes: &Codes,
) -> [v128; 2] {
    let mut sums = [f32x4_splat(0.0); 2];
    let (offset, table) = (codes.offset, codes.table);
    for _ in 0..tiles {
        // SAFETY: `w` and `x` advance with the tiles and blocks that the caller promised.
        unsafe {
            let head = C::head(w);
            let mut quants = w.add(C::BYTES);
            for block in 0..C::COLS / BLOCK {
                let q = (&raw const (*x).q).cast();
                let d = v128_load32_splat((&raw const (*x).d).cast());
                let inputs = |s: *const f32| [d, v128_load32_splat(s.cast()), offset];
                if C::GROUP >= BLOCK {
                    let dots = S::dot::<P>(quants, table, q, 0..codes.steps);
                    let weights = scales::<C>(w, head, block * BLOCK / C::GROUP);
                    sums = add::<S>(sums, dots, inputs(&raw const (*x).s), weights);
                } else {
                    let s16: *const f32 = (&raw const (*x).s16).cast();
                    let half = codes.steps / 2;
                    let dots = S::dot::<P>(quants, table, q, 0..half);
                    sums = add::<S>(sums, dots, inputs(s16), scales::<C>(w, head, 2 * block));
                    let dots = S::dot::<P>(quants, table, q, half..codes.steps);
                    let weights = scales::<C>(w, head, 2 * block + 1);
                    sums = add::<S>(sums, dots, inputs(s16.add(1)), weights);
                }
                quants = quants.add(P::BYTES);
                x = x.add(1);
            }
            w = quants;
        }
    }
    let finish = f32x4_splat(C::WHOLE / SCALE_UP * codes.unit);
    [f32x4_mul(sums[0], finish), f32x4_mul(sums[1], finish)]
}

/// Scales of 4 + 4 rows, and their mins, if there are any.
type ScalesMins = ([v128; 2], Option<[v128; 2]>);

/// Those of one group.
///
/// # Safety
/// `w` is a tile of which `group` is a group.
#[inline(always)]
unsafe fn scales<C: Loads>(w: *const u8, head: C::Head, group: usize) -> ScalesMins {
    // SAFETY: the caller's promise.
    unsafe {
        (
            C::scales(w, head, group),
            C::MINS.then(|| C::mins(w, head, group)),
        )
    }
}

/// `sums` + the products of one group of columns; of its inputs scale, sum and offset are given.
#[inline(always)]
fn add<S: Simd>(
    sums: [v128; 2],
    dots: [v128; 2],
    [d, s, offset]: [v128; 3],
    (scales, mins): ScalesMins,
) -> [v128; 2] {
    [0, 1].map(|r| {
        let dot = f32x4_convert_i32x4(dots[r]);
        match mins {
            Some(mins) => S::madd(s, mins[r], S::madd(f32x4_mul(dot, d), scales[r], sums[r])),
            None => S::madd(S::madd(dot, d, f32x4_mul(s, offset)), scales[r], sums[r]),
        }
    })
}
