//! Scales and mins of 4 + 4 rows as f32, from every way to store them.

use core::arch::wasm32::*;

use super::super::packed::{
    Exponents, Halves, HalvesMins, PackedScaleMins, ScaleMins, Scales, SignedScales,
};
use super::halves;

/// How kernels load scales.
pub(super) trait Loads: Scales {
    /// What loaded scales and mins must be multiplied by.
    const WHOLE: f32;
    /// What all groups of a tile share.
    type Head: Copy;

    /// Reads what all groups of the tile at `w` share.
    ///
    /// # Safety
    /// `w` is readable for BYTES.
    unsafe fn head(w: *const u8) -> Self::Head;

    /// The scales of group `group`.
    ///
    /// # Safety
    /// `w` is readable for BYTES, and the group is one of the tile's.
    unsafe fn scales(w: *const u8, head: Self::Head, group: usize) -> [v128; 2];

    /// What is added to the values of group `group`, where there are mins.
    ///
    /// # Safety
    /// As for [`Loads::scales`].
    unsafe fn mins(_w: *const u8, _head: Self::Head, _group: usize) -> [v128; 2] {
        unreachable!("MINS is false")
    }
}

/// 2¹¹², see [`halves`].
const HALVES_WHOLE: f32 = f32::from_bits((127 + 112) << 23);

/// Eight f16 times 2⁻¹¹².
#[inline(always)]
unsafe fn eight_halves(p: *const u8) -> [v128; 2] {
    // SAFETY: the caller's 16 bytes.
    unsafe { [halves(p), halves(p.add(8))] }
}

/// Eight f16 exactly. Subnormals are built by a subtraction and never multiplied, which is slow on many processors:
/// the `d` of a format with integer scales is often one.
#[inline(always)]
unsafe fn eight_floats(p: *const u8) -> [v128; 2] {
    let float = |at: *const u8| {
        // SAFETY: the caller's 16 bytes.
        let v = unsafe { i32x4_load_extend_i16x4(at.cast()) };
        let magnitude = i32x4_shl(v128_and(v, i32x4_splat(0x7fff)), 13);
        let normal = i32x4_add(magnitude, i32x4_splat(112 << 23));
        // 2⁻¹⁴ + the subnormal, and 2⁻¹⁴ taken off again.
        let above = i32x4_add(magnitude, i32x4_splat(113 << 23));
        let subnormal = f32x4_sub(above, i32x4_splat(113 << 23));
        let is_subnormal = i32x4_lt(magnitude, i32x4_splat(1 << 23));
        v128_or(
            v128_bitselect(subnormal, normal, is_subnormal),
            v128_and(v, i32x4_splat(i32::MIN)),
        )
    };
    // SAFETY: as above.
    [float(p), float(unsafe { p.add(8) })]
}

/// Eight 16-bit integers as f32.
#[inline(always)]
fn floats(v: v128) -> [v128; 2] {
    [i32x4_extend_low_i16x8(v), i32x4_extend_high_i16x8(v)].map(|v| f32x4_convert_i32x4(v))
}

#[inline(always)]
fn times(a: [v128; 2], b: [v128; 2]) -> [v128; 2] {
    [f32x4_mul(a[0], b[0]), f32x4_mul(a[1], b[1])]
}

impl<const COLS: usize, const GROUP: usize> Loads for Halves<COLS, GROUP> {
    const WHOLE: f32 = HALVES_WHOLE;
    type Head = ();

    #[inline(always)]
    unsafe fn head(_: *const u8) {}

    #[inline(always)]
    unsafe fn scales(w: *const u8, _: (), group: usize) -> [v128; 2] {
        // SAFETY: the caller's promise.
        unsafe { eight_halves(w.add(16 * group)) }
    }
}

impl Loads for HalvesMins {
    const WHOLE: f32 = HALVES_WHOLE;
    type Head = ();

    #[inline(always)]
    unsafe fn head(_: *const u8) {}

    #[inline(always)]
    unsafe fn scales(w: *const u8, _: (), _: usize) -> [v128; 2] {
        // SAFETY: the caller's promise.
        unsafe { eight_halves(w) }
    }

    #[inline(always)]
    unsafe fn mins(w: *const u8, _: (), _: usize) -> [v128; 2] {
        // SAFETY: the caller's promise.
        unsafe { eight_halves(w.add(16)) }
    }
}

impl Loads for Exponents {
    const WHOLE: f32 = 1.0;
    type Head = ();

    #[inline(always)]
    unsafe fn head(_: *const u8) {}

    #[inline(always)]
    unsafe fn scales(w: *const u8, _: (), _: usize) -> [v128; 2] {
        // SAFETY: the caller's 8 bytes.
        let e = unsafe { i16x8_load_extend_u8x8(w) };
        // 2^(e − 128); the two smallest, below 2⁻¹²⁶, become 0.
        let e = u16x8_sub_sat(e, i16x8_splat(1));
        [
            i32x4_shl(i32x4_extend_low_i16x8(e), 23),
            i32x4_shl(i32x4_extend_high_i16x8(e), 23),
        ]
    }
}

impl<const GROUP: usize> Loads for SignedScales<GROUP> {
    const WHOLE: f32 = 1.0;
    type Head = [v128; 2];

    #[inline(always)]
    unsafe fn head(w: *const u8) -> [v128; 2] {
        // SAFETY: the caller's promise.
        unsafe { eight_floats(w) }
    }

    #[inline(always)]
    unsafe fn scales(w: *const u8, d: [v128; 2], group: usize) -> [v128; 2] {
        // SAFETY: the caller's promise.
        times(
            d,
            floats(unsafe { i16x8_load_extend_i8x8(w.add(16 + 8 * group).cast()) }),
        )
    }
}

/// `d`, and `dmin` negated.
type Affine = [[v128; 2]; 2];

#[inline(always)]
unsafe fn affine(w: *const u8) -> Affine {
    // SAFETY: the caller's 32 bytes.
    unsafe {
        [
            eight_floats(w),
            eight_floats(w.add(16)).map(|v| f32x4_neg(v)),
        ]
    }
}

impl Loads for ScaleMins {
    const WHOLE: f32 = 1.0;
    type Head = Affine;

    #[inline(always)]
    unsafe fn head(w: *const u8) -> Affine {
        // SAFETY: the caller's promise.
        unsafe { affine(w) }
    }

    #[inline(always)]
    unsafe fn scales(w: *const u8, [d, _]: Affine, group: usize) -> [v128; 2] {
        // SAFETY: the caller's promise.
        times(
            d,
            floats(unsafe { i16x8_load_extend_u8x8(w.add(32 + 16 * group)) }),
        )
    }

    #[inline(always)]
    unsafe fn mins(w: *const u8, [_, dmin]: Affine, group: usize) -> [v128; 2] {
        // SAFETY: the caller's promise.
        times(
            dmin,
            floats(unsafe { i16x8_load_extend_u8x8(w.add(40 + 16 * group)) }),
        )
    }
}

impl Loads for PackedScaleMins {
    const WHOLE: f32 = 1.0;
    type Head = Affine;

    #[inline(always)]
    unsafe fn head(w: *const u8) -> Affine {
        // SAFETY: the caller's promise.
        unsafe { affine(w) }
    }

    #[inline(always)]
    unsafe fn scales(w: *const u8, [d, _]: Affine, group: usize) -> [v128; 2] {
        // SAFETY: the caller's promise.
        let v = unsafe { i16x8_load_extend_u8x8(w.add(32 + 8 * group)) };
        times(d, floats(v128_and(v, i16x8_splat(15))))
    }

    #[inline(always)]
    unsafe fn mins(w: *const u8, [_, dmin]: Affine, group: usize) -> [v128; 2] {
        // SAFETY: the caller's promise.
        let v = unsafe { i16x8_load_extend_u8x8(w.add(32 + 8 * group)) };
        times(dmin, floats(u16x8_shr(v, 4)))
    }
}
