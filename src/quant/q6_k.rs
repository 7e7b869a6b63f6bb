//! q6_k: 256 values in 16 groups of 16, signed 8-bit scales, 6-bit quants; value = d · scale · (q − 32).
//!
//! Bytes: ql 0..128, qh 128..192, scales 192..208 (i8), d 208..210 (f16). Per half of 128 values: byte l of its 64 `ql`
//! holds the low nibbles of values l and l + 64; byte l of its 32 `qh` holds the upper two bits of values l, l + 32,
//! l + 64 and l + 96, low bits first.

use super::search::{ZERO_GROUP, nearest, symmetric, symmetric_weighted};
use super::{
    BlockFormat, Codes, Integers, Parts, Quantise, parts, read_f16, read_u16, signed_max, two_bits,
    write_f16,
};

/// The format's marker.
pub struct Q6K;

impl BlockFormat for Q6K {
    const BLOCK_LEN: usize = 256;
    const BLOCK_BYTES: usize = 210;
    const QUANTISE: Option<Quantise> = Some(quantise);
    const INTEGERS: Option<Integers> = Some(Integers {
        codes: Codes::Offset(32),
        unit: 1.0,
        split,
    });

    fn dequantise(block: &[u8], out: &mut [f32]) {
        let d = read_f16(block, 208);
        quants(block, |i, q| {
            let scale = f32::from(block[192 + i / 16] as i8);
            out[i] = d * scale * f32::from(q as i8 - 32);
        });
    }
}

fn split(block: &[u8], parts: &mut Parts) {
    parts.d[0] = read_u16(block, 208);
    parts.scales.copy_from_slice(&block[192..208]);
    let halves = block[..128].chunks_exact(64);
    let halves = halves.zip(block[128..192].chunks_exact(32));
    for (codes, (low, high)) in parts.codes.chunks_exact_mut(128).zip(halves) {
        // Eight values of each quarter at once.
        for at in (0..32).step_by(8) {
            let (a, b) = (
                parts::word(&low[at..at + 8]),
                parts::word(&low[at + 32..at + 40]),
            );
            let high = parts::word(&high[at..at + 8]);
            for (i, low) in [a, b, a >> 4, b >> 4].into_iter().enumerate() {
                let upper = (high >> (2 * i) & 0x0303_0303_0303_0303) << 4;
                let code = low & parts::NIBBLES | upper;
                codes[32 * i + at..][..8].copy_from_slice(&code.to_le_bytes());
            }
        }
    }
}

/// Calls `value(i, q)` for each of the 256 quants of `block`.
fn quants(block: &[u8], mut value: impl FnMut(usize, u8)) {
    two_bits::read(&block[128..192], |i, high| {
        let low = block[i / 128 * 64 + i % 64] >> (4 * (i / 64 % 2)) & 15;
        value(i, low | high << 4);
    });
}

fn quantise(x: &[f32], block: &mut [u8]) {
    quantise_by(x, |_, x, q| symmetric(32, x, q), block);
}

/// As `quantise`, with errors weighted by `weights` (256).
pub(super) fn quantise_weighted(x: &[f32], weights: &[f32], block: &mut [u8]) {
    quantise_by(
        x,
        |j, x, q| symmetric_weighted(32, x, &weights[16 * j..][..16], q),
        block,
    );
}

/// `search`: group j, its values → its scale and quants.
fn quantise_by(x: &[f32], search: impl Fn(usize, &[f32], &mut [i8]) -> f32, block: &mut [u8]) {
    let mut q = [0i8; 256];
    let mut scales = [0.0f32; 16];
    for (j, (x, q)) in x.chunks_exact(16).zip(q.chunks_exact_mut(16)).enumerate() {
        scales[j] = search(j, x, q);
    }
    block.fill(0);
    let max = signed_max(&scales);
    if max.abs() < ZERO_GROUP {
        return;
    }
    // The scale of largest magnitude, with its sign, becomes −128.
    let inverse = -128.0 / max;
    write_f16(block, 208, 1.0 / inverse);
    let d = read_f16(block, 208);
    for (j, (x, q)) in x.chunks_exact(16).zip(q.chunks_exact_mut(16)).enumerate() {
        let scale = nearest(inverse * scales[j]).clamp(-128, 127);
        block[192 + j] = scale as i8 as u8;
        let d = d * scale as f32;
        if d != 0.0 {
            q.iter_mut()
                .zip(x)
                .for_each(|(q, x)| *q = nearest(x / d).clamp(-32, 31) as i8);
        }
    }
    let stored = |i: usize| (q[i] + 32) as u8;
    for (byte, out) in block[..128].iter_mut().enumerate() {
        let i = byte / 64 * 128 + byte % 64;
        *out = stored(i) & 15 | stored(i + 64) << 4;
    }
    two_bits::write(&mut block[128..192], |i| stored(i) >> 4);
}
