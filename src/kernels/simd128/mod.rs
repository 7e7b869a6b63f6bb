//! SIMD128 kernels. The loops are generic over [`Simd`], so that `relaxed` overrides only the instructions it has.
#![allow(unsafe_code)]

pub mod attention;
mod dot16;
mod float;
mod gemm;
mod gemv;
pub(super) mod pack;
mod planes;
mod quantise;
pub mod recurrence;
mod scales;
pub mod store;
pub mod vector;

use core::arch::wasm32::*;
use core::ops::Range;

use super::Form;
use super::activations::{Activations, BLOCK, Quants};
use super::packed::{self, Quantised, quantised};
use super::pool::Rows;
use crate::quant::{self, Format, Integers};
pub use planes::Quads;
pub(super) use quantise::{i16_value, planes_value, quantise_i16, quantise_planes};
use scales::Loads;

/// `d` and sums of activations are kept times this power of two, and results are divided by it: where scales are loaded
/// times 2⁻¹¹² (see [`halves`]), it keeps products in range until the result makes up for both at once.
pub(super) const SCALE_UP: f32 = f32::from_bits((127 + 60) << 23);

/// The instructions in which the flavours differ. Integer dots return 4 + 4 rows, weights are unsigned bytes.
pub trait Simd: Copy {
    /// Which quants of an input the dots read.
    const FORM: Form;
    /// Bytes of the quants of 32 activations.
    const X_BYTES: usize;
    /// Bytes of a tile's 32 columns as [`Simd::panel_dot`] reads them.
    const PANEL_BYTES: usize;

    /// a · b + c.
    fn madd(a: v128, b: v128, c: v128) -> v128;

    /// `table[index]` of each byte, all indices below 16.
    fn lookup(table: v128, index: v128) -> v128;

    /// What [`packed::offset`] is here, for formats that are wide.
    fn wide_offset() -> u8;

    /// Unfinished sums of 4 + 4 rows.
    type Sums: Copy;

    /// Sums of nothing.
    fn zero() -> Self::Sums;

    /// `sums` + the quants `w` · `x` in columns 8 · `step`….
    ///
    /// # Safety
    /// `w` is readable for P::BYTES, `x` for X_BYTES; step < 4.
    unsafe fn step<P: Quads>(
        w: *const u8,
        table: v128,
        x: *const u8,
        step: usize,
        sums: Self::Sums,
    ) -> Self::Sums;

    /// What the sums come to.
    fn finish(sums: Self::Sums) -> [v128; 2];

    /// The quants `w` · `x` in columns 8 · `steps`….
    ///
    /// # Safety
    /// As for [`Simd::step`].
    #[inline(always)]
    unsafe fn dot<P: Quads>(
        w: *const u8,
        table: v128,
        x: *const u8,
        steps: Range<usize>,
    ) -> [v128; 2] {
        let mut sums = Self::zero();
        for step in steps {
            // SAFETY: the caller's promise.
            sums = unsafe { Self::step::<P>(w, table, x, step, sums) };
        }
        Self::finish(sums)
    }

    /// The bytes of 8 columns of four rows → their two places in a panel, at `panel`.
    ///
    /// # Safety
    /// `panel` is the start of a step, plus 16 for rows 4…, of a panel that is writable for PANEL_BYTES.
    unsafe fn put_quads(quads: [v128; 2], panel: *mut u8);

    /// 32 columns of rows 4 · `r`… → their places in a panel.
    ///
    /// # Safety
    /// `w` is readable for P::BYTES, `panel` writable for PANEL_BYTES; r < 2.
    #[inline(always)]
    unsafe fn put<P: Quads>(w: *const u8, table: v128, r: usize, panel: *mut u8) {
        for step in 0..BLOCK / 8 {
            // SAFETY: the caller's promise; four steps make a panel.
            unsafe {
                let panel = panel.add(step * Self::PANEL_BYTES / 4 + 16 * r);
                Self::put_quads(P::quads::<Self>(w, table, r, step), panel);
            }
        }
    }

    /// `columns` (16 or 32) of a panel's 8 rows times `TOKENS` inputs.
    ///
    /// # Safety
    /// `panel` is readable for columns/32 · PANEL_BYTES, each of `x` for columns/32 · X_BYTES.
    unsafe fn panel_dot<const TOKENS: usize>(
        panel: *const u8,
        x: [*const u8; TOKENS],
        columns: usize,
    ) -> [[v128; 2]; TOKENS];
}

/// Plain SIMD128: 16-bit pairs.
#[derive(Clone, Copy)]
pub struct Plain;

/// The best multiply-add of this build: loops that differ in nothing else are compiled for it alone.
#[cfg(not(target_feature = "relaxed-simd"))]
pub type Fused = Plain;
/// The best multiply-add of this build.
#[cfg(target_feature = "relaxed-simd")]
pub type Fused = super::relaxed::Relaxed;

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
pub(super) unsafe fn halves(p: *const u8) -> v128 {
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
        #[cfg(target_feature = "relaxed-simd")]
        return f32x4_relaxed_madd(a, b, c);
        #[cfg(not(target_feature = "relaxed-simd"))]
        f32x4_add(f32x4_mul(a, b), c)
    }

    #[inline(always)]
    fn lookup(table: v128, index: v128) -> v128 {
        i8x16_swizzle(table, index)
    }

    #[inline(always)]
    fn wide_offset() -> u8 {
        128
    }

    type Sums = [v128; 2];

    #[inline(always)]
    fn zero() -> [v128; 2] {
        [i32x4_splat(0); 2]
    }

    #[inline(always)]
    unsafe fn step<P: Quads>(
        w: *const u8,
        table: v128,
        x: *const u8,
        step: usize,
        mut sums: [v128; 2],
    ) -> [v128; 2] {
        // SAFETY: step < 4 stays within the bytes the caller promised.
        let x = unsafe {
            let x = x.add(16 * step);
            [
                [splat4(x), splat4(x.add(8))],
                [splat4(x.add(4)), splat4(x.add(12))],
            ]
        };
        for (r, sum) in sums.iter_mut().enumerate() {
            // SAFETY: the caller's promise.
            let quads = unsafe { P::quads::<Plain>(w, table, r, step) };
            for (quad, [even, odd]) in quads.into_iter().zip(x) {
                let (e, o) = (v128_and(quad, i16x8_splat(0x00ff)), u16x8_shr(quad, 8));
                *sum = i32x4_add(*sum, i32x4_dot_i16x8(e, even));
                *sum = i32x4_add(*sum, i32x4_dot_i16x8(o, odd));
            }
        }
        sums
    }

    #[inline(always)]
    fn finish(sums: [v128; 2]) -> [v128; 2] {
        sums
    }

    #[inline(always)]
    unsafe fn dot<P: Quads>(
        w: *const u8,
        table: v128,
        x: *const u8,
        steps: Range<usize>,
    ) -> [v128; 2] {
        if P::DOT16 {
            // SAFETY: the caller's promise.
            return unsafe { P::dot16(w, x, steps) };
        }
        let mut sums = Self::zero();
        for step in steps {
            // SAFETY: the caller's promise.
            sums = unsafe { Self::step::<P>(w, table, x, step, sums) };
        }
        sums
    }

    #[inline(always)]
    unsafe fn put<P: Quads>(w: *const u8, table: v128, r: usize, panel: *mut u8) {
        if P::WORDS {
            // SAFETY: the caller's promise.
            return unsafe { P::put_words(w, r, panel) };
        }
        for step in 0..BLOCK / 8 {
            // SAFETY: the caller's promise; four steps make a panel.
            unsafe {
                let panel = panel.add(step * Self::PANEL_BYTES / 4 + 16 * r);
                Self::put_quads(P::quads::<Self>(w, table, r, step), panel);
            }
        }
    }

    #[inline(always)]
    unsafe fn put_quads(quads: [v128; 2], panel: *mut u8) {
        for (i, quad) in quads.into_iter().enumerate() {
            // SAFETY: the caller's promise: 96 more bytes belong to the step.
            unsafe {
                store(panel.add(32 * i), v128_and(quad, i16x8_splat(0x00ff)));
                store(panel.add(64 + 32 * i), u16x8_shr(quad, 8));
            }
        }
    }

    #[inline(always)]
    unsafe fn panel_dot<const TOKENS: usize>(
        panel: *const u8,
        x: [*const u8; TOKENS],
        columns: usize,
    ) -> [[v128; 2]; TOKENS] {
        let mut sums = [[i32x4_splat(0); 2]; TOKENS];
        let mut step = 0;
        while step < columns / 2 {
            // SAFETY: step < columns / 2 stays within the bytes the caller promised.
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

/// Rows `rows` of a product: `groups` are their packed bytes, `out` [tokens, stride].
pub fn multiply(
    format: Format,
    groups: &[u8],
    rows: Range<usize>,
    x: &Activations,
    out: Rows,
    stride: usize,
) {
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
    let quants = if S::FORM == Form::Planes {
        &x.planes
    } else {
        &x.i16
    };
    let place = Place {
        rows,
        out,
        stride,
        tokens: x.tokens(),
        blocks: x.blocks(),
    };
    macro_rules! dispatch {
        ($($type:ident: $planes:ty, $scales:ty;)*) => {
            match format {
                $(Format::$type => {
                    type Q = packed::$type;
                    let codes = Codes::new::<S>(&Q::INTEGERS);
                    product::<S, <Q as Quantised>::Planes, <Q as Quantised>::Scales>(groups, quants, &place, &codes);
                })*
                Format::F32 | Format::F16 | Format::BF16 => float::multiply::<S>(format, groups, &x.x, &place),
            }
        };
    }
    quantised!(dispatch);
}

/// What the codes of a format stand for, as kernels read them.
pub(super) struct Codes {
    /// The unsigned byte of each 4-bit code; for codes of a byte, what turns stored bytes into unsigned ones by xor.
    table: v128,
    /// What must be added to the unsigned bytes, in every lane. As one f32 it would be loaded, and multiplied, together
    /// with its neighbours, and an integer among them is a subnormal as f32, which costs a hundred cycles each time.
    offset: v128,
    /// See `Integers::unit`.
    unit: f32,
    /// Steps of 8 columns in a block: 4, but no constant. Loops over it must stay loops: unrolled, they are compiled to
    /// code that loads everything first, runs out of registers and is at times several times slower.
    steps: usize,
}

impl Codes {
    fn new<S: Simd>(integers: &Integers) -> Codes {
        let codes = &integers.codes;
        let offset = if packed::is_wide(codes) {
            S::wide_offset()
        } else {
            packed::offset(codes)
        };
        let bytes = match codes {
            quant::Codes::Offset(_) => [packed::byte_bias() ^ offset; 16],
            quant::Codes::Table(table) => table.map(|q| (q as u8).wrapping_add(offset)),
        };
        // SAFETY: sixteen bytes are read.
        Codes {
            table: unsafe { load(bytes.as_ptr()) },
            offset: f32x4_splat(-f32::from(offset)),
            unit: integers.unit,
            steps: core::hint::black_box(BLOCK / 8),
        }
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

// As small as what runs: see `Tile::pack`.
#[inline(never)]
fn product<S: Simd, P: Quads, C: Loads>(groups: &[u8], x: &[Quants], place: &Place, codes: &Codes) {
    const {
        assert!(C::COLS.is_multiple_of(BLOCK) && (C::GROUP == 16 || C::GROUP.is_multiple_of(BLOCK)))
    };
    let tiles = place.blocks / (C::COLS / BLOCK);
    let group_bytes = tiles * (C::BYTES + C::COLS / BLOCK * P::BYTES);
    let (n, blocks) = (groups.len() / group_bytes, place.tokens * place.blocks);
    assert_eq!(groups.len(), n * group_bytes);
    assert_eq!(place.blocks, tiles * (C::COLS / BLOCK));
    assert!(x.len() >= blocks && S::X_BYTES == x[0].q.len());
    for g in 0..n {
        let group = &groups[g * group_bytes..];
        if place.tokens == 1 {
            // SAFETY: the assertions above: `tiles` tiles of weights and as many blocks of one token are there.
            let sums = unsafe { gemv::gemv::<S, P, C>(group.as_ptr(), tiles, x.as_ptr(), codes) };
            place.put(g, 0, sums);
        } else {
            gemm::group::<S, P, C>(group, g, x, place, codes);
        }
    }
}
