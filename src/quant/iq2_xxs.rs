//! iq2_xxs: 256 values in 8 groups of 32; value = d · (scale + ½) / 4 · ± grid. Read only.
//!
//! Bytes: d 0..2 (f16), then 8 bytes a group: four indices of IQ2_XXS grid rows (8 values each) and a u32 with four
//! 7-bit sign codes (low bits first) and the 4-bit scale on top.

use super::{BlockFormat, grid, read_f16, read_u32, signs};

/// The format's marker.
pub struct Iq2Xxs;

impl BlockFormat for Iq2Xxs {
    const BLOCK_LEN: usize = 256;
    const BLOCK_BYTES: usize = 66;

    fn dequantise(block: &[u8], out: &mut [f32]) {
        let d = read_f16(block, 0);
        for (group, out) in block[2..].chunks_exact(8).zip(out.chunks_exact_mut(32)) {
            let word = read_u32(group, 4);
            let d = d * (0.5 + (word >> 28) as f32) * 0.25;
            for (l, out) in out.chunks_exact_mut(8).enumerate() {
                let row = grid::IQ2_XXS[usize::from(group[l])];
                grid::write_iq2(row, d, signs::even(word >> (7 * l)), out);
            }
        }
    }
}
