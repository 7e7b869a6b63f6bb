//! The small part of regular expressions in which pre-tokenizers are written: finds words in a text.
//!
//! Neither captures nor references back, so a match takes time in proportion to its length, whoever wrote the
//! pattern. Characters are classed by the tags of `bitcannon`, so no further Unicode table is needed.

mod parse;
mod set;

use crate::error::{Error, Result};
use bitcannon::classify::classify_scalar;
use core::ops::Range;
use parse::Node;
use set::Set;

/// More than any real pattern needs, repetitions written out.
const MAX_PROGRAM: usize = 4096;
/// Steps that a whole text may take, besides some for each of its bytes: honest patterns that look ahead, over a
/// number of thousands of digits, take most of them.
const FUEL: u64 = 1 << 27;
const FUEL_PER_BYTE: u64 = 1 << 10;

/// A compiled pattern.
pub(super) struct Pattern {
    program: Vec<Op>,
    sets: Vec<Set>,
}

enum Op {
    /// One character of a set.
    One(u16),
    /// Both ways, the first preferred.
    Fork(u16, u16),
    Jump(u16),
    /// Goes on at the place if what follows here matches (or not).
    Look {
        ahead: bool,
        then: u16,
    },
    LineStart,
    LineEnd,
    WordEdge(bool),
    Found,
}

/// A text and the tag of each of its bytes.
#[derive(Clone, Copy)]
pub(super) struct Tagged<'t> {
    pub text: &'t str,
    pub tags: &'t [u8],
}

impl Tagged<'_> {
    fn at(&self, at: usize) -> Option<(char, u8)> {
        Some((self.text[at..].chars().next()?, self.tags[at]))
    }

    fn before(&self, at: usize) -> Option<(char, u8)> {
        let c = self.text[..at].chars().next_back()?;
        Some((c, self.tags[at - c.len_utf8()]))
    }
}

/// Whether `c` is one of those words are made of; none at the edges of a text.
pub(super) fn is_word(c: Option<char>) -> bool {
    c.is_some_and(|c| {
        let (mut bytes, mut tags) = ([0; 4], [0; 4]);
        let c = c.encode_utf8(&mut bytes);
        classify_scalar(c.as_bytes(), &mut tags[..c.len()]);
        set::word(tags[0])
    })
}

/// Buffers of a search.
#[derive(Default)]
pub(super) struct Scratch {
    now: Vec<u16>,
    next: Vec<u16>,
    stack: Vec<u16>,
    /// For each instruction, the last round that has reached it.
    reached: Vec<u32>,
    round: u32,
    fuel: u64,
}

impl Scratch {
    /// Before the first pattern looks at a text.
    pub fn refuel(&mut self, text: &str) {
        self.fuel = FUEL + FUEL_PER_BYTE * text.len() as u64;
    }

    fn new_round(&mut self) {
        self.round = self.round.wrapping_add(1);
        if self.round == 0 {
            self.reached.fill(0);
            self.round = 1;
        }
    }
}

impl Pattern {
    pub fn new(source: &str) -> Result<Pattern> {
        let mut pattern = Pattern {
            program: Vec::new(),
            sets: Vec::new(),
        };
        let compiled = parse::parse(source, &mut pattern.sets).and_then(|node| {
            pattern.compile(&node)?;
            pattern.push(Op::Found)
        });
        match compiled {
            Ok(_) => Ok(pattern),
            Err(what) => Err(Error::Tokenizer {
                what: format!(
                    "the pattern {:?} of the pre-tokenizer cannot be used: {what}",
                    source.chars().take(300).collect::<String>()
                ),
            }),
        }
    }

    fn push(&mut self, op: Op) -> parse::Result<u16> {
        if self.program.len() >= MAX_PROGRAM {
            return Err("it is too long");
        }
        self.program.push(op);
        Ok(self.program.len() as u16 - 1)
    }

    fn here(&self) -> u16 {
        self.program.len() as u16
    }

    fn compile(&mut self, node: &Node) -> parse::Result<()> {
        match node {
            Node::One(set) => self.push(Op::One(*set)).map(drop),
            Node::All(nodes) => nodes.iter().try_for_each(|node| self.compile(node)),
            Node::Any(nodes) => self.compile_any(nodes),
            Node::Repeat(node, times, greedy) => self.compile_repeat(node, times, *greedy),
            Node::Look(node, ahead) => {
                let look = self.push(Op::Found)?;
                self.compile(node)?;
                self.push(Op::Found)?;
                self.program[usize::from(look)] = Op::Look {
                    ahead: *ahead,
                    then: self.here(),
                };
                Ok(())
            }
            Node::LineStart => self.push(Op::LineStart).map(drop),
            Node::LineEnd => self.push(Op::LineEnd).map(drop),
            Node::WordEdge(edge) => self.push(Op::WordEdge(*edge)).map(drop),
        }
    }

    fn compile_any(&mut self, nodes: &[Node]) -> parse::Result<()> {
        let mut jumps = Vec::new();
        for (index, node) in nodes.iter().enumerate() {
            if index + 1 == nodes.len() {
                self.compile(node)?;
                break;
            }
            let fork = self.push(Op::Found)?;
            self.compile(node)?;
            jumps.push(self.push(Op::Found)?);
            self.program[usize::from(fork)] = Op::Fork(fork + 1, self.here());
        }
        let end = self.here();
        for jump in jumps {
            self.program[usize::from(jump)] = Op::Jump(end);
        }
        Ok(())
    }

    fn compile_repeat(
        &mut self,
        node: &Node,
        times: &(u16, Option<u16>),
        greedy: bool,
    ) -> parse::Result<()> {
        let fork = |stay: u16, leave: u16| {
            if greedy {
                Op::Fork(stay, leave)
            } else {
                Op::Fork(leave, stay)
            }
        };
        for _ in 0..times.0 {
            self.compile(node)?;
        }
        let Some(most) = times.1 else {
            let start = self.push(Op::Found)?;
            self.compile(node)?;
            self.push(Op::Jump(start))?;
            self.program[usize::from(start)] = fork(start + 1, self.here());
            return Ok(());
        };
        let mut forks = Vec::new();
        for _ in times.0..most {
            forks.push(self.push(Op::Found)?);
            self.compile(node)?;
        }
        let end = self.here();
        for at in forks {
            self.program[usize::from(at)] = fork(at + 1, end);
        }
        Ok(())
    }

    /// Gives all of `text` to `each`, in order: what matches, and what lies between.
    pub fn split(
        &self,
        text: Tagged<'_>,
        scratch: &mut Scratch,
        mut each: impl FnMut(Range<usize>),
    ) -> Result<()> {
        let len = text.text.len();
        let (mut start, mut at) = (0, 0);
        while let Some((c, _)) = text.at(at) {
            let found = self.longest_at(text, at, 0, scratch);
            if scratch.fuel == 0 {
                return Err(Error::Tokenizer {
                    what: "a pattern of the pre-tokenizer goes over a text again and again".into(),
                });
            }
            match found {
                Some(end) => {
                    // An empty match cuts and takes nothing.
                    if start < at {
                        each(start..at);
                    }
                    if at < end {
                        each(at..end);
                    }
                    start = end;
                    at = end.max(at + if end == at { c.len_utf8() } else { 0 });
                }
                None => at += c.len_utf8(),
            }
        }
        if start < len {
            each(start..len);
        }
        Ok(())
    }

    /// Where the preferred match that starts at `at` ends, from the instruction `op` on.
    fn longest_at(
        &self,
        text: Tagged<'_>,
        mut at: usize,
        op: u16,
        scratch: &mut Scratch,
    ) -> Option<usize> {
        let mut found = None;
        scratch.reached.resize(self.program.len(), 0);
        scratch.new_round();
        self.reach(text, at, op, scratch);
        loop {
            let mut now = core::mem::take(&mut scratch.next);
            scratch.next = core::mem::take(&mut scratch.now);
            scratch.next.clear();
            scratch.new_round();
            let next = text.at(at);
            for op in &now {
                scratch.fuel = scratch.fuel.saturating_sub(1);
                match (&self.program[usize::from(*op)], next) {
                    // What is less preferred has no say any more.
                    (Op::Found, _) => {
                        found = Some(at);
                        break;
                    }
                    (Op::One(set), Some((c, tag)))
                        if self.sets[usize::from(*set)].contains(c, tag) =>
                    {
                        self.reach(text, at + c.len_utf8(), op + 1, scratch);
                    }
                    _ => {}
                }
            }
            now.clear();
            scratch.now = now;
            let (Some((c, _)), false, true) = (next, scratch.next.is_empty(), scratch.fuel > 0)
            else {
                scratch.next.clear();
                return found;
            };
            at += c.len_utf8();
        }
    }

    /// Adds to `scratch.next` what can be reached from `op` without a character, preferred ways first.
    fn reach(&self, text: Tagged<'_>, at: usize, op: u16, scratch: &mut Scratch) {
        scratch.stack.push(op);
        while let Some(op) = scratch.stack.pop() {
            let seen = &mut scratch.reached[usize::from(op)];
            if *seen == scratch.round {
                continue;
            }
            *seen = scratch.round;
            scratch.fuel = scratch.fuel.saturating_sub(1);
            match &self.program[usize::from(op)] {
                Op::One(_) | Op::Found => scratch.next.push(op),
                Op::Jump(to) => scratch.stack.push(*to),
                Op::Fork(first, second) => scratch.stack.extend([*second, *first]),
                Op::Look { ahead, then } => {
                    if self.looks(text, at, op + 1, &mut scratch.fuel) == *ahead {
                        scratch.stack.push(*then);
                    }
                }
                Op::LineStart => {
                    if text.before(at).is_none_or(|(c, _)| c == '\n') {
                        scratch.stack.push(op + 1);
                    }
                }
                Op::LineEnd => {
                    if text.at(at).is_none_or(|(c, _)| c == '\n') {
                        scratch.stack.push(op + 1);
                    }
                }
                Op::WordEdge(edge) => {
                    let word = |side: Option<(char, u8)>| side.is_some_and(|(_, t)| set::word(t));
                    if (word(text.before(at)) != word(text.at(at))) == *edge {
                        scratch.stack.push(op + 1);
                    }
                }
            }
        }
    }

    /// Whether the instructions from `op` on match at `at`.
    fn looks(&self, text: Tagged<'_>, at: usize, op: u16, fuel: &mut u64) -> bool {
        // Nearly always one character is looked at.
        if let [Op::One(set), Op::Found, ..] = &self.program[usize::from(op)..] {
            let next = text.at(at);
            return next.is_some_and(|(c, tag)| self.sets[usize::from(*set)].contains(c, tag));
        }
        let mut scratch = Scratch {
            fuel: *fuel,
            ..Scratch::default()
        };
        let found = self.longest_at(text, at, op, &mut scratch);
        *fuel = scratch.fuel;
        found.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(pattern: &str, text: &str) -> Vec<String> {
        let mut tags = vec![0; text.len()];
        classify_scalar(text.as_bytes(), &mut tags);
        let mut words = Vec::new();
        let tagged = Tagged { text, tags: &tags };
        let mut scratch = Scratch::default();
        scratch.refuel(text);
        Pattern::new(pattern)
            .unwrap()
            .split(tagged, &mut scratch, |range| {
                words.push(text[range].to_owned());
            })
            .unwrap();
        words
    }

    #[test]
    fn finds_what_regular_expressions_find() {
        for (pattern, text, expected) in [
            (
                r"\d{1,3}(?=(?:\d{3})*\b)",
                "1234567",
                &["1", "234", "567"][..],
            ),
            (r"(?=(\d{3})+(?!\d))", "a12345b", &["a12", "345b"]),
            (r"a|ab", "abab", &["a", "b", "a", "b"]),
            (r"(?:ab?)+?c", "xabacy", &["x", "abac", "y"]),
            (r"\s+(?!\S)|\s+", "a   b ", &["a", "  ", " ", "b", " "]),
            (r"(?i:'s|'ll)", "it's'LL'ſ", &["it", "'s", "'LL", "'ſ"]),
            (
                r"[^(\s|[.,!?])]+",
                "ab (c|d).",
                &["ab", " (", "c", "|", "d", ")."],
            ),
            (r"[\p{L}&&[^\p{Han}]]+", "ab漢c", &["ab", "漢", "c"]),
            (r"\S+$", "ab cd\nef", &["ab ", "cd", "\n", "ef"]),
            (r"[\x41-\u0043\t]+", "ABCD\t", &["ABC", "D", "\t"]),
            (r"", "ab", &["a", "b"]),
        ] {
            assert_eq!(words(pattern, text), expected, "{pattern}");
        }
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for pattern in [
            "(",
            ")",
            "[a",
            "a{2",
            "*",
            r"\p{Thai}",
            r"\k",
            "(?<a>b)",
            r"(a)\1",
            "a{9999}",
            "(((a{60}){60}){60})",
            "[b-a]",
            r"\p{Lu}",
            "(?<=a)b",
        ] {
            assert!(Pattern::new(pattern).is_err(), "{pattern}");
        }
        assert!(Pattern::new(&"(".repeat(100_000)).is_err());
        assert!(Pattern::new(&"[".repeat(100_000)).is_err());
    }

    #[test]
    fn a_hostile_pattern_runs_out_of_fuel() {
        let text = "a".repeat(100_000);
        let tags = vec![0x20; text.len()];
        let tagged = Tagged {
            text: &text,
            tags: &tags,
        };
        let hostile = Pattern::new("(?:(?:a*)*a*)*b").unwrap();
        let mut scratch = Scratch::default();
        scratch.refuel(&text);
        let error = hostile.split(tagged, &mut scratch, |_| ());
        assert_eq!(error.unwrap_err().code(), "bad_tokenizer");
    }
}
