//! The reference of every matrix kernel: tiles decoded to f32, one multiply and add after the other.
#![allow(unsafe_code)]

use core::ops::Range;

use super::activations::{Activations, BLOCK};
use super::packed::{TILE_ROWS, decode_tile, tile_bytes, tile_cols};
use super::pool::Rows;
use crate::quant::Format;

/// Rows `rows` of a product: `groups` are their packed bytes, `out` [tokens, stride].
pub fn multiply(
    format: Format,
    groups: &[u8],
    rows: Range<usize>,
    x: &Activations,
    out: Rows,
    stride: usize,
) {
    let (blocks, tokens) = (x.blocks(), x.tokens());
    let (bytes, tile_blocks) = (tile_bytes(format), tile_cols(format) / BLOCK);
    let mut values = [0.0f32; BLOCK];
    for (g, group) in groups
        .chunks_exact(blocks / tile_blocks * bytes)
        .enumerate()
    {
        let first = rows.start + g * TILE_ROWS;
        let n = TILE_ROWS.min(rows.end - first);
        for t in 0..tokens {
            // SAFETY: rows of one group belong to one chunk of the job.
            unsafe { out.part(t * stride + first, n) }.fill(0.0);
        }
        for b in 0..blocks {
            let tile = &group[b / tile_blocks * bytes..][..bytes];
            for r in 0..n {
                decode_tile(format, tile, b % tile_blocks, r, &mut values);
                for t in 0..tokens {
                    let x = &x.x[(t * blocks + b) * BLOCK..][..BLOCK];
                    // Eight partial sums, so that the compiler may use vectors.
                    let mut sums = [0.0f32; 8];
                    for (w, x) in values.chunks_exact(8).zip(x.chunks_exact(8)) {
                        for i in 0..8 {
                            sums[i] += w[i] * x[i];
                        }
                    }
                    // SAFETY: as above.
                    let out = unsafe { out.part(t * stride + first, n) };
                    out[r] += sums.iter().sum::<f32>();
                }
            }
        }
    }
}
