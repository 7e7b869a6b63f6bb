//! The 5-bit quants of q5_0 and q5_1: 32 values as u32 `qh` (bit j: value j) and 16 bytes `qs` (values j and j + 16).

/// Calls `value(j, q)` for each of the 32 quants of `bytes` (20).
pub(super) fn read(bytes: &[u8], mut value: impl FnMut(usize, u8)) {
    let qh = super::read_u32(bytes, 0);
    for (j, q) in bytes[4..20].iter().enumerate() {
        let bit = |j: usize| ((qh >> j & 1) as u8) << 4;
        value(j, q & 15 | bit(j));
        value(j + 16, q >> 4 | bit(j + 16));
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
