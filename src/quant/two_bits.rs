//! 256 two-bit quants in 64 bytes, as q2_k, q3_k and tq2_0 keep them: byte l of each half's 32 holds values l, l + 32,
//! l + 64 and l + 96 of that half of 128, low bits first.

/// Calls `value(i, q)` for each of the 256 quants of `bytes` (64).
pub(super) fn read(bytes: &[u8], mut value: impl FnMut(usize, u8)) {
    for (byte, q) in bytes[..64].iter().enumerate() {
        for part in 0..4 {
            value(index(byte, part), q >> (2 * part) & 3);
        }
    }
}

/// Writes the 256 quants `q(i)`, each below 4, to `bytes` (64).
pub(super) fn write(bytes: &mut [u8], q: impl Fn(usize) -> u8) {
    for (byte, out) in bytes[..64].iter_mut().enumerate() {
        *out = (0..4).fold(0, |sum, part| sum | q(index(byte, part)) << (2 * part));
    }
}

/// The value that part `part` of byte `byte` holds.
fn index(byte: usize, part: usize) -> usize {
    byte / 32 * 128 + part * 32 + byte % 32
}
