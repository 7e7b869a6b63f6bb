//! iq3_s: 256 values in 8 groups of 32; value = d · (1 + 2 scale) · ± grid. Read only.
//!
//! Bytes: d 0..2 (f16), qs 2..66 (low 8 bits of the index of an IQ3_S grid row, 4 values each), qh 66..74 (ninth bits, a
//! byte a group), signs 74..106 (a bit a value), scales 106..110 (two groups a byte, low nibble first).

use super::{BlockFormat, Codes, Integers, Parts, grid, read_f16, read_u16};

/// The format's marker.
pub struct Iq3S;

impl BlockFormat for Iq3S {
    const BLOCK_LEN: usize = 256;
    const BLOCK_BYTES: usize = 110;
    const INTEGERS: Option<Integers> = Some(Integers {
        codes: Codes::Table(grid::IQ3_S_CODES),
        unit: 1.0,
        split,
    });

    fn dequantise(block: &[u8], out: &mut [f32]) {
        let d = read_f16(block, 0);
        for (l, out) in out.chunks_exact_mut(4).enumerate() {
            let (row, scale, signs) = row(block, l);
            grid::write_iq3(row, &grid::IQ3_S_VALUES, d * f32::from(scale), signs, out);
        }
    }
}

fn split(block: &[u8], parts: &mut Parts) {
    parts.d[0] = read_u16(block, 0);
    for (l, codes) in parts.codes.chunks_exact_mut(4).enumerate() {
        let (row, scale, signs) = row(block, l);
        parts.scales[l / 8] = scale;
        grid::codes_iq3(row, signs, codes);
    }
}

/// Row `l` (0..64) of `block`: its grid row, 1 + 2 scale and, lowest, sign bits.
fn row(block: &[u8], l: usize) -> (u16, u8, u8) {
    let group = l / 8;
    let scale = block[106 + group / 2] >> (4 * (group % 2)) & 15;
    let high = block[66 + group] >> (l % 8) & 1;
    let row = grid::IQ3_S[usize::from(block[2 + l]) | usize::from(high) << 8];
    (row, 1 + 2 * scale, block[74 + l / 2] >> (4 * (l % 2)))
}
