//! q1_0: 128 values, f16 scale `d`, one sign bit each; value = ± d.
//!
//! Bytes: d 0..2, qs 2..18. Bit j % 8 of byte j / 8 is 1 where value j is not negative.

use super::{BlockFormat, Codes, Integers, Parts, Quantise, read_f16, read_u16, write_f16};

/// The format's marker.
pub struct Q1_0;

impl BlockFormat for Q1_0 {
    const BLOCK_LEN: usize = 128;
    const BLOCK_BYTES: usize = 18;
    const QUANTISE: Option<Quantise> = Some(quantise);
    const INTEGERS: Option<Integers> = Some(Integers {
        codes: Codes::Offset(1),
        unit: 1.0,
        split,
    });

    fn dequantise(block: &[u8], out: &mut [f32]) {
        let d = read_f16(block, 0);
        for (j, out) in out.iter_mut().enumerate() {
            *out = if block[2 + j / 8] >> (j % 8) & 1 == 1 {
                d
            } else {
                -d
            };
        }
    }
}

/// Codes 0 and 2, so that both are a step from 1.
fn split(block: &[u8], parts: &mut Parts) {
    parts.d[0] = read_u16(block, 0);
    for (j, code) in parts.codes[..128].iter_mut().enumerate() {
        *code = (block[2 + j / 8] >> (j % 8) & 1) << 1;
    }
}

fn quantise(x: &[f32], block: &mut [u8]) {
    // The mean magnitude is the scale of least squared error for signs.
    let mut sum = 0.0f32;
    x.iter().for_each(|x| sum += x.abs());
    write_f16(block, 0, sum / 128.0);
    for (out, x) in block[2..].iter_mut().zip(x.chunks_exact(8)) {
        *out = (0..8).fold(0, |bits, j| bits | u8::from(x[j] >= 0.0) << j);
    }
}
