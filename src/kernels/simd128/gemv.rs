//! One group of 8 rows times one input: the decode loop.

use core::arch::wasm32::*;

use super::{FINISH, Simd, Weights, scales};

/// Eight rows of `blocks` tiles at `w` times one token's quants.
///
/// # Safety
/// `w` is readable for `blocks` tiles, `x` for `blocks` × X_BYTES, `d` and `s` for `blocks` values.
#[inline(never)]
pub(super) unsafe fn gemv<S: Simd, W: Weights>(
    mut w: *const u8,
    blocks: usize,
    mut x: *const u8,
    d: *const f32,
    s: *const f32,
) -> [v128; 2] {
    let mut sums = [f32x4_splat(0.0); 2];
    let offset = f32x4_splat(W::offset(S::FORM));
    for b in 0..blocks {
        // SAFETY: b < blocks, for which the caller promised w, x, d and s.
        unsafe {
            let dots = if W::NIBBLES { S::nibbles(w.add(W::QUANTS), x) } else { S::bytes(w.add(W::QUANTS), x) };
            let d = v128_load32_splat(d.add(b).cast());
            let s = v128_load32_splat(s.add(b).cast());
            let correction = f32x4_mul(s, offset);
            for r in 0..2 {
                let value = S::madd(f32x4_convert_i32x4(dots[r]), d, correction);
                sums[r] = S::madd(value, scales(w.add(8 * r)), sums[r]);
                if let Some(mins) = W::MINS {
                    sums[r] = S::madd(s, scales(w.add(mins + 8 * r)), sums[r]);
                }
            }
            w = w.add(W::BYTES);
            x = x.add(S::X_BYTES);
        }
    }
    let finish = f32x4_splat(FINISH);
    [f32x4_mul(sums[0], finish), f32x4_mul(sums[1], finish)]
}
