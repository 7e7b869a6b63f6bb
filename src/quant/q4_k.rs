//! q4_k: 256 values in 8 groups of 32, 6-bit scales and mins, 4-bit `qs`; value = d · scale · q − dmin · min.
//!
//! Bytes: d 0..2, dmin 2..4 (f16), scales and mins 4..16 (see `scale_min.rs`), qs 16..144. Byte l of quarter c (32
//! bytes) holds values 64 c + l (low) and 64 c + 32 + l (high).

use super::search::Affine;
use super::{BlockFormat, Codes, Integers, Parts, Quantise, parts, scale_min};

/// The format's marker.
pub struct Q4K;

impl BlockFormat for Q4K {
    const BLOCK_LEN: usize = 256;
    const BLOCK_BYTES: usize = 144;
    const QUANTISE: Option<Quantise> = Some(quantise);
    const INTEGERS: Option<Integers> = Some(Integers {
        codes: Codes::Offset(0),
        unit: 1.0,
        split,
    });

    fn dequantise(block: &[u8], out: &mut [f32]) {
        scale_min::for_each(block, |i, d, m| out[i] = d * f32::from(quant(block, i)) - m);
    }
}

fn split(block: &[u8], parts: &mut Parts) {
    scale_min::split(block, parts);
    let codes = parts.codes.chunks_exact_mut(64);
    for (qs, codes) in block[16..].chunks_exact(32).zip(codes) {
        parts::nibbles(qs, codes);
    }
}

/// Quant `i` (0..256).
fn quant(block: &[u8], i: usize) -> u8 {
    block[16 + i / 64 * 32 + i % 32] >> (4 * (i / 32 % 2)) & 15
}

fn quantise(x: &[f32], block: &mut [u8]) {
    const SEARCH: Affine = Affine {
        max_quant: 15,
        first: -1.0,
        steps: 20,
        absolute: false,
    };
    let q = scale_min::quantise(&SEARCH, x, block);
    pack(&q, block);
}

/// Writes the quants.
pub(super) fn pack(q: &[u8; 256], block: &mut [u8]) {
    for (byte, out) in block[16..].iter_mut().enumerate() {
        let i = byte / 32 * 64 + byte % 32;
        *out = q[i] | q[i + 32] << 4;
    }
}
