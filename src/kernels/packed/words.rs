//! Codes of five and six bits of 32 columns of eight rows as 16-bit dots take them: in words of 16 bits, several codes in
//! each, so that most need one instruction where planes of bytes need four. Only as many bytes as in planes.
//!
//! Columns go in pairs that one 32-bit lane of a dot multiplies: of every eight, (0, 2), (4, 6), (1, 3) and (5, 7), as
//! inputs of 16 bits are ordered. A row has a vector's lane of 32 bits, the first column of a pair in its lower word and
//! the second in its upper one; four rows make a vector, and the vectors of rows 0 to 3 and 4 to 7 take turns.

use super::super::activations::BLOCK;
use super::planes::Eights;

/// Whether codes stand in words: where 16-bit dots multiply them. A constant of the process, fixed before the first
/// weight is packed.
pub(super) fn wanted() -> bool {
    super::super::best_words()
}

/// Both columns of a pair.
const BOTH: u32 = 0x0001_0001;

/// The codes of a row by pairs, one in each word of a lane.
#[inline(always)]
fn pairs(codes: Eights) -> [u32; BLOCK / 2] {
    let mut pairs = [0; BLOCK / 2];
    for (pairs, eight) in pairs.chunks_exact_mut(4).zip(codes) {
        for (pair, shift) in pairs.iter_mut().zip([0, 32, 8, 40]) {
            *pair = (eight >> shift) as u32 & 0x00ff_00ff;
        }
    }
    pairs
}

/// The pair of column `k`, and its place there.
fn pair(k: usize) -> (usize, usize) {
    (k / 8 * 4 + k % 2 * 2 + k % 8 / 4, k % 4 / 2)
}

/// Where vector `j` holds both words of row `r`.
fn lane(j: usize, r: usize) -> usize {
    16 * (2 * j + r / 4) + 4 * (r % 4)
}

/// `count` bits from bit `shift` of the word of row `r` at place `p` in vector `j`.
fn bits(bytes: &[u8], j: usize, (r, p): (usize, usize), shift: usize, count: usize) -> u8 {
    let at = lane(j, r) + 2 * p;
    let word = u16::from_le_bytes([bytes[at], bytes[at + 1]]);
    (word >> shift & ((1 << count) - 1)) as u8
}

/// Word j of five has pairs 3 · j to 3 · j + 2 from its lowest bit up, and bit j of pair 15 on top.
pub(super) mod five {
    use super::super::planes::{Eights, put_lane};
    use super::{BOTH, bits, pair, pairs};

    #[inline(always)]
    pub fn put(codes: Eights, r: usize, bytes: &mut [u8]) {
        let (pairs, lanes) = (pairs(codes), bytes[..160].as_chunks_mut().0);
        for j in 0..5 {
            let [a, b, c] = [pairs[3 * j], pairs[3 * j + 1], pairs[3 * j + 2]];
            let top = pairs[15] >> j & BOTH;
            put_lane(lanes, j, r, a | b << 5 | c << 10 | top << 15);
        }
    }

    pub fn get(bytes: &[u8], r: usize, k: usize) -> u8 {
        let (pair, p) = pair(k);
        if pair < 15 {
            return bits(bytes, pair / 3, (r, p), 5 * (pair % 3), 5);
        }
        (0..5).map(|j| bits(bytes, j, (r, p), 15, 1) << j).sum()
    }
}

/// Of each half of the columns, word j of three has pairs 2 · j and 2 · j + 1; on top, the first has the low four bits of
/// pair 6, the third those of pair 7, and the second the upper two of pair 6, then those of pair 7.
pub(super) mod six {
    use super::super::planes::{Eights, put_lane};
    use super::{BOTH, bits, pair, pairs};

    #[inline(always)]
    pub fn put(codes: Eights, r: usize, bytes: &mut [u8]) {
        let (pairs, lanes) = (pairs(codes), bytes[..192].as_chunks_mut().0);
        for half in 0..2 {
            let pair = |i: usize| pairs[8 * half + i];
            let low = |i: usize| pair(i) & (15 * BOTH);
            let high = |i: usize| pair(i) >> 4 & (3 * BOTH);
            let tops = [low(6), high(6) | high(7) << 2, low(7)];
            for (j, top) in tops.into_iter().enumerate() {
                let lane = pair(2 * j) | pair(2 * j + 1) << 6 | top << 12;
                put_lane(lanes, 3 * half + j, r, lane);
            }
        }
    }

    pub fn get(bytes: &[u8], r: usize, k: usize) -> u8 {
        let (pair, p) = pair(k);
        let (first, i) = (pair / 8 * 3, pair % 8);
        if i < 6 {
            return bits(bytes, first + i / 2, (r, p), 6 * (i % 2), 6);
        }
        let last = i - 6;
        bits(bytes, first + 2 * last, (r, p), 12, 4)
            | bits(bytes, first + 1, (r, p), 12 + 2 * last, 2) << 4
    }
}
