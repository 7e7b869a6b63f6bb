//! Finds tokens that are matched as whole texts (control and user-defined ones), leftmost and longest first.

use super::vocabulary::Vocabulary;

/// A set of such tokens.
pub(super) struct Markers {
    /// For each first byte, where its candidates start in `candidates`; 257 entries.
    by_first: Vec<u32>,
    /// Ids, by first byte, then longest first.
    candidates: Vec<u32>,
}

/// A stretch of text.
#[derive(Debug, PartialEq)]
pub(super) enum Part<'t> {
    Text(&'t str),
    Marker(u32),
}

impl Markers {
    /// Empty pieces are left out: they would match everywhere.
    pub fn new(vocabulary: &Vocabulary, ids: impl Iterator<Item = u32>) -> Markers {
        let piece = |id: u32| vocabulary.piece(id).unwrap_or_default().as_bytes();
        let mut candidates: Vec<u32> = ids.filter(|id| !piece(*id).is_empty()).collect();
        candidates.sort_by(|a, b| {
            let (a, b) = (piece(*a), piece(*b));
            a[0].cmp(&b[0]).then(b.len().cmp(&a.len())).then(a.cmp(b))
        });
        let by_first = (0..=256u32)
            .map(|first| candidates.partition_point(|id| u32::from(piece(*id)[0]) < first) as u32)
            .collect();
        Markers {
            by_first,
            candidates,
        }
    }

    /// The longest marker that `text` starts with.
    fn at(&self, vocabulary: &Vocabulary, text: &[u8]) -> Option<(u32, usize)> {
        let first = usize::from(*text.first()?);
        let range = self.by_first[first] as usize..self.by_first[first + 1] as usize;
        self.candidates[range].iter().find_map(|id| {
            let piece = vocabulary.piece(*id)?;
            text.starts_with(piece.as_bytes())
                .then_some((*id, piece.len()))
        })
    }

    /// Cuts `text` into markers and what lies between them.
    pub fn split<'t>(
        &self,
        vocabulary: &Vocabulary,
        text: &'t str,
        mut each: impl FnMut(Part<'t>),
    ) {
        let bytes = text.as_bytes();
        let (mut start, mut at) = (0, 0);
        while at < bytes.len() {
            let Some((id, len)) = self.at(vocabulary, &bytes[at..]) else {
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
