//! GBNF, the grammars of llama.cpp, rewritten as Lark: names and repetitions alike, `root` for `start`, classes as regexes.

use crate::error::{Error, Result};

fn refused(line: usize, what: &str) -> Error {
    Error::Grammar {
        what: format!("{what} (line {line})"),
    }
}

/// A name as Lark spells rules: lower case, with underscores. The prefix keeps it apart from Lark's own words.
fn rule(name: &str) -> String {
    if name == "root" {
        return "start".into();
    }
    let mut out = String::from("r_");
    for c in name.chars() {
        match c {
            'a'..='z' | '0'..='9' => out.push(c),
            // Names that differ in case or dashes only must stay apart.
            'A'..='Z' => out.extend(['_', 'u', c.to_ascii_lowercase()]),
            '-' => out.push_str("_d"),
            _ => out.push_str("__"),
        }
    }
    out
}

/// The Lark grammar that means the same.
pub(super) fn to_lark(source: &str) -> Result<String> {
    let mut out = String::with_capacity(source.len() * 2);
    let mut rest = source.char_indices().peekable();
    let mut line = 1;
    // Open parentheses.
    let mut open = 0_usize;
    while let Some((at, c)) = rest.next() {
        match c {
            '\n' => {
                line += 1;
                while let Some((_, c)) = rest.next_if(|(_, c)| c.is_whitespace()) {
                    line += usize::from(c == '\n');
                }
                // What is not the head of a rule goes on with the one before.
                let next = rest.peek().map_or("", |(next, _)| &source[*next..]);
                out.push(if begins_rule(next) { '\n' } else { ' ' });
            }
            c if c.is_whitespace() => out.push(' '),
            '#' => while rest.next_if(|(_, c)| *c != '\n').is_some() {},
            '"' | '[' => {
                let close = if c == '"' { '"' } else { ']' };
                let mut escaped = false;
                let end = rest.by_ref().find(|(_, c)| {
                    let ends = *c == close && !escaped;
                    escaped = *c == '\\' && !escaped;
                    ends
                });
                let Some((end, _)) = end else {
                    return Err(refused(line, "a text or class is not closed"));
                };
                let inner = &source[at + 1..end];
                if inner.contains('\n') {
                    return Err(refused(line, "a text or class is not closed"));
                }
                if c == '"' {
                    out.push_str(&text(inner, line)?);
                } else {
                    out.push_str(&class(inner, line)?);
                }
            }
            '.' => out.push_str(r"/[\s\S]/"),
            '(' => {
                open += 1;
                out.push(c);
            }
            ')' => {
                open = open
                    .checked_sub(1)
                    .ok_or_else(|| refused(line, "there is a ) too many"))?;
                out.push(c);
            }
            '|' | '*' | '+' | '?' => out.push(c),
            '{' => {
                out.push(c);
                while let Some((_, c)) = rest.next_if(|(_, c)| *c != '}') {
                    out.push(c);
                }
            }
            '}' => out.push(c),
            ':' => {
                if !source[at..].starts_with("::=") {
                    return Err(refused(line, "a lone :, expected ::="));
                }
                rest.next();
                rest.next();
                out.push(':');
                // The right side may begin on the next line.
                while rest.next_if(|(_, c)| c.is_whitespace()).is_some() {}
                out.push(' ');
            }
            c if c.is_ascii_alphanumeric() || c == '_' || c == '-' => {
                let mut end = at + c.len_utf8();
                while let Some((next, c)) =
                    rest.next_if(|(_, c)| c.is_ascii_alphanumeric() || *c == '_' || *c == '-')
                {
                    end = next + c.len_utf8();
                }
                out.push_str(&rule(&source[at..end]));
            }
            c => return Err(refused(line, &format!("{c:?} has no meaning here"))),
        }
    }
    if !out.contains("start") {
        return Err(refused(line, "there is no rule root"));
    }
    Ok(out)
}

fn begins_rule(text: &str) -> bool {
    let name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let rest = text.trim_start_matches(name);
    rest.len() < text.len() && rest.trim_start_matches([' ', '\t']).starts_with("::=")
}

/// A quoted text as Lark reads it: as JSON.
fn text(inner: &str, line: usize) -> Result<String> {
    let mut value = String::new();
    let mut rest = inner.chars();
    while let Some(c) = rest.next() {
        value.push(if c == '\\' {
            escape(&mut rest, line)?
        } else {
            c
        });
    }
    Ok(serde_json::Value::from(value).to_string())
}

/// A character class as a regular expression.
fn class(inner: &str, line: usize) -> Result<String> {
    let mut out = String::from("/[");
    let mut rest = inner.chars();
    if inner.starts_with('^') {
        out.push('^');
        rest.next();
    }
    while let Some(c) = rest.next() {
        let (c, literal) = match c {
            '\\' => (escape(&mut rest, line)?, true),
            c => (c, c != '-'),
        };
        if literal {
            out.push_str(&format!("\\x{{{:x}}}", u32::from(c)));
        } else {
            out.push(c);
        }
    }
    out.push_str("]/");
    Ok(out)
}

fn escape(rest: &mut core::str::Chars, line: usize) -> Result<char> {
    let digits = match rest.next() {
        Some('n') => return Ok('\n'),
        Some('r') => return Ok('\r'),
        Some('t') => return Ok('\t'),
        Some('x') => 2,
        Some('u') => 4,
        Some('U') => 8,
        Some(c) => return Ok(c),
        None => return Err(refused(line, "a backslash at the end")),
    };
    let hex: String = rest.take(digits).collect();
    u32::from_str_radix(&hex, 16)
        .ok()
        .filter(|_| hex.len() == digits)
        .and_then(char::from_u32)
        .ok_or_else(|| refused(line, &format!("\"{hex}\" is no character's number")))
}
