//! Bounds what a template may cost: its size before it is compiled, and the bytes it makes while it runs.
//!
//! Fuel (minijinja's own count of instructions) bounds loops. It does not bound `x ~ x` in a loop, so every
//! instruction that makes a value is followed by one that charges for it.

use minijinja::machinery::{Instruction, Instructions, Token, tokenize};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Value, ValueKind};
use minijinja::{Error, ErrorKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The longest templates known are below 32 KiB.
const MAX_SOURCE_BYTES: usize = 512 << 10;
/// Parser and compiler recurse along chains such as `a + b + c` and `elif`, on a stack that may be 1 MiB.
const MAX_TAG_TOKENS: usize = 800;
const MAX_ELIFS: usize = 200;
const MAX_CONSTANT_BYTES: u64 = 1 << 20;
/// Bytes for values, whatever the input.
const BASE_BUDGET: usize = 64 << 20;
/// Bytes for values per byte of input: templates copy messages around.
const BUDGET_PER_INPUT_BYTE: usize = 32;
const ITEM_BYTES: usize = 16;
/// Levels of lists and dictionaries.
pub(super) const MAX_DEPTH: usize = 64;

/// Names of the filters that metered instructions call; no template can spell them.
pub(super) const CHARGE: &str = "+charge";
pub(super) const REPEAT: &str = "+repeat";
pub(super) const CONCAT: &str = "+concat";

/// Tells minijinja not to cache the filter's lookup.
const UNCACHED: u8 = !0;

/// Refuses sources that would overflow the parser's stack, or fill memory while they are compiled.
pub(super) fn check_source(source: &str, syntax: &SyntaxConfig) -> Result<(), Error> {
    let refuse = |what: String| Err(Error::new(ErrorKind::SyntaxError, what));
    if source.len() > MAX_SOURCE_BYTES {
        return refuse(format!(
            "it has {} bytes, at most {MAX_SOURCE_BYTES} are allowed",
            source.len()
        ));
    }
    let mut tag = Tag::default();
    let mut elifs = 0;
    for token in tokenize(source, false, syntax.clone()) {
        let (token, span) = token?;
        match token {
            Token::TemplateData(_) => continue,
            Token::VariableStart | Token::BlockStart => {
                tag = Tag::default();
                continue;
            }
            Token::Ident("elif") if tag.tokens == 0 => elifs += 1,
            Token::Ident("if") if tag.tokens == 0 => elifs = 0,
            _ => {}
        }
        tag.add(&token);
        if tag.tokens > MAX_TAG_TOKENS || elifs > MAX_ELIFS {
            return refuse(format!("the tag in line {} is too long", span.start_line));
        }
        if tag.constant_bytes() > MAX_CONSTANT_BYTES {
            return refuse(format!(
                "a product in line {} is too large",
                span.start_line
            ));
        }
    }
    Ok(())
}

/// What a tag has held so far.
#[derive(Default)]
struct Tag {
    tokens: usize,
    multiplies: bool,
    /// Product of its integers.
    factor: u64,
    /// Bytes of its texts, and one for each bracket.
    bytes: u64,
}

impl Tag {
    fn add(&mut self, token: &Token<'_>) {
        self.tokens += 1;
        match token {
            Token::Mul => self.multiplies = true,
            Token::Int(n) => self.factor = self.factor.max(1).saturating_mul((*n).max(1)),
            Token::Int128(_) => self.factor = u64::MAX,
            Token::Str(text) => self.bytes += text.len() as u64,
            Token::String(text) => self.bytes += text.len() as u64,
            Token::BracketOpen | Token::ParenOpen => self.bytes += 1,
            _ => {}
        }
    }

    /// At least what `'text' * 1000` makes: the compiler computes constants, and nothing meters it.
    fn constant_bytes(&self) -> u64 {
        if self.multiplies {
            self.factor.saturating_mul(self.bytes)
        } else {
            0
        }
    }
}

/// The bytes that a running template may still make.
#[derive(Clone)]
pub(super) struct Budget(Arc<AtomicUsize>);

impl Budget {
    pub fn new(input_bytes: usize) -> Budget {
        let more = input_bytes.saturating_mul(BUDGET_PER_INPUT_BYTE);
        Budget(Arc::new(AtomicUsize::new(BASE_BUDGET.saturating_add(more))))
    }

    pub fn charge(&self, bytes: usize) -> Result<(), Error> {
        let left = self.0.load(Ordering::Relaxed).checked_sub(bytes);
        let Some(left) = left else {
            let what = "it makes too much text";
            return Err(Error::new(ErrorKind::OutOfFuel, what));
        };
        self.0.store(left, Ordering::Relaxed);
        Ok(())
    }

    /// Charges for a value, with all that it holds.
    pub fn charge_value(&self, value: &Value) -> Result<(), Error> {
        match value.kind() {
            ValueKind::String => self.charge(ITEM_BYTES + value.as_str().map_or(0, str::len)),
            ValueKind::Seq | ValueKind::Map | ValueKind::Iterable => {
                self.charge(ITEM_BYTES * (1 + value.len().unwrap_or(0)))
            }
            _ => Ok(()),
        }
    }

    /// Charges for a container and all that it holds: shared parts count as often as they stand in it, since
    /// writing or comparing it takes that long. Refuses what recursion could not walk: depth, and namespaces,
    /// the only values that can be made to hold themselves.
    fn charge_deep(&self, value: &Value, depth: usize) -> Result<(), Error> {
        self.charge(ITEM_BYTES)?;
        let refuse = |what| Err(Error::new(ErrorKind::InvalidOperation, what));
        if depth > MAX_DEPTH {
            return refuse("a value is nested too deep");
        }
        if depth > 0 && is_namespace(value) {
            return refuse("a namespace cannot be kept in another value");
        }
        match value.kind() {
            ValueKind::Seq | ValueKind::Iterable => value
                .try_iter()?
                .try_for_each(|item| self.charge_deep(&item, depth + 1)),
            ValueKind::Map => value.try_iter()?.try_for_each(|key| {
                let item = value.get_item(&key)?;
                self.charge_deep(&item, depth + 1)
            }),
            _ => Ok(()),
        }
    }

    /// The filter behind `CHARGE`. Lazy sequences are read out: a chain of ten thousand slices of slices would
    /// be read by as many nested calls.
    pub fn pass(&self, value: &Value, check: Option<u32>) -> Result<Value, Error> {
        match check {
            Some(depth) => self.charge_deep(value, depth as usize)?,
            None if value.kind() == ValueKind::Iterable => {
                let mut items = Vec::new();
                for item in value.try_iter()? {
                    self.charge(ITEM_BYTES)?;
                    items.push(item);
                }
                return Ok(Value::from(items));
            }
            None => self.charge_value(value)?,
        }
        Ok(value.clone())
    }
}

fn is_namespace(value: &Value) -> bool {
    value
        .as_object()
        .is_some_and(|object| object.type_name().ends_with("::Namespace"))
}

/// The same program, with a charge after each instruction that makes a value and all output going through values.
pub(super) fn metered<'s>(program: &Instructions<'s>) -> Instructions<'s> {
    let source: Vec<&Instruction<'s>> = (0..).map_while(|at| program.get(at)).collect();
    // Jumps name instructions by number, so the new numbers have to be known first.
    let mut moved = Vec::with_capacity(source.len() + 1);
    let mut next = 0u32;
    for instruction in &source {
        moved.push(next);
        next += expand(instruction).len() as u32;
    }
    moved.push(next);

    let mut out = Instructions::new(program.name(), program.source());
    for (at, instruction) in source.iter().enumerate() {
        let line = program.get_line(at as u32).unwrap_or(0) as u16;
        for mut new in expand(instruction) {
            match &mut new {
                Instruction::Iterate(to)
                | Instruction::Jump(to)
                | Instruction::JumpIfFalse(to)
                | Instruction::JumpIfFalseOrPop(to)
                | Instruction::JumpIfTrueOrPop(to)
                | Instruction::BuildMacro(_, to, _) => *to = moved[*to as usize],
                _ => {}
            }
            out.add_with_line(new, line);
        }
    }
    out
}

fn expand<'s>(instruction: &Instruction<'s>) -> Vec<Instruction<'s>> {
    let charge = || Instruction::ApplyFilter(CHARGE, Some(1), UNCACHED);
    match instruction {
        Instruction::EmitRaw(text) => vec![
            Instruction::LoadConst(Value::from(*text)),
            Instruction::Emit,
        ],
        Instruction::Mul => vec![
            Instruction::ApplyFilter(REPEAT, Some(2), UNCACHED),
            charge(),
        ],
        Instruction::StringConcat => {
            vec![
                Instruction::ApplyFilter(CONCAT, Some(2), UNCACHED),
                charge(),
            ]
        }
        Instruction::BuildList(_) | Instruction::BuildTuple(_) | Instruction::BuildMap(_) => {
            checked(instruction, 0)
        }
        Instruction::CallFunction("dict" | "namespace", _) => checked(instruction, 0),
        // The value to keep lies below the namespace; it is checked as a part of it.
        Instruction::SetAttr(_) => {
            let mut new = checked(&Instruction::Swap, 1);
            new.extend([Instruction::Swap, instruction.clone()]);
            new
        }
        Instruction::Add
        | Instruction::Slice
        | Instruction::ApplyFilter(..)
        | Instruction::CallFunction(..)
        | Instruction::CallMethod(..)
        | Instruction::CallObject(..) => vec![instruction.clone(), charge()],
        other => vec![(*other).clone()],
    }
}

/// The instruction, then a deep charge for its value, as if that lay `depth` levels deep.
fn checked<'s>(instruction: &Instruction<'s>, depth: u32) -> Vec<Instruction<'s>> {
    vec![
        instruction.clone(),
        Instruction::LoadConst(Value::from(depth)),
        Instruction::ApplyFilter(CHARGE, Some(2), UNCACHED),
    ]
}
