//! RWKV's World vocabularies (`tokenizer.ggml.model` = rwkv): at every byte the longest piece that the text goes on with.
//!
//! Pieces are bytes, halves of characters too. Files spell them as Python does: `\n`, `\x80`.

use super::vocabulary::{Kind, Vocabulary};
use crate::error::{Error, Result};

/// The longest real one has 128.
const MAX_PIECE_BYTES: usize = 256;
/// Bytes looked at for each byte of a text: honest vocabularies stay below 3.
const FUEL: usize = 32;

/// A piece by its place among all bytes.
#[derive(Clone, Copy)]
struct Piece {
    start: u32,
    len: u32,
    id: u32,
}

pub(super) struct Greedy {
    /// All pieces, one after the other.
    bytes: Vec<u8>,
    /// Ascending by their bytes.
    pieces: Vec<Piece>,
    /// [256]: where those begin that start with a byte; the first of them is that byte alone.
    starts: Vec<u32>,
}

impl Greedy {
    pub fn from_gguf(vocabulary: &Vocabulary) -> Result<Greedy> {
        let (mut bytes, mut pieces) = (Vec::new(), Vec::new());
        for id in vocabulary.of_kind(Kind::Normal) {
            let spelled = vocabulary.piece(id).unwrap_or_default();
            let start = bytes.len();
            let whole = unescape(spelled, &mut bytes);
            let len = bytes.len() - start;
            if !whole || len > MAX_PIECE_BYTES {
                return Err(Error::Tokenizer {
                    what: format!(
                        "piece {id} is no Python literal of at most {MAX_PIECE_BYTES} bytes"
                    ),
                });
            }
            if len > 0 {
                let (start, len) = (start as u32, len as u32);
                pieces.push(Piece { start, len, id });
            }
        }
        let of = |p: &Piece| &bytes[p.start as usize..][..p.len as usize];
        // Of pieces that stand twice the last one counts, as in the original.
        pieces.sort_unstable_by(|a, b| of(a).cmp(of(b)).then(b.id.cmp(&a.id)));
        pieces.dedup_by(|b, a| of(a) == of(b));
        let mut starts = Vec::with_capacity(256);
        for byte in 0..=u8::MAX {
            let at = pieces.partition_point(|p| of(p)[0] < byte);
            if pieces.get(at).map(of) != Some(&[byte][..]) {
                return Err(Error::Tokenizer {
                    what: format!("no piece is the byte {byte}: some texts have no ids"),
                });
            }
            starts.push(at as u32);
        }
        Ok(Greedy {
            bytes,
            pieces,
            starts,
        })
    }

    /// Appends the ids of a text without markers.
    pub fn encode(&self, text: &str, ids: &mut Vec<u32>) -> Result<()> {
        let mut rest = text.as_bytes();
        let mut fuel = (rest.len() + MAX_PIECE_BYTES) * FUEL;
        while !rest.is_empty() {
            let (piece, looked_at) = self.longest(rest);
            let Some(left) = fuel.checked_sub(looked_at) else {
                return Err(Error::Tokenizer {
                    what: "the vocabulary's pieces begin alike and end otherwise, over and over; no honest file looks like this".into(),
                });
            };
            fuel = left;
            ids.push(piece.id);
            rest = &rest[piece.len as usize..];
        }
        Ok(())
    }

    /// The longest piece that `text` (not empty) starts with, and the bytes it took to find it.
    fn longest(&self, text: &[u8]) -> (Piece, usize) {
        let first = usize::from(text[0]);
        let end = self.starts.get(first + 1).map(|at| *at as usize);
        let mut alike = &self.pieces[self.starts[first] as usize..end.unwrap_or(self.pieces.len())];
        let mut found = alike[0];
        let mut depth = 1;
        while let Some(byte) = text.get(depth) {
            // What ends before this byte is less than any.
            let next = |p: &Piece| {
                let inside = depth < p.len as usize;
                inside.then(|| self.bytes[p.start as usize + depth])
            };
            alike = &alike[alike.partition_point(|p| next(p) < Some(*byte))..];
            alike = &alike[..alike.partition_point(|p| next(p) == Some(*byte))];
            depth += 1;
            match alike.first() {
                Some(piece) if piece.len as usize == depth => found = *piece,
                Some(_) => {}
                None => break,
            }
        }
        (found, depth)
    }
}

/// The bytes of a piece.
pub(super) fn bytes(piece: &str, kind: Kind) -> Vec<u8> {
    let mut bytes = Vec::new();
    if kind == Kind::Normal {
        unescape(piece, &mut bytes);
    }
    bytes
}

/// Appends the bytes that `spelled` spells; false where an escape is cut off or no escape.
fn unescape(spelled: &str, out: &mut Vec<u8>) -> bool {
    let mut rest = spelled.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        out.push(match rest.next() {
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(b'x') => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                match (digit(), digit()) {
                    (Some(high), Some(low)) => (high * 16 + low) as u8,
                    _ => return false,
                }
            }
            Some(itself @ (b'\\' | b'\'' | b'"')) => itself,
            _ => return false,
        });
    }
    true
}
