//! Relaxed SIMD kernels: byte dots of 16 products an instruction, and fused multiply-add.
//!
//! The dot's second operand is only portable for 7 bits. What this engine makes of a larger byte is asked once: read as
//! unsigned, weights of 8 bits are multiplied with 128 added; read as signed, as they are; saturating, the 16-bit kernel
//! of plain SIMD128 takes them.
#![allow(unsafe_code)]

use core::arch::wasm32::*;
use core::ops::Range;
use core::sync::atomic::{AtomicBool, AtomicU8, Ordering};

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
    if wide_byte() == WideByte::Signed {
        0
    } else {
        128
    }
}

/// Set where the byte dots are to be used although this engine makes them no faster: by tests of them.
pub static ALWAYS_BYTES: AtomicBool = AtomicBool::new(false);

/// See `Isa::form`. An engine that saturates needs three instructions for a dot of bytes: there the 16-bit kernels of
/// plain SIMD128 are as fast and one bit finer.
pub fn form(format: Format) -> Form {
    let wide = format
        .integers()
        .is_some_and(|integers| is_wide(&integers.codes));
    if wide_byte() == WideByte::Unusable && (wide || !ALWAYS_BYTES.load(Ordering::Relaxed)) {
        Form::I16
    } else {
        Form::Planes
    }
}

/// From the high bytes of 16 activations to their low ones.
const LOW: usize = 16;

/// Where the high byte of activation `i` of a block stands.
#[inline(always)]
const fn plane(i: usize) -> usize {
    2 * LOW * (i / 16) + i % 16
}

/// Rows `rows` of a product, see `simd128::multiply`.
pub fn multiply(
    format: Format,
    groups: &[u8],
    rows: Range<usize>,
    x: &Activations,
    out: Rows,
    stride: usize,
) {
    if form(format) == Form::I16 {
        simd128::multiply(format, groups, rows, x, out, stride);
    } else {
        multiply_quants::<Relaxed>(format, groups, rows, x, out, stride);
    }
}

/// Byte dots, two planes of them: 15 bits of every activation.
#[derive(Clone, Copy)]
pub struct Relaxed;

impl Simd for Relaxed {
    const FORM: Form = Form::Planes;
    const X_BYTES: usize = 64;
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

    /// Of the high and of the low bytes.
    type Sums = [[v128; 2]; 2];

    #[inline(always)]
    fn zero() -> [[v128; 2]; 2] {
        [[i32x4_splat(0); 2]; 2]
    }

    #[inline(always)]
    unsafe fn step<P: Quads>(
        w: *const u8,
        table: v128,
        x: *const u8,
        step: usize,
        [mut high, mut low]: [[v128; 2]; 2],
    ) -> [[v128; 2]; 2] {
        // SAFETY: step < 4 stays within the bytes the caller promised.
        unsafe {
            let x = x.add(plane(8 * step));
            let (h0, h1) = (splat4(x), splat4(x.add(4)));
            let (l0, l1) = (splat4(x.add(LOW)), splat4(x.add(LOW + 4)));
            for r in 0..2 {
                let [a, b] = P::quads::<Relaxed>(w, table, r, step);
                high[r] = i32x4_relaxed_dot_i8x16_i7x16_add(h0, a, high[r]);
                low[r] = i32x4_relaxed_dot_i8x16_i7x16_add(l0, a, low[r]);
                high[r] = i32x4_relaxed_dot_i8x16_i7x16_add(h1, b, high[r]);
                low[r] = i32x4_relaxed_dot_i8x16_i7x16_add(l1, b, low[r]);
            }
        }
        [high, low]
    }

    #[inline(always)]
    fn finish([high, low]: [[v128; 2]; 2]) -> [v128; 2] {
        [0, 1].map(|r| i32x4_add(i32x4_shl(high[r], 7), low[r]))
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
    unsafe fn panel_dot<const TOKENS: usize>(
        panel: *const u8,
        x: [*const u8; TOKENS],
        columns: usize,
    ) -> [[v128; 2]; TOKENS] {
        let mut sums = [[i32x4_splat(0); 2]; TOKENS];
        // First the high bytes; then the sums count 128 times, and the low bytes are added.
        for part in [0, LOW] {
            let mut step = 0;
            while step < columns / 4 {
                // SAFETY: step < columns / 4 stays within the bytes the caller promised.
                unsafe {
                    let (w0, w1) = (load(panel.add(32 * step)), load(panel.add(32 * step + 16)));
                    for t in 0..TOKENS {
                        let x = splat4(x[t].add(plane(4 * step) + part));
                        sums[t][0] = i32x4_relaxed_dot_i8x16_i7x16_add(x, w0, sums[t][0]);
                        sums[t][1] = i32x4_relaxed_dot_i8x16_i7x16_add(x, w1, sums[t][1]);
                    }
                }
                step += 1;
            }
            if part == 0 {
                sums = sums.map(|s| s.map(|v| i32x4_shl(v, 7)));
            }
        }
        sums
    }
}
