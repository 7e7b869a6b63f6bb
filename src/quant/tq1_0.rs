//! tq1_0: 256 ternary values, f16 scale `d`, five values a byte; value = d · (t − 1) with t in 0..3.
//!
//! Bytes: qs 0..48, qh 48..52, d 52..54. Runs of bytes hold interleaved values: 32 bytes values 0..160, 16 bytes values
//! 160..240, 4 bytes values 240..256 (four a byte). The n-th value of byte l of a run stands at n · run length + l. A
//! byte is the base-3 number of its values, first value first, times 256 / 243, rounded up: multiplying by 3ⁿ modulo
//! 256 brings digit n to the front.

use super::{BlockFormat, Codes, Integers, Parts, Quantise, read_f16, read_u16, write_f16};

/// The format's marker.
pub struct Tq1_0;

/// First byte, bytes, first value, values a byte of each run.
const RUNS: [(usize, usize, usize, u32); 3] = [(0, 32, 0, 5), (32, 16, 160, 5), (48, 4, 240, 4)];

impl BlockFormat for Tq1_0 {
    const BLOCK_LEN: usize = 256;
    const BLOCK_BYTES: usize = 54;
    const QUANTISE: Option<Quantise> = Some(quantise);
    const INTEGERS: Option<Integers> = Some(Integers {
        codes: Codes::Offset(1),
        unit: 1.0,
        split,
    });

    fn dequantise(block: &[u8], out: &mut [f32]) {
        let d = read_f16(block, 52);
        digits(block, |i, t| out[i] = f32::from(t as i8 - 1) * d);
    }
}

fn split(block: &[u8], parts: &mut Parts) {
    parts.d[0] = read_u16(block, 52);
    digits(block, |i, t| parts.codes[i] = t);
}

/// Calls `value(i, t)` for each of the 256 digits of `block`.
fn digits(block: &[u8], mut value: impl FnMut(usize, u8)) {
    for (first_byte, bytes, first, values) in RUNS {
        for l in 0..bytes {
            for n in 0..values {
                let digits = block[first_byte + l].wrapping_mul(3u8.pow(n));
                value(
                    first + n as usize * bytes + l,
                    ((u16::from(digits) * 3) >> 8) as u8,
                );
            }
        }
    }
}

fn quantise(x: &[f32], block: &mut [u8]) {
    let d = super::signed_max(x).abs();
    let id = if d != 0.0 { 1.0 / d } else { 0.0 };
    for (first_byte, bytes, first, values) in RUNS {
        for l in 0..bytes {
            let digit = |n: u32| ternary(x[first + n as usize * bytes + l] * id) as u32;
            let number: u32 = (0..values).map(|n| digit(n) * 3u32.pow(4 - n)).sum();
            block[first_byte + l] = (number * 256).div_ceil(243) as u8;
        }
    }
    write_f16(block, 52, d);
}

/// −1, 0, 1 → 0, 1, 2, halves away from zero.
pub(super) fn ternary(x: f32) -> u8 {
    (x.round().clamp(-1.0, 1.0) as i8 + 1) as u8
}
