//! iq2_xs: 256 values in 16 groups of 16; value = d · (scale + ½) / 4 · ± grid. Read only.
//!
//! Bytes: d 0..2 (f16), qs 2..66 (32 × u16: index of an IQ2_XS grid row in the low 9 bits, 7-bit sign code above), scales
//! 66..74 (two groups a byte, low nibble first).

use super::{BlockFormat, grid, read_f16, read_u16, signs};

/// The format's marker.
pub struct Iq2Xs;

impl BlockFormat for Iq2Xs {
    const BLOCK_LEN: usize = 256;
    const BLOCK_BYTES: usize = 74;

    fn dequantise(block: &[u8], out: &mut [f32]) {
        let d = read_f16(block, 0);
        for (l, out) in out.chunks_exact_mut(8).enumerate() {
            let scale = block[66 + l / 4] >> (4 * (l / 2 % 2)) & 15;
            let q = read_u16(block, 2 + 2 * l);
            let row = grid::IQ2_XS[usize::from(q & 511)];
            let d = d * (0.5 + f32::from(scale)) * 0.25;
            grid::write_iq2(row, d, signs::even(u32::from(q >> 9)), out);
        }
    }
}
