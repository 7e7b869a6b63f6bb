//! SentencePiece Unigram (`tokenizer.ggml.model` = t5): of all ways to write a text in pieces, the one with the
//! highest sum of scores.

use super::charsmap::Charsmap;
use super::sentencepiece::{NEVER, byte_tokens, bytes_of, check_scores};
use super::spaces::{SPACE, Spaces};
use super::vocabulary::{Kind, Vocabulary};
use super::{MAX_TEXT_BYTES, check_length};
use crate::error::{Error, Result};
use crate::format::Metadata;

/// An unknown character costs that much more than the least likely piece.
const UNKNOWN_PENALTY: f64 = 10.0;
/// Real pieces stay below 100 bytes. Longer ones would make every position of a text as expensive as they are long.
const MAX_PIECE_BYTES: usize = 256;

pub(super) struct Unigram {
    /// One for each piece.
    scores: Vec<f32>,
    unknown: u32,
    unknown_score: f64,
    byte_ids: [Option<u32>; 256],
    charsmap: Option<Charsmap>,
    spaces: Spaces,
    /// Whether runs of spaces count as one, and those at the ends not at all.
    squeeze: bool,
    longest: usize,
}

/// Buffers kept between texts.
#[derive(Default)]
pub(super) struct Scratch {
    text: String,
    /// For each byte of the text, the best way to end there.
    best: Vec<Step>,
    path: Vec<(u32, u32)>,
}

/// The last piece of the best way to a position.
#[derive(Clone, Copy)]
struct Step {
    score: f64,
    start: u32,
    id: u32,
}

const UNREACHED: Step = Step {
    score: f64::NEG_INFINITY,
    start: 0,
    id: 0,
};

impl Unigram {
    pub fn from_gguf(meta: &Metadata, vocabulary: &Vocabulary) -> Result<Unigram> {
        let scores = check_scores(meta, vocabulary)?;
        let unknown = match meta.u32("tokenizer.ggml.unknown_token_id")? {
            Some(id) => Some(id).filter(|id| (*id as usize) < vocabulary.len()),
            None => vocabulary.of_kind(Kind::Unknown).next(),
        };
        let normal = vocabulary
            .of_kind(Kind::Normal)
            .map(|id| f64::from(scores[id as usize]));
        let least = normal.filter(|s| s.is_finite()).fold(0.0, f64::min);
        let charsmap = meta.bytes("tokenizer.ggml.precompiled_charsmap")?;
        let flag = |key: &str| meta.bool(key);
        Ok(Unigram {
            unknown: unknown.ok_or_else(|| Error::Tokenizer {
                what:
                    "a Unigram vocabulary needs an unknown token (tokenizer.ggml.unknown_token_id)"
                        .into(),
            })?,
            unknown_score: least - UNKNOWN_PENALTY,
            byte_ids: byte_tokens(vocabulary),
            charsmap: charsmap
                .filter(|blob| !blob.is_empty())
                .map(Charsmap::new)
                .transpose()?,
            spaces: Spaces::from_gguf(meta, true)?,
            squeeze: flag("tokenizer.ggml.remove_extra_whitespaces")?.unwrap_or(false),
            longest: vocabulary.longest().min(MAX_PIECE_BYTES),
            scores,
        })
    }

    pub fn spaces(&self) -> Spaces {
        self.spaces
    }

    /// Appends the ids of a text without markers; `start`: nothing comes before it.
    pub fn encode(
        &self,
        vocabulary: &Vocabulary,
        text: &str,
        start: bool,
        scratch: &mut Scratch,
        ids: &mut Vec<u32>,
    ) -> Result<()> {
        let Scratch {
            text: spelled,
            best,
            path,
        } = scratch;
        self.normalise(text, start, spelled)?;
        best.clear();
        best.resize(spelled.len() + 1, UNREACHED);
        best[0].score = 0.0;
        for (start, first) in spelled.char_indices() {
            let here = best[start].score;
            let rest = &spelled[start..];
            let mut try_piece = |len: usize, id: u32, score: f64| {
                let end = &mut best[start + len];
                // The first way wins among equals: the one whose last piece starts earliest.
                if here + score > end.score || end.score == f64::NEG_INFINITY {
                    *end = Step {
                        score: here + score,
                        start: start as u32,
                        id,
                    };
                }
            };
            let mut single = false;
            let ends = rest
                .char_indices()
                .take_while(|(at, c)| *at == 0 || !self.spaces.ends_before(*c))
                .map(|(at, c)| at + c.len_utf8());
            for len in ends.take_while(|len| *len <= self.longest) {
                let id = vocabulary.id(&rest[..len]);
                let normal = |id: &u32| {
                    matches!(vocabulary.kind(*id), Some(Kind::Normal | Kind::UserDefined))
                };
                let score = id.filter(normal).map(|id| (id, self.scores[id as usize]));
                if let Some((id, score)) = score.filter(|(_, score)| *score != NEVER) {
                    single |= len == first.len_utf8();
                    try_piece(len, id, f64::from(score));
                }
            }
            if !single {
                try_piece(first.len_utf8(), self.unknown, self.unknown_score);
            }
        }

        path.clear();
        let mut end = spelled.len() as u32;
        while end > 0 {
            let Step { start, id, .. } = best[end as usize];
            let word = spelled[end as usize..].chars().next();
            let word = word.is_some_and(|c| self.spaces.ends_before(c));
            // Neighbouring unknown characters of a word are one.
            match path.last_mut() {
                Some((last, from)) if id == self.unknown && *last == id && !word => *from = start,
                _ => path.push((id, start)),
            }
            end = start;
        }
        let mut pieces = path.iter().rev().peekable();
        while let Some((id, start)) = pieces.next() {
            let end = pieces.peek().map_or(spelled.len(), |next| next.1 as usize);
            let written = *id == self.unknown
                && bytes_of(&self.byte_ids, &spelled[*start as usize..end], ids);
            if !written {
                ids.push(*id);
            }
        }
        Ok(())
    }

    /// Replacements first, then spaces, as SentencePiece does it.
    fn normalise(&self, text: &str, start: bool, out: &mut String) -> Result<()> {
        out.clear();
        let mut rest = text;
        let mut after_space = self.squeeze;
        let mut started = false;
        while let Some(first) = rest.chars().next() {
            let (chunk, len) = self
                .charsmap
                .as_ref()
                .and_then(|map| map.longest(rest))
                .unwrap_or((&rest[..first.len_utf8()], first.len_utf8()));
            rest = &rest[len..];
            for c in chunk.chars() {
                if c == ' ' && after_space {
                    continue;
                }
                if !started && self.spaces.prefix(Some(c), start) {
                    out.push(SPACE);
                }
                started = true;
                out.push(if c == ' ' { SPACE } else { c });
                after_space = self.squeeze && c == ' ';
            }
            if out.len() > MAX_TEXT_BYTES {
                return check_length(out);
            }
        }
        if after_space && started {
            out.truncate(out.trim_end_matches(SPACE).len());
        }
        Ok(())
    }
}
