//! Dots of two bytes, for engines whose dot of four saturates (x86 without VNNI): one instruction, where four need three.
//!
//! Activations stay the signed operand, codes the unsigned one. Sums of codes up to 15 stay in 16 bits for 32 columns
//! (16 · 15 · 127 < 2¹⁵), those of codes up to 63 for 8 columns (4 · 63 · 127).

use core::arch::wasm32::*;
use core::ops::{Range, RangeInclusive};

use super::{LOW, Relaxed, plane};
use crate::kernels::Form;
use crate::kernels::activations::Activations;
use crate::kernels::packed::largest_byte;
use crate::kernels::pool::Rows;
use crate::kernels::simd128::{Quads, Simd, load, multiply_quants, splat4};
use crate::quant::Format;

/// The largest byte that may be multiplied here.
pub const MOST: u8 = 63;

/// The largest byte whose sums of 32 columns fit 16 bits.
const SMALL: u8 = 15;

/// Rows `rows` of a product, see `simd128::multiply`.
pub fn multiply(
    format: Format,
    groups: &[u8],
    rows: Range<usize>,
    x: &Activations,
    out: Rows,
    stride: usize,
) {
    if largest_byte(format) <= SMALL {
        multiply_quants::<Pairs<true>>(format, groups, rows, x, out, stride);
    } else {
        multiply_quants::<Pairs<false>>(format, groups, rows, x, out, stride);
    }
}

/// `IS_SMALL`: no byte is over [`SMALL`].
#[derive(Clone, Copy)]
struct Pairs<const IS_SMALL: bool>;

/// What the sums of a plane count, and where it starts.
const PLANES: [(i16, usize); 2] = [(128, 0), (1, LOW)];

/// `sum` + `count` · the pairs of `sums`.
#[inline(always)]
fn widen(sum: v128, sums: v128, count: i16) -> v128 {
    i32x4_add(sum, i32x4_dot_i16x8(sums, i16x8_splat(count)))
}

/// `sums` + x · w, two bytes each.
#[inline(always)]
fn add(sums: v128, x: v128, w: v128) -> v128 {
    i16x8_add(sums, i16x8_relaxed_dot_i8x16_i7x16(x, w))
}

impl<const IS_SMALL: bool> Simd for Pairs<IS_SMALL> {
    const FORM: Form = Form::Planes;
    const X_BYTES: usize = Relaxed::X_BYTES;
    const PANEL_BYTES: usize = Relaxed::PANEL_BYTES;
    const TAKES: RangeInclusive<u8> = if IS_SMALL { 0..=SMALL } else { SMALL + 1..=MOST };

    #[inline(always)]
    fn madd(a: v128, b: v128, c: v128) -> v128 {
        Relaxed::madd(a, b, c)
    }

    #[inline(always)]
    fn lookup(table: v128, index: v128) -> v128 {
        Relaxed::lookup(table, index)
    }

    #[inline(always)]
    fn wide_offset() -> u8 {
        Relaxed::wide_offset()
    }

    #[inline(always)]
    unsafe fn dot<P: Quads>(
        w: *const u8,
        table: v128,
        x: *const u8,
        low: bool,
        steps: Range<usize>,
    ) -> [v128; 2] {
        let zero = i32x4_splat(0);
        let mut all = [zero; 2];
        for (count, at) in PLANES {
            let mut sums = [zero; 2];
            for step in steps.clone() {
                // SAFETY: step < 4 stays within the bytes the caller promised.
                unsafe {
                    let x = x.add(plane(8 * step) + at);
                    let (x0, x1) = (splat4(x), splat4(x.add(4)));
                    for r in 0..2 {
                        let [a, b] = P::quads::<Self>(w, table, r, step);
                        if IS_SMALL {
                            sums[r] = add(add(sums[r], x0, a), x1, b);
                        } else {
                            all[r] = widen(all[r], add(i16x8_relaxed_dot_i8x16_i7x16(x0, a), x1, b), count);
                        }
                    }
                }
            }
            if IS_SMALL {
                all = [0, 1].map(|r| widen(all[r], sums[r], count));
            }
            if !low {
                break;
            }
        }
        all
    }

    #[inline(always)]
    unsafe fn put_quads(quads: [v128; 2], panel: *mut u8) {
        // SAFETY: the caller's promise.
        unsafe { Relaxed::put_quads(quads, panel) }
    }

    #[inline(always)]
    unsafe fn panel_dot<const TOKENS: usize>(
        panel: *const u8,
        x: [*const u8; TOKENS],
        low: bool,
        columns: usize,
    ) -> [[v128; 2]; TOKENS] {
        let zero = i32x4_splat(0);
        let mut all = [[zero; 2]; TOKENS];
        for (count, at) in PLANES {
            let mut step = 0;
            if IS_SMALL {
                let mut sums = [[zero; 2]; TOKENS];
                while step < columns / 4 {
                    // SAFETY: step < columns / 4 stays within the bytes the caller promised.
                    unsafe {
                        let (w0, w1) = (load(panel.add(32 * step)), load(panel.add(32 * step + 16)));
                        for t in 0..TOKENS {
                            let x = splat4(x[t].add(plane(4 * step) + at));
                            sums[t] = [add(sums[t][0], x, w0), add(sums[t][1], x, w1)];
                        }
                    }
                    step += 1;
                }
                for t in 0..TOKENS {
                    all[t] = [0, 1].map(|r| widen(all[t][r], sums[t][r], count));
                }
            } else {
                while step < columns / 8 {
                    // SAFETY: step < columns / 8 stays within the bytes the caller promised.
                    unsafe {
                        for r in 0..2 {
                            let w = panel.add(64 * step + 16 * r);
                            let (a, b) = (load(w), load(w.add(32)));
                            for t in 0..TOKENS {
                                let x = x[t].add(plane(8 * step) + at);
                                let pairs = add(i16x8_relaxed_dot_i8x16_i7x16(splat4(x), a), splat4(x.add(4)), b);
                                all[t][r] = widen(all[t][r], pairs, count);
                            }
                        }
                    }
                    step += 1;
                }
            }
            if !low {
                break;
            }
        }
        all
    }
}
