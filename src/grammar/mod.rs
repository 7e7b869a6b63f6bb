//! Which tokens may come next under a JSON Schema, regular expression, Lark or GBNF grammar, on `llguidance`.
//!
//! Knows a vocabulary as bytes and nothing of the model: it is compiled as a wasm module of its own, which a page
//! fetches with its first constrained reply. Hostile grammars meet the limits below and end in an error.

#[cfg(target_arch = "wasm32")]
mod bindings;
mod ecma;
mod gbnf;
mod schema;

use crate::error::{Error, Result};
use ecma::Anchors;
use llguidance::api::{ParserLimits, TopLevelGrammar};
use llguidance::{Matcher, ParserFactory};
use serde::Deserialize;
use serde_json::{Value as Json, json};
use std::sync::Arc;
use toktrie::{ApproximateTokEnv, InferenceCapabilities, TokEnv, TokRxInfo, TokTrie};

/// Longer grammars are refused before they are parsed.
const MAX_SOURCE_BYTES: usize = 1 << 20;
/// Choices of one list.
const MAX_CHOICES: usize = 4096;
/// The trie of `llguidance` holds a token's length in eight bits; longer pieces are never part of a constrained reply.
const MAX_TOKEN_BYTES: usize = 255;
/// Lexer states, each of one or two kilobytes: a bound on memory.
const MAX_LEXER_STATES: usize = 50_000;
/// Set in a packed token's length where the token is a control token.
const CONTROL: u32 = 1 << 31;

/// What a reply must be.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Grammar {
    /// Any JSON object.
    JsonObject,
    /// A JSON value that a schema describes.
    JsonSchema {
        /// The schema.
        schema: Json,
    },
    /// A text that a regular expression matches whole.
    Regex {
        /// In the syntax of Rust's `regex`, or as `syntax` says.
        pattern: String,
        /// Whose syntax it is.
        #[serde(default)]
        syntax: Syntax,
        /// Of these `i` and `s` make a difference to a whole text.
        #[serde(default)]
        flags: String,
    },
    /// A grammar in the Lark dialect of `llguidance`.
    Lark {
        /// Its rules, beginning with `start`.
        source: String,
    },
    /// A grammar as llama.cpp writes them.
    Gbnf {
        /// Its rules, beginning with `root`.
        source: String,
    },
    /// One of these texts.
    Choice {
        /// The texts.
        choices: Vec<String>,
    },
}

/// How regular expressions are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Syntax {
    /// As Rust's `regex` reads them.
    #[default]
    Rust,
    /// As JavaScript reads them.
    Ecma,
}

fn refused(what: impl ToString) -> Error {
    Error::Grammar {
        what: what.to_string(),
    }
}

/// Its refusals, where they speak of options that nobody here can set.
fn explained(what: &str) -> Error {
    refused(if what.contains("oneOf constraints") {
        "the cases of a oneOf may overlap, which is not supported: tell them apart by a required property with a const each, or write anyOf"
    } else {
        what
    })
}

impl Grammar {
    /// The grammar that a JSON request describes.
    pub fn parse(request: &str) -> Result<Grammar> {
        if request.len() > MAX_SOURCE_BYTES {
            return Err(refused(format!(
                "it has {} bytes, and at most {MAX_SOURCE_BYTES} are read",
                request.len()
            )));
        }
        serde_json::from_str(request).map_err(refused)
    }

    fn compile(self) -> Result<TopLevelGrammar> {
        Ok(match self {
            Grammar::JsonObject => {
                let any = schema::prepare(json!({ "type": "object" }))?;
                TopLevelGrammar::from_json_schema(any)
            }
            Grammar::JsonSchema { schema } => {
                TopLevelGrammar::from_json_schema(schema::prepare(schema)?)
            }
            Grammar::Regex {
                pattern,
                syntax,
                flags,
            } => {
                if let Some(flag) = flags.chars().find(|flag| !"dgimsuy".contains(*flag)) {
                    return Err(refused(format!("the flag {flag} is not supported")));
                }
                let pattern = match syntax {
                    Syntax::Rust => pattern,
                    Syntax::Ecma => ecma::to_rust(&pattern, flags.contains('s'), Anchors::Drop)?,
                };
                let folded = if flags.contains('i') { "(?i)" } else { "" };
                TopLevelGrammar::from_regex(&format!("{folded}{pattern}"))
            }
            Grammar::Lark { source } => TopLevelGrammar::from_lark(schema::prepare_lark(&source)?),
            Grammar::Gbnf { source } => TopLevelGrammar::from_lark(gbnf::to_lark(&source)?),
            Grammar::Choice { choices } => {
                if choices.is_empty() || choices.len() > MAX_CHOICES {
                    return Err(refused(format!(
                        "it has {} choices, expected 1 to {MAX_CHOICES}",
                        choices.len()
                    )));
                }
                let quoted: Vec<String> = choices.iter().map(|c| json!(c).to_string()).collect();
                TopLevelGrammar::from_lark(format!("start: {}", quoted.join(" | ")))
            }
        })
    }
}

/// A tokenizer's vocabulary, ready for grammars.
pub struct Vocabulary {
    factory: ParserFactory,
}

/// Reads little-endian words and bytes from a packed vocabulary.
struct Packed<'a>(&'a [u8]);

impl<'a> Packed<'a> {
    fn bytes(&mut self, n: usize) -> Result<&'a [u8]> {
        let (head, rest) = self
            .0
            .split_at_checked(n)
            .ok_or_else(|| refused("the vocabulary is cut short"))?;
        self.0 = rest;
        Ok(head)
    }

    fn word(&mut self) -> Result<u32> {
        let bytes = self.bytes(4)?.try_into().expect("four bytes");
        Ok(u32::from_le_bytes(bytes))
    }
}

impl Vocabulary {
    /// Reads what `session::Engine::vocabulary` packed: tokens, stop tokens, the ids of these, then each token as a
    /// length (the highest bit set for a control token) and its bytes. All numbers are u32, little-endian.
    pub fn new(packed: &[u8]) -> Result<Vocabulary> {
        let mut packed = Packed(packed);
        let (tokens, stops) = (packed.word()?, packed.word()?);
        let mut stop_tokens = Vec::new();
        for _ in 0..stops {
            stop_tokens.push(packed.word()?);
        }
        if stop_tokens.is_empty() || stop_tokens.iter().any(|id| *id >= tokens) {
            return Err(refused(
                "the model's vocabulary has no token that ends a reply, so a grammar could never end",
            ));
        }
        let mut words = Vec::new();
        for _ in 0..tokens {
            let length = packed.word()?;
            let text = packed.bytes((length & !CONTROL) as usize)?;
            let mut word = Vec::with_capacity(text.len() + 1);
            if length & CONTROL != 0 {
                word.push(TokTrie::SPECIAL_TOKEN_MARKER);
            }
            word.extend_from_slice(text);
            if word.len() > MAX_TOKEN_BYTES {
                word.clear();
            }
            words.push(word);
        }
        let info = TokRxInfo::new(tokens, stop_tokens[0]);
        let trie = TokTrie::from(&info, &words).with_eos_tokens(&stop_tokens);
        let env: TokEnv = Arc::new(ApproximateTokEnv::new(trie));
        let slices = llguidance::earley::SlicedBiasComputer::general_slices();
        let mut factory =
            ParserFactory::new(&env, InferenceCapabilities::default(), &slices).map_err(refused)?;
        factory.quiet();
        *factory.limits_mut() = ParserLimits {
            max_lexer_states: MAX_LEXER_STATES,
            verbose_errors: false,
            ..ParserLimits::default()
        };
        Ok(Vocabulary { factory })
    }

    /// Begins a reply that `grammar` describes.
    pub fn constrain(&self, grammar: Grammar) -> Result<Constraint> {
        let matcher = Matcher::new(self.factory.create_parser(grammar.compile()?));
        match matcher.get_error() {
            Some(what) => Err(explained(&what)),
            None => Ok(Constraint(matcher)),
        }
    }
}

/// One reply under a grammar.
pub struct Constraint(Matcher);

impl Constraint {
    /// A bit for each token that may come next, 32 to a word, lowest first; stop tokens where the reply may end.
    pub fn mask(&mut self) -> Result<Vec<u32>> {
        let mask = self.0.compute_mask_or_eos().map_err(refused)?;
        if mask.is_zero() {
            return Err(refused("no token of this vocabulary can go on from here"));
        }
        Ok(mask.as_slice().to_vec())
    }

    /// Takes the token that was chosen; whether the reply is complete and nothing but a stop token may follow.
    pub fn accept(&mut self, id: u32) -> Result<bool> {
        self.0.consume_token(id).map_err(refused)?;
        Ok(self.0.is_stopped())
    }
}
