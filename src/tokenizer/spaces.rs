//! How the SentencePiece models write spaces: as `▁`, and mostly one of them before a text that has none.

use crate::error::{Error, Result};
use crate::format::Metadata;

/// How pieces write a space.
pub(super) const SPACE: char = '▁';

/// Keys of our own, written for a `tokenizer.json` whose `Metaspace` GGUF has no keys for.
const SCHEME_KEY: &str = "smidgen.metaspace";
const SPLIT_KEY: &str = "smidgen.metaspace_split";

/// When a text starts with a space that it does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Prefix {
    Never,
    /// Before each stretch between markers.
    Always,
    /// Before each stretch that does not start with one.
    Missing,
    /// As `Missing`, but only where nothing comes before.
    First,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Spaces {
    prefix: Prefix,
    /// Whether no piece goes over the start of a word.
    pub split: bool,
    /// Whether spaces are written before markers are looked for that want a normalised text.
    pub early: bool,
}

impl Spaces {
    /// `otherwise`: what a missing key stands for.
    pub fn from_gguf(meta: &Metadata, otherwise: bool) -> Result<Spaces> {
        let key = "tokenizer.ggml.add_space_prefix";
        let prefix = match meta.bool(key)?.unwrap_or(otherwise) {
            true => Prefix::Always,
            false => Prefix::Never,
        };
        let scheme = meta.str(SCHEME_KEY)?;
        Ok(Spaces {
            prefix: match scheme {
                None => prefix,
                Some("always") => Prefix::Missing,
                Some("first") => Prefix::First,
                Some("never") => Prefix::Never,
                Some(other) => {
                    return Err(Error::BadKey {
                        key: SCHEME_KEY.into(),
                        found: format!("{other:?}"),
                        expected: "always, first or never".into(),
                    });
                }
            },
            split: meta.bool(SPLIT_KEY)?.unwrap_or(false),
            early: scheme.is_none(),
        })
    }

    /// Whether the first space of a decoded text was never written.
    pub fn prefixes(self) -> bool {
        self.prefix != Prefix::Never
    }

    /// Whether a space goes before a stretch that starts with `first`; `start`: nothing comes before it.
    pub fn prefix(self, first: Option<char>, start: bool) -> bool {
        let missing = first.is_none_or(|c| c != ' ' && c != SPACE);
        match self.prefix {
            Prefix::Never => false,
            Prefix::Always => true,
            Prefix::Missing => missing,
            Prefix::First => missing && start,
        }
    }

    /// Whether a piece may not go on over `c`.
    pub fn ends_before(self, c: char) -> bool {
        self.split && c == SPACE
    }

    /// Writes `text` into `out` as the pieces write it.
    pub fn spell(self, text: &str, start: bool, out: &mut String) {
        out.clear();
        if self.prefix(text.chars().next(), start) {
            out.push(SPACE);
        }
        out.extend(text.chars().map(|c| if c == ' ' { SPACE } else { c }));
    }
}
