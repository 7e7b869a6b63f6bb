//! iq3_xxs: 256 values in 8 groups of 32; value = d · (scale + ½) / 2 · ± grid. Read only.
//!
//! Bytes: d 0..2 (f16), qs 2..66 (eight indices of IQ3_XXS grid rows a group, 4 values each), 66..98 a u32 a group with
//! four 7-bit sign codes (low bits first) and the 4-bit scale on top.

use super::{BlockFormat, Codes, Integers, Parts, grid, read_f16, read_u16, read_u32, signs};

/// The format's marker.
pub struct Iq3Xxs;

impl BlockFormat for Iq3Xxs {
    const BLOCK_LEN: usize = 256;
    const BLOCK_BYTES: usize = 98;
    const INTEGERS: Option<Integers> = Some(Integers {
        codes: Codes::Table(grid::IQ3_XXS_CODES),
        unit: 0.25,
        split,
    });

    fn dequantise(block: &[u8], out: &mut [f32]) {
        let d = read_f16(block, 0);
        for (l, out) in out.chunks_exact_mut(4).enumerate() {
            let (row, scale, signs) = row(block, l);
            let d = d * (0.5 + f32::from(scale)) * 0.5;
            grid::write_iq3(row, &grid::IQ3_XXS_VALUES, d, signs, out);
        }
    }
}

fn split(block: &[u8], parts: &mut Parts) {
    parts.d[0] = read_u16(block, 0);
    for (l, codes) in parts.codes.chunks_exact_mut(4).enumerate() {
        let (row, scale, signs) = row(block, l);
        parts.scales[l / 8] = 2 * scale + 1;
        grid::codes_iq3(row, signs, codes);
    }
}

/// Row `l` (0..64) of `block`: its grid row, scale and, lowest, sign bits.
fn row(block: &[u8], l: usize) -> (u16, u8, u8) {
    let word = read_u32(block, 66 + l / 8 * 4);
    let signs = signs::even(word >> (7 * (l / 2 % 4))) >> (4 * (l % 2));
    (
        grid::IQ3_XXS[usize::from(block[2 + l])],
        (word >> 28) as u8,
        signs,
    )
}
