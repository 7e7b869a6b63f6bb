//! SentencePiece BPE (`tokenizer.ggml.model` = llama): the adjacent pieces whose union scores best merge first.
//!
//! There are no words and no merge list: any two neighbours may merge if the vocabulary has their union. A character
//! that it lacks becomes its bytes.

use super::bpe;
use super::spaces::{SPACE, Spaces};
use super::vocabulary::{Kind, Vocabulary};
use crate::error::{Error, Result};
use crate::format::{ByteStrings, Metadata};
use core::cmp::Ordering;
use std::collections::BinaryHeap;

const NONE: u32 = u32::MAX;
/// The score of a piece that no merge makes.
pub(super) const NEVER: f32 = f32::NEG_INFINITY;

pub(super) struct SentencePiece {
    /// One for each piece.
    scores: Vec<f32>,
    byte_ids: [Option<u32>; 256],
    unknown: Option<u32>,
    spaces: Spaces,
    /// Bytes of the longest piece.
    longest: usize,
}

/// Buffers kept between texts.
#[derive(Default)]
pub(super) struct Scratch {
    symbols: Vec<Symbol>,
    queue: BinaryHeap<Pair>,
}

/// A stretch of the text, linked to its living neighbours.
#[derive(Clone, Copy)]
struct Symbol {
    start: u32,
    /// 0 once it has been merged into its left neighbour.
    len: u32,
    prev: u32,
    next: u32,
}

/// Two neighbours that may merge.
#[derive(PartialEq)]
struct Pair {
    score: f32,
    left: u32,
    right: u32,
    /// Bytes of both when they were queued: they have changed since if it differs.
    len: u32,
}

impl Eq for Pair {}

impl Ord for Pair {
    fn cmp(&self, other: &Pair) -> Ordering {
        self.score
            .total_cmp(&other.score)
            .then(other.left.cmp(&self.left))
            .then(other.len.cmp(&self.len))
    }
}

impl PartialOrd for Pair {
    fn partial_cmp(&self, other: &Pair) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl SentencePiece {
    /// `ranked`: the file has no scores but merges, the first the best.
    pub fn from_gguf(
        meta: &Metadata,
        vocabulary: &Vocabulary,
        ranked: bool,
    ) -> Result<SentencePiece> {
        Ok(SentencePiece {
            longest: vocabulary.longest(),
            spaces: Spaces::from_gguf(meta, !ranked)?,
            unknown: vocabulary.of_kind(Kind::Unknown).next(),
            scores: match meta.byte_strings("tokenizer.ggml.merges")? {
                Some(merges) if ranked => ranks(merges, vocabulary),
                _ => check_scores(meta, vocabulary)?,
            },
            byte_ids: byte_tokens(vocabulary),
        })
    }

    pub fn spaces(&self) -> Spaces {
        self.spaces
    }

    /// Appends the ids of a text without markers, whose spaces are written as pieces write them.
    pub fn encode(
        &self,
        vocabulary: &Vocabulary,
        spelled: &str,
        scratch: &mut Scratch,
        ids: &mut Vec<u32>,
    ) {
        let Scratch { symbols, queue } = scratch;
        symbols.clear();
        queue.clear();
        for (start, c) in spelled.char_indices() {
            let at = symbols.len() as u32;
            symbols.push(Symbol {
                start: start as u32,
                len: c.len_utf8() as u32,
                prev: at.wrapping_sub(1),
                next: at + 1,
            });
        }
        let Some(last) = symbols.last_mut() else {
            return;
        };
        last.next = NONE;
        for right in 1..symbols.len() as u32 {
            self.push(vocabulary, spelled, symbols, queue, right - 1, right);
        }
        while let Some(Pair {
            left, right, len, ..
        }) = queue.pop()
        {
            let (a, b) = (symbols[left as usize], symbols[right as usize]);
            if a.len == 0 || b.len == 0 || a.len + b.len != len {
                continue;
            }
            symbols[right as usize].len = 0;
            symbols[left as usize].len = len;
            symbols[left as usize].next = b.next;
            if b.next != NONE {
                symbols[b.next as usize].prev = left;
                self.push(vocabulary, spelled, symbols, queue, left, b.next);
            }
            if a.prev != NONE {
                self.push(vocabulary, spelled, symbols, queue, a.prev, left);
            }
        }
        let mut after_unknown = false;
        for symbol in symbols.iter().filter(|s| s.len > 0) {
            let piece = &spelled[symbol.start as usize..][..symbol.len as usize];
            let id = mergeable_id(vocabulary, piece);
            let unknown = id.is_none() && !bytes_of(&self.byte_ids, piece, ids);
            ids.extend(id);
            if unknown && !after_unknown {
                ids.extend(self.unknown);
            }
            after_unknown = unknown;
        }
    }

    fn push(
        &self,
        vocabulary: &Vocabulary,
        text: &str,
        symbols: &[Symbol],
        queue: &mut BinaryHeap<Pair>,
        left: u32,
        right: u32,
    ) {
        let (a, b) = (symbols[left as usize], symbols[right as usize]);
        let len = a.len + b.len;
        let starts = text[b.start as usize..].chars().next();
        if len as usize > self.longest || starts.is_some_and(|c| self.spaces.ends_before(c)) {
            return;
        }
        let id = mergeable_id(vocabulary, &text[a.start as usize..][..len as usize]);
        let score = id.map(|id| self.scores[id as usize]);
        if let Some(score) = score.filter(|score| *score != NEVER) {
            queue.push(Pair {
                score,
                left,
                right,
                len,
            });
        }
    }
}

/// The bytes that a piece stands for.
pub(super) fn bytes(piece: &str, kind: Kind) -> Vec<u8> {
    match kind {
        Kind::Control | Kind::Unknown | Kind::Unused => Vec::new(),
        Kind::Byte => byte_of(piece).into_iter().collect(),
        Kind::Normal | Kind::UserDefined => piece.replace(SPACE, " ").into_bytes(),
    }
}

/// The file's scores, one for each piece.
pub(super) fn check_scores(meta: &Metadata, vocabulary: &Vocabulary) -> Result<Vec<f32>> {
    let key = "tokenizer.ggml.scores";
    let scores = meta
        .f32s(key)?
        .ok_or_else(|| Error::MissingKey { key: key.into() })?;
    if scores.len() == vocabulary.len() {
        return Ok(scores);
    }
    Err(Error::BadKey {
        key: key.into(),
        found: format!("{} scores", scores.len()),
        expected: format!("one for each of the {} pieces", vocabulary.len()),
    })
}

/// Scores that say the same as a list of merges: the earlier a merge, the higher that of the piece it makes.
fn ranks(merges: ByteStrings<'_>, vocabulary: &Vocabulary) -> Vec<f32> {
    let mut scores = vec![NEVER; vocabulary.len()];
    for (rank, merge) in merges.enumerate() {
        let piece = bpe::split_merge(merge).map(|(left, right)| [left, right].concat());
        if let Some(id) = piece.and_then(|piece| vocabulary.id_of(&piece)) {
            let score = &mut scores[id as usize];
            *score = score.max(-(rank as f32));
        }
    }
    scores
}

/// The token of each byte, where the vocabulary has one.
pub(super) fn byte_tokens(vocabulary: &Vocabulary) -> [Option<u32>; 256] {
    let mut ids = [None; 256];
    for id in vocabulary.of_kind(Kind::Byte) {
        if let Some(byte) = vocabulary.piece(id).and_then(byte_of) {
            ids[usize::from(byte)] = Some(id);
        }
    }
    ids
}

/// Whether all bytes of `text` have a token of their own; only then they are appended.
pub(super) fn bytes_of(byte_ids: &[Option<u32>; 256], text: &str, ids: &mut Vec<u32>) -> bool {
    let bytes: Option<Vec<u32>> = text
        .bytes()
        .map(|byte| byte_ids[usize::from(byte)])
        .collect();
    let all = bytes.is_some();
    ids.extend(bytes.unwrap_or_default());
    all
}

/// Control tokens and byte tokens have texts too, but no text merges into them.
fn mergeable_id(vocabulary: &Vocabulary, piece: &str) -> Option<u32> {
    let id = vocabulary.id(piece)?;
    matches!(vocabulary.kind(id), Some(Kind::Normal | Kind::UserDefined)).then_some(id)
}

/// The byte that `<0x0A>` names.
fn byte_of(piece: &str) -> Option<u8> {
    let digits = piece.strip_prefix("<0x")?.strip_suffix('>')?;
    (digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_hexdigit()))
        .then(|| u8::from_str_radix(digits, 16).ok())
        .flatten()
}
