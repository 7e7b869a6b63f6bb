//! The codes of four columns of four rows as unsigned bytes, from every way to store them.

use core::arch::wasm32::*;
use core::ops::Range;

use super::super::packed::{
    Bytes, FiveBits, Nibbles, OneBit, Planes, SixBits, Table, ThreeBits, TwoBits,
};
use super::{Form, Simd, dot16, load};

/// How kernels take codes out of planes.
pub trait Quads: Planes {
    /// Whether 16-bit dots have a way of their own to these codes.
    const DOT16: bool = false;
    /// Whether the codes stand in words where 16-bit dots multiply them, not in the quads that others read.
    const WORDS: bool = false;

    /// Columns 8 · `step`… of rows 4 · `r`…: the first four and the last four, one unsigned byte a code. `table` is that
    /// of `Codes`.
    ///
    /// # Safety
    /// `w` is readable for BYTES; step < 4, r < 2.
    unsafe fn quads<S: Simd>(w: *const u8, table: v128, r: usize, step: usize) -> [v128; 2];

    /// The quants `w` · `x` in columns 8 · `steps`…, if [`Quads::DOT16`].
    ///
    /// # Safety
    /// `w` is readable for BYTES, `x` for 64 bytes; steps end at 4 at most.
    unsafe fn dot16(_w: *const u8, _x: *const u8, _steps: Range<usize>) -> [v128; 2] {
        unreachable!("DOT16 is false")
    }

    /// 32 columns of rows 4 · `r`… → their places in a panel of 16-bit dots, if [`Quads::WORDS`].
    ///
    /// # Safety
    /// `w` is readable for BYTES, `panel` writable for 512; r < 2.
    unsafe fn put_words(_w: *const u8, _r: usize, _panel: *mut u8) {
        unreachable!("WORDS is false")
    }
}

/// `bits` wide fields of each byte from bit `from` → bit `to`. Shifts of 16-bit lanes do, as the mask takes no bit that
/// crossed a byte.
#[inline(always)]
fn field(v: v128, bits: u32, from: u32, to: u32) -> v128 {
    let moved = if from >= to {
        u16x8_shr(v, from - to)
    } else {
        i16x8_shl(v, to - from)
    };
    v128_and(moved, u8x16_splat(((1 << bits) - 1) << to))
}

/// The codes at bit `to` from a plane of one bit a code.
#[inline(always)]
unsafe fn one(w: *const u8, r: usize, step: usize, to: u32) -> [v128; 2] {
    // SAFETY: the caller's 32 bytes, r < 2.
    let v = u16x8_shr(unsafe { load(w.add(16 * r)) }, 2 * step as u32);
    [field(v, 1, 0, to), field(v, 1, 1, to)]
}

/// The codes at bit `to` from a plane of two bits a code.
#[inline(always)]
unsafe fn two(w: *const u8, r: usize, step: usize, to: u32) -> [v128; 2] {
    // SAFETY: the caller's 64 bytes; step < 4, r < 2.
    let v = unsafe { load(w.add(32 * (step / 2) + 16 * r)) };
    let v = u16x8_shr(v, 4 * (step % 2) as u32);
    [field(v, 2, 0, to), field(v, 2, 2, to)]
}

#[inline(always)]
unsafe fn four(w: *const u8, r: usize, step: usize) -> [v128; 2] {
    // SAFETY: the caller's 128 bytes; step < 4, r < 2.
    let v = unsafe { load(w.add(32 * step + 16 * r)) };
    [field(v, 4, 0, 0), field(v, 4, 4, 0)]
}

#[inline(always)]
fn or(a: [v128; 2], b: [v128; 2]) -> [v128; 2] {
    [v128_or(a[0], b[0]), v128_or(a[1], b[1])]
}

impl Quads for Nibbles {
    const DOT16: bool = true;

    #[inline(always)]
    unsafe fn dot16(w: *const u8, x: *const u8, steps: Range<usize>) -> [v128; 2] {
        // SAFETY: the caller's promise.
        unsafe { dot16::nibbles(w, x, steps) }
    }

    #[inline(always)]
    unsafe fn quads<S: Simd>(w: *const u8, _: v128, r: usize, step: usize) -> [v128; 2] {
        // SAFETY: the caller's promise.
        unsafe { four(w, r, step) }
    }
}

impl Quads for Table {
    #[inline(always)]
    unsafe fn quads<S: Simd>(w: *const u8, table: v128, r: usize, step: usize) -> [v128; 2] {
        // SAFETY: the caller's promise.
        unsafe { four(w, r, step) }.map(|index| S::lookup(table, index))
    }
}

impl Quads for Bytes {
    #[inline(always)]
    unsafe fn quads<S: Simd>(w: *const u8, change: v128, r: usize, step: usize) -> [v128; 2] {
        // SAFETY: the caller's 256 bytes; step < 4, r < 2.
        let quads = unsafe {
            [
                load(w.add(64 * step + 16 * r)),
                load(w.add(64 * step + 32 + 16 * r)),
            ]
        };
        // Elsewhere bytes are stored as they are read.
        if cfg!(target_feature = "relaxed-simd") && matches!(S::FORM, Form::I16) {
            return quads.map(|quad| v128_xor(quad, change));
        }
        quads
    }
}

impl Quads for OneBit {
    #[inline(always)]
    unsafe fn quads<S: Simd>(w: *const u8, _: v128, r: usize, step: usize) -> [v128; 2] {
        // SAFETY: the caller's promise.
        unsafe { one(w, r, step, 1) }
    }
}

impl Quads for TwoBits {
    #[inline(always)]
    unsafe fn quads<S: Simd>(w: *const u8, _: v128, r: usize, step: usize) -> [v128; 2] {
        // SAFETY: the caller's promise.
        unsafe { two(w, r, step, 0) }
    }
}

impl Quads for ThreeBits {
    #[inline(always)]
    unsafe fn quads<S: Simd>(w: *const u8, _: v128, r: usize, step: usize) -> [v128; 2] {
        // SAFETY: the caller's promise.
        unsafe { or(two(w, r, step, 0), one(w.add(64), r, step, 2)) }
    }
}

impl Quads for FiveBits {
    const DOT16: bool = true;
    const WORDS: bool = true;

    #[inline(always)]
    unsafe fn dot16(w: *const u8, x: *const u8, steps: Range<usize>) -> [v128; 2] {
        // SAFETY: the caller's promise.
        unsafe { dot16::five(w, x, steps) }
    }

    #[inline(always)]
    unsafe fn put_words(w: *const u8, r: usize, panel: *mut u8) {
        // SAFETY: the caller's promise.
        unsafe { dot16::put_five(w, r, panel) }
    }

    #[inline(always)]
    unsafe fn quads<S: Simd>(w: *const u8, _: v128, r: usize, step: usize) -> [v128; 2] {
        // SAFETY: the caller's promise.
        unsafe { or(four(w, r, step), one(w.add(128), r, step, 4)) }
    }
}

impl Quads for SixBits {
    const DOT16: bool = true;
    const WORDS: bool = true;

    #[inline(always)]
    unsafe fn dot16(w: *const u8, x: *const u8, steps: Range<usize>) -> [v128; 2] {
        // SAFETY: the caller's promise.
        unsafe { dot16::six(w, x, steps) }
    }

    #[inline(always)]
    unsafe fn put_words(w: *const u8, r: usize, panel: *mut u8) {
        // SAFETY: the caller's promise.
        unsafe { dot16::put_six(w, r, panel) }
    }

    #[inline(always)]
    unsafe fn quads<S: Simd>(w: *const u8, _: v128, r: usize, step: usize) -> [v128; 2] {
        // SAFETY: the caller's promise.
        unsafe { or(four(w, r, step), two(w.add(128), r, step, 4)) }
    }
}
