//! iq1_s: 256 values in 8 groups of 32; value = d · (2 scale + 1) · (grid ± ⅛), grid in −1, 0, 1. Read only.
//!
//! Bytes: d 0..2 (f16), qs 2..34 (low 8 bits of the index of an IQ1 grid row, 8 values each), qh 34..50 (a u16 a group:
//! the upper three bits of four indices, low bits first, the 3-bit scale, and on top the sign of ⅛).

use super::{BlockFormat, Codes, Integers, Parts, grid, read_f16, read_u16};

/// The format's marker.
pub struct Iq1S;

impl BlockFormat for Iq1S {
    const BLOCK_LEN: usize = 256;
    const BLOCK_BYTES: usize = 50;
    const INTEGERS: Option<Integers> = Some(Integers {
        codes: Codes::Table(grid::IQ1_CODES),
        unit: 0.125,
        split,
    });

    fn dequantise(block: &[u8], out: &mut [f32]) {
        let d = read_f16(block, 0);
        for (l, out) in out.chunks_exact_mut(8).enumerate() {
            let (row, scale, negative) = row(block, l);
            grid::write_iq1(row, d * f32::from(scale), negative, out);
        }
    }
}

fn split(block: &[u8], parts: &mut Parts) {
    parts.d[0] = read_u16(block, 0);
    for (l, codes) in parts.codes.chunks_exact_mut(8).enumerate() {
        let (row, scale, negative) = row(block, l);
        parts.scales[l / 4] = scale;
        grid::codes_iq1(row, negative, codes);
    }
}

/// Row `l` (0..32) of `block`: its grid row, 2 scale + 1, and whether ⅛ is negative.
fn row(block: &[u8], l: usize) -> (u16, u8, bool) {
    let qh = read_u16(block, 34 + l / 4 * 2);
    let high = usize::from(qh >> (3 * (l % 4)) & 7);
    let row = grid::IQ1[usize::from(block[2 + l]) | high << 8];
    (row, 2 * (qh >> 12 & 7) as u8 + 1, qh & 0x8000 != 0)
}
