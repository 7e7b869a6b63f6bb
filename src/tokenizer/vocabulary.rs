//! The pieces of a vocabulary: packed text, kinds, and the way from a piece back to its id.

use super::index::{Index, hash_bytes};
use crate::error::{Error, Result};
use crate::format::Metadata;

/// What a piece is for, numbered as `tokenizer.ggml.token_type` numbers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Normal,
    Unknown,
    /// Parsed in the template's own text only; leaves no text.
    Control,
    /// One token wherever its text stands.
    UserDefined,
    Unused,
    /// `<0x0A>`: one byte that no other piece writes.
    Byte,
}

/// Pieces that end a turn or a text in some model family. Files often forget to flag them as control tokens.
const STOP_PIECES: &[&str] = &[
    "<|im_end|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|end_of_text|>",
    "<|endoftext|>",
    "<|end|>",
    "<|end_of_turn|>",
    "<|return|>",
    "<|eot|>",
    "<|eos|>",
    "<end_of_turn>",
    "<turn|>",
    "<end_of_utterance>",
    "<EOT>",
    "</s>",
    "<eos>",
    "[EOS]",
    "<｜end▁of▁sentence｜>",
];

/// More pieces than any model has; a larger array is refused before anything is allocated for it.
const MAX_PIECES: usize = 1 << 22;

const KEY: &str = "tokenizer.ggml.tokens";

pub(super) struct Vocabulary {
    /// All pieces, one after the other.
    text: String,
    /// Where each piece ends in `text`; n pieces.
    ends: Vec<u32>,
    kinds: Vec<Kind>,
    index: Index,
    has_doubles: bool,
}

impl Vocabulary {
    pub fn from_gguf(meta: &Metadata) -> Result<Vocabulary> {
        let pieces = meta.require_byte_strings(KEY)?;
        if pieces.len() == 0 || pieces.len() > MAX_PIECES {
            return Err(Error::BadKey {
                key: KEY.into(),
                found: format!("{} pieces", pieces.len()),
                expected: format!("1 to {MAX_PIECES} pieces"),
            });
        }
        let types = meta.i32s("tokenizer.ggml.token_type")?;
        if let Some(types) = &types
            && types.len() != pieces.len()
        {
            return Err(Error::BadKey {
                key: "tokenizer.ggml.token_type".into(),
                found: format!("{} types", types.len()),
                expected: format!("one for each of the {} pieces", pieces.len()),
            });
        }

        let mut text = Vec::with_capacity(pieces.len() * 8);
        let mut ends = Vec::with_capacity(pieces.len());
        for piece in pieces {
            text.extend_from_slice(piece);
            ends.push(text.len() as u32);
        }
        // All at once, as a call for each takes longer than all the rest.
        let text = String::from_utf8(text).ok();
        let whole = |text: &String| ends.iter().all(|end| text.is_char_boundary(*end as usize));
        let Some(text) = text.filter(whole) else {
            return Err(meta.strings(KEY).err().unwrap_or(Error::Tokenizer {
                what: "its pieces are not UTF-8".into(),
            }));
        };

        let mut vocabulary = Vocabulary {
            kinds: Vec::with_capacity(ends.len()),
            index: Index::with_capacity(ends.len()),
            has_doubles: false,
            text,
            ends,
        };
        for id in 0..vocabulary.ends.len() as u32 {
            let (text, ends) = (&vocabulary.text, &vocabulary.ends);
            let piece = piece_at(text, ends, id);
            let listed = types.as_ref().map(|types| types[id as usize]);
            vocabulary.kinds.push(kind(listed, piece));
            let hash = hash_bytes(piece.as_bytes());
            let same = |row| piece_at(text, ends, row) == piece;
            // A piece that stands twice is found by its first id.
            if let Some(first) = vocabulary.index.insert(hash, id, same)? {
                vocabulary.index.insert(hash, first, |row| row == id)?;
                vocabulary.has_doubles = true;
            }
        }
        Ok(vocabulary)
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether a piece stands twice.
    pub fn has_doubles(&self) -> bool {
        self.has_doubles
    }

    /// Bytes of the longest piece.
    pub fn longest(&self) -> usize {
        let starts = core::iter::once(0).chain(self.ends.iter().copied());
        let lengths = self.ends.iter().zip(starts).map(|(end, start)| end - start);
        lengths.max().unwrap_or(0) as usize
    }

    pub fn piece(&self, id: u32) -> Option<&str> {
        ((id as usize) < self.len()).then(|| piece_at(&self.text, &self.ends, id))
    }

    pub fn kind(&self, id: u32) -> Option<Kind> {
        self.kinds.get(id as usize).copied()
    }

    pub fn id(&self, piece: &str) -> Option<u32> {
        self.id_of(piece.as_bytes())
    }

    /// The id of a piece by its bytes.
    pub fn id_of(&self, piece: &[u8]) -> Option<u32> {
        self.index.find(hash_bytes(piece), |row| {
            piece_at(&self.text, &self.ends, row).as_bytes() == piece
        })
    }

    /// As `id`, but never a control token: for what a text is made of.
    pub fn text_id(&self, piece: &str) -> Option<u32> {
        self.id(piece)
            .filter(|id| self.kind(*id) != Some(Kind::Control))
    }

    /// The ids of a kind, ascending.
    pub fn of_kind(&self, kind: Kind) -> impl Iterator<Item = u32> {
        self.kinds
            .iter()
            .enumerate()
            .filter(move |(_, k)| **k == kind)
            .map(|(id, _)| id as u32)
    }

    /// The control tokens among the pieces that end a turn or a text.
    pub fn stop_pieces(&self) -> impl Iterator<Item = u32> {
        STOP_PIECES
            .iter()
            .filter_map(|piece| self.id(piece))
            .filter(|id| self.kind(*id) == Some(Kind::Control))
    }
}

fn piece_at<'a>(text: &'a str, ends: &[u32], id: u32) -> &'a str {
    let id = id as usize;
    let start = id.checked_sub(1).map_or(0, |before| ends[before] as usize);
    &text[start..ends[id] as usize]
}

/// `listed` is the file's own word, if it has types at all.
fn kind(listed: Option<i32>, piece: &str) -> Kind {
    // Chat markup is a control token whatever the file says: otherwise a user could write it. It begins with a bracket.
    let marked = matches!(piece.as_bytes().first(), Some(b'<' | b'['));
    let framed = marked
        && [["<|", "|>"], ["<｜", "｜>"]].iter().any(|[open, close]| {
            piece.len() > open.len() + close.len()
                && piece.starts_with(open)
                && piece.ends_with(close)
        });
    let ends_turn = marked && STOP_PIECES.contains(&piece);
    match listed {
        Some(3) => Kind::Control,
        Some(1) if framed => Kind::Control,
        None | Some(4) if framed || ends_turn => Kind::Control,
        Some(2) => Kind::Unknown,
        Some(4) => Kind::UserDefined,
        Some(5) => Kind::Unused,
        Some(6) => Kind::Byte,
        _ => Kind::Normal,
    }
}
