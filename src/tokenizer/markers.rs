//! Finds tokens that are matched as whole texts (control and user-defined ones), leftmost and longest first.

use super::pattern;
use crate::error::{Error, Result};

/// The longest real ones are below 64 bytes; what a hostile file could make of longer ones is not worth a bound.
const MAX_MARKER_BYTES: usize = 256;

/// How a token is matched, as `tokenizer.json` says it; bits, so that a file can list them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Traits(pub u8);

impl Traits {
    /// It takes the white space before it.
    pub const STRIPS_LEFT: Traits = Traits(1);
    /// It takes the white space behind it.
    pub const STRIPS_RIGHT: Traits = Traits(2);
    /// It matches where no letter or number stands beside it.
    pub const WHOLE_WORD: Traits = Traits(4);
    /// It is looked for after the text has been normalised.
    pub const LATE: Traits = Traits(8);

    pub fn has(self, other: Traits) -> bool {
        self.0 & other.0 != 0
    }
}

/// One such token.
pub(super) struct Marker {
    pub text: Box<str>,
    pub id: u32,
    pub traits: Traits,
}

/// A set of such tokens.
pub(super) struct Markers {
    /// Ascending by their bytes; no text is empty or stands twice.
    all: Vec<Marker>,
    /// Whether some text starts with this byte.
    first_bytes: [bool; 256],
}

/// A stretch of text.
#[derive(Debug, PartialEq)]
pub(super) enum Part<'t> {
    /// With where it starts.
    Text(usize, &'t str),
    Marker(u32),
}

impl Markers {
    /// Empty texts are left out: they would match everywhere.
    pub fn new(mut all: Vec<Marker>) -> Result<Markers> {
        all.retain(|marker| !marker.text.is_empty());
        if let Some(long) = all.iter().find(|m| m.text.len() > MAX_MARKER_BYTES) {
            return Err(Error::Tokenizer {
                what: format!(
                    "the control or user-defined token {} is longer than {MAX_MARKER_BYTES} bytes",
                    long.id
                ),
            });
        }
        all.sort_unstable_by(|a, b| (&a.text, a.id).cmp(&(&b.text, b.id)));
        all.dedup_by(|b, a| a.text == b.text);
        let mut first_bytes = [false; 256];
        for first in all.iter().filter_map(|m| m.text.bytes().next()) {
            first_bytes[usize::from(first)] = true;
        }
        Ok(Markers { all, first_bytes })
    }

    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The longest marker that `text` starts with.
    fn at(&self, text: &[u8]) -> Option<&Marker> {
        // The last text that is not above this one is its longest prefix, or shares a shorter one with it.
        let mut text = &text[..text.len().min(MAX_MARKER_BYTES)];
        let mut upper = self.all.len();
        while !text.is_empty() {
            upper = self.all[..upper].partition_point(|m| m.text.as_bytes() <= text);
            let marker = &self.all[upper.checked_sub(1)?];
            let found = marker.text.as_bytes();
            let shared = found.iter().zip(text).take_while(|(a, b)| a == b).count();
            if shared == found.len() {
                return Some(marker);
            }
            text = &text[..shared];
        }
        None
    }

    /// Cuts `text` into markers and what lies between them. No marker starts where `barred` holds; `nothing` counts as
    /// white space, for it leaves no text.
    pub fn split<'t>(
        &self,
        text: &'t str,
        barred: impl Fn(usize) -> bool,
        nothing: Option<char>,
        mut each: impl FnMut(Part<'t>),
    ) {
        let blank = |c: char| c.is_whitespace() || Some(c) == nothing;
        let bytes = text.as_bytes();
        let (mut start, mut at) = (0, 0);
        while at < bytes.len() {
            let found = (self.first_bytes[usize::from(bytes[at])] && !barred(at))
                .then(|| self.at(&bytes[at..]))
                .flatten();
            let Some(marker) = found else {
                at += 1;
                continue;
            };
            let mut end = at + marker.text.len();
            if marker.traits.has(Traits::WHOLE_WORD)
                && (pattern::is_word(text[..at].chars().next_back())
                    || pattern::is_word(text[end..].chars().next()))
            {
                at = end;
                continue;
            }
            if marker.traits.has(Traits::STRIPS_LEFT) {
                at = start + text[start..at].trim_end_matches(blank).len();
            }
            if marker.traits.has(Traits::STRIPS_RIGHT) {
                end = text.len() - text[end..].trim_start_matches(blank).len();
            }
            if start < at {
                each(Part::Text(start, &text[start..at]));
            }
            each(Part::Marker(marker.id));
            at = end;
            start = at;
        }
        if start < text.len() {
            each(Part::Text(start, &text[start..]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(traits: u8, text: &str) -> Vec<String> {
        let marker = |text: &str, id, traits| Marker {
            text: text.into(),
            id,
            traits: Traits(traits),
        };
        let markers = Markers::new(vec![marker("<m>", 7, traits), marker("<m", 8, 0)]).unwrap();
        let mut parts = Vec::new();
        markers.split(
            text,
            |_| false,
            Some('\u{fdd0}'),
            |part| {
                parts.push(match part {
                    Part::Text(at, text) => format!("{at}{text:?}"),
                    Part::Marker(id) => id.to_string(),
                });
            },
        );
        parts
    }

    #[test]
    fn traits_decide_what_a_marker_takes() {
        for (traits, text, expected) in [
            (0, "a <m> b", &["0\"a \"", "7", "5\" b\""][..]),
            (1, "a \n<m> b", &["0\"a\"", "7", "6\" b\""]),
            (2, "a <m> \u{fdd0} b", &["0\"a \"", "7", "10\"b\""]),
            (3, "  <m>  <m><m ", &["7", "7", "8", "12\" \""]),
            (4, "a<m> <m> <m>é", &["0\"a<m> \"", "7", "8\" <m>é\""]),
            (4, "-<m>\u{2019}", &["0\"-\"", "7", "4\"\u{2019}\""]),
        ] {
            assert_eq!(parts(traits, text), expected, "{traits} {text:?}");
        }
    }
}
