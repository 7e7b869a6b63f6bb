//! Byte-pair encoding of one word: the pair of the lowest rank merges first, the leftmost of equal ones.

use super::index::MULTIPLIER;
use super::vocabulary::{Kind, Vocabulary};
use crate::error::{Error, Result};
use crate::format::ByteStrings;
use core::cmp::Reverse;
use std::collections::BinaryHeap;

const NONE: u32 = u32::MAX;
const MAX_MERGES: usize = 1 << 23;

/// The longest piece that merges may make. Looking a pair up takes as long as its text is, so a chain of longer ones
/// would make one word take for ever; real vocabularies end at a few hundred bytes.
const MAX_PIECE: usize = 2048;

/// Pairs that are remembered, a power of two.
const KNOWN_PAIRS: usize = 1 << 12;

/// The merges of a vocabulary. What two symbols merge into is the piece that their texts make one after the other, so a
/// merge is a piece and where it is parted, and needs no index of its own.
pub(super) struct Merges {
    /// The row number is the rank.
    rows: Vec<Row>,
    /// [pieces]: a row that makes the piece; `NONE` where none does.
    of_piece: Vec<u32>,
}

struct Row {
    /// What the two become.
    piece: u32,
    /// Bytes of the left one.
    left: u32,
    /// Another row that makes the same piece, or `NONE`.
    next: u32,
}

/// Buffers of `Merges::encode`, kept between words.
#[derive(Default)]
pub(super) struct Scratch {
    pub symbols: Vec<Symbol>,
    pairs: Pairs,
    /// Rank in the upper half, position in the lower.
    queue: BinaryHeap<Reverse<u64>>,
}

/// The pairs asked for lately: texts are made of few, so most need no second look at their pieces.
#[derive(Default)]
struct Pairs {
    /// [KNOWN_PAIRS], each at the place that its ids give: the ids, and the rank or `NONE`. Made with the first word.
    known: Vec<([u32; 2], u32)>,
    /// Two pieces, one after the other.
    joined: String,
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
    pub fn new(merges: ByteStrings<'_>, vocabulary: &Vocabulary) -> Result<Merges> {
        let len = merges.len();
        if len > MAX_MERGES {
            return Err(Error::Tokenizer {
                what: format!("{len} merges, at most {MAX_MERGES} are allowed"),
            });
        }
        let mut all = Merges {
            rows: Vec::with_capacity(len),
            of_piece: vec![NONE; vocabulary.len()],
        };
        let mut joined = Vec::new();
        // Most vocabularies list pieces in the order in which merges make them.
        let mut likely = 0_u32;
        for (rank, merge) in merges.enumerate() {
            let found = split_merge(merge).and_then(|(left, right)| {
                let made = |piece: &str| piece.as_bytes().strip_prefix(left) == Some(right);
                if vocabulary.has_doubles() || !vocabulary.piece(likely).is_some_and(made) {
                    joined.clear();
                    joined.extend_from_slice(left);
                    joined.extend_from_slice(right);
                    likely = vocabulary.id_of(&joined)?;
                }
                Some((likely, left.len() as u32))
            });
            let Some((piece, left)) = found else {
                let merge = String::from_utf8_lossy(merge);
                return Err(Error::Tokenizer {
                    what: format!("merge {rank} ({merge:?}) makes no piece"),
                });
            };
            if vocabulary
                .piece(piece)
                .is_some_and(|piece| piece.len() > MAX_PIECE)
            {
                return Err(Error::Tokenizer {
                    what: format!("merge {rank} makes a piece of over {MAX_PIECE} bytes"),
                });
            }
            likely = piece + 1;
            all.add(piece, left, vocabulary.kind(piece) != Some(Kind::Control));
        }
        Ok(all)
    }

    /// The next row; one that is not `used` counts as a rank and never merges anything, as no text may become a control
    /// token.
    fn add(&mut self, piece: u32, left: u32, used: bool) {
        let rank = self.rows.len() as u32;
        let mut next = NONE;
        if used {
            let (mut before, mut same) = (NONE, self.of_piece[piece as usize]);
            while same != NONE && self.rows[same as usize].left != left {
                (before, same) = (same, self.rows[same as usize].next);
            }
            // The last of equal ones counts.
            if same != NONE {
                next = self.rows[same as usize].next;
            }
            match before {
                NONE => self.of_piece[piece as usize] = rank,
                _ => self.rows[before as usize].next = rank,
            }
        }
        self.rows.push(Row { piece, left, next });
    }

    fn rank(&self, vocabulary: &Vocabulary, pair: [u32; 2], pairs: &mut Pairs) -> Option<u32> {
        let Pairs { known, joined } = pairs;
        if known.is_empty() {
            known.resize(KNOWN_PAIRS, ([NONE; 2], NONE));
        }
        let hash = (u64::from(pair[0]) << 32 | u64::from(pair[1])).wrapping_mul(MULTIPLIER);
        let (same, rank) = &mut known[(hash >> (u64::BITS - KNOWN_PAIRS.ilog2())) as usize];
        if *same != pair {
            *same = pair;
            *rank = self.look_up(vocabulary, pair, joined).unwrap_or(NONE);
        }
        (*rank != NONE).then_some(*rank)
    }

    fn look_up(&self, vocabulary: &Vocabulary, pair: [u32; 2], joined: &mut String) -> Option<u32> {
        let [left, right] = pair.map(|id| vocabulary.piece(id));
        let (left, right) = (left?, right?);
        if left.len() + right.len() > MAX_PIECE {
            return None;
        }
        joined.clear();
        joined.push_str(left);
        joined.push_str(right);
        let mut rank = self.of_piece[vocabulary.id(joined)? as usize];
        while rank != NONE {
            let row = &self.rows[rank as usize];
            if row.left as usize == left.len() {
                return Some(rank);
            }
            rank = row.next;
        }
        None
    }

    /// Merges `ids`, the symbols of one word, and appends what is left to `out`.
    pub fn encode(
        &self,
        vocabulary: &Vocabulary,
        ids: impl Iterator<Item = u32>,
        scratch: &mut Scratch,
        out: &mut Vec<u32>,
    ) {
        let Scratch {
            symbols,
            pairs,
            queue,
        } = scratch;
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
        for at in 1..symbols.len() as u32 {
            self.push(vocabulary, queue, symbols, [at - 1, at], pairs);
        }

        while let Some(Reverse(entry)) = queue.pop() {
            let (rank, at) = ((entry >> 32) as usize, entry as u32);
            let Symbol { id, next, .. } = symbols[at as usize];
            if id == NONE || next == NONE {
                continue;
            }
            // A queued pair may have changed since; it still counts if it merges into the same piece.
            let right = symbols[next as usize];
            let merged = self.rows[rank].piece;
            let now = self.rank(vocabulary, [id, right.id], pairs);
            if now.is_none_or(|now| self.rows[now as usize].piece != merged) {
                continue;
            }
            symbols[next as usize].id = NONE;
            symbols[at as usize].id = merged;
            symbols[at as usize].next = right.next;
            if right.next != NONE {
                symbols[right.next as usize].prev = at;
                self.push(vocabulary, queue, symbols, [at, right.next], pairs);
            }
            let prev = symbols[at as usize].prev;
            if prev != NONE {
                self.push(vocabulary, queue, symbols, [prev, at], pairs);
            }
        }
        out.extend(symbols.iter().map(|s| s.id).filter(|id| *id != NONE));
    }

    fn push(
        &self,
        vocabulary: &Vocabulary,
        queue: &mut BinaryHeap<Reverse<u64>>,
        symbols: &[Symbol],
        at: [u32; 2],
        pairs: &mut Pairs,
    ) {
        let pair = at.map(|at| symbols[at as usize].id);
        if let Some(rank) = self.rank(vocabulary, pair, pairs) {
            queue.push(Reverse(u64::from(rank) << 32 | u64::from(at[0])));
        }
    }
}

/// The first piece has at least one character, which may itself be a space.
pub(super) fn split_merge(merge: &[u8]) -> Option<(&[u8], &[u8])> {
    let space = (1..merge.len()).find(|at| merge[*at] == b' ')?;
    Some((&merge[..space], &merge[space + 1..]))
}
