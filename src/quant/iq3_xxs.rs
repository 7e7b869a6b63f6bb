//! iq3_xxs: 256 values in 8 groups of 32; value = d · (scale + ½) / 2 · ± grid. Read only.
//!
//! Bytes: d 0..2 (f16), qs 2..66 (eight indices of IQ3_XXS grid rows a group, 4 values each), 66..98 a u32 a group with
//! four 7-bit sign codes (low bits first) and the 4-bit scale on top.

use super::{BlockFormat, grid, read_f16, read_u32, signs};

/// The format's marker.
pub struct Iq3Xxs;

impl BlockFormat for Iq3Xxs {
    const BLOCK_LEN: usize = 256;
    const BLOCK_BYTES: usize = 98;

    fn dequantise(block: &[u8], out: &mut [f32]) {
        let d = read_f16(block, 0);
        for (l, out) in out.chunks_exact_mut(8).enumerate() {
            let word = read_u32(block, 66 + l / 4 * 4);
            let d = d * (0.5 + (word >> 28) as f32) * 0.5;
            let signs = signs::even(word >> (7 * (l % 4)));
            for (half, out) in out.chunks_exact_mut(4).enumerate() {
                let row = grid::IQ3_XXS[usize::from(block[2 + 2 * l + half])];
                grid::write_iq3(row, &grid::IQ3_XXS_VALUES, d, signs >> (4 * half), out);
            }
        }
    }
}
