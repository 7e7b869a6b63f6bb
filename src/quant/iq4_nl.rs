//! iq4_nl: 32 values, f16 scale `d`, 4-bit indices into a table of 16 unevenly spaced values; value = d · VALUES[q].
//!
//! Bytes: d 0..2, qs 2..18. Byte j holds values j (low) and j + 16 (high).

use super::search::ZERO_GROUP;
use super::{
    BlockFormat, Codes, Integers, Parts, Quantise, parts, read_f16, read_u16, signed_max, write_f16,
};

/// The format's marker.
pub struct Iq4Nl;

/// The table, shared with iq4_xs.
pub(super) const VALUES: [i8; 16] = [
    -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113,
];

impl BlockFormat for Iq4Nl {
    const BLOCK_LEN: usize = 32;
    const BLOCK_BYTES: usize = 18;
    const QUANTISE: Option<Quantise> = Some(quantise);
    const INTEGERS: Option<Integers> = Some(Integers {
        codes: Codes::Table(VALUES),
        unit: 1.0,
        split,
    });

    fn dequantise(block: &[u8], out: &mut [f32]) {
        read(&block[2..], read_f16(block, 0), out);
    }
}

fn split(block: &[u8], parts: &mut Parts) {
    parts.d[0] = read_u16(block, 0);
    parts::nibbles(&block[2..], &mut parts.codes[..32]);
}

/// `qs` (16) → `out` (32) with the scale `d`.
pub(super) fn read(qs: &[u8], d: f32, out: &mut [f32]) {
    for (j, q) in qs.iter().enumerate() {
        out[j] = d * f32::from(VALUES[usize::from(q & 15)]);
        out[j + 16] = d * f32::from(VALUES[usize::from(q >> 4)]);
    }
}

/// The indices nearest to `x` (32) · `inverse` → `qs` (16).
pub(super) fn write(x: &[f32], inverse: f32, qs: &mut [u8]) {
    for (j, out) in qs.iter_mut().enumerate() {
        *out = index(inverse * x[j]) | index(inverse * x[j + 16]) << 4;
    }
}

/// The index of the table's value nearest to `x`, the upper one of two equally near.
fn index(x: f32) -> u8 {
    let upper = VALUES.partition_point(|value| f32::from(*value) <= x);
    if upper == 0 {
        return 0;
    }
    if upper == VALUES.len() {
        return 15;
    }
    let (below, above) = (f32::from(VALUES[upper - 1]), f32::from(VALUES[upper]));
    (if x - below < above - x {
        upper - 1
    } else {
        upper
    }) as u8
}

/// The scale of least squared error, weighted by x², among 15 around the one that maps the largest magnitude to −127.
pub(super) fn scale(x: &[f32]) -> f32 {
    const TRIES: i32 = 7;
    let max = signed_max(x);
    if max.abs() < ZERO_GROUP {
        return 0.0;
    }
    let sums = |inverse: f32| {
        let (mut sum_qx, mut sum_q2) = (0.0f32, 0.0f32);
        for &x in x {
            let q = f32::from(VALUES[usize::from(index(inverse * x))]);
            let w = x * x;
            sum_qx += w * q * x;
            sum_q2 += w * q * q;
        }
        (sum_qx, sum_q2)
    };
    let lowest = f32::from(VALUES[0]);
    let (sum_qx, sum_q2) = sums(1.0 / (-max / lowest));
    let mut d = sum_qx / sum_q2;
    let mut best = d * sum_qx;
    for step in -TRIES..=TRIES {
        let (sum_qx, sum_q2) = sums((step as f32 + lowest) / max);
        if sum_q2 > 0.0 && sum_qx * sum_qx > best * sum_q2 {
            d = sum_qx / sum_q2;
            best = d * sum_qx;
        }
    }
    d
}

fn quantise(x: &[f32], block: &mut [u8]) {
    let d = scale(x);
    write_f16(block, 0, d);
    write(x, if d != 0.0 { 1.0 / d } else { 0.0 }, &mut block[2..]);
}
