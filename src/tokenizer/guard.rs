//! Keeps a user's text from becoming control tokens once a template has mixed it with its own.
//!
//! Before rendering, a guard (a noncharacter that no text holds) breaks everything in the user's text that looks
//! like a control token, whole or cut off at an end. After rendering, what is still whole is the template's own.

use super::vocabulary::{Kind, Vocabulary};

/// Noncharacters: never assigned, and in no sensible text.
const CANDIDATES: core::ops::RangeInclusive<char> = '\u{fdd0}'..='\u{fdef}';

/// The control tokens of a vocabulary, in the form that breaking them needs.
pub(super) struct Guard {
    /// ASCII-lowercased, since templates may change case; ascending, of two characters or more.
    long: Vec<String>,
    /// Control tokens of one character.
    short: Vec<char>,
}

/// A noncharacter that none of `texts` holds.
pub fn free_guard<'a>(texts: impl Iterator<Item = &'a str> + Clone) -> Option<char> {
    CANDIDATES
        .clone()
        .find(|c| !texts.clone().any(|text| text.contains(*c)))
}

impl Guard {
    pub fn new(vocabulary: &Vocabulary) -> Guard {
        let (mut long, mut short) = (Vec::new(), Vec::new());
        for piece in vocabulary
            .of_kind(Kind::Control)
            .chain(vocabulary.of_kind(Kind::Unknown))
            .filter_map(|id| vocabulary.piece(id))
        {
            let mut chars = piece.chars();
            match (chars.next(), chars.next()) {
                (Some(only), None) => short.push(only),
                (Some(_), Some(_)) => long.push(piece.to_ascii_lowercase()),
                (None, _) => {}
            }
        }
        long.sort_unstable();
        Guard { long, short }
    }

    /// `text` with guards in it: one inside each look-alike, two before each control token of one character.
    /// With `ends`, also where the text could be a part of one that what stands beside it completes.
    pub fn protect(&self, text: &str, guard: char, ends: bool) -> String {
        let lower = text.to_ascii_lowercase();
        let mut breaks = Vec::new();
        for (at, c) in lower.char_indices() {
            if self.starts_marker(&lower[at..]) {
                breaks.push(at + c.len_utf8());
            }
        }
        if ends {
            self.break_ends(&lower, &mut breaks);
        }
        breaks.sort_unstable();
        breaks.dedup();

        let mut out = String::with_capacity(text.len() + breaks.len() * guard.len_utf8());
        let mut breaks = breaks.into_iter().peekable();
        for (at, c) in text.char_indices() {
            if breaks.next_if_eq(&at).is_some() {
                out.push(guard);
            }
            if self.short.contains(&c) {
                out.extend([guard, guard]);
            }
            out.push(c);
        }
        out.extend(breaks.map(|_| guard));
        out
    }

    /// Templates trim, and write their own text right before and behind.
    fn break_ends(&self, lower: &str, breaks: &mut Vec<usize>) {
        for whole in [lower, lower.trim_end()] {
            for piece in &self.long {
                let proper = piece.char_indices().skip(1).map(|(end, _)| &piece[..end]);
                for head in proper.filter(|head| whole.ends_with(head)) {
                    let first = head.chars().next().map_or(0, char::len_utf8);
                    breaks.push(whole.len() - head.len() + first);
                }
            }
        }
        for start in [0, lower.len() - lower.trim_start().len()] {
            let whole = &lower[start..];
            let middle = whole.trim_end();
            let goes_on = |piece: &String| {
                let mut tails = piece.char_indices().skip(1).map(|(at, _)| &piece[at..]);
                tails.any(|tail| {
                    whole.starts_with(tail)
                        || !whole.is_empty() && tail.starts_with(whole)
                        || !middle.is_empty() && tail.starts_with(middle)
                })
            };
            if self.long.iter().any(goes_on) {
                breaks.push(start);
            }
        }
    }

    fn starts_marker(&self, lower: &str) -> bool {
        // As in `Markers::at`, but any match will do.
        let mut text = lower;
        let mut upper = self.long.len();
        while !text.is_empty() {
            upper = self.long[..upper].partition_point(|piece| piece.as_str() <= text);
            let Some(found) = upper.checked_sub(1).map(|at| &self.long[at]) else {
                return false;
            };
            let shared = shared_prefix(found, text);
            if shared == found.len() {
                return true;
            }
            text = &text[..shared];
        }
        false
    }
}

/// Bytes that `a` and `b` share at their start, in whole characters.
fn shared_prefix(a: &str, b: &str) -> usize {
    a.chars()
        .zip(b.chars())
        .take_while(|(a, b)| a == b)
        .map(|(a, _)| a.len_utf8())
        .sum()
}

/// Whether a control token of one character at `at` is the user's: two guards stand before it.
pub(super) fn is_barred(text: &str, at: usize, guard: char) -> bool {
    text.is_char_boundary(at) && {
        let mut before = text[..at].chars().rev();
        before.next() == Some(guard) && before.next() == Some(guard)
    }
}
