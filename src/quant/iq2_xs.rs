//! iq2_xs: 256 values in 16 groups of 16; value = d · (scale + ½) / 4 · ± grid. Read only.
//!
//! Bytes: d 0..2 (f16), qs 2..66 (32 × u16: index of an IQ2_XS grid row in the low 9 bits, 7-bit sign code above), scales
//! 66..74 (two groups a byte, low nibble first).

use super::{BlockFormat, Codes, Integers, Parts, grid, read_f16, read_u16, signs};

/// The format's marker.
pub struct Iq2Xs;

impl BlockFormat for Iq2Xs {
    const BLOCK_LEN: usize = 256;
    const BLOCK_BYTES: usize = 74;
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
        parts.scales[l / 2] = 2 * scale + 1;
        grid::codes_iq2(row, signs, codes);
    }
}

/// Row `l` (0..32) of `block`: its grid row, scale and sign bits.
fn row(block: &[u8], l: usize) -> (u16, u8, u8) {
    let scale = block[66 + l / 4] >> (4 * (l / 2 % 2)) & 15;
    let q = read_u16(block, 2 + 2 * l);
    (
        grid::IQ2_XS[usize::from(q & 511)],
        scale,
        signs::even(u32::from(q >> 9)),
    )
}
