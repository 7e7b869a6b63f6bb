//! iq4_xs: 256 values in 8 groups of 32, signed 6-bit scales, the quants of iq4_nl; value = d · (scale − 32) · VALUES[q].
//!
//! Bytes: d 0..2 (f16), upper scale bits 2..4 (u16, two bits a group), lower scale nibbles 4..8 (group 2 j low, 2 j + 1
//! high), qs 8..136 (16 bytes a group, as iq4_nl).

use super::search::nearest;
use super::{
    BlockFormat, Codes, Integers, Parts, Quantise, iq4_nl, parts, read_f16, read_u16, signed_max,
    write_f16,
};

/// The format's marker.
pub struct Iq4Xs;

impl BlockFormat for Iq4Xs {
    const BLOCK_LEN: usize = 256;
    const BLOCK_BYTES: usize = 136;
    const QUANTISE: Option<Quantise> = Some(quantise);
    const INTEGERS: Option<Integers> = Some(Integers {
        codes: Codes::Table(iq4_nl::VALUES),
        unit: 1.0,
        split,
    });

    fn dequantise(block: &[u8], out: &mut [f32]) {
        let d = read_f16(block, 0);
        for (j, out) in out.chunks_exact_mut(32).enumerate() {
            iq4_nl::read(
                &block[8 + 16 * j..24 + 16 * j],
                d * f32::from(scale(block, j)),
                out,
            );
        }
    }
}

fn split(block: &[u8], parts: &mut Parts) {
    parts.d[0] = read_u16(block, 0);
    for (j, codes) in parts.codes.chunks_exact_mut(32).enumerate() {
        parts.scales[j] = scale(block, j) as u8;
        parts::nibbles(&block[8 + 16 * j..24 + 16 * j], codes);
    }
}

/// The scale of group `j` (0..8), without its offset of 32.
fn scale(block: &[u8], j: usize) -> i8 {
    let low = block[4 + j / 2] >> (4 * (j % 2)) & 15;
    let high = read_u16(block, 2) >> (2 * j) & 3;
    (low | (high << 4) as u8) as i8 - 32
}

fn quantise(x: &[f32], block: &mut [u8]) {
    let mut scales = [0.0f32; 8];
    scales
        .iter_mut()
        .zip(x.chunks_exact(32))
        .for_each(|(scale, x)| *scale = iq4_nl::scale(x));
    // The scale of largest magnitude, with its sign, becomes −32.
    let d = -signed_max(&scales) / 32.0;
    let id = if d != 0.0 { 1.0 / d } else { 0.0 };
    block.fill(0);
    write_f16(block, 0, d);
    let mut high = 0u16;
    for (j, x) in x.chunks_exact(32).enumerate() {
        let scale = nearest(id * scales[j]).clamp(-32, 31);
        let group = d * scale as f32;
        let inverse = if group != 0.0 { 1.0 / group } else { 0.0 };
        iq4_nl::write(x, inverse, &mut block[8 + 16 * j..24 + 16 * j]);
        let stored = (scale + 32) as u8;
        block[4 + j / 2] |= (stored & 15) << (4 * (j % 2));
        high |= u16::from(stored >> 4) << (2 * j);
    }
    block[2..4].copy_from_slice(&high.to_le_bytes());
}
