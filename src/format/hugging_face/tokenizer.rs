//! `tokenizer.json` → the keys `tokenizer.ggml.*`: byte-level BPE, BPE and Unigram of SentencePiece, WordPiece.

use super::super::gguf_write::HeaderWriter;
use super::normalizer::Normalizer;
use super::pre_tokenizer;
use crate::error::{Error, Result};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use std::collections::HashMap;

const UNKNOWN_KEY: &str = "tokenizer.ggml.unknown_token_id";

/// More pieces than any model has.
const MAX_PIECES: usize = 1 << 22;

/// Values of `tokenizer.ggml.token_type`.
mod kind {
    pub const NORMAL: i32 = 1;
    pub const UNKNOWN: i32 = 2;
    pub const CONTROL: i32 = 3;
    pub const USER_DEFINED: i32 = 4;
    pub const UNUSED: i32 = 5;
    pub const BYTE: i32 = 6;
}

/// What is read of the file.
#[derive(Debug, Deserialize)]
pub(super) struct TokenizerJson {
    #[serde(default)]
    added_tokens: Vec<AddedToken>,
    #[serde(default)]
    normalizer: Value,
    #[serde(default)]
    pre_tokenizer: Value,
    #[serde(default)]
    post_processor: Value,
    model: Model,
}

#[derive(Debug, Deserialize)]
struct AddedToken {
    id: u32,
    content: String,
    #[serde(default)]
    special: bool,
    #[serde(default)]
    lstrip: bool,
    #[serde(default)]
    rstrip: bool,
    #[serde(default)]
    single_word: bool,
    #[serde(default)]
    normalized: bool,
}

#[derive(Debug, Deserialize)]
struct Model {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    vocab: Pieces,
    #[serde(default)]
    merges: Vec<Merge>,
    #[serde(default)]
    byte_fallback: bool,
    #[serde(default)]
    ignore_merges: bool,
    #[serde(default)]
    unk_token: Option<String>,
    #[serde(default)]
    unk_id: Option<u32>,
    #[serde(default)]
    continuing_subword_prefix: Option<String>,
}

/// A merge, as older and newer files write it.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Merge {
    Line(String),
    Pair(String, String),
}

impl Merge {
    /// As GGUF files write it.
    fn line(&self) -> String {
        match self {
            Merge::Line(line) => line.clone(),
            Merge::Pair(left, right) => format!("{left} {right}"),
        }
    }
}

/// Pieces with their ids, in the order of the file; Unigram models list scores, and the place is the id.
#[derive(Debug, Default)]
struct Pieces {
    ids: Vec<(String, u32)>,
    scores: Vec<f32>,
}

impl<'de> Deserialize<'de> for Pieces {
    fn deserialize<D: Deserializer<'de>>(de: D) -> core::result::Result<Pieces, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Pieces;
            fn expecting(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str("pieces with their ids or scores")
            }
            fn visit_map<A: MapAccess<'de>>(
                self,
                mut map: A,
            ) -> core::result::Result<Pieces, A::Error> {
                let mut pieces = Pieces::default();
                while let Some(piece) = map.next_entry()? {
                    pieces.ids.push(piece);
                }
                Ok(pieces)
            }
            fn visit_seq<A: SeqAccess<'de>>(
                self,
                mut seq: A,
            ) -> core::result::Result<Pieces, A::Error> {
                let mut pieces = Pieces::default();
                while let Some((piece, score)) = seq.next_element()? {
                    pieces.ids.push((piece, pieces.ids.len() as u32));
                    pieces.scores.push(score);
                }
                Ok(pieces)
            }
        }
        de.deserialize_any(Read)
    }
}

impl TokenizerJson {
    /// The id of a piece or an added token.
    pub fn id(&self, piece: &str) -> Option<u32> {
        let added = self
            .added_tokens
            .iter()
            .find(|t| t.content == piece)
            .map(|t| t.id);
        added.or_else(|| {
            self.model
                .vocab
                .ids
                .iter()
                .find(|p| p.0 == piece)
                .map(|p| p.1)
        })
    }

    /// Whether the post-processor puts a special token before a text, and whether one behind it.
    pub fn frames(&self) -> (bool, bool) {
        let special =
            |token: Option<&Value>| token.is_some_and(|t| t.get("SpecialToken").is_some());
        let (mut before, mut behind) = (false, false);
        for step in steps(&self.post_processor, "processors") {
            let both = matches!(kind_of(step), "BertProcessing" | "RobertaProcessing");
            let single = step.get("single").and_then(Value::as_array);
            before |= both || special(single.and_then(|s| s.first()));
            behind |= both || special(single.and_then(|s| s.last()));
        }
        (before, behind)
    }

    /// Writes the keys, padded to `vocab_size` pieces.
    pub fn write(&self, vocab_size: usize, keys: &mut HeaderWriter) -> Result<()> {
        let (mut pieces, mut kinds) = self.pieces(vocab_size)?;
        let normalizer = Normalizer::read(&steps(&self.normalizer, "normalizers"))?;
        // Older files name no kind; only this one has merges.
        let unnamed = self.model.kind.is_empty() && !self.model.merges.is_empty();
        match self.model.kind.as_str() {
            "BPE" if self.model.byte_fallback => {
                keys.str("tokenizer.ggml.model", "llama");
                keys.str("tokenizer.ggml.pre", "default");
                keys.f32s("tokenizer.ggml.scores", &self.scores(&pieces));
                self.mark_bytes(&pieces, &mut kinds);
                self.write_spaces(&normalizer, keys)?;
            }
            "Unigram" => {
                keys.str("tokenizer.ggml.model", "t5");
                keys.str("tokenizer.ggml.pre", "default");
                let mut scores = self.model.vocab.scores.clone();
                // Added tokens are found as markers only.
                scores.resize(vocab_size, f32::NEG_INFINITY);
                keys.f32s("tokenizer.ggml.scores", &scores);
                if self.model.byte_fallback {
                    self.mark_bytes(&pieces, &mut kinds);
                }
                if let Some(unknown) = self.model.unk_id {
                    keys.u32(UNKNOWN_KEY, unknown);
                    if let Some(kind) = kinds.get_mut(unknown as usize) {
                        *kind = kind::UNKNOWN;
                    }
                }
                if let Some(charsmap) = &normalizer.charsmap {
                    keys.u8s("tokenizer.ggml.precompiled_charsmap", charsmap);
                }
                let mut pre_tokenizers = steps(&self.pre_tokenizer, "pretokenizers").into_iter();
                let squeezes = pre_tokenizers.any(|step| kind_of(step) == "WhitespaceSplit");
                keys.bool(
                    "tokenizer.ggml.remove_extra_whitespaces",
                    normalizer.squeezes || squeezes,
                );
                self.write_spaces(&normalizer, keys)?;
            }
            "WordPiece" => self.write_word_piece(&normalizer, &mut pieces, &mut kinds, keys)?,
            kind if kind == "BPE" || unnamed => {
                keys.str("tokenizer.ggml.model", "gpt2");
                pre_tokenizer::write(
                    &steps(&self.pre_tokenizer, "pretokenizers"),
                    self.model.ignore_merges,
                    keys,
                )?;
                let merges: Vec<String> = self.model.merges.iter().map(Merge::line).collect();
                keys.strings("tokenizer.ggml.merges", &merges);
            }
            kind => {
                return Err(Error::Tokenizer {
                    what: format!(
                        "tokenizer.json holds the model {kind:?}; BPE, Unigram and WordPiece are read"
                    ),
                });
            }
        }
        keys.strings("smidgen.normalizer", &normalizer.rewrites);
        self.write_traits(keys);
        keys.strings("tokenizer.ggml.tokens", &pieces);
        keys.i32s("tokenizer.ggml.token_type", &kinds);
        Ok(())
    }

    /// What the normalizer or `Metaspace` does to spaces. GGUF knows one thing, so what a reader of its keys alone would
    /// do is written beside what is meant.
    fn write_spaces(&self, normalizer: &Normalizer, keys: &mut HeaderWriter) -> Result<()> {
        let mut prefix = normalizer.prepends;
        for step in steps(&self.pre_tokenizer, "pretokenizers") {
            let flag = |key: &str| step.get(key).and_then(Value::as_bool);
            let text = |key: &str| step.get(key).and_then(Value::as_str);
            match kind_of(step) {
                // Runs of spaces are one, which the normaliser of this model does.
                "WhitespaceSplit" => {}
                "Metaspace" if text("replacement").is_none_or(|c| c == "▁") => {
                    let scheme = text("prepend_scheme").unwrap_or(match flag("add_prefix_space") {
                        Some(false) => "never",
                        _ => "always",
                    });
                    prefix |= scheme != "never";
                    keys.str("smidgen.metaspace", scheme);
                    keys.bool("smidgen.metaspace_split", flag("split").unwrap_or(true));
                }
                // Spaces are written by the normalizer before, so nothing is cut here.
                "Split" if normalizer.spells && splits_at_spaces(step) => {}
                _ => return Err(pre_tokenizer::unknown(step)),
            }
        }
        keys.bool("tokenizer.ggml.add_space_prefix", prefix);
        Ok(())
    }

    /// How added tokens are matched, where it is not as GGUF readers match all: ids and bits by turns.
    fn write_traits(&self, keys: &mut HeaderWriter) {
        let pairs = self.added_tokens.iter().flat_map(|token| {
            let flags = [
                token.lstrip,
                token.rstrip,
                token.single_word,
                token.normalized,
            ];
            let bits = flags
                .iter()
                .enumerate()
                .map(|(i, flag)| i32::from(*flag) << i)
                .sum();
            [token.id as i32, bits]
        });
        let pairs: Vec<i32> = pairs.collect();
        keys.i32s("smidgen.token_traits", &pairs);
    }

    /// GGUF marks the start of a word, where `tokenizer.json` marks what goes on.
    fn write_word_piece(
        &self,
        normalizer: &Normalizer,
        pieces: &mut [String],
        kinds: &mut [i32],
        keys: &mut HeaderWriter,
    ) -> Result<()> {
        let refused = |what: &str| Error::Tokenizer {
            what: format!("tokenizer.json holds a WordPiece model {what}, which is not read"),
        };
        let splits = steps(&self.pre_tokenizer, "pretokenizers");
        if !splits
            .iter()
            .all(|step| kind_of(step) == "BertPreTokenizer")
            || splits.is_empty()
        {
            return Err(refused("without BertPreTokenizer"));
        }
        let Some(bert) = &normalizer.bert else {
            return Err(refused("without BertNormalizer"));
        };
        let prefix = self.model.continuing_subword_prefix.as_deref();
        let prefix = prefix.unwrap_or("##");
        for (piece, kind) in pieces.iter_mut().zip(&*kinds) {
            if *kind == kind::NORMAL {
                *piece = match piece.strip_prefix(prefix) {
                    Some(rest) => rest.to_owned(),
                    None => format!("▁{piece}"),
                };
            }
        }
        keys.str("tokenizer.ggml.model", "bert");
        keys.str("tokenizer.ggml.pre", "default");
        keys.bool("tokenizer.ggml.normalizer.lowercase", bert.lowercase);
        keys.bool(
            "tokenizer.ggml.normalizer.strip_accents",
            bert.strip_accents,
        );
        if let Some(id) = self
            .model
            .unk_token
            .as_ref()
            .and_then(|token| self.id(token))
        {
            keys.u32(UNKNOWN_KEY, id);
            if let Some(kind) = kinds.get_mut(id as usize) {
                *kind = kind::UNKNOWN;
            }
        }
        Ok(())
    }

    /// Whether `write` has said which token is the unknown one.
    pub fn unknown_written(&self) -> bool {
        match self.model.kind.as_str() {
            "Unigram" => self.model.unk_id.is_some(),
            "WordPiece" => {
                let token = self.model.unk_token.as_ref();
                token.and_then(|token| self.id(token)).is_some()
            }
            _ => false,
        }
    }

    fn mark_bytes(&self, pieces: &[String], kinds: &mut [i32]) {
        for (piece, kind) in pieces.iter().zip(kinds) {
            let byte = piece.strip_prefix("<0x").and_then(|p| p.strip_suffix('>'));
            if *kind == kind::NORMAL && byte.is_some_and(|b| b.len() == 2) {
                *kind = kind::BYTE;
            }
            if self.model.unk_token.as_ref() == Some(piece) {
                *kind = kind::UNKNOWN;
            }
        }
    }

    /// All pieces by id, and what each is for; ids that no piece has are padding.
    fn pieces(&self, vocab_size: usize) -> Result<(Vec<String>, Vec<i32>)> {
        let vocab = self
            .model
            .vocab
            .ids
            .iter()
            .map(|(piece, id)| (piece, *id, kind::NORMAL));
        let added = self.added_tokens.iter().map(|t| {
            (
                &t.content,
                t.id,
                if t.special {
                    kind::CONTROL
                } else {
                    kind::USER_DEFINED
                },
            )
        });
        if vocab_size > MAX_PIECES {
            return Err(Error::Tokenizer {
                what: format!("{vocab_size} pieces; at most {MAX_PIECES} are read"),
            });
        }
        let (mut pieces, mut kinds) = (vec![None; vocab_size], vec![kind::UNUSED; vocab_size]);
        for (piece, id, kind) in vocab.chain(added) {
            let Some(slot) = pieces.get_mut(id as usize) else {
                return Err(Error::Tokenizer {
                    what: format!(
                        "the piece {piece:?} has the id {id}, but the model only {vocab_size} ids"
                    ),
                });
            };
            *slot = Some(piece.clone());
            kinds[id as usize] = kind;
        }
        let name =
            |(id, piece): (usize, Option<String>)| piece.unwrap_or_else(|| format!("[PAD{id}]"));
        Ok((pieces.into_iter().enumerate().map(name).collect(), kinds))
    }

    /// SentencePiece merges the pair whose piece has the highest score: the earlier a merge, the higher.
    fn scores(&self, pieces: &[String]) -> Vec<f32> {
        let mut ranks: HashMap<String, f32> = HashMap::with_capacity(self.model.merges.len());
        for (rank, merge) in self.model.merges.iter().enumerate() {
            let piece = match merge {
                Merge::Line(line) => line.replacen(' ', "", 1),
                Merge::Pair(left, right) => format!("{left}{right}"),
            };
            ranks.entry(piece).or_insert(-(rank as f32));
        }
        // What no merge makes is never made.
        pieces
            .iter()
            .map(|piece| ranks.get(piece).copied().unwrap_or(f32::NEG_INFINITY))
            .collect()
    }
}

/// Whether a `Split` cuts at spaces, as some files have it where none is left.
fn splits_at_spaces(step: &Value) -> bool {
    step.get("pattern").and_then(|p| p.get("String")?.as_str()) == Some(" ")
}

/// The type of a step.
pub(super) fn kind_of(step: &Value) -> &str {
    step.get("type").and_then(Value::as_str).unwrap_or_default()
}

/// The steps of a sequence, or the one step there is.
fn steps<'a>(value: &'a Value, of_sequence: &str) -> Vec<&'a Value> {
    match value.get(of_sequence).and_then(Value::as_array) {
        Some(steps) => steps.iter().collect(),
        None if value.is_null() => Vec::new(),
        None => vec![value],
    }
}
