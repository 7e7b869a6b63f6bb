//! q2_k: 256 values in 16 groups of 16, 4-bit scales and mins, 2-bit `qs`; value = d · scale · q − dmin · min.
//!
//! Bytes: scales 0..16 (low nibble scale, high nibble min of group j), qs 16..80, d 80..82, dmin 82..84 (f16).
//! Byte l of each half's 32 `qs` holds values l, l + 32, l + 64 and l + 96 of that half of 128, low bits first.

use super::search::{Affine, affine, nearest};
use super::{
    BlockFormat, Codes, Integers, Parts, Quantise, read_f16, read_u16, two_bits, write_f16,
};

/// The format's marker.
pub struct Q2K;

impl BlockFormat for Q2K {
    const BLOCK_LEN: usize = 256;
    const BLOCK_BYTES: usize = 84;
    const QUANTISE: Option<Quantise> = Some(quantise);
    const INTEGERS: Option<Integers> = Some(Integers {
        codes: Codes::Offset(0),
        unit: 1.0,
        split,
    });

    fn dequantise(block: &[u8], out: &mut [f32]) {
        let (d, dmin) = (read_f16(block, 80), read_f16(block, 82));
        two_bits::read(&block[16..80], |i, q| {
            let scale = block[i / 16];
            let min = dmin * f32::from(scale >> 4);
            out[i] = d * f32::from(scale & 15) * f32::from(q) - min;
        });
    }
}

fn split(block: &[u8], parts: &mut Parts) {
    (parts.d[0], parts.m) = (read_u16(block, 80), read_u16(block, 82));
    for (j, scale) in block[..16].iter().enumerate() {
        (parts.scales[j], parts.mins[j]) = (scale & 15, scale >> 4);
    }
    two_bits::read(&block[16..80], |i, q| parts.codes[i] = q);
}

fn quantise(x: &[f32], block: &mut [u8]) {
    const SEARCH: Affine = Affine {
        max_quant: 3,
        first: -0.5,
        steps: 15,
        absolute: true,
    };
    let mut q = [0u8; 256];
    let (mut scales, mut mins) = ([0.0f32; 16], [0.0f32; 16]);
    for (j, (x, q)) in x.chunks_exact(16).zip(q.chunks_exact_mut(16)).enumerate() {
        let mut weights = [0.0; 16];
        weights.iter_mut().zip(x).for_each(|(w, x)| *w = x.abs());
        (scales[j], mins[j]) = affine(&SEARCH, x, &weights, q);
    }
    // Scales and mins are quantised to 4 bits by the largest of each.
    let four_bits = |values: &[f32; 16], j: usize, max: f32| match max > 0.0 {
        true => (nearest(15.0 / max * values[j]) & 15) as u8,
        false => 0,
    };
    let (max_scale, max_min) = (largest(&scales), largest(&mins));
    for (j, scale) in block[..16].iter_mut().enumerate() {
        *scale = four_bits(&scales, j, max_scale) | four_bits(&mins, j, max_min) << 4;
    }
    write_f16(block, 80, max_scale / 15.0);
    write_f16(block, 82, max_min / 15.0);
    let (d, dmin) = (read_f16(block, 80), read_f16(block, 82));
    for (j, (x, q)) in x.chunks_exact(16).zip(q.chunks_exact_mut(16)).enumerate() {
        let d = d * f32::from(block[j] & 15);
        if d != 0.0 {
            let min = dmin * f32::from(block[j] >> 4);
            q.iter_mut()
                .zip(x)
                .for_each(|(q, x)| *q = nearest((x + min) / d).clamp(0, 3) as u8);
        }
    }
    two_bits::write(&mut block[16..80], |i| q[i]);
}

/// The largest of `values`, at least 0.
fn largest(values: &[f32]) -> f32 {
    values
        .iter()
        .fold(0.0, |max, v| if *v > max { *v } else { max })
}
