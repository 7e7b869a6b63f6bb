//! Codes of 32 columns of eight rows, in planes of bits.
//!
//! Every plane is made of 16-byte vectors whose byte 4 (r % 4) + b belongs to row r, four rows a vector. Column k stands
//! in byte b = k % 4; where a byte holds several columns, those of k / 4 follow each other from the lowest bit up.

use super::super::activations::BLOCK;
use super::words;

/// 32 codes, eight in each word, the first in its lowest byte.
pub type Eights = [u64; BLOCK / 8];

/// One way to store codes.
pub trait Planes {
    /// Bytes of 32 columns of eight rows.
    const BYTES: usize;

    /// The codes of row `r` → its part of `bytes` (BYTES).
    fn put(codes: Eights, r: usize, bytes: &mut [u8]);

    /// The code of row `r`, column `k`.
    fn get(bytes: &[u8], r: usize, k: usize) -> u8;
}

/// 4-bit codes: 8 vectors of 8 columns of 4 rows, the first 8 columns first.
pub struct Nibbles;
/// 4-bit codes that stand for the values of a table, stored as [`Nibbles`].
pub struct Table;
/// 8-bit codes: 16 vectors of 4 columns of 4 rows; what is stored is the signed quant plus [`byte_bias`].
pub struct Bytes;
/// 1-bit codes, 0 and 2: 2 vectors of 32 columns of 4 rows.
pub struct OneBit;
/// 2-bit codes: 4 vectors of 16 columns of 4 rows, the first 16 columns first.
pub struct TwoBits;
/// 3-bit codes: the low two as [`TwoBits`], then the third as [`OneBit`].
pub struct ThreeBits;
/// 5-bit codes: the low four as [`Nibbles`], then the fifth as [`OneBit`]; or in `words`.
pub struct FiveBits;
/// 6-bit codes: the low four as [`Nibbles`], then the upper two as [`TwoBits`]; or in `words`.
pub struct SixBits;

/// What is added to each signed 8-bit weight when it is packed: 0 where the relaxed dot reads that operand as signed
/// bytes, otherwise 128. A constant of the process, fixed before the first weight is packed.
pub fn byte_bias() -> u8 {
    super::super::best_byte_bias()
}

/// Where `BITS` bits of row `r`, column `k` stand: byte and shift.
fn place<const BITS: usize>(r: usize, k: usize) -> (usize, usize) {
    let columns = 4 * (8 / BITS);
    (
        16 * (2 * (k / columns) + r / 4) + 4 * (r % 4) + k % 4,
        BITS * (k % columns / 4),
    )
}

/// The four bytes of row `r` in vectors `j`, of which those of rows 0 to 3 and 4 to 7 take turns.
#[inline(always)]
pub(super) fn put_lane(vectors: &mut [[u8; 4]], j: usize, r: usize, lane: u32) {
    vectors[4 * (2 * j + r / 4) + r % 4] = lane.to_le_bytes();
}

/// Bits `from..from + BITS` of the codes of row `r` → a plane.
#[inline(always)]
fn put<const BITS: usize>(codes: Eights, from: usize, r: usize, plane: &mut [u8]) {
    let lanes = plane[..32 * BITS].as_chunks_mut().0;
    let mask = u64::from_ne_bytes([((1u16 << BITS) - 1) as u8; 8]);
    let eights = 8 / BITS / 2;
    for j in 0..BITS {
        let mut lane = 0;
        for i in 0..eights.max(1) {
            // Four columns, and the next four above them: what crosses from one byte into another is not in the mask.
            let codes = codes[eights * j + i] >> from & mask;
            lane |= ((codes | codes >> (32 - BITS)) as u32) << (2 * BITS * i);
        }
        put_lane(lanes, j, r, lane);
    }
}

/// The bits of row `r`, column `k` in a plane.
fn get<const BITS: usize>(plane: &[u8], r: usize, k: usize) -> u8 {
    let (byte, shift) = place::<BITS>(r, k);
    plane[byte] >> shift & ((1u16 << BITS) - 1) as u8
}

impl Planes for Nibbles {
    const BYTES: usize = 128;

    #[inline(always)]
    fn put(codes: Eights, r: usize, bytes: &mut [u8]) {
        put::<4>(codes, 0, r, bytes);
    }

    fn get(bytes: &[u8], r: usize, k: usize) -> u8 {
        get::<4>(bytes, r, k)
    }
}

impl Planes for Table {
    const BYTES: usize = Nibbles::BYTES;

    #[inline(always)]
    fn put(codes: Eights, r: usize, bytes: &mut [u8]) {
        Nibbles::put(codes, r, bytes);
    }

    fn get(bytes: &[u8], r: usize, k: usize) -> u8 {
        Nibbles::get(bytes, r, k)
    }
}

impl Planes for Bytes {
    const BYTES: usize = 256;

    #[inline(always)]
    fn put(codes: Eights, r: usize, bytes: &mut [u8]) {
        // Codes are the signed quants plus 128. To add 128, or nothing, is to flip the highest bit, or none.
        let flip = u64::from_ne_bytes([byte_bias() ^ 128; 8]);
        let lanes = bytes[..Self::BYTES].as_chunks_mut().0;
        for (i, eight) in codes.into_iter().enumerate() {
            let eight = eight ^ flip;
            put_lane(lanes, 2 * i, r, eight as u32);
            put_lane(lanes, 2 * i + 1, r, (eight >> 32) as u32);
        }
    }

    fn get(bytes: &[u8], r: usize, k: usize) -> u8 {
        bytes[place::<8>(r, k).0].wrapping_sub(byte_bias() ^ 128)
    }
}

impl Planes for OneBit {
    const BYTES: usize = 32;

    #[inline(always)]
    fn put(codes: Eights, r: usize, bytes: &mut [u8]) {
        put::<1>(codes, 1, r, bytes);
    }

    fn get(bytes: &[u8], r: usize, k: usize) -> u8 {
        get::<1>(bytes, r, k) << 1
    }
}

impl Planes for TwoBits {
    const BYTES: usize = 64;

    #[inline(always)]
    fn put(codes: Eights, r: usize, bytes: &mut [u8]) {
        put::<2>(codes, 0, r, bytes);
    }

    fn get(bytes: &[u8], r: usize, k: usize) -> u8 {
        get::<2>(bytes, r, k)
    }
}

macro_rules! split_planes {
    ($type:ident: $low:literal bits, then $high:literal $(, or $words:ident)?) => {
        impl Planes for $type {
            const BYTES: usize = 32 * ($low + $high);

            #[inline(always)]
    fn put(codes: Eights, r: usize, bytes: &mut [u8]) {
                $(if words::wanted() {
                    return words::$words::put(codes, r, bytes);
                })?
                put::<$low>(codes, 0, r, bytes);
                put::<$high>(codes, $low, r, &mut bytes[32 * $low..]);
            }

            fn get(bytes: &[u8], r: usize, k: usize) -> u8 {
                $(if words::wanted() {
                    return words::$words::get(bytes, r, k);
                })?
                get::<$low>(bytes, r, k) | get::<$high>(&bytes[32 * $low..], r, k) << $low
            }
        }
    };
}
split_planes!(ThreeBits: 2 bits, then 1);
split_planes!(FiveBits: 4 bits, then 1, or five);
split_planes!(SixBits: 4 bits, then 2, or six);
