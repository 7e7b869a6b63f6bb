//! One group of 8 rows times several inputs: the prefill loop.
//!
//! The group's quants are unpacked once, a span of columns at a time, into a panel that stays in the first-level cache;
//! then 4 inputs at a time run over it.

use core::arch::wasm32::*;

use super::super::activations::{BLOCK, Quants};
use super::super::packed::TILE_ROWS;
use super::{Codes, Loads, Place, Quads, SCALE_UP, Simd, load, store};

/// Blocks of 32 columns unpacked at once: a multiple of every tile.
const SPAN: usize = 32;

/// The most inputs in one pass; more are cut into passes, and each unpacks the weights.
const PASS: usize = 128;

/// Bytes of eight scales.
const SCALES: usize = 4 * TILE_ROWS;

/// The largest [`panel_bytes`].
const MAX_PANEL: usize = 512 + 4 * SCALES;

/// How often scales are shared in 32 columns.
const fn groups<C: Loads>() -> usize {
    if C::GROUP < BLOCK {
        BLOCK / C::GROUP
    } else {
        1
    }
}

/// Bytes of one panel: 32 columns of quants, then of each group the scales and, if there are any, the mins, in f32.
const fn panel_bytes<S: Simd>(groups: usize, mins: bool) -> usize {
    S::PANEL_BYTES + groups * SCALES * (1 + mins as usize)
}

/// Group `g` of `place` (its tiles at the start of `group`) times every token of `x`.
pub(super) fn group<S: Simd, P: Quads, C: Loads>(
    group: &[u8],
    g: usize,
    x: &[Quants],
    place: &Place,
    codes: &Codes,
) {
    const {
        assert!(
            (SPAN * BLOCK).is_multiple_of(C::COLS)
                && panel_bytes::<S>(groups::<C>(), C::MINS) <= MAX_PANEL
        )
    };
    let mut panel = core::mem::MaybeUninit::<[u8; SPAN * MAX_PANEL]>::uninit();
    let panel: *mut u8 = panel.as_mut_ptr().cast();
    let tile_bytes = C::BYTES + C::COLS / BLOCK * P::BYTES;
    for first in (0..place.tokens).step_by(PASS) {
        let tokens = PASS.min(place.tokens - first);
        let mut sums = [[0.0f32; TILE_ROWS]; PASS];
        for from in (0..place.blocks).step_by(SPAN) {
            let len = SPAN.min(place.blocks - from);
            let tiles = len * BLOCK / C::COLS;
            let held = &group[from * BLOCK / C::COLS * tile_bytes..][..tiles * tile_bytes];
            // SAFETY: `held` is `tiles` tiles, the panel SPAN × MAX_PANEL bytes; the inputs' blocks
            // first..first + tokens × from..from + len lie within `x`, as `product` asserted.
            unsafe {
                unpack::<S, P, C>(held.as_ptr(), tiles, codes.table, panel);
                let mut t = 0;
                while t < tokens {
                    let at = (first + t) * place.blocks + from;
                    let halves = groups::<C>();
                    let x = Span {
                        x: x.as_ptr().add(at),
                        next: place.blocks,
                        panel,
                        len,
                        columns: codes.steps * 8 / halves,
                        offset: codes.offset,
                    };
                    let out = sums[t].as_mut_ptr();
                    match (C::MINS, halves) {
                        (false, 1) => spans::<S, false, 1>(&x, tokens - t, out),
                        (true, 1) => spans::<S, true, 1>(&x, tokens - t, out),
                        (false, _) => spans::<S, false, 2>(&x, tokens - t, out),
                        (true, _) => spans::<S, true, 2>(&x, tokens - t, out),
                    }
                    t += 4;
                }
            }
        }
        let finish = f32x4_splat(codes.unit / SCALE_UP);
        for (t, sums) in sums.iter().take(tokens).enumerate() {
            // SAFETY: eight values are read.
            let at: *const u8 = sums.as_ptr().cast();
            let (low, high) = unsafe { (load(at), load(at.add(16))) };
            place.put(
                g,
                first + t,
                [f32x4_mul(low, finish), f32x4_mul(high, finish)],
            );
        }
    }
}

/// `n` tiles → panels.
///
/// # Safety
/// `w` is readable for n tiles, `panel` writable for as many columns.
#[inline(never)]
unsafe fn unpack<S: Simd, P: Quads, C: Loads>(
    mut w: *const u8,
    n: usize,
    table: v128,
    mut panel: *mut u8,
) {
    let whole = f32x4_splat(C::WHOLE);
    for _ in 0..n {
        // SAFETY: the caller's promise.
        unsafe {
            let head = C::head(w);
            let mut quants = w.add(C::BYTES);
            for block in 0..C::COLS / BLOCK {
                for r in 0..2 {
                    S::put::<P>(quants, table, r, panel);
                }
                let mut at = panel.add(S::PANEL_BYTES);
                for group in 0..groups::<C>() {
                    let group = block * BLOCK / C::GROUP + group;
                    let mut put = |v: [v128; 2]| {
                        store(at, f32x4_mul(v[0], whole));
                        store(at.add(16), f32x4_mul(v[1], whole));
                        at = at.add(SCALES);
                    };
                    put(C::scales(w, head, group));
                    if C::MINS {
                        put(C::mins(w, head, group));
                    }
                }
                quants = quants.add(P::BYTES);
                panel = panel.add(panel_bytes::<S>(groups::<C>(), C::MINS));
            }
            w = quants;
        }
    }
}

/// What [`span_dot`] reads: `len` blocks of each input, and the panels of the same columns.
struct Span {
    x: *const Quants,
    /// Blocks from one input to the next.
    next: usize,
    panel: *const u8,
    len: usize,
    /// Columns that share scales, 16 or 32. Not a constant, so that loops over them stay loops.
    columns: usize,
    offset: v128,
}

/// [`span_dot`] of the next inputs, at most four.
///
/// # Safety
/// As for [`span_dot`].
#[inline(always)]
unsafe fn spans<S: Simd, const MINS: bool, const GROUPS: usize>(
    x: &Span,
    tokens: usize,
    out: *mut f32,
) {
    // SAFETY: the caller's promise.
    unsafe {
        match tokens {
            1 => span_dot::<S, MINS, GROUPS, 1>(x, out),
            2 => span_dot::<S, MINS, GROUPS, 2>(x, out),
            3 => span_dot::<S, MINS, GROUPS, 3>(x, out),
            _ => span_dot::<S, MINS, GROUPS, 4>(x, out),
        }
    }
}

/// Adds the span's products to `out` [TOKENS, 8].
///
/// # Safety
/// Everything `x` points to is readable for `len` blocks of TOKENS inputs; `out` is writable for TOKENS × 8 values.
#[inline(never)]
#[allow(clippy::needless_range_loop)] // rows and tokens index several arrays at once
unsafe fn span_dot<S: Simd, const MINS: bool, const GROUPS: usize, const TOKENS: usize>(
    x: &Span,
    out: *mut f32,
) {
    let offset = x.offset;
    for b in 0..x.len {
        // SAFETY: b < len and t < TOKENS, for which the caller promised all of it.
        unsafe {
            let panel = x.panel.add(b * panel_bytes::<S>(GROUPS, MINS));
            for g in 0..GROUPS {
                let quants = panel.add(g * S::PANEL_BYTES / GROUPS);
                let input = |t: usize| x.x.add(t * x.next + b);
                let inputs = core::array::from_fn(|t| {
                    let q: *const u8 = (&raw const (*input(t)).q).cast();
                    q.add(g * S::X_BYTES / GROUPS)
                });
                let dots = S::panel_dot::<TOKENS>(quants, inputs, x.columns);
                let scales = panel.add(S::PANEL_BYTES + g * SCALES * (1 + MINS as usize));
                for r in 0..2 {
                    let scale = load(scales.add(16 * r));
                    for t in 0..TOKENS {
                        let d = v128_load32_splat((&raw const (*input(t)).d).cast());
                        let s: *const f32 = if GROUPS == 1 {
                            &raw const (*input(t)).s
                        } else {
                            (&raw const (*input(t)).s16).cast::<f32>().add(g)
                        };
                        let s = v128_load32_splat(s.cast());
                        let dot = f32x4_convert_i32x4(dots[t][r]);
                        let at: *mut u8 = out.add(8 * t + 4 * r).cast();
                        let sum = if MINS {
                            let min = load(scales.add(SCALES + 16 * r));
                            S::madd(s, min, S::madd(f32x4_mul(dot, d), scale, load(at)))
                        } else {
                            S::madd(S::madd(dot, d, f32x4_mul(s, offset)), scale, load(at))
                        };
                        store(at, sum);
                    }
                }
            }
        }
    }
}
