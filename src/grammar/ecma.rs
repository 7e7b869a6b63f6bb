//! Regular expressions of ECMAScript, as JSON Schema and pages write them, in the spelling of Rust's `regex`.
//!
//! Translates what both spell alike and mean differently. What only one of them knows, such as looking ahead, is left
//! for the reader of the result to refuse.

use crate::error::Result;

use super::refused;

const DIGIT: &str = "0-9";
const WORD: &str = "0-9A-Za-z_";
const SPACE: &str =
    r"\t-\r \xa0\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}\x{feff}";
const ANY: &str = r"\s\S";
/// What a dot leaves out.
const LINE_ENDS: &str = r"\n\r\x{2028}\x{2029}";
/// Left out of every negated class too: `derivre` lets one that holds all control characters have quotes and backslashes,
/// whatever it says of them.
const NUL: &str = r"\x{0}";

/// What becomes of `^` and `$` around the alternatives of a pattern.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Anchors {
    /// The pattern is searched for: they say where.
    Keep,
    /// A whole text has to match: they say nothing more.
    Drop,
}

/// `dot_all`: the flag `s`.
pub(super) fn to_rust(pattern: &str, dot_all: bool, anchors: Anchors) -> Result<String> {
    let mut out = String::with_capacity(pattern.len() * 2);
    let mut rest = pattern.chars().peekable();
    let mut groups = 0_usize;
    let mut begins = true;
    while let Some(c) = rest.next() {
        let outermost = anchors == Anchors::Drop && groups == 0;
        let began = std::mem::replace(&mut begins, c == '|');
        match c {
            '\\' => escape(&mut rest, &mut out, false)?,
            '[' => class(&mut rest, &mut out)?,
            '.' if dot_all => set(&mut out, false, ANY),
            '.' => set(&mut out, true, LINE_ENDS),
            '^' if outermost && began => begins = true,
            '$' if outermost && matches!(rest.peek(), None | Some('|')) => {}
            c => {
                match c {
                    '(' => groups += 1,
                    ')' => groups = groups.saturating_sub(1),
                    _ => {}
                }
                out.push(c);
            }
        }
    }
    Ok(out)
}

type Chars<'a> = std::iter::Peekable<std::str::Chars<'a>>;

fn set(out: &mut String, negated: bool, members: &str) {
    out.push_str(if negated { "[^" } else { "[" });
    if negated && members != ANY {
        out.push_str(NUL);
    }
    out.push_str(members);
    out.push(']');
}

/// What follows a backslash.
fn escape(rest: &mut Chars, out: &mut String, in_class: bool) -> Result<()> {
    let Some(c) = rest.next() else {
        return Err(refused("a pattern ends with a backslash"));
    };
    match c {
        'd' | 'D' => set(out, c == 'D', DIGIT),
        'w' | 'W' => set(out, c == 'W', WORD),
        's' | 'S' => set(out, c == 'S', SPACE),
        'b' if in_class => out.push_str(r"\x08"),
        '0' if !rest.peek().is_some_and(char::is_ascii_digit) => out.push_str(r"\x00"),
        'c' => match rest.next() {
            Some(letter) if letter.is_ascii_alphabetic() => {
                out.push_str(&format!(r"\x{:02x}", letter as u32 & 31));
            }
            _ => return Err(refused(r"a pattern has \c without a letter")),
        },
        // Borders of words in Rust.
        '<' | '>' => out.push(c),
        c => out.extend(['\\', c]),
    }
    Ok(())
}

/// The rest of a class: in Rust classes nest, and `&&`, `--` and `~~` are operators on them.
fn class(rest: &mut Chars, out: &mut String) -> Result<()> {
    let negated = rest.next_if_eq(&'^').is_some();
    if rest.next_if_eq(&']').is_some() {
        set(out, !negated, ANY);
        return Ok(());
    }
    out.push_str(if negated { "[^" } else { "[" });
    if negated {
        out.push_str(NUL);
    }
    let mut after_dash = false;
    while let Some(c) = rest.next() {
        let dash = c == '-' && !after_dash;
        match c {
            ']' => {
                out.push(']');
                return Ok(());
            }
            '\\' => escape(rest, out, true)?,
            '[' | '&' | '~' => out.extend(['\\', c]),
            '-' if after_dash => out.push_str(r"\-"),
            c => out.push(c),
        }
        after_dash = dash;
    }
    Err(refused("a pattern has a [ that is not closed"))
}
