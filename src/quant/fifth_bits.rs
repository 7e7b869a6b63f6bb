//! The 5-bit quants of q5_0 and q5_1: 32 values as u32 `qh` (bit j: value j) and 16 bytes `qs` (values j and j + 16).

use super::parts;

/// Calls `value(j, q)` for each of the 32 quants of `bytes` (20).
pub(super) fn read(bytes: &[u8], mut value: impl FnMut(usize, u8)) {
    let qh = super::read_u32(bytes, 0);
    for (j, q) in bytes[4..20].iter().enumerate() {
        let bit = |j: usize| ((qh >> j & 1) as u8) << 4;
        value(j, q & 15 | bit(j));
        value(j + 16, q >> 4 | bit(j + 16));
    }
}

/// The 32 quants of `bytes` (20) → `codes` (32), eight at a time.
pub(super) fn split(bytes: &[u8], codes: &mut [u8]) {
    parts::nibbles(&bytes[4..20], codes);
    for (bits, codes) in bytes[..4].iter().zip(codes.chunks_exact_mut(8)) {
        // Byte j keeps bit j; what is left of it carries into its highest bit, and that is moved to bit 4.
        let spread = (u64::from(*bits) * 0x0101_0101_0101_0101) & 0x8040_2010_0804_0201;
        let fifth = (spread + 0x7f7f_7f7f_7f7f_7f7f) >> 3 & 0x1010_1010_1010_1010;
        let code = parts::word(codes) | fifth;
        codes.copy_from_slice(&code.to_le_bytes());
    }
}

/// Writes the 32 quants `q(j)`, each below 32, to `bytes` (20).
pub(super) fn write(bytes: &mut [u8], q: impl Fn(usize) -> u8) {
    let mut qh = 0u32;
    for j in 0..16 {
        let (low, high) = (q(j), q(j + 16));
        bytes[4 + j] = low & 15 | high << 4;
        qh |= u32::from(low >> 4) << j | u32::from(high >> 4) << (j + 16);
    }
    bytes[..4].copy_from_slice(&qh.to_le_bytes());
}
