//! The reference of every matrix kernel: tiles decoded to f32, one multiply and add after the other.
#![allow(unsafe_code)]

use core::ops::Range;

use super::activations::Activations;
use super::packed::{TILE_COLS, TILE_ROWS, decode_tile, tile_bytes};
use super::pool::Rows;
use crate::quant::Format;

/// Rows `rows` of a product: `groups` are their packed bytes, `out` [tokens, stride].
pub fn multiply(format: Format, groups: &[u8], rows: Range<usize>, x: &Activations, out: Rows, stride: usize) {
    let (blocks, tokens) = (x.blocks(), x.tokens());
    let mut tile = [[0.0f32; TILE_COLS]; TILE_ROWS];
    for (g, group) in groups.chunks_exact(blocks * tile_bytes(format)).enumerate() {
        let first = rows.start + g * TILE_ROWS;
        let n = TILE_ROWS.min(rows.end - first);
        for t in 0..tokens {
            // SAFETY: rows of one group belong to one chunk of the job.
            unsafe { out.part(t * stride + first, n) }.fill(0.0);
        }
        for (b, bytes) in group.chunks_exact(tile_bytes(format)).enumerate() {
            decode_tile(format, bytes, &mut tile);
            for t in 0..tokens {
                let x = &x.x[(t * blocks + b) * TILE_COLS..][..TILE_COLS];
                // SAFETY: as above.
                let out = unsafe { out.part(t * stride + first, n) };
                for (out, row) in out.iter_mut().zip(&tile) {
                    // Eight partial sums, so that the compiler may use vectors.
                    let mut sums = [0.0f32; 8];
                    for (w, x) in row.chunks_exact(8).zip(x.chunks_exact(8)) {
                        for i in 0..8 {
                            sums[i] += w[i] * x[i];
                        }
                    }
                    *out += sums.iter().sum::<f32>();
                }
            }
        }
    }
}
