//! iq2_xxs: 256 values in 8 groups of 32; value = d · (scale + ½) / 4 · ± grid. Read only.
//!
//! Bytes: d 0..2 (f16), then 8 bytes a group: four indices of IQ2_XXS grid rows (8 values each) and a u32 with four
//! 7-bit sign codes (low bits first) and the 4-bit scale on top.

use super::{BlockFormat, Codes, Integers, Parts, grid, read_f16, read_u16, read_u32, signs};

/// The format's marker.
pub struct Iq2Xxs;

impl BlockFormat for Iq2Xxs {
    const BLOCK_LEN: usize = 256;
    const BLOCK_BYTES: usize = 66;
    const INTEGERS: Option<Integers> = Some(Integers {
        codes: Codes::Table(grid::IQ2_CODES),
        unit: 0.125,
        split,
    });

    fn dequantise(block: &[u8], out: &mut [f32]) {
        let d = read_f16(block, 0);
        for (l, out) in out.chunks_exact_mut(8).enumerate() {
            let (row, scale, signs) = row(block, l);
            let d = d * (0.5 + f32::from(scale)) * 0.25;
            grid::write_iq2(row, d, signs, out);
        }
    }
}

fn split(block: &[u8], parts: &mut Parts) {
    parts.d[0] = read_u16(block, 0);
    for (l, codes) in parts.codes.chunks_exact_mut(8).enumerate() {
        let (row, scale, signs) = row(block, l);
        parts.scales[l / 4] = 2 * scale + 1;
        grid::codes_iq2(row, signs, codes);
    }
}

/// Row `l` (0..32) of `block`: its grid row, scale and sign bits.
fn row(block: &[u8], l: usize) -> (u16, u8, u8) {
    let group = &block[2 + l / 4 * 8..][..8];
    let word = read_u32(group, 4);
    let row = grid::IQ2_XXS[usize::from(group[l % 4])];
    (row, (word >> 28) as u8, signs::even(word >> (7 * (l % 4))))
}
