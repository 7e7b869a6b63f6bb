//! Weights in f32, f16 and bf16: `[32 columns][8 rows]` of the file's values.

use super::super::activations::BLOCK;
use super::{TILE_ROWS, Tile};
use crate::quant::{Format, Parts};

/// Columns of eight rows side by side, `size` bytes a value.
fn pack_columns(rows: &[&[u8]; TILE_ROWS], tile: &mut [u8], size: usize) {
    for (r, row) in rows.iter().enumerate() {
        for (k, value) in row.chunks_exact(size).enumerate() {
            tile[(k * TILE_ROWS + r) * size..][..size].copy_from_slice(value);
        }
    }
}

macro_rules! float_tile {
    ($type:ident, $size:literal) => {
        #[allow(missing_docs)]
        pub struct $type;
        impl Tile for $type {
            const FORMAT: Format = Format::$type;
            const COLS: usize = BLOCK;
            const BYTES: usize = TILE_ROWS * BLOCK * $size;

            fn pack(rows: &[&[u8]; TILE_ROWS], tile: &mut [u8], _: &mut Parts) {
                pack_columns(rows, tile, $size);
            }

            fn decode(tile: &[u8], _: usize, r: usize, out: &mut [f32; BLOCK]) {
                for (k, out) in out.iter_mut().enumerate() {
                    let value = &tile[(k * TILE_ROWS + r) * $size..][..$size];
                    Self::FORMAT.dequantise(value, core::slice::from_mut(out));
                }
            }
        }
    };
}
float_tile!(F32, 4);
float_tile!(F16, 2);
float_tile!(BF16, 2);
