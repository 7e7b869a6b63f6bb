//! Byte-pair encoding of one word: the pair of the lowest rank merges first, the leftmost of equal ones.

use super::index::{Index, mix};
use super::vocabulary::{Kind, Vocabulary};
use crate::error::{Error, Result};
use crate::format::Strings;
use core::cmp::Reverse;
use std::collections::BinaryHeap;

const NONE: u32 = u32::MAX;
const MAX_MERGES: usize = 1 << 23;

/// The merges of a vocabulary, by id.
pub(super) struct Merges {
    /// Left, right and merged id; the row number is the rank.
    rows: Vec<[u32; 3]>,
    index: Index,
}

/// Buffers of `Merges::encode`, kept between words.
#[derive(Default)]
pub(super) struct Scratch {
    pub symbols: Vec<Symbol>,
    /// Rank in the upper half, position in the lower.
    queue: BinaryHeap<Reverse<u64>>,
}

/// One symbol of a word, linked to its living neighbours.
#[derive(Clone, Copy)]
pub(super) struct Symbol {
    /// `NONE` once it has been merged into its left neighbour.
    id: u32,
    prev: u32,
    next: u32,
}

impl Merges {
    /// Each merge is written as its two pieces with a space between them.
    pub fn new(merges: Strings<'_>, vocabulary: &Vocabulary) -> Result<Merges> {
        let len = merges.len();
        if len > MAX_MERGES {
            return Err(Error::Tokenizer {
                what: format!("{len} merges, at most {MAX_MERGES} are allowed"),
            });
        }
        let mut rows = Vec::with_capacity(len);
        let mut index = Index::with_capacity(len);
        let mut merged = String::new();
        for (rank, merge) in merges.enumerate() {
            let row = split_merge(merge).and_then(|(left, right)| {
                merged.clear();
                merged.push_str(left);
                merged.push_str(right);
                Some([
                    vocabulary.id(left)?,
                    vocabulary.id(right)?,
                    vocabulary.id(&merged)?,
                ])
            });
            let Some(row) = row else {
                return Err(Error::Tokenizer {
                    what: format!("merge {rank} ({merge:?}) is not made of pieces"),
                });
            };
            rows.push(row);
            // No text may merge into a control token.
            if vocabulary.kind(row[2]) == Some(Kind::Control) {
                continue;
            }
            let same = |other: u32| rows[other as usize][..2] == row[..2];
            index.insert(hash_pair(row[0], row[1]), rank as u32, same)?;
        }
        Ok(Merges { rows, index })
    }

    fn rank(&self, left: u32, right: u32) -> Option<u32> {
        self.index.find(hash_pair(left, right), |row| {
            self.rows[row as usize][..2] == [left, right]
        })
    }

    /// Merges `ids`, the symbols of one word, and appends what is left to `out`.
    pub fn encode(
        &self,
        ids: impl Iterator<Item = u32>,
        scratch: &mut Scratch,
        out: &mut Vec<u32>,
    ) {
        let Scratch { symbols, queue } = scratch;
        symbols.clear();
        queue.clear();
        for (at, id) in ids.enumerate() {
            let at = at as u32;
            symbols.push(Symbol {
                id,
                prev: at.wrapping_sub(1),
                next: at + 1,
            });
        }
        let Some(last) = symbols.last_mut() else {
            return;
        };
        last.next = NONE;
        for at in 1..symbols.len() {
            self.push(queue, symbols, at as u32 - 1, at as u32);
        }

        while let Some(Reverse(entry)) = queue.pop() {
            let (rank, at) = ((entry >> 32) as usize, entry as u32);
            let Symbol { id, next, .. } = symbols[at as usize];
            if id == NONE || next == NONE {
                continue;
            }
            // A queued pair may have changed since; it still counts if it merges into the same piece.
            let right = symbols[next as usize];
            let merged = self.rows[rank][2];
            let now = self.rank(id, right.id);
            if now.is_none_or(|now| self.rows[now as usize][2] != merged) {
                continue;
            }
            symbols[next as usize].id = NONE;
            symbols[at as usize].id = merged;
            symbols[at as usize].next = right.next;
            if right.next != NONE {
                symbols[right.next as usize].prev = at;
                self.push(queue, symbols, at, right.next);
            }
            let prev = symbols[at as usize].prev;
            if prev != NONE {
                self.push(queue, symbols, prev, at);
            }
        }
        out.extend(symbols.iter().map(|s| s.id).filter(|id| *id != NONE));
    }

    fn push(
        &self,
        queue: &mut BinaryHeap<Reverse<u64>>,
        symbols: &[Symbol],
        left: u32,
        right: u32,
    ) {
        if let Some(rank) = self.rank(symbols[left as usize].id, symbols[right as usize].id) {
            queue.push(Reverse(u64::from(rank) << 32 | u64::from(left)));
        }
    }
}

/// The first piece has at least one character, which may itself be a space.
pub(super) fn split_merge(merge: &str) -> Option<(&str, &str)> {
    let first = merge.chars().next()?.len_utf8();
    let space = first + merge[first..].find(' ')?;
    Some((&merge[..space], &merge[space + 1..]))
}

fn hash_pair(left: u32, right: u32) -> u64 {
    mix(0, u64::from(left) << 32 | u64::from(right))
}
