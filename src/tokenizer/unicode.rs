//! Rewritings of text that need large Unicode tables: normal forms, and characters removed by category.
//!
//! A browser has these tables, so the engine does not ship them: `bindings` gives `set_platform` the browser's own.
//! Native programs take them from crates, those of the Python `tokenizers` package.

use std::borrow::Cow;
use std::sync::OnceLock;

/// What to do with a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rewrite {
    /// Canonical composition.
    Nfc,
    /// Canonical decomposition.
    Nfd,
    /// Compatibility composition.
    Nfkc,
    /// Compatibility decomposition.
    Nfkd,
    /// Without nonspacing marks (Mn).
    NoMarks,
    /// Without control, format and private-use characters (Cc, Cf, Co).
    NoControls,
    /// Lower case, character by character.
    Lowercase,
}

impl Rewrite {
    /// As `tokenizer.json` names its normalizers, in lower case.
    pub fn by_name(name: &str) -> Option<Rewrite> {
        Some(match name {
            "nfc" => Rewrite::Nfc,
            "nfd" => Rewrite::Nfd,
            "nfkc" => Rewrite::Nfkc,
            "nfkd" => Rewrite::Nfkd,
            "stripaccents" => Rewrite::NoMarks,
            "lowercase" => Rewrite::Lowercase,
            _ => return None,
        })
    }
}

/// Rewrites a text as a whole.
pub type Platform = fn(&str, Rewrite) -> String;

static PLATFORM: OnceLock<Platform> = OnceLock::new();

/// Sets what rewrites texts, once and before the first tokenizer; without it wasm leaves them as they are.
pub fn set_platform(platform: Platform) {
    // A second instance of the module's code sets the same function.
    let _ = PLATFORM.set(platform);
}

/// `text` rewritten; most texts need no table and are looked through only.
pub(super) fn rewrite(text: Cow<'_, str>, how: Rewrite) -> Cow<'_, str> {
    if how == Rewrite::Lowercase {
        // The method for whole strings treats a final sigma apart; the standard library has this table anyway.
        return Cow::Owned(text.chars().flat_map(char::to_lowercase).collect());
    }
    let untouched = |c: char| match how {
        // No character below takes part in a composition as its second half; all are composed themselves.
        Rewrite::Nfc => c < '\u{300}',
        Rewrite::Nfd => c < '\u{c0}',
        Rewrite::Nfkc | Rewrite::Nfkd => c < '\u{a0}',
        Rewrite::NoMarks => c < '\u{300}',
        Rewrite::NoControls => matches!(c, ' '..='~'),
        Rewrite::Lowercase => false,
    };
    if text.chars().all(untouched) {
        return text;
    }
    Cow::Owned(PLATFORM.get_or_init(default_platform)(&text, how))
}

#[cfg(target_arch = "wasm32")]
fn default_platform() -> Platform {
    |text, _| text.to_owned()
}

#[cfg(not(target_arch = "wasm32"))]
fn default_platform() -> Platform {
    use unicode_categories::UnicodeCategories;
    use unicode_normalization::UnicodeNormalization;
    |text, how| match how {
        Rewrite::Nfc => text.nfc().collect(),
        Rewrite::Nfd => text.nfd().collect(),
        Rewrite::Nfkc => text.nfkc().collect(),
        Rewrite::Nfkd => text.nfkd().collect(),
        Rewrite::NoMarks => text.chars().filter(|c| !c.is_mark_nonspacing()).collect(),
        Rewrite::NoControls => text.chars().filter(|c| !c.is_other()).collect(),
        Rewrite::Lowercase => text.to_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_rewritten_and_the_shortcut_changes_nothing() {
        let rewritten = |text: &str, how| rewrite(text.to_owned().into(), how).into_owned();
        assert_eq!(rewritten("e\u{301}", Rewrite::Nfc), "é");
        assert_eq!(rewritten("é", Rewrite::Nfd), "e\u{301}");
        assert_eq!(rewritten("ﬁ①", Rewrite::Nfkc), "fi1");
        assert_eq!(rewritten("e\u{301}x", Rewrite::NoMarks), "ex");
        assert_eq!(rewritten("a\u{200b}b\u{7f}", Rewrite::NoControls), "ab");
        for c in ('\0'..='\u{400}').map(String::from) {
            for how in [
                Rewrite::Nfc,
                Rewrite::Nfd,
                Rewrite::Nfkc,
                Rewrite::Nfkd,
                Rewrite::NoMarks,
                Rewrite::NoControls,
            ] {
                assert_eq!(
                    rewritten(&c, how),
                    default_platform()(&c, how),
                    "{c:?} {how:?}"
                );
            }
        }
    }
}
