//! iq1_m: 256 values in 16 groups of 16; value = d · (2 scale + 1) · (grid ± ⅛), grid in −1, 0, 1. Read only.
//!
//! Bytes: qs 0..32 (low 8 bits of the index of an IQ1 grid row, 8 values each), qh 32..48 (a nibble a row: the upper
//! three bits and the sign of ⅛), scales 48..56 (4 × u16: four 3-bit scales each, low bits first; the upper nibbles,
//! first word lowest, are the f16 `d`).

use super::{BlockFormat, Codes, Integers, Parts, grid, read_u16};

/// The format's marker.
pub struct Iq1M;

impl BlockFormat for Iq1M {
    const BLOCK_LEN: usize = 256;
    const BLOCK_BYTES: usize = 56;
    const INTEGERS: Option<Integers> = Some(Integers {
        codes: Codes::Table(grid::IQ1_CODES),
        unit: 0.125,
        split,
    });

    fn dequantise(block: &[u8], out: &mut [f32]) {
        let d = half::f16::from_bits(d_bits(block)).to_f32();
        for (l, out) in out.chunks_exact_mut(8).enumerate() {
            let (row, scale, negative) = row(block, l);
            grid::write_iq1(row, d * f32::from(scale), negative, out);
        }
    }
}

fn split(block: &[u8], parts: &mut Parts) {
    parts.d[0] = d_bits(block);
    for (l, codes) in parts.codes.chunks_exact_mut(8).enumerate() {
        let (row, scale, negative) = row(block, l);
        parts.scales[l / 2] = scale;
        grid::codes_iq1(row, negative, codes);
    }
}

/// Bits of the f16 `d`.
fn d_bits(block: &[u8]) -> u16 {
    (0..4).fold(0, |bits, i| {
        bits | read_u16(block, 48 + 2 * i) >> 12 << (4 * i)
    })
}

/// Row `l` (0..32) of `block`: its grid row, 2 scale + 1, and whether ⅛ is negative.
fn row(block: &[u8], l: usize) -> (u16, u8, bool) {
    let scale = read_u16(block, 48 + l / 8 * 2) >> (3 * (l / 2 % 4)) & 7;
    let nibble = block[32 + l / 2] >> (4 * (l % 2));
    let row = grid::IQ1[usize::from(block[l]) | usize::from(nibble & 7) << 8];
    (row, 2 * scale as u8 + 1, nibble & 8 != 0)
}
