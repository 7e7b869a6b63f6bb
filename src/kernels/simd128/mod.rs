//! SIMD128 kernels. The loops are generic over [`Simd`], so that `relaxed` overrides only the instructions it has.
#![allow(unsafe_code)]

pub mod attention;
mod float;
mod gemm;
mod gemv;
mod quantise;
pub mod vector;

use core::arch::wasm32::*;
use core::ops::Range;

use super::activations::{Activations, Quants};
use super::packed::{TILE_COLS, Tile, byte_bias};
use super::pool::Rows;
use super::{Form, Isa, packed};
use crate::quant::Format;
pub use quantise::{quantise_i8, quantise_i16};

/// `d` and `s` of activations are kept times this power of two and results are multiplied by [`FINISH`]: together they
/// make up for the 2⁻¹¹² that [`scales`] leaves out, without a multiplication a tile and without overflow between.
pub(super) const SCALE_UP: f32 = f32::from_bits((127 + 60) << 23);
/// See [`SCALE_UP`].
pub(super) const FINISH: f32 = f32::from_bits((127 + 112 - 60) << 23);

/// The instructions in which the flavours differ. Integer dots return 4 + 4 rows.
pub trait Simd: Copy {
    /// Which quants of an input the dots read.
    const FORM: Form;
    /// Bytes of the quants of 32 activations.
    const X_BYTES: usize;
    /// Bytes of a tile's quants as [`Simd::panel_dot`] reads them.
    const PANEL_BYTES: usize;

    /// a · b + c.
    fn madd(a: v128, b: v128, c: v128) -> v128;

    /// Unsigned nibbles (128 bytes) · x.
    ///
    /// # Safety
    /// `w` and `x` are readable for 128 and X_BYTES bytes.
    unsafe fn nibbles(w: *const u8, x: *const u8) -> [v128; 2];

    /// Bytes (256) · x; each weight counts [`byte_bias`] too much.
    ///
    /// # Safety
    /// `w` and `x` are readable for 256 and X_BYTES bytes.
    unsafe fn bytes(w: *const u8, x: *const u8) -> [v128; 2];

    /// Nibbles (128 bytes) → panel (PANEL_BYTES).
    ///
    /// # Safety
    /// `w` is readable for 128 bytes, `panel` writable for PANEL_BYTES.
    unsafe fn unpack_nibbles(w: *const u8, panel: *mut u8);

    /// Bytes (256) → panel (PANEL_BYTES).
    ///
    /// # Safety
    /// `w` is readable for 256 bytes, `panel` writable for PANEL_BYTES.
    unsafe fn unpack_bytes(w: *const u8, panel: *mut u8);

    /// A panel's 8 rows · 32 columns times `TOKENS` inputs.
    ///
    /// # Safety
    /// `panel` is readable for PANEL_BYTES, each of `x` for X_BYTES.
    unsafe fn panel_dot<const TOKENS: usize>(panel: *const u8, x: [*const u8; TOKENS]) -> [[v128; 2]; TOKENS];
}

/// Plain SIMD128: 16-bit pairs.
#[derive(Clone, Copy)]
pub struct Plain;

/// Splats the four bytes at `p`.
///
/// # Safety
/// `p` is readable for 4 bytes.
#[inline(always)]
pub(super) unsafe fn splat4(p: *const u8) -> v128 {
    // SAFETY: the caller's promise; the instruction needs no alignment.
    unsafe { v128_load32_splat(p.cast()) }
}

/// Loads 16 bytes.
///
/// # Safety
/// `p` is readable for 16 bytes.
#[inline(always)]
pub(super) unsafe fn load(p: *const u8) -> v128 {
    // SAFETY: the caller's promise; the instruction needs no alignment.
    unsafe { v128_load(p.cast()) }
}

/// Stores 16 bytes.
///
/// # Safety
/// `p` is writable for 16 bytes.
#[inline(always)]
pub(super) unsafe fn store(p: *mut u8, v: v128) {
    // SAFETY: the caller's promise; the instruction needs no alignment.
    unsafe { v128_store(p.cast(), v) }
}

/// Four f16 at `p` as f32, times 2⁻¹¹²: sign, exponent and mantissa are only moved into place.
///
/// # Safety
/// `p` is readable for 8 bytes.
#[inline(always)]
pub(super) unsafe fn scales(p: *const u8) -> v128 {
    // SAFETY: the caller's promise.
    let v = unsafe { i32x4_load_extend_i16x4(p.cast()) };
    v128_and(i32x4_shl(v, 13), i32x4_splat(0x8fff_e000_u32 as i32))
}

impl Simd for Plain {
    const FORM: Form = Form::I16;
    const X_BYTES: usize = 64;
    const PANEL_BYTES: usize = 512;

    #[inline(always)]
    fn madd(a: v128, b: v128, c: v128) -> v128 {
        f32x4_add(f32x4_mul(a, b), c)
    }

    #[inline(always)]
    unsafe fn nibbles(w: *const u8, x: *const u8) -> [v128; 2] {
        let zero = i32x4_splat(0);
        // Products of the nibbles at bits 0 and 12, at bits 4 (×16) and at bits 8 (×256) of each 16-bit lane.
        let (mut a, mut b, mut c) = ([zero; 2], [zero; 2], [zero; 2]);
        let (low, mid, high) = (i16x8_splat(0x000f), i16x8_splat(0x00f0), i16x8_splat(0x0f00));
        for step in 0..4 {
            // SAFETY: step < 4 stays within the 128 and 64 bytes the caller promised.
            unsafe {
                let x = x.add(16 * step);
                let (x0, x1, x2, x3) = (splat4(x), splat4(x.add(4)), splat4(x.add(8)), splat4(x.add(12)));
                for r in 0..2 {
                    let v = load(w.add(32 * step + 16 * r));
                    a[r] = i32x4_add(a[r], i32x4_dot_i16x8(v128_and(v, low), x0));
                    b[r] = i32x4_add(b[r], i32x4_dot_i16x8(v128_and(v, mid), x1));
                    c[r] = i32x4_add(c[r], i32x4_dot_i16x8(v128_and(v, high), x2));
                    a[r] = i32x4_add(a[r], i32x4_dot_i16x8(u16x8_shr(v, 12), x3));
                }
            }
        }
        let sum = |r: usize| i32x4_add(a[r], i32x4_add(i32x4_shr(b[r], 4), i32x4_shr(c[r], 8)));
        [sum(0), sum(1)]
    }

    #[inline(always)]
    unsafe fn bytes(w: *const u8, x: *const u8) -> [v128; 2] {
        let mut sums = [i32x4_splat(0); 2];
        for step in 0..8 {
            // SAFETY: step < 8 stays within the 256 and 64 bytes the caller promised.
            unsafe {
                let x = x.add(16 * (step / 2) + 4 * (step % 2));
                let (even, odd) = (splat4(x), splat4(x.add(8)));
                for (r, sum) in sums.iter_mut().enumerate() {
                    let (e, o) = pairs(load(w.add(32 * step + 16 * r)));
                    *sum = i32x4_add(*sum, i32x4_dot_i16x8(e, even));
                    *sum = i32x4_add(*sum, i32x4_dot_i16x8(o, odd));
                }
            }
        }
        sums
    }

    #[inline(always)]
    unsafe fn unpack_nibbles(w: *const u8, panel: *mut u8) {
        let mask = i16x8_splat(15);
        for i in 0..8 {
            // SAFETY: i < 8 stays within the 128 and 512 bytes the caller promised.
            unsafe {
                let v = load(w.add(16 * i));
                let at = panel.add(128 * (i / 2) + 16 * (i % 2));
                store(at, v128_and(v, mask));
                store(at.add(32), v128_and(u16x8_shr(v, 4), mask));
                store(at.add(64), v128_and(u16x8_shr(v, 8), mask));
                store(at.add(96), u16x8_shr(v, 12));
            }
        }
    }

    #[inline(always)]
    unsafe fn unpack_bytes(w: *const u8, panel: *mut u8) {
        for i in 0..16 {
            // SAFETY: i < 16 stays within the 256 and 512 bytes the caller promised.
            unsafe {
                let (e, o) = pairs(load(w.add(16 * i)));
                let at = panel.add(128 * (i / 4) + 32 * (i / 2 % 2) + 16 * (i % 2));
                store(at, e);
                store(at.add(64), o);
            }
        }
    }

    #[inline(always)]
    unsafe fn panel_dot<const TOKENS: usize>(panel: *const u8, x: [*const u8; TOKENS]) -> [[v128; 2]; TOKENS] {
        let mut sums = [[i32x4_splat(0); 2]; TOKENS];
        let mut step = 0;
        while step < core::hint::black_box(16) {
            // SAFETY: step < 16 stays within the 512 and 64 bytes the caller promised.
            unsafe {
                let (w0, w1) = (load(panel.add(32 * step)), load(panel.add(32 * step + 16)));
                for t in 0..TOKENS {
                    let x = splat4(x[t].add(4 * step));
                    sums[t][0] = i32x4_add(sums[t][0], i32x4_dot_i16x8(w0, x));
                    sums[t][1] = i32x4_add(sums[t][1], i32x4_dot_i16x8(w1, x));
                }
            }
            step += 1;
        }
        sums
    }
}

/// The even and the odd bytes of `v` as signed 16-bit lanes.
#[inline(always)]
fn pairs(v: v128) -> (v128, v128) {
    // In a relaxed build the bytes may carry a bias; here they are wanted as they were.
    #[cfg(target_feature = "relaxed-simd")]
    let v = i8x16_sub(v, u8x16_splat(byte_bias()));
    (i16x8_shr(i16x8_shl(v, 8), 8), i16x8_shr(v, 8))
}

/// What a packed format is to the kernels: where its parts stand in a tile.
pub(super) trait Weights: Tile {
    /// Nibbles, or bytes.
    const NIBBLES: bool;
    /// Where the eight f16 mins stand, if it has any.
    const MINS: Option<usize>;
    /// Where the quants begin.
    const QUANTS: usize;
    /// What the integer value of a quant must be corrected by.
    fn offset(form: Form) -> f32;
}

impl Weights for packed::Q4_0 {
    const NIBBLES: bool = true;
    const MINS: Option<usize> = None;
    const QUANTS: usize = 16;
    #[inline(always)]
    fn offset(_: Form) -> f32 {
        -8.0
    }
}

impl Weights for packed::Q4_1 {
    const NIBBLES: bool = true;
    const MINS: Option<usize> = Some(16);
    const QUANTS: usize = 32;
    #[inline(always)]
    fn offset(_: Form) -> f32 {
        0.0
    }
}

impl Weights for packed::Q8_0 {
    const NIBBLES: bool = false;
    const MINS: Option<usize> = None;
    const QUANTS: usize = 16;
    #[inline(always)]
    fn offset(form: Form) -> f32 {
        if form == Form::I8 { -f32::from(byte_bias()) } else { 0.0 }
    }
}

/// Rows `rows` of a product: `groups` are their packed bytes, `out` [tokens, stride].
pub fn multiply(format: Format, groups: &[u8], rows: Range<usize>, x: &Activations, out: Rows, stride: usize) {
    multiply_quants::<Plain>(format, groups, rows, x, out, stride);
}

/// The formats' kernels on `S`.
pub(super) fn multiply_quants<S: Simd>(
    format: Format,
    groups: &[u8],
    rows: Range<usize>,
    x: &Activations,
    out: Rows,
    stride: usize,
) {
    let quants = if S::FORM == Form::I8 { &x.i8 } else { &x.i16 };
    let place = Place { rows, out, stride, tokens: x.tokens(), blocks: x.blocks() };
    match format {
        Format::Q4_0 => product::<S, packed::Q4_0>(groups, quants, &place),
        Format::Q4_1 => product::<S, packed::Q4_1>(groups, quants, &place),
        Format::Q8_0 => product::<S, packed::Q8_0>(groups, quants, &place),
        _ => float::multiply::<S>(format, groups, &x.x, &place),
    }
}

/// Where a chunk of a product reads and writes.
pub(super) struct Place {
    /// Rows of the matrix in this chunk.
    pub rows: Range<usize>,
    /// [tokens, stride].
    pub out: Rows,
    pub stride: usize,
    pub tokens: usize,
    /// Tiles a group.
    pub blocks: usize,
}

impl Place {
    /// Writes the 8 rows of group `g` for token `t`.
    #[inline(always)]
    fn put(&self, g: usize, t: usize, sums: [v128; 2]) {
        let first = self.rows.start + g * packed::TILE_ROWS;
        let n = packed::TILE_ROWS.min(self.rows.end - first);
        // SAFETY: rows of one group belong to one chunk of the job.
        let out = unsafe { self.out.part(t * self.stride + first, n) };
        if n == packed::TILE_ROWS {
            // SAFETY: `out` has eight values.
            unsafe {
                store(out.as_mut_ptr().cast(), sums[0]);
                store(out.as_mut_ptr().add(4).cast(), sums[1]);
            }
        } else {
            let mut all = [0.0f32; packed::TILE_ROWS];
            // SAFETY: `all` has eight values.
            unsafe {
                store(all.as_mut_ptr().cast(), sums[0]);
                store(all.as_mut_ptr().add(4).cast(), sums[1]);
            }
            out.copy_from_slice(&all[..n]);
        }
    }
}

fn product<S: Simd, W: Weights>(groups: &[u8], x: &Quants, place: &Place) {
    let n = groups.len() / (place.blocks * W::BYTES);
    assert_eq!(groups.len(), n * place.blocks * W::BYTES);
    assert!(x.q.len() >= place.tokens * place.blocks * S::X_BYTES);
    assert!(x.d.len() >= place.tokens * place.blocks && x.s.len() >= place.tokens * place.blocks);
    for g in 0..n {
        let group = &groups[g * place.blocks * W::BYTES..];
        if place.tokens == 1 {
            // SAFETY: the assertions above: `blocks` tiles of weights and blocks of one token are there.
            let sums = unsafe {
                gemv::gemv::<S, W>(group.as_ptr(), place.blocks, x.q.as_ptr(), x.d.as_ptr(), x.s.as_ptr())
            };
            place.put(g, 0, sums);
        } else {
            gemm::group::<S, W>(group, g, x, place);
        }
    }
}

/// Isa::Simd128 or above is what this file is compiled for.
const _: () = assert!(TILE_COLS == 32 && matches!(Isa::ALL[0], Isa::Scalar));
