//! Finds tokens that are matched as whole texts (control and user-defined ones), leftmost and longest first.

use super::vocabulary::Vocabulary;
use crate::error::{Error, Result};

/// The longest real ones are below 64 bytes; what a hostile file could make of longer ones is not worth a bound.
const MAX_MARKER_BYTES: usize = 256;

/// A set of such tokens.
pub(super) struct Markers {
    /// Ascending by their bytes; no piece is empty or stands twice.
    ids: Vec<u32>,
    /// Whether some piece starts with this byte.
    first_bytes: [bool; 256],
}

/// A stretch of text.
#[derive(Debug, PartialEq)]
pub(super) enum Part<'t> {
    Text(&'t str),
    Marker(u32),
}

impl Markers {
    /// Empty pieces are left out: they would match everywhere.
    pub fn new(vocabulary: &Vocabulary, mut ids: Vec<u32>) -> Result<Markers> {
        let piece = |id: u32| vocabulary.piece(id).unwrap_or_default();
        ids.retain(|id| !piece(*id).is_empty());
        if let Some(long) = ids.iter().find(|id| piece(**id).len() > MAX_MARKER_BYTES) {
            return Err(Error::Tokenizer {
                what: format!(
                    "the control or user-defined token {long} is longer than {MAX_MARKER_BYTES} bytes"
                ),
            });
        }
        ids.sort_unstable_by_key(|id| (piece(*id).as_bytes(), *id));
        ids.dedup_by_key(|id| piece(*id));
        let mut first_bytes = [false; 256];
        for first in ids.iter().filter_map(|id| piece(*id).bytes().next()) {
            first_bytes[usize::from(first)] = true;
        }
        Ok(Markers { ids, first_bytes })
    }

    /// The longest marker that `text` starts with, and its length.
    fn at(&self, vocabulary: &Vocabulary, text: &[u8]) -> Option<(u32, usize)> {
        let piece = |id: u32| vocabulary.piece(id).unwrap_or_default().as_bytes();
        // The last piece that is not above the text is its longest prefix, or shares a shorter one with it.
        let mut text = &text[..text.len().min(MAX_MARKER_BYTES)];
        let mut upper = self.ids.len();
        while !text.is_empty() {
            upper = self.ids[..upper].partition_point(|id| piece(*id) <= text);
            let id = self.ids[upper.checked_sub(1)?];
            let found = piece(id);
            let shared = found.iter().zip(text).take_while(|(a, b)| a == b).count();
            if shared == found.len() {
                return Some((id, shared));
            }
            text = &text[..shared];
        }
        None
    }

    /// Cuts `text` into markers and what lies between them; no marker starts where `barred` holds.
    pub fn split<'t>(
        &self,
        vocabulary: &Vocabulary,
        text: &'t str,
        barred: impl Fn(usize) -> bool,
        mut each: impl FnMut(Part<'t>),
    ) {
        let bytes = text.as_bytes();
        let (mut start, mut at) = (0, 0);
        while at < bytes.len() {
            let found = (self.first_bytes[usize::from(bytes[at])] && !barred(at))
                .then(|| self.at(vocabulary, &bytes[at..]))
                .flatten();
            let Some((id, len)) = found else {
                at += 1;
                continue;
            };
            if start < at {
                each(Part::Text(&text[start..at]));
            }
            each(Part::Marker(id));
            at += len;
            start = at;
        }
        if start < text.len() {
            each(Part::Text(&text[start..]));
        }
    }
}
