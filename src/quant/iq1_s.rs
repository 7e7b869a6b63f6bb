//! iq1_s: 256 values in 8 groups of 32; value = d · (2 scale + 1) · (grid ± ⅛), grid in −1, 0, 1. Read only.
//!
//! Bytes: d 0..2 (f16), qs 2..34 (low 8 bits of the index of an IQ1 grid row, 8 values each), qh 34..50 (a u16 a group:
//! the upper three bits of four indices, low bits first, the 3-bit scale, and on top the sign of ⅛).

use super::{BlockFormat, grid, read_f16, read_u16};

/// The format's marker.
pub struct Iq1S;

impl BlockFormat for Iq1S {
    const BLOCK_LEN: usize = 256;
    const BLOCK_BYTES: usize = 50;

    fn dequantise(block: &[u8], out: &mut [f32]) {
        let d = read_f16(block, 0);
        for (l, out) in out.chunks_exact_mut(8).enumerate() {
            let qh = read_u16(block, 34 + l / 4 * 2);
            let high = usize::from(qh >> (3 * (l % 4)) & 7);
            let d = d * f32::from(2 * (qh >> 12 & 7) + 1);
            let row = grid::IQ1[usize::from(block[2 + l]) | high << 8];
            grid::write_iq1(row, d, qh & 0x8000 != 0, out);
        }
    }
}
