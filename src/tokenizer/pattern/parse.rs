//! Reads a pattern. What pre-tokenizers do not use is refused by name, never read as something else.

use super::set::{Class, Item, Set};
use core::iter::Peekable;
use core::str::Chars;

/// Brackets within brackets.
const MAX_DEPTH: usize = 16;
const MAX_REPEAT: u16 = 512;

type Result<T> = core::result::Result<T, String>;

/// A parsed pattern; sets are numbers of a list.
pub(super) enum Node {
    One(u16),
    All(Vec<Node>),
    Any(Vec<Node>),
    /// At least, at most (or without end), and whether more is preferred.
    Repeat(Box<Node>, (u16, Option<u16>), bool),
    /// Whether it has to match, or must not.
    Look(Box<Node>, bool),
    LineStart,
    LineEnd,
    WordEdge(bool),
}

pub(super) fn parse(source: &str, sets: &mut Vec<Set>) -> Result<Node> {
    let mut parser = Parser {
        rest: source.chars().peekable(),
        sets,
        fold: false,
        depth: 0,
    };
    let node = parser.any()?;
    match parser.rest.next() {
        None => Ok(node),
        Some(c) => Err(format!("{c:?} closes nothing")),
    }
}

struct Parser<'s> {
    rest: Peekable<Chars<'s>>,
    sets: &'s mut Vec<Set>,
    /// Whether case makes no difference here.
    fold: bool,
    depth: usize,
}

impl Parser<'_> {
    fn take(&mut self, c: char) -> bool {
        self.rest.next_if_eq(&c).is_some()
    }

    fn expect(&mut self, c: char) -> Result<()> {
        match self.rest.next() {
            Some(found) if found == c => Ok(()),
            found => Err(format!("{c:?} is missing before {found:?}")),
        }
    }

    fn deeper(&mut self) -> Result<()> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err("its brackets are too deep".into());
        }
        Ok(())
    }

    fn any(&mut self) -> Result<Node> {
        let mut ways = Vec::new();
        loop {
            let mut parts = Vec::new();
            while self.rest.peek().is_some_and(|c| !matches!(c, '|' | ')')) {
                let part = self.one()?;
                parts.push(self.repeated(part)?);
            }
            ways.push(Node::All(parts));
            if !self.take('|') {
                return Ok(Node::Any(ways));
            }
        }
    }

    fn one(&mut self) -> Result<Node> {
        let Some(c) = self.rest.next() else {
            return Err("it ends too early".into());
        };
        match c {
            '(' => self.group(),
            '[' => {
                let set = self.set()?;
                self.add(set)
            }
            '^' => Ok(Node::LineStart),
            '$' => Ok(Node::LineEnd),
            '.' => self.add(Set {
                negated: true,
                items: vec![Item::Range('\n', '\n')],
                and: None,
            }),
            '\\' if self.take('b') => Ok(Node::WordEdge(true)),
            '\\' if self.take('B') => Ok(Node::WordEdge(false)),
            '\\' => {
                let item = self.escape()?;
                self.add(Set {
                    items: vec![item],
                    ..Set::default()
                })
            }
            '*' | '+' | '?' | '{' => Err(format!("{c:?} repeats nothing")),
            c => self.add(Set {
                items: vec![Item::Range(c, c)],
                ..Set::default()
            }),
        }
    }

    fn add(&mut self, mut set: Set) -> Result<Node> {
        if self.fold {
            set.fold();
        }
        let number = u16::try_from(self.sets.len()).map_err(|_| "it has too many sets")?;
        self.sets.push(set);
        Ok(Node::One(number))
    }

    fn group(&mut self) -> Result<Node> {
        self.deeper()?;
        let fold = self.fold;
        let mut look = None;
        if self.take('?') {
            match self.rest.next() {
                Some(':') => {}
                Some('=') => look = Some(true),
                Some('!') => look = Some(false),
                Some('i') => {
                    self.expect(':')?;
                    self.fold = true;
                }
                other => return Err(format!("groups that start with (?{other:?} are not known")),
            }
        }
        let node = self.any()?;
        self.expect(')')?;
        self.fold = fold;
        self.depth -= 1;
        Ok(match look {
            Some(ahead) => Node::Look(Box::new(node), ahead),
            None => node,
        })
    }

    fn repeated(&mut self, node: Node) -> Result<Node> {
        let times = match self.rest.peek() {
            Some('*') => (0, None),
            Some('+') => (1, None),
            Some('?') => (0, Some(1)),
            Some('{') => (u16::MAX, None),
            _ => return Ok(node),
        };
        self.rest.next();
        let times = if times.0 == u16::MAX {
            self.times()?
        } else {
            times
        };
        // Possessive ones give nothing back; where patterns have them, nothing would be gained by it.
        let greedy = !self.take('?');
        if greedy {
            self.take('+');
        }
        if matches!(self.rest.peek(), Some('*' | '+' | '?' | '{')) {
            return Err("a repetition is repeated".into());
        }
        Ok(Node::Repeat(Box::new(node), times, greedy))
    }

    fn times(&mut self) -> Result<(u16, Option<u16>)> {
        let mut number = || {
            let mut digits = String::new();
            while let Some(digit) = self.rest.next_if(char::is_ascii_digit) {
                digits.push(digit);
            }
            digits.parse::<u16>().ok()
        };
        let least = number();
        let most = if self.take(',') {
            let mut digits = String::new();
            while let Some(digit) = self.rest.next_if(char::is_ascii_digit) {
                digits.push(digit);
            }
            if digits.is_empty() {
                None
            } else {
                Some(digits.parse::<u16>().map_err(|e| e.to_string())?)
            }
        } else {
            least
        };
        self.expect('}')?;
        let least = least.ok_or("a number of repetitions is missing")?;
        if least > MAX_REPEAT || most.is_some_and(|most| most > MAX_REPEAT || most < least) {
            return Err(format!("it repeats {least} to {most:?} times"));
        }
        Ok((least, most))
    }

    /// After the opening bracket.
    fn set(&mut self) -> Result<Set> {
        self.deeper()?;
        let mut set = Set {
            negated: self.take('^'),
            ..Set::default()
        };
        loop {
            let Some(c) = self.rest.next() else {
                return Err("a set is not closed".into());
            };
            let item = match c {
                ']' => break,
                '[' => Item::Set(self.set()?),
                '&' if self.take('&') => {
                    // What follows, up to the closing bracket, is a set of its own.
                    self.depth -= 1;
                    set.and = Some(Box::new(self.set()?));
                    return Ok(set);
                }
                '\\' => self.escape()?,
                c => Item::Range(c, c),
            };
            set.items.push(self.range(item)?);
        }
        self.depth -= 1;
        Ok(set)
    }

    /// Whether `item` is the first end of a range; a bar before the closing bracket is a bar.
    fn range(&mut self, item: Item) -> Result<Item> {
        let mut ahead = self.rest.clone();
        let bar = ahead.next() == Some('-') && !matches!(ahead.peek(), None | Some(']' | '['));
        let Item::Range(first, _) = item else {
            return Ok(item);
        };
        if !bar {
            return Ok(item);
        }
        self.rest.next();
        let last = match self.rest.next() {
            Some('\\') => self.escape()?,
            Some(c) => Item::Range(c, c),
            None => return Err("a set is not closed".into()),
        };
        match last {
            Item::Range(last, _) if first <= last => Ok(Item::Range(first, last)),
            _ => Err("a range in a set has no end".into()),
        }
    }

    /// After the backslash.
    fn escape(&mut self) -> Result<Item> {
        let Some(c) = self.rest.next() else {
            return Err("it ends in a backslash".into());
        };
        let one = |c: char| Ok(Item::Range(c, c));
        match c {
            's' | 'S' => Ok(Item::Class(Class::Space, c == 'S')),
            'd' | 'D' => Ok(Item::Class(Class::Digit, c == 'D')),
            'w' | 'W' => Ok(Item::Class(Class::Word, c == 'W')),
            'p' | 'P' => Ok(Item::Class(self.property()?, c == 'P')),
            'n' => one('\n'),
            'r' => one('\r'),
            't' => one('\t'),
            'f' => one('\u{c}'),
            'v' => one('\u{b}'),
            'x' => self.code(2),
            'u' => self.code(4),
            c if c.is_ascii_alphanumeric() => Err(format!("\\{c} is not known")),
            c => one(c),
        }
    }

    /// A character by its code: so many digits, or any number in braces.
    fn code(&mut self, digits: usize) -> Result<Item> {
        let braces = self.take('{');
        let mut hex = String::new();
        while hex.len() < if braces { 6 } else { digits } {
            match self.rest.next_if(char::is_ascii_hexdigit) {
                Some(digit) => hex.push(digit),
                None => break,
            }
        }
        if braces {
            self.expect('}')?;
        }
        let code = u32::from_str_radix(&hex, 16).ok().and_then(char::from_u32);
        code.map(|c| Item::Range(c, c))
            .ok_or_else(|| format!("{hex:?} is no character's code"))
    }

    fn property(&mut self) -> Result<Class> {
        let mut name = String::new();
        if self.take('{') {
            while let Some(c) = self.rest.next_if(|c| *c != '}') {
                name.push(c);
            }
            self.expect('}')?;
        } else {
            name.extend(self.rest.next());
        }
        let unknown = |name: &str| Err(format!("the property {name:?} is not known"));
        match name.as_str() {
            "L" => Ok(Class::Letter),
            "Ll" => Ok(Class::Lower),
            "M" => Ok(Class::Mark),
            "N" => Ok(Class::Number),
            "P" => Ok(Class::Punctuation),
            "S" => Ok(Class::Symbol),
            "Han" | "Script=Han" | "sc=Han" => Ok(Class::Han),
            // The tags do not tell these from those that follow them in every pattern.
            "Lu" if self.follows(r"\p{Lt}") => Ok(Class::Upper),
            "Lm" if self.follows(r"\p{Lo}") => Ok(Class::Caseless),
            name => unknown(name),
        }
    }

    fn follows(&mut self, text: &str) -> bool {
        let mut ahead = self.rest.clone();
        let follows = text.chars().all(|c| ahead.next() == Some(c));
        if follows {
            self.rest = ahead;
        }
        follows
    }
}
