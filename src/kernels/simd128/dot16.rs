//! 16-bit dots of codes that are multiplied where they stand in a word of 16 bits, or after one shift; see
//! `packed::words`. A product's sum then counts a power of two times, and is shifted back once.

use core::arch::wasm32::*;
use core::ops::Range;

use super::{load, splat4, store};

/// `sums` + `w` · `x`.
#[inline(always)]
fn add(sums: v128, w: v128, x: v128) -> v128 {
    i32x4_add(sums, i32x4_dot_i16x8(w, x))
}

/// See `Quads::dot16`: four codes a word, in planes of bytes.
///
/// # Safety
/// As for `Quads::dot16`.
#[inline(always)]
pub(super) unsafe fn nibbles(w: *const u8, x: *const u8, steps: Range<usize>) -> [v128; 2] {
    let zero = i32x4_splat(0);
    // Products of the nibbles that are moved to bit 0 and to bit 8 (×256) of each 16-bit lane. A sum for each of the
    // four places would save a shift a step, but needs more registers than there are.
    let (mut low, mut high) = ([zero; 2], [zero; 2]);
    let (at0, at8) = (i16x8_splat(0x000f), i16x8_splat(0x0f00));
    for step in steps {
        // SAFETY: step < 4 stays within the 128 and 64 bytes the caller promised.
        unsafe {
            let x = x.add(16 * step);
            let (x0, x1, x2, x3) = (
                splat4(x),
                splat4(x.add(4)),
                splat4(x.add(8)),
                splat4(x.add(12)),
            );
            for r in 0..2 {
                let v = load(w.add(32 * step + 16 * r));
                let moved = u16x8_shr(v, 4);
                low[r] = add(low[r], v128_and(v, at0), x0);
                low[r] = add(low[r], v128_and(moved, at0), x1);
                // At most 16 products of 15 · 256 · 32767, which is below 2³¹.
                high[r] = add(high[r], v128_and(v, at8), x2);
                high[r] = add(high[r], v128_and(moved, at8), x3);
            }
        }
    }
    [0, 1].map(|r| i32x4_add(low[r], i32x4_shr(high[r], 8)))
}

/// See `Quads::dot16`: three codes a word and a bit of a fourth. `steps` are all there are, as no format shares scales by
/// fewer columns.
///
/// # Safety
/// As for `Quads::dot16`.
#[inline(always)]
pub(super) unsafe fn five(mut w: *const u8, mut x: *const u8, steps: Range<usize>) -> [v128; 2] {
    let zero = i32x4_splat(0);
    // Of codes at bit 0 and at bit 5 (×32), and the codes that are put together from bit 15.
    let (mut low, mut high, mut last) = ([zero; 2], [zero; 2], [zero; 2]);
    let at = |bits: u16| i16x8_splat(bits as i16);
    let (first, second, top) = (at(0x001f), at(0x03e0), at(0x8000));
    // Five words in the place of four steps; not a constant, so that it stays a loop.
    for _ in 0..steps.len() + 1 {
        // SAFETY: five times 32 and 12 bytes are within the 160 and 64 that the caller promised.
        unsafe {
            let (x0, x1, x2) = (splat4(x), splat4(x.add(4)), splat4(x.add(8)));
            for r in 0..2 {
                let v = load(w.add(16 * r));
                low[r] = add(low[r], v128_and(v, first), x0);
                // At most 20 products of 31 · 32 · 32767, which is below 2³¹.
                high[r] = add(high[r], v128_and(v, second), x1);
                high[r] = add(high[r], v128_and(u16x8_shr(v, 5), second), x2);
                last[r] = v128_or(u16x8_shr(last[r], 1), v128_and(v, top));
            }
            (w, x) = (w.add(32), x.add(12));
        }
    }
    // SAFETY: the last four of the 64 bytes.
    let x = unsafe { splat4(x) };
    [0, 1].map(|r| {
        let low = add(low[r], u16x8_shr(last[r], 11), x);
        i32x4_add(low, i32x4_shr(high[r], 5))
    })
}

/// The codes of [`five`] → a panel.
///
/// # Safety
/// As for `Quads::put_words`.
#[inline(always)]
pub(super) unsafe fn put_five(w: *const u8, r: usize, panel: *mut u8) {
    let five = i16x8_splat(0x001f);
    let mut last = i16x8_splat(0);
    for j in 0..5 {
        // SAFETY: five vectors of these rows, and fifteen of the panel's sixteen places.
        unsafe {
            let v = load(w.add(32 * j + 16 * r));
            let panel = panel.add(32 * 3 * j + 16 * r);
            store(panel, v128_and(v, five));
            store(panel.add(32), v128_and(u16x8_shr(v, 5), five));
            store(panel.add(64), v128_and(u16x8_shr(v, 10), five));
            last = v128_or(last, i16x8_shl(u16x8_shr(v, 15), j as u32));
        }
    }
    // SAFETY: the sixteenth.
    unsafe { store(panel.add(32 * 15 + 16 * r), last) };
}

/// The two codes on top of three words: of each, four bits and two of the words between.
#[inline(always)]
fn tops([first, second, third]: [v128; 3]) -> [v128; 2] {
    let upper = i16x8_splat(0x0030);
    [
        v128_or(u16x8_shr(first, 12), v128_and(u16x8_shr(second, 8), upper)),
        v128_or(u16x8_shr(third, 12), v128_and(u16x8_shr(second, 10), upper)),
    ]
}

/// See `Quads::dot16`: two codes a word and parts of two others in three. `steps` are a half of them, as the only format
/// with such codes shares scales by 16 columns.
///
/// # Safety
/// As for `Quads::dot16`.
#[inline(always)]
pub(super) unsafe fn six(w: *const u8, x: *const u8, steps: Range<usize>) -> [v128; 2] {
    let zero = i32x4_splat(0);
    // Of codes at bit 0 and at bit 6 (×64).
    let (mut low, mut high) = ([zero; 2], [zero; 2]);
    let (at0, at6) = (i16x8_splat(0x003f), i16x8_splat(0x0fc0));
    // SAFETY: steps begin at 0 or at 2; three times 32 and 8 bytes, and 8 more of `x`, are a half of the 192 and 64 bytes
    // that the caller promised.
    unsafe {
        let w = w.add(48 * steps.start);
        let (mut at, mut x) = (w, x.add(16 * steps.start));
        // Three words in the place of two steps; not a constant, so that it stays a loop.
        for _ in 0..steps.len() + 1 {
            let (x0, x1) = (splat4(x), splat4(x.add(4)));
            for r in 0..2 {
                let v = load(at.add(16 * r));
                low[r] = add(low[r], v128_and(v, at0), x0);
                // At most 6 products of 63 · 64 · 32767, which is below 2³¹.
                high[r] = add(high[r], v128_and(v, at6), x1);
            }
            (at, x) = (at.add(32), x.add(8));
        }
        let (x0, x1) = (splat4(x), splat4(x.add(4)));
        [0, 1].map(|r| {
            let [a, b] = tops([0, 32, 64].map(|at| load(w.add(at + 16 * r))));
            let top = add(i32x4_dot_i16x8(a, x0), b, x1);
            i32x4_add(i32x4_add(low[r], top), i32x4_shr(high[r], 6))
        })
    }
}

/// The codes of [`six`] → a panel.
///
/// # Safety
/// As for `Quads::put_words`.
#[inline(always)]
pub(super) unsafe fn put_six(w: *const u8, r: usize, panel: *mut u8) {
    let six = i16x8_splat(0x003f);
    for half in 0..2 {
        // SAFETY: six vectors of these rows, and the panel's sixteen places.
        unsafe {
            let (w, panel) = (w.add(96 * half + 16 * r), panel.add(256 * half + 16 * r));
            let words = [0, 32, 64].map(|at| load(w.add(at)));
            for (j, v) in words.into_iter().enumerate() {
                store(panel.add(64 * j), v128_and(v, six));
                store(panel.add(64 * j + 32), v128_and(u16x8_shr(v, 6), six));
            }
            let [a, b] = tops(words);
            store(panel.add(192), a);
            store(panel.add(224), b);
        }
    }
}
