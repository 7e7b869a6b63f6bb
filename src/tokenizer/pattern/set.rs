//! Sets of characters: ranges and Unicode classes, the latter read from a character's tag.

use bitcannon::classify::{in_mask, mask};

/// Classes by name; where a name covers a pair, the tags do not tell its two apart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Class {
    Letter,
    /// `\p{Lu}\p{Lt}`
    Upper,
    /// `\p{Ll}`
    Lower,
    /// `\p{Lm}\p{Lo}`
    Caseless,
    Mark,
    Number,
    Punctuation,
    Symbol,
    Han,
    Space,
    Digit,
    Word,
}

#[derive(Debug, Clone)]
pub(super) enum Item {
    Range(char, char),
    Class(Class, bool),
    Set(Set),
}

/// Any of the items, or none of them.
#[derive(Debug, Clone, Default)]
pub(super) struct Set {
    pub negated: bool,
    pub items: Vec<Item>,
    /// What a character has to be in as well.
    pub and: Option<Box<Set>>,
}

/// ASCII characters that Unicode counts as symbols; the tags have them as punctuation.
const ASCII_SYMBOLS: &str = "$+<=>^`|~";
/// Letter numbers (Nl): tagged as decimal digits are.
const LETTER_NUMBERS: [(u32, u32); 12] = [
    (0x16ee, 0x16f0),
    (0x2160, 0x2182),
    (0x2185, 0x2188),
    (0x3007, 0x3007),
    (0x3021, 0x3029),
    (0x3038, 0x303a),
    (0xa6e6, 0xa6ef),
    (0x10140, 0x10174),
    (0x10341, 0x10341),
    (0x1034a, 0x1034a),
    (0x103d1, 0x103d5),
    (0x12400, 0x1246e),
];
/// Tags beside the coarse classes: alphabetic symbols, and joiners, share the coarse class of marks.
const MARK: u8 = 0x06;
const ALPHABETIC_SYMBOL: u8 = 0x16;
const UPPER: u8 = 0x10;
const LOWER: u8 = 0x20;
const DECIMAL: u8 = 0x01;

/// Whether a character is one of those words are made of.
pub(super) fn word(tag: u8) -> bool {
    in_mask(tag, mask::WORD)
}

impl Class {
    fn contains(self, c: char, tag: u8) -> bool {
        let letter = in_mask(tag, mask::LETTER);
        match self {
            Class::Letter => letter,
            Class::Upper => tag == UPPER,
            Class::Lower => tag == LOWER,
            Class::Caseless => letter && tag != UPPER && tag != LOWER,
            Class::Mark => tag == MARK,
            Class::Number => in_mask(tag, mask::NUMBER),
            Class::Punctuation => in_mask(tag, mask::PUNCT) && !ASCII_SYMBOLS.contains(c),
            Class::Symbol => {
                tag == ALPHABETIC_SYMBOL
                    || in_mask(tag, mask::PUNCT_SYM & !mask::PUNCT)
                    || ASCII_SYMBOLS.contains(c)
            }
            Class::Han => tag & 0xf0 == 0x30,
            Class::Space => in_mask(tag, mask::WS),
            Class::Digit => {
                let code = u32::from(c);
                tag == DECIMAL
                    && !LETTER_NUMBERS
                        .iter()
                        .any(|(first, last)| (*first..=*last).contains(&code))
            }
            Class::Word => word(tag),
        }
    }
}

impl Set {
    pub fn contains(&self, c: char, tag: u8) -> bool {
        let any = self.items.iter().any(|item| match item {
            Item::Range(first, last) => (*first..=*last).contains(&c),
            Item::Class(class, negated) => class.contains(c, tag) != *negated,
            Item::Set(set) => set.contains(c, tag),
        });
        // The intersection is taken before the complement.
        (any && self.and.as_ref().is_none_or(|set| set.contains(c, tag))) != self.negated
    }

    /// Adds the other case of every letter that is named; the Kelvin sign and the long s are cases of k and s.
    pub fn fold(&mut self) {
        let mut more = Vec::new();
        for item in &mut self.items {
            match item {
                Item::Range(first, last) => {
                    for (from, to) in [('a', 'A'), ('A', 'a')] {
                        let end = char::from(from as u8 + 25);
                        let (low, high) = ((*first).max(from), (*last).min(end));
                        if low <= high {
                            let other = |c: char| char::from(c as u8 - from as u8 + to as u8);
                            more.push(Item::Range(other(low), other(high)));
                            for (letter, sign) in [('s', 'ſ'), ('k', '\u{212a}')] {
                                let known = char::from(letter as u8 - b'a' + from as u8);
                                if (low..=high).contains(&known) {
                                    more.push(Item::Range(sign, sign));
                                }
                            }
                        }
                    }
                }
                Item::Set(set) => set.fold(),
                Item::Class(..) => {}
            }
        }
        self.items.extend(more);
        if let Some(and) = &mut self.and {
            and.fold();
        }
    }
}
