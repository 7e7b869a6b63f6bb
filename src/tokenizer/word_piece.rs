//! WordPiece (`tokenizer.ggml.model` = bert): the longest piece that starts a word, then the longest that goes on.
//!
//! GGUF files mark the start of a word (`▁`) where the original vocabulary marks what goes on (`##`).

use super::unicode::{Rewrite, rewrite};
use super::vocabulary::{Kind, Vocabulary};
use crate::error::{Error, Result};
use crate::format::Metadata;
use bitcannon::Span;
use bitcannon::classes::class_runs_into;
use bitcannon::classify::{classify_scalar, mask};
use std::borrow::Cow;

/// What marks the start of a word.
const START: char = '▁';
/// A longer word is unknown as a whole, as in the original.
const MAX_WORD_CHARS: usize = 100;

pub(super) struct WordPiece {
    unknown: u32,
    lowercase: bool,
    strip_accents: bool,
    /// Bytes of the longest piece.
    longest: usize,
}

/// Buffers kept between texts.
#[derive(Default)]
pub(super) struct Scratch {
    tags: Vec<u8>,
    starts: Vec<u64>,
    flags: Vec<u64>,
    words: Vec<Span>,
    spelled: String,
}

impl WordPiece {
    pub fn from_gguf(meta: &Metadata, vocabulary: &Vocabulary) -> Result<WordPiece> {
        let unknown = match meta.u32("tokenizer.ggml.unknown_token_id")? {
            Some(id) => Some(id).filter(|id| (*id as usize) < vocabulary.len()),
            None => vocabulary.id("[UNK]"),
        };
        let lowercase = meta
            .bool("tokenizer.ggml.normalizer.lowercase")?
            .unwrap_or(true);
        Ok(WordPiece {
            unknown: unknown.ok_or_else(|| Error::Tokenizer {
                what: "a WordPiece vocabulary needs an unknown token (tokenizer.ggml.unknown_token_id)"
                    .into(),
            })?,
            lowercase,
            strip_accents: meta
                .bool("tokenizer.ggml.normalizer.strip_accents")?
                .unwrap_or(lowercase),
            longest: vocabulary.longest(),
        })
    }

    /// Appends the ids of a text without markers.
    pub fn encode(
        &self,
        vocabulary: &Vocabulary,
        text: &str,
        scratch: &mut Scratch,
        ids: &mut Vec<u32>,
    ) {
        let Scratch {
            tags,
            starts,
            flags,
            words,
            spelled,
        } = scratch;
        let text = self.normalise(text);
        let bytes = text.as_bytes();
        let blocks = bytes.len().div_ceil(64) + 1;
        tags.resize(bytes.len(), 0);
        words.resize(bytes.len() + 1, Span::default());
        starts.resize(blocks, 0);
        flags.resize(blocks, 0);
        classify_scalar(bytes, tags);
        let n =
            class_runs_into::<{ mask::WS }, { mask::PUNCT }, 0>(bytes, tags, starts, flags, words);
        for word in &words[..n] {
            self.encode_word(vocabulary, &text[word.range()], spelled, ids);
        }
    }

    fn encode_word(
        &self,
        vocabulary: &Vocabulary,
        word: &str,
        spelled: &mut String,
        ids: &mut Vec<u32>,
    ) {
        if word.chars().nth(MAX_WORD_CHARS).is_some() {
            ids.push(self.unknown);
            return;
        }
        spelled.clear();
        spelled.push(START);
        spelled.push_str(word);
        let (first, mut rest) = (ids.len(), spelled.as_str());
        while !rest.is_empty() {
            // The mark alone is no piece of the original vocabulary.
            let least = if rest.len() == spelled.len() {
                START.len_utf8()
            } else {
                0
            };
            let ends = rest.char_indices().map(|(at, c)| at + c.len_utf8());
            let found = ends
                .rev()
                .filter(|end| *end > least && *end <= self.longest)
                .find_map(|end| Some((piece_id(vocabulary, &rest[..end])?, end)));
            let Some((id, end)) = found else {
                ids.truncate(first);
                ids.push(self.unknown);
                return;
            };
            ids.push(id);
            rest = &rest[end..];
        }
    }

    /// The normalisation of BERT: control characters out, Han characters apart, accents off, lower case.
    fn normalise<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut cleaned = String::with_capacity(text.len());
        for c in text.chars() {
            match c {
                '\0' | '\u{fffd}' => {}
                // Control characters by category, but spaces here.
                '\t' | '\n' | '\r' => cleaned.push(' '),
                c if c.is_whitespace() && !c.is_control() => cleaned.push(' '),
                c if is_han(c) => cleaned.extend([' ', c, ' ']),
                c => cleaned.push(c),
            }
        }
        let mut text = rewrite(Cow::Owned(cleaned), Rewrite::NoControls);
        if self.strip_accents {
            text = rewrite(rewrite(text, Rewrite::Nfd), Rewrite::NoMarks);
        }
        if self.lowercase {
            text = rewrite(text, Rewrite::Lowercase);
        }
        text
    }

    pub fn bytes(&self, piece: &str, kind: Kind) -> Vec<u8> {
        match kind {
            Kind::Control | Kind::Unknown | Kind::Unused => Vec::new(),
            _ => piece.replace(START, " ").into_bytes(),
        }
    }
}

/// Added tokens are found as markers only.
fn piece_id(vocabulary: &Vocabulary, piece: &str) -> Option<u32> {
    let id = vocabulary.text_id(piece)?;
    (vocabulary.kind(id) != Some(Kind::UserDefined)).then_some(id)
}

/// The blocks of Han characters that BERT sets apart.
fn is_han(c: char) -> bool {
    matches!(c,
        '\u{4e00}'..='\u{9fff}'
        | '\u{3400}'..='\u{4dbf}'
        | '\u{20000}'..='\u{2a6df}'
        | '\u{2a700}'..='\u{2b73f}'
        | '\u{2b740}'..='\u{2b81f}'
        | '\u{2b920}'..='\u{2ceaf}'
        | '\u{f900}'..='\u{faff}'
        | '\u{2f800}'..='\u{2fa1f}')
}
