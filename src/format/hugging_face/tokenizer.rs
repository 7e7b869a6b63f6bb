//! `tokenizer.json` → the keys `tokenizer.ggml.*`: byte-level BPE, and BPE of SentencePiece with byte fallback.

use super::super::gguf_write::HeaderWriter;
use super::pre_tokenizer;
use crate::error::{Error, Result};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value;
use std::collections::HashMap;

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
}

/// A merge, as older and newer files write it.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Merge {
    Line(String),
    Pair(String, String),
}

/// Pieces with their ids, in the order of the file. Other models than BPE have a list here, which is not read.
#[derive(Debug, Default)]
struct Pieces(Vec<(String, u32)>);

impl<'de> Deserialize<'de> for Pieces {
    fn deserialize<D: Deserializer<'de>>(de: D) -> core::result::Result<Pieces, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Pieces;
            fn expecting(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str("pieces with their ids")
            }
            fn visit_map<A: MapAccess<'de>>(
                self,
                mut map: A,
            ) -> core::result::Result<Pieces, A::Error> {
                let mut pieces = Vec::new();
                while let Some(piece) = map.next_entry()? {
                    pieces.push(piece);
                }
                Ok(Pieces(pieces))
            }
            fn visit_seq<A: serde::de::SeqAccess<'de>>(
                self,
                mut seq: A,
            ) -> core::result::Result<Pieces, A::Error> {
                while seq.next_element::<serde::de::IgnoredAny>()?.is_some() {}
                Ok(Pieces::default())
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
                .0
                .iter()
                .find(|p| p.0 == piece)
                .map(|p| p.1)
        })
    }

    /// Whether the post-processor puts a special token before a text.
    pub fn adds_bos(&self) -> bool {
        steps(&self.post_processor, "processors")
            .iter()
            .any(|step| {
                let first = step.get("single").and_then(|s| s.get(0));
                first.is_some_and(|first| first.get("SpecialToken").is_some())
            })
    }

    /// Writes the keys, padded to `vocab_size` pieces.
    pub fn write(&self, vocab_size: usize, keys: &mut HeaderWriter) -> Result<()> {
        if self.model.kind != "BPE"
            && !(self.model.kind.is_empty() && !self.model.merges.is_empty())
        {
            return Err(Error::Tokenizer {
                what: format!(
                    "tokenizer.json holds the model {:?}; BPE is read from a folder, and for others take a GGUF file",
                    self.model.kind
                ),
            });
        }
        let (pieces, mut kinds) = self.pieces(vocab_size)?;
        let sentencepiece = self.model.byte_fallback;
        if sentencepiece {
            keys.str("tokenizer.ggml.model", "llama");
            keys.str("tokenizer.ggml.pre", "default");
            keys.f32s("tokenizer.ggml.scores", &self.scores(&pieces));
            keys.bool("tokenizer.ggml.add_space_prefix", self.adds_space());
            for (piece, kind) in pieces.iter().zip(&mut kinds) {
                let byte = piece.strip_prefix("<0x").and_then(|p| p.strip_suffix('>'));
                if *kind == kind::NORMAL && byte.is_some_and(|b| b.len() == 2) {
                    *kind = kind::BYTE;
                }
                if self.model.unk_token.as_ref() == Some(piece) {
                    *kind = kind::UNKNOWN;
                }
            }
        } else {
            keys.str("tokenizer.ggml.model", "gpt2");
            let pre = pre_tokenizer::name(
                &steps(&self.pre_tokenizer, "pretokenizers"),
                self.model.ignore_merges,
            )?;
            keys.str("tokenizer.ggml.pre", pre);
            let merges: Vec<String> = self
                .model
                .merges
                .iter()
                .map(|merge| match merge {
                    Merge::Line(line) => line.clone(),
                    Merge::Pair(left, right) => format!("{left} {right}"),
                })
                .collect();
            keys.strings("tokenizer.ggml.merges", &merges);
        }
        keys.strings("tokenizer.ggml.tokens", &pieces);
        keys.i32s("tokenizer.ggml.token_type", &kinds);
        Ok(())
    }

    /// All pieces by id, and what each is for; ids that no piece has are padding.
    fn pieces(&self, vocab_size: usize) -> Result<(Vec<String>, Vec<i32>)> {
        let vocab = self
            .model
            .vocab
            .0
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
        // Pieces that no merge makes are never looked for by score.
        let last = -(self.model.merges.len() as f32);
        pieces
            .iter()
            .map(|piece| ranks.get(piece).copied().unwrap_or(last))
            .collect()
    }

    /// Whether a space is put before a text.
    fn adds_space(&self) -> bool {
        let prepends = |s: &Value| s.get("type").and_then(Value::as_str) == Some("Prepend");
        let metaspace = |s: &Value| {
            s.get("type").and_then(Value::as_str) == Some("Metaspace")
                && s.get("prepend_scheme").and_then(Value::as_str) != Some("never")
        };
        steps(&self.normalizer, "normalizers")
            .iter()
            .any(|s| prepends(s))
            || steps(&self.pre_tokenizer, "pretokenizers")
                .iter()
                .any(|s| metaspace(s))
    }
}

/// The steps of a sequence, or the one step there is.
fn steps<'a>(value: &'a Value, of_sequence: &str) -> Vec<&'a Value> {
    match value.get(of_sequence).and_then(Value::as_array) {
        Some(steps) => steps.iter().collect(),
        None if value.is_null() => Vec::new(),
        None => vec![value],
    }
}
