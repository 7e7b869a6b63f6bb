//! Relaxed SIMD kernels: byte dots of 16 products an instruction, and fused multiply-add.
//!
//! The dot's second operand is only portable for 7 bits. What this engine makes of a larger byte is asked once: read as
//! unsigned, weights of 8 bits are multiplied with 128 added; read as signed, as they are; saturating, the 16-bit kernel
//! of plain SIMD128 takes them.
#![allow(unsafe_code)]

use core::arch::wasm32::*;
use core::ops::Range;
use core::sync::atomic::{AtomicU8, Ordering};

use super::activations::Activations;
use super::packed::is_wide;
use super::pool::Rows;
use super::simd128::{Quads, Simd, load, multiply_quants, splat4, store};
use super::{Form, simd128};
use crate::quant::Format;

/// How the dot reads a byte over 127 in its second operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WideByte {
    /// As an unsigned byte, without saturation (VNNI).
    Unsigned,
    /// As a signed byte (NEON).
    Signed,
    /// In another way, or with saturation (SSSE3).
    Unusable,
}

/// Asks the engine, once.
pub fn wide_byte() -> WideByte {
    static ANSWER: AtomicU8 = AtomicU8::new(0);
    let answer = match ANSWER.load(Ordering::Relaxed) {
        0 => {
            let a = core::hint::black_box(i8x16_splat(127));
            let b = core::hint::black_box(u8x16_splat(255));
            let dot = i32x4_relaxed_dot_i8x16_i7x16_add(a, b, i32x4_splat(0));
            let answer = match i32x4_extract_lane::<0>(dot) {
                129_540 => 1,
                -508 => 2,
                _ => 3,
            };
            ANSWER.store(answer, Ordering::Relaxed);
            answer
        }
        known => known,
    };
    match answer {
        1 => WideByte::Unsigned,
        2 => WideByte::Signed,
        _ => WideByte::Unusable,
    }
}

/// See `packed::byte_bias`.
pub fn byte_bias() -> u8 {
    if wide_byte() == WideByte::Signed { 0 } else { 128 }
}

/// See `Isa::form`.
pub fn form(format: Format) -> Form {
    let wide = format.integers().is_some_and(|integers| is_wide(&integers.codes));
    if wide && wide_byte() == WideByte::Unusable { Form::I16 } else { Form::I8 }
}

/// Rows `rows` of a product, see `simd128::multiply`.
pub fn multiply(format: Format, groups: &[u8], rows: Range<usize>, x: &Activations, out: Rows, stride: usize) {
    if form(format) == Form::I16 {
        simd128::multiply(format, groups, rows, x, out, stride);
    } else {
        multiply_quants::<Relaxed>(format, groups, rows, x, out, stride);
    }
}

/// Byte dots.
#[derive(Clone, Copy)]
pub struct Relaxed;

impl Simd for Relaxed {
    const FORM: Form = Form::I8;
    const X_BYTES: usize = 32;
    const PANEL_BYTES: usize = 256;

    #[inline(always)]
    fn madd(a: v128, b: v128, c: v128) -> v128 {
        f32x4_relaxed_madd(a, b, c)
    }

    #[inline(always)]
    fn lookup(table: v128, index: v128) -> v128 {
        i8x16_relaxed_swizzle(table, index)
    }

    #[inline(always)]
    fn wide_offset() -> u8 {
        byte_bias()
    }

    #[inline(always)]
    unsafe fn step<P: Quads, const STEP: usize>(w: *const u8, table: v128, x: *const u8, sums: [v128; 2]) -> [v128; 2] {
        // SAFETY: STEP < 4 stays within the bytes the caller promised.
        let (first, last) = unsafe { (splat4(x.add(8 * STEP)), splat4(x.add(8 * STEP + 4))) };
        let mut sums = sums;
        for (r, sum) in sums.iter_mut().enumerate() {
            // SAFETY: the caller's promise.
            let [a, b] = unsafe { P::quads::<Relaxed, STEP>(w, table, r) };
            *sum = i32x4_relaxed_dot_i8x16_i7x16_add(first, a, *sum);
            *sum = i32x4_relaxed_dot_i8x16_i7x16_add(last, b, *sum);
        }
        sums
    }

    #[inline(always)]
    unsafe fn put_quads(quads: [v128; 2], panel: *mut u8) {
        // SAFETY: the caller's promise: 32 more bytes belong to the step.
        unsafe {
            store(panel, quads[0]);
            store(panel.add(32), quads[1]);
        }
    }

    #[inline(always)]
    unsafe fn panel_dot<const COLS: usize, const TOKENS: usize>(
        panel: *const u8,
        x: [*const u8; TOKENS],
    ) -> [[v128; 2]; TOKENS] {
        let mut sums = [[i32x4_splat(0); 2]; TOKENS];
        let mut step = 0;
        while step < core::hint::black_box(COLS / 4) {
            // SAFETY: step < COLS / 4 stays within the bytes the caller promised.
            unsafe {
                let (w0, w1) = (load(panel.add(32 * step)), load(panel.add(32 * step + 16)));
                for t in 0..TOKENS {
                    let x = splat4(x[t].add(4 * step));
                    sums[t][0] = i32x4_relaxed_dot_i8x16_i7x16_add(x, w0, sums[t][0]);
                    sums[t][1] = i32x4_relaxed_dot_i8x16_i7x16_add(x, w1, sums[t][1]);
                }
            }
            step += 1;
        }
        sums
    }
}
