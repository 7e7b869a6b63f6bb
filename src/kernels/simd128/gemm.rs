//! One group of 8 rows times several inputs: the prefill loop.
//!
//! The group's quants are unpacked once, a span of columns at a time, into a panel that stays in the first-level cache;
//! then 4 inputs at a time run over it.

use core::arch::wasm32::*;

use super::super::activations::Quants;
use super::super::packed::TILE_ROWS;
use super::{FINISH, Place, Simd, Weights, load, scales, store};

/// Tiles unpacked at once.
const SPAN: usize = 32;

/// The most inputs in one pass; more are cut into passes.
const PASS: usize = 64;

/// The largest PANEL_BYTES.
const MAX_PANEL: usize = 512;

/// Group `g` of `place` (its tiles at the start of `group`) times every token of `x`.
pub(super) fn group<S: Simd, W: Weights>(group: &[u8], g: usize, x: &Quants, place: &Place) {
    let mut panel = core::mem::MaybeUninit::<[u8; SPAN * MAX_PANEL]>::uninit();
    let panel: *mut u8 = panel.as_mut_ptr().cast();
    for first in (0..place.tokens).step_by(PASS) {
        let tokens = PASS.min(place.tokens - first);
        let mut sums = [[0.0f32; TILE_ROWS]; PASS];
        for from in (0..place.blocks).step_by(SPAN) {
            let span = SPAN.min(place.blocks - from);
            let tiles = &group[from * W::BYTES..(from + span) * W::BYTES];
            // SAFETY: `tiles` holds `span` tiles, the panel SPAN × MAX_PANEL bytes; the inputs' blocks
            // first..first + tokens × from..from + span lie within `x`, as `product` asserted.
            unsafe {
                unpack::<S, W>(tiles.as_ptr(), span, panel);
                let mut t = 0;
                while t < tokens {
                    let at = (first + t) * place.blocks + from;
                    let x = Span {
                        q: x.q.as_ptr().add(at * S::X_BYTES),
                        d: x.d.as_ptr().add(at),
                        s: x.s.as_ptr().add(at),
                        next: place.blocks,
                        tiles: tiles.as_ptr(),
                        panel,
                        len: span,
                    };
                    let out = sums[t].as_mut_ptr();
                    match tokens - t {
                        1 => span_dot::<S, W, 1>(&x, out),
                        2 => span_dot::<S, W, 2>(&x, out),
                        3 => span_dot::<S, W, 3>(&x, out),
                        _ => span_dot::<S, W, 4>(&x, out),
                    }
                    t += 4;
                }
            }
        }
        for (t, sums) in sums.iter().take(tokens).enumerate() {
            // SAFETY: eight values are read.
            let at: *const u8 = sums.as_ptr().cast();
            let (low, high) = unsafe { (load(at), load(at.add(16))) };
            let finish = f32x4_splat(FINISH);
            place.put(g, first + t, [f32x4_mul(low, finish), f32x4_mul(high, finish)]);
        }
    }
}

/// The quants of `n` tiles → panels.
///
/// # Safety
/// `tiles` is readable for n tiles, `panel` writable for n × PANEL_BYTES.
#[inline(never)]
unsafe fn unpack<S: Simd, W: Weights>(tiles: *const u8, n: usize, panel: *mut u8) {
    for i in 0..n {
        // SAFETY: the caller's promise.
        unsafe {
            let (w, panel) = (tiles.add(i * W::BYTES + W::QUANTS), panel.add(i * S::PANEL_BYTES));
            if W::NIBBLES { S::unpack_nibbles(w, panel) } else { S::unpack_bytes(w, panel) }
        }
    }
}

/// What [`span_dot`] reads: `len` blocks of each input, and the tiles and panels of the same columns.
struct Span {
    q: *const u8,
    d: *const f32,
    s: *const f32,
    /// Blocks from one input to the next.
    next: usize,
    tiles: *const u8,
    panel: *const u8,
    len: usize,
}

/// Adds the span's products to `out` [TOKENS, 8].
///
/// # Safety
/// Everything `x` points to is readable for `len` blocks of TOKENS inputs; `out` is writable for TOKENS × 8 values.
#[inline(never)]
unsafe fn span_dot<S: Simd, W: Weights, const TOKENS: usize>(x: &Span, out: *mut f32) {
    let offset = f32x4_splat(W::offset(S::FORM));
    for b in 0..x.len {
        // SAFETY: b < len and t < TOKENS, for which the caller promised all of it.
        unsafe {
            let panel = x.panel.add(b * S::PANEL_BYTES);
            let inputs = core::array::from_fn(|t| x.q.add((t * x.next + b) * S::X_BYTES));
            let dots = S::panel_dot::<TOKENS>(panel, inputs);
            let tile = x.tiles.add(b * W::BYTES);
            for r in 0..2 {
                let scale = scales(tile.add(8 * r));
                for t in 0..TOKENS {
                    let d = v128_load32_splat(x.d.add(t * x.next + b).cast());
                    let s = v128_load32_splat(x.s.add(t * x.next + b).cast());
                    let value = S::madd(f32x4_convert_i32x4(dots[t][r]), d, f32x4_mul(s, offset));
                    let at: *mut u8 = out.add(8 * t + 4 * r).cast();
                    let mut sum = S::madd(value, scale, load(at));
                    if let Some(mins) = W::MINS {
                        sum = S::madd(s, scales(tile.add(mins + 8 * r)), sum);
                    }
                    store(at, sum);
                }
            }
        }
    }
}
