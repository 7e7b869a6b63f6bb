//! A block taken apart into integers and scales, exactly: what packed layouts are made of.

/// One block taken apart: value = unit · d · scale · q(code) ± m · min, with parts that a format does not have left out.
#[derive(Debug, Clone, Copy)]
pub struct Parts {
    /// One a value, see [`Codes`].
    pub codes: [u8; 256],
    /// Bits of the f16 `d`: one a block; in nvfp4 one a group of 16, in mxfp4 none.
    pub d: [u16; 4],
    /// Bits of the f16 `m`, or of `dmin`, whose product is subtracted.
    pub m: u16,
    /// The integer scale of each group: signed bytes, or unsigned where the format has mins; in mxfp4 the exponent.
    pub scales: [u8; 16],
    /// The integer min of each group.
    pub mins: [u8; 16],
}

impl Parts {
    /// What `split` writes over: a format touches only the parts that it has.
    pub const ZERO: Parts = Parts {
        codes: [0; 256],
        d: [0; 4],
        m: 0,
        scales: [0; 16],
        mins: [0; 16],
    };
}

/// What a code stands for.
#[derive(Debug, Clone, Copy)]
pub enum Codes {
    /// q = code − offset.
    Offset(u8),
    /// q = table\[code\], code < 16.
    Table([i8; 16]),
}

/// How blocks of a format are taken apart.
#[derive(Debug, Clone, Copy)]
pub struct Integers {
    /// What their codes stand for.
    pub codes: Codes,
    /// A power of two that makes every q and every scale an integer.
    pub unit: f32,
    /// `block` (BLOCK_BYTES) → its parts.
    pub split: fn(block: &[u8], parts: &mut Parts),
}

/// The low four bits of eight bytes.
pub(super) const NIBBLES: u64 = 0x0f0f_0f0f_0f0f_0f0f;

/// Eight bytes as one word, to be worked on at once.
#[inline(always)]
pub(super) fn word(bytes: &[u8]) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(bytes);
    u64::from_le_bytes(word)
}

/// `qs` (a multiple of 8) → the codes of 2 n values: byte j holds values j (low) and j + n (high).
pub(super) fn nibbles(qs: &[u8], codes: &mut [u8]) {
    let (low, high) = codes.split_at_mut(qs.len());
    let words = low.chunks_exact_mut(8).zip(high.chunks_exact_mut(8));
    for (q, (low, high)) in qs.chunks_exact(8).zip(words) {
        let q = word(q);
        low.copy_from_slice(&(q & NIBBLES).to_le_bytes());
        high.copy_from_slice(&(q >> 4 & NIBBLES).to_le_bytes());
    }
}
