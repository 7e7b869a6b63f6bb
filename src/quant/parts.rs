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
    /// q = table[code], code < 16.
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

/// `qs` (n) → the codes of 2 n values: byte j holds values j (low) and j + n (high).
pub(super) fn nibbles(qs: &[u8], codes: &mut [u8]) {
    let (low, high) = codes.split_at_mut(qs.len());
    for ((q, low), high) in qs.iter().zip(low).zip(high) {
        (*low, *high) = (q & 15, q >> 4);
    }
}
