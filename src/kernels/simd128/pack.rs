//! Packing of the formats whose blocks of 32 hold what a tile holds, in another order: four rows of codes at a time. Other
//! formats are taken apart in steps, see `packed::Tile::pack`, which is the reference.

use core::arch::wasm32::*;

use super::super::packed::{TILE_ROWS, byte_bias, tile_bytes};
use super::{load, store};
use crate::quant::Format;

/// Four rows of four lanes → four columns of them.
#[inline(always)]
fn transpose([a, b, c, d]: [v128; 4]) -> [v128; 4] {
    let (ab, cd) = (
        i32x4_shuffle::<0, 4, 1, 5>(a, b),
        i32x4_shuffle::<0, 4, 1, 5>(c, d),
    );
    let (ef, gh) = (
        i32x4_shuffle::<2, 6, 3, 7>(a, b),
        i32x4_shuffle::<2, 6, 3, 7>(c, d),
    );
    [
        i64x2_shuffle::<0, 2>(ab, cd),
        i64x2_shuffle::<1, 3>(ab, cd),
        i64x2_shuffle::<0, 2>(ef, gh),
        i64x2_shuffle::<1, 3>(ef, gh),
    ]
}

/// 32 codes of four bits, byte j of `qs` holding j and j + 16 → `Nibbles`' four lanes of their row.
#[inline(always)]
fn nibbles(qs: v128) -> v128 {
    let low = v128_and(qs, u8x16_splat(15));
    let high = u8x16_shr(qs, 4);
    let first = i32x4_shuffle::<0, 2, 4, 6>(low, high);
    let next = i32x4_shuffle::<1, 3, 5, 7>(low, high);
    v128_or(first, i16x8_shl(next, 4))
}

/// Packs eight whole rows of `format` into one group of tiles, if it is one of those meant here.
pub(in super::super) fn group(format: Format, rows: &[&[u8]; TILE_ROWS], group: &mut [u8]) -> bool {
    // f16 numbers at the start of a block, and bytes of codes behind them.
    let (halves, codes) = match format {
        Format::Q4_0 => (1, 16),
        Format::Q4_1 => (2, 16),
        Format::Q8_0 => (1, 32),
        _ => return false,
    };
    let (block, tile) = (2 * halves + codes, tile_bytes(format));
    let tiles = group.len() / tile;
    assert!(block == format.block_bytes() && tile == TILE_ROWS * block);
    assert!(rows.iter().all(|row| row.len() >= tiles * block));
    let flip = u8x16_splat(byte_bias());
    for t in 0..tiles {
        // SAFETY: tile t of the group, and block t of each row, which the assertions say are there.
        unsafe {
            let to = group.as_mut_ptr().add(t * tile);
            let from = rows.map(|row| row.as_ptr().add(t * block));
            for (r, from) in from.into_iter().enumerate() {
                for half in 0..halves {
                    let to = to.add(2 * (TILE_ROWS * half + r));
                    to.cast::<u16>()
                        .write_unaligned(from.add(2 * half).cast::<u16>().read_unaligned());
                }
            }
            for half in 0..2 {
                let to = to.add(2 * TILE_ROWS * halves + 16 * half);
                let [a, b, c, d] = [0, 1, 2, 3].map(|r| from[4 * half + r].add(2 * halves));
                for at in (0..codes).step_by(16) {
                    let qs = [a, b, c, d].map(|row| load(row.add(at)));
                    let lanes = match codes {
                        16 => qs.map(nibbles),
                        _ => qs.map(|q| v128_xor(q, flip)),
                    };
                    for (i, lane) in transpose(lanes).into_iter().enumerate() {
                        store(to.add(8 * at + 32 * i), lane);
                    }
                }
            }
        }
    }
    true
}
