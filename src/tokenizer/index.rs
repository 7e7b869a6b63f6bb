//! A hash index over keys that live elsewhere: it stores row numbers and asks the caller to compare.
//!
//! Vocabularies come from untrusted files and the hash is fixed, so a run of collisions is refused, not endured.

use crate::error::{Error, Result};

const EMPTY: u32 = u32::MAX;
/// With at most half of the slots taken, honest keys stay below a few dozen probes.
const MAX_PROBES: usize = 1024;

/// Open addressing with linear probing, at most half full.
pub(super) struct Index {
    slots: Vec<u32>,
}

impl Index {
    /// Room for `len` keys.
    pub fn with_capacity(len: usize) -> Index {
        let slots = (len.max(8) * 2).next_power_of_two();
        Index {
            slots: vec![EMPTY; slots],
        }
    }

    /// The row whose key hashes to `hash` and for which `same` holds.
    pub fn find(&self, hash: u64, same: impl Fn(u32) -> bool) -> Option<u32> {
        let row = self.slots[self.slot(hash, same)?];
        (row != EMPTY).then_some(row)
    }

    /// Adds `row`; a row with the same key is replaced and returned.
    pub fn insert(
        &mut self,
        hash: u64,
        row: u32,
        same: impl Fn(u32) -> bool,
    ) -> Result<Option<u32>> {
        let Some(at) = self.slot(hash, same) else {
            return Err(Error::Tokenizer {
                what: "the vocabulary is made of colliding pieces; no honest file looks like this"
                    .into(),
            });
        };
        let old = core::mem::replace(&mut self.slots[at], row);
        Ok((old != EMPTY).then_some(old))
    }

    /// Where the row is for which `same` holds, or where it would be. A plain loop, as it runs for every piece of a
    /// vocabulary before the browser has compiled it well.
    fn slot(&self, hash: u64, same: impl Fn(u32) -> bool) -> Option<usize> {
        let mask = self.slots.len() - 1;
        let mut at = (hash >> 32) as usize & mask;
        for _ in 0..MAX_PROBES.min(self.slots.len()) {
            let row = self.slots[at];
            if row == EMPTY || same(row) {
                return Some(at);
            }
            at = (at + 1) & mask;
        }
        None
    }
}

pub(super) const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

/// Mixes eight bytes into a running hash.
pub(super) fn mix(hash: u64, word: u64) -> u64 {
    let mixed = (hash.rotate_left(5) ^ word).wrapping_mul(MULTIPLIER);
    mixed ^ (mixed >> 29)
}

/// Hash of a piece.
pub(super) fn hash_bytes(bytes: &[u8]) -> u64 {
    let mut hash = bytes.len() as u64;
    for chunk in bytes.chunks(8) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        hash = mix(hash, u64::from_le_bytes(word));
    }
    mix(hash, 0)
}
