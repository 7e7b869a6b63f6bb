//! Codes of 32 columns of eight rows, in planes of bits.
//!
//! Every plane is made of 16-byte vectors whose byte 4 (r % 4) + b belongs to row r, four rows a vector. Column k stands
//! in byte b = k % 4; where a byte holds several columns, those of k / 4 follow each other from the lowest bit up.

use super::super::activations::BLOCK;

/// One way to store codes.
pub trait Planes {
    /// Bytes of 32 columns of eight rows.
    const BYTES: usize;

    /// The codes of row `r` (32) → `bytes` (BYTES), which start as zeros.
    fn put(codes: &[u8], r: usize, bytes: &mut [u8]);

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
/// 5-bit codes: the low four as [`Nibbles`], then the fifth as [`OneBit`].
pub struct FiveBits;
/// 6-bit codes: the low four as [`Nibbles`], then the upper two as [`TwoBits`].
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

/// Bits `from..from + BITS` of the codes of row `r` → a plane, four columns at a time.
fn put<const BITS: usize>(codes: &[u8], from: usize, r: usize, plane: &mut [u8]) {
    let mask = u32::from_ne_bytes([((1u16 << BITS) - 1) as u8; 4]);
    for (j, columns) in codes[..BLOCK].chunks_exact(4 * (8 / BITS)).enumerate() {
        let mut word = 0;
        for (i, quad) in columns.chunks_exact(4).enumerate() {
            let quad = u32::from_le_bytes([quad[0], quad[1], quad[2], quad[3]]);
            // What crosses from one byte into the next is not in the mask.
            word |= (quad >> from & mask) << (BITS * i);
        }
        let at = 16 * (2 * j + r / 4) + 4 * (r % 4);
        plane[at..at + 4].copy_from_slice(&word.to_le_bytes());
    }
}

/// The bits of row `r`, column `k` in a plane.
fn get<const BITS: usize>(plane: &[u8], r: usize, k: usize) -> u8 {
    let (byte, shift) = place::<BITS>(r, k);
    plane[byte] >> shift & ((1u16 << BITS) - 1) as u8
}

impl Planes for Nibbles {
    const BYTES: usize = 128;

    fn put(codes: &[u8], r: usize, bytes: &mut [u8]) {
        put::<4>(codes, 0, r, bytes);
    }

    fn get(bytes: &[u8], r: usize, k: usize) -> u8 {
        get::<4>(bytes, r, k)
    }
}

impl Planes for Table {
    const BYTES: usize = Nibbles::BYTES;

    fn put(codes: &[u8], r: usize, bytes: &mut [u8]) {
        Nibbles::put(codes, r, bytes);
    }

    fn get(bytes: &[u8], r: usize, k: usize) -> u8 {
        Nibbles::get(bytes, r, k)
    }
}

impl Planes for Bytes {
    const BYTES: usize = 256;

    fn put(codes: &[u8], r: usize, bytes: &mut [u8]) {
        // Codes are the signed quants plus 128. To add 128, or nothing, is to flip the highest bit, or none.
        let flip = u32::from_ne_bytes([byte_bias() ^ 128; 4]);
        for (j, quad) in codes.chunks_exact(4).enumerate() {
            let quad = u32::from_le_bytes([quad[0], quad[1], quad[2], quad[3]]) ^ flip;
            let at = 16 * (2 * j + r / 4) + 4 * (r % 4);
            bytes[at..at + 4].copy_from_slice(&quad.to_le_bytes());
        }
    }

    fn get(bytes: &[u8], r: usize, k: usize) -> u8 {
        bytes[place::<8>(r, k).0].wrapping_sub(byte_bias() ^ 128)
    }
}

impl Planes for OneBit {
    const BYTES: usize = 32;

    fn put(codes: &[u8], r: usize, bytes: &mut [u8]) {
        put::<1>(codes, 1, r, bytes);
    }

    fn get(bytes: &[u8], r: usize, k: usize) -> u8 {
        get::<1>(bytes, r, k) << 1
    }
}

impl Planes for TwoBits {
    const BYTES: usize = 64;

    fn put(codes: &[u8], r: usize, bytes: &mut [u8]) {
        put::<2>(codes, 0, r, bytes);
    }

    fn get(bytes: &[u8], r: usize, k: usize) -> u8 {
        get::<2>(bytes, r, k)
    }
}

macro_rules! split_planes {
    ($type:ident: $low:literal bits, then $high:literal) => {
        impl Planes for $type {
            const BYTES: usize = 32 * ($low + $high);

            fn put(codes: &[u8], r: usize, bytes: &mut [u8]) {
                put::<$low>(codes, 0, r, bytes);
                put::<$high>(codes, $low, r, &mut bytes[32 * $low..]);
            }

            fn get(bytes: &[u8], r: usize, k: usize) -> u8 {
                get::<$low>(bytes, r, k) | get::<$high>(&bytes[32 * $low..], r, k) << $low
            }
        }
    };
}
split_planes!(ThreeBits: 2 bits, then 1);
split_planes!(FiveBits: 4 bits, then 1);
split_planes!(SixBits: 4 bits, then 2);
