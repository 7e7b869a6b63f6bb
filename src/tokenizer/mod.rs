//! Text ↔ ids, built from GGUF metadata: byte-level BPE with the file's own pre-tokenizer, SentencePiece BPE or
//! Unigram, or WordPiece.
//!
//! Ids equal those of the Python `tokenizers` package (`tests/golden/tokenizer`). Adds no BOS: the caller decides.

mod alphabet;
mod bpe;
mod byte_level;
mod charsmap;
mod guard;
mod index;
mod markers;
mod pattern;
mod pre_tokenizer;
mod sentencepiece;
mod stream;
mod unicode;
mod unigram;
mod vocabulary;
mod word_piece;

pub use guard::free_guard;
pub use stream::StreamDecoder;
pub use unicode::{Rewrite, set_platform};

use crate::error::{Error, Result};
use crate::format::Metadata;
use byte_level::ByteLevel;
use guard::Guard;
use markers::{Markers, Part};
use sentencepiece::SentencePiece;
use std::borrow::Cow;
use unicode::rewrite;
use unigram::Unigram;
use vocabulary::{Kind, Vocabulary};
use word_piece::WordPiece;

/// A longer text can fit no context; refusing it bounds the memory that splitting takes.
const MAX_TEXT_BYTES: usize = 16 << 20;

/// A key of our own: what a `tokenizer.json` does to a text first, and GGUF has no key for.
const REWRITES_KEY: &str = "smidgen.normalizer";
const MAX_REWRITES: usize = 16;

fn check_length(text: &str) -> Result<()> {
    if text.len() <= MAX_TEXT_BYTES {
        return Ok(());
    }
    Err(Error::BadArgument {
        name: "text".into(),
        found: format!("{} bytes", text.len()),
        expected: format!("at most {MAX_TEXT_BYTES} bytes"),
    })
}

/// Buffers of one call of `encode`.
#[derive(Default)]
struct Scratch {
    byte_level: byte_level::Scratch,
    sentencepiece: sentencepiece::Scratch,
    unigram: unigram::Scratch,
    word_piece: word_piece::Scratch,
}

/// How control tokens in a text are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Special {
    /// As control tokens: for the template's own text.
    Parse,
    /// As plain text: for anything a user wrote.
    Text,
}

/// The way a text without markers becomes ids.
enum Model {
    ByteLevel(Box<ByteLevel>),
    SentencePiece(Box<SentencePiece>),
    Unigram(Box<Unigram>),
    WordPiece(WordPiece),
}

/// A vocabulary with its way of splitting.
pub struct Tokenizer {
    vocabulary: Vocabulary,
    model: Model,
    /// What is done to a text, one after the other, before the model sees it.
    rewrites: Vec<Rewrite>,
    /// Control, unknown and user-defined tokens.
    all_markers: Markers,
    /// User-defined tokens only.
    text_markers: Markers,
    guard: Guard,
    bos: Option<u32>,
    eos: Option<u32>,
    sep: Option<u32>,
    add_bos: bool,
    add_eos: bool,
    stop_tokens: Vec<u32>,
}

impl Tokenizer {
    /// Reads the keys `tokenizer.ggml.*`.
    pub fn from_gguf(meta: &Metadata) -> Result<Tokenizer> {
        let name = meta.require_str("tokenizer.ggml.model")?;
        const KNOWN: [&str; 5] = ["gpt2", "llama", "gemma4", "t5", "bert"];
        if !KNOWN.contains(&name) {
            return Err(Error::Tokenizer {
                what: format!(
                    "the tokenizer model {name:?} is not supported; supported: {}",
                    KNOWN.join(", ")
                ),
            });
        }
        let vocabulary = Vocabulary::from_gguf(meta)?;
        let (model, add_bos) = match name {
            "llama" | "gemma4" => {
                let model = SentencePiece::from_gguf(meta, &vocabulary, name == "gemma4")?;
                (Model::SentencePiece(Box::new(model)), true)
            }
            "t5" => {
                let model = Unigram::from_gguf(meta, &vocabulary)?;
                (Model::Unigram(Box::new(model)), false)
            }
            "bert" => {
                let model = WordPiece::from_gguf(meta, &vocabulary)?;
                (Model::WordPiece(model), true)
            }
            _ => {
                let model = ByteLevel::from_gguf(meta, &vocabulary)?;
                let add_bos = model.add_bos();
                (Model::ByteLevel(Box::new(model)), add_bos)
            }
        };

        let token = |key: &str| match meta.u32(key)? {
            Some(id) if id as usize >= vocabulary.len() => Err(Error::BadKey {
                key: key.into(),
                found: id.to_string(),
                expected: format!("an id below {}", vocabulary.len()),
            }),
            id => Ok(id),
        };
        // Encoders call theirs CLS and SEP; the second key is misspelt in the specification.
        let bos = token("tokenizer.ggml.bos_token_id")?.or(token("tokenizer.ggml.cls_token_id")?);
        let sep = token("tokenizer.ggml.seperator_token_id")?;
        let eos = token("tokenizer.ggml.eos_token_id")?;
        let eot = token("tokenizer.ggml.eot_token_id")?;
        let eom = token("tokenizer.ggml.eom_token_id")?;
        let mut stop_tokens: Vec<u32> = [eos, eot, eom].into_iter().flatten().collect();
        stop_tokens.extend(vocabulary.stop_pieces());
        stop_tokens.sort_unstable();
        stop_tokens.dedup();

        let add_sep = meta
            .bool("tokenizer.ggml.add_sep_token")?
            .unwrap_or(name == "bert");
        let rewrites = match meta.strings(REWRITES_KEY)? {
            Some(names) => names
                .map(|name| {
                    Rewrite::by_name(name).ok_or_else(|| Error::BadKey {
                        key: REWRITES_KEY.into(),
                        found: format!("{name:?}"),
                        expected: "names of normal forms".into(),
                    })
                })
                .take(MAX_REWRITES)
                .collect::<Result<Vec<Rewrite>>>()?,
            None => match &model {
                Model::ByteLevel(model) => model.rewrites().to_vec(),
                _ => Vec::new(),
            },
        };
        let text_markers: Vec<u32> = vocabulary.of_kind(Kind::UserDefined).collect();
        let mut all_markers = text_markers.clone();
        for kind in [Kind::Control, Kind::Unknown] {
            all_markers.extend(vocabulary.of_kind(kind));
        }
        Ok(Tokenizer {
            all_markers: Markers::new(&vocabulary, all_markers)?,
            text_markers: Markers::new(&vocabulary, text_markers)?,
            guard: Guard::new(&vocabulary),
            add_bos: meta
                .bool("tokenizer.ggml.add_bos_token")?
                .unwrap_or(add_bos),
            vocabulary,
            model,
            rewrites,
            add_eos: meta.bool("tokenizer.ggml.add_eos_token")?.unwrap_or(false),
            // SEP is written after the text of an encoder, where there is one.
            sep: sep.filter(|_| add_sep),
            bos,
            eos,
            stop_tokens,
        })
    }

    /// The ids of `text`; bytes that the vocabulary cannot write are left out, as in the reference.
    pub fn encode(&self, text: &str, special: Special) -> Result<Vec<u32>> {
        check_length(text)?;
        let markers = match special {
            Special::Parse => &self.all_markers,
            Special::Text => &self.text_markers,
        };
        let mut ids = Vec::with_capacity(text.len() / 3);
        self.encode_plain(markers, text, &mut Scratch::default(), &mut ids)?;
        Ok(ids)
    }

    /// A user's `text` with `guard` in everything that is, or beside other text becomes, a control token.
    pub fn protect(&self, text: &str, guard: char) -> String {
        self.guard.protect(text, guard, true)
    }

    /// As `protect`, for names and other words that a template compares: only whole control tokens are broken.
    pub fn protect_word(&self, word: &str, guard: char) -> String {
        self.guard.protect(word, guard, false)
    }

    /// The ids of a text in which `protect` has put guards: control tokens are parsed where no guard breaks them.
    pub fn encode_guarded(&self, text: &str, guard: char) -> Result<Vec<u32>> {
        check_length(text)?;
        let mut ids = Vec::with_capacity(text.len() / 3);
        let mut scratch = Scratch::default();
        let mut outcome = Ok(());
        let barred = |at| guard::is_barred(text, at, guard);
        self.all_markers
            .split(&self.vocabulary, text, barred, |part| match part {
                Part::Marker(id) => ids.push(id),
                Part::Text(_) if outcome.is_err() => {}
                Part::Text(text) => {
                    let plain = text.replace(guard, "");
                    outcome = self.encode_plain(&self.text_markers, &plain, &mut scratch, &mut ids);
                }
            });
        outcome.map(|()| ids)
    }

    /// Appends the ids of a text in which `markers` alone are looked for.
    fn encode_plain(
        &self,
        markers: &Markers,
        text: &str,
        scratch: &mut Scratch,
        ids: &mut Vec<u32>,
    ) -> Result<()> {
        let mut outcome = Ok(());
        markers.split(
            &self.vocabulary,
            text,
            |_| false,
            |part| match part {
                Part::Marker(id) => ids.push(id),
                Part::Text(_) if outcome.is_err() => {}
                Part::Text(text) => outcome = self.encode_text(text, scratch, ids),
            },
        );
        outcome
    }

    fn encode_text(&self, text: &str, scratch: &mut Scratch, ids: &mut Vec<u32>) -> Result<()> {
        let vocabulary = &self.vocabulary;
        let mut text = Cow::Borrowed(text);
        for how in &self.rewrites {
            text = rewrite(text, *how);
        }
        let text = &*text;
        match &self.model {
            Model::ByteLevel(m) => return m.encode(vocabulary, text, &mut scratch.byte_level, ids),
            Model::SentencePiece(m) => m.encode(vocabulary, text, &mut scratch.sentencepiece, ids),
            Model::Unigram(m) => return m.encode(vocabulary, text, &mut scratch.unigram, ids),
            Model::WordPiece(m) => m.encode(vocabulary, text, &mut scratch.word_piece, ids),
        }
        Ok(())
    }

    /// The text of `ids`. Control tokens leave none; bytes that are no UTF-8 become U+FFFD.
    pub fn decode(&self, ids: &[u32]) -> String {
        let mut stream = StreamDecoder::new();
        let mut text: String = ids.iter().map(|id| stream.push(self, *id)).collect();
        text.push_str(&stream.finish());
        text
    }

    /// Whether a text's first space is the tokenizer's own and not the text's.
    fn starts_with_space(&self) -> bool {
        match &self.model {
            Model::SentencePiece(m) => m.space_prefix(),
            Model::Unigram(m) => m.space_prefix(),
            Model::WordPiece(_) => true,
            Model::ByteLevel(_) => false,
        }
    }

    /// The piece as the vocabulary spells it.
    pub fn piece(&self, id: u32) -> Option<&str> {
        self.vocabulary.piece(id)
    }

    /// The bytes that `id` stands for: none for control tokens and unknown ids.
    pub fn bytes(&self, id: u32) -> Vec<u8> {
        let Some((piece, kind)) = self.piece(id).zip(self.vocabulary.kind(id)) else {
            return Vec::new();
        };
        match &self.model {
            Model::ByteLevel(m) => m.bytes(piece, kind),
            Model::SentencePiece(_) | Model::Unigram(_) => sentencepiece::bytes(piece, kind),
            Model::WordPiece(m) => m.bytes(piece, kind),
        }
    }

    /// The id of a piece, spelled as the vocabulary spells it.
    pub fn id(&self, piece: &str) -> Option<u32> {
        self.vocabulary.id(piece)
    }

    /// Number of pieces.
    pub fn vocab_size(&self) -> usize {
        self.vocabulary.len()
    }

    /// The token that starts a text.
    pub fn bos(&self) -> Option<u32> {
        self.bos
    }

    /// The token that ends a text.
    pub fn eos(&self) -> Option<u32> {
        self.eos
    }

    /// Whether BOS belongs before a text that no template has shaped.
    pub fn add_bos(&self) -> bool {
        self.add_bos
    }

    /// `ids` of a whole text between what the file puts around one: BOS or CLS before it, EOS or SEP behind it.
    pub fn frame(&self, ids: &[u32]) -> Vec<u32> {
        let before = self.bos.filter(|_| self.add_bos);
        let behind = self.sep.or(self.eos.filter(|_| self.add_eos));
        before
            .into_iter()
            .chain(ids.iter().copied())
            .chain(behind)
            .collect()
    }

    /// Whether `id` is a control token: markup that leaves no text.
    pub fn is_control(&self, id: u32) -> bool {
        self.vocabulary.kind(id) == Some(Kind::Control)
    }

    /// The bytes of a token, a control token's name.
    pub fn spelled(&self, id: u32) -> Vec<u8> {
        match self.is_control(id) {
            true => self.piece(id).unwrap_or_default().into(),
            false => self.bytes(id),
        }
    }

    /// The control tokens, ascending.
    pub fn control_tokens(&self) -> impl Iterator<Item = u32> {
        self.vocabulary.of_kind(Kind::Control)
    }

    /// The tokens that end a reply, ascending: those that the metadata names and the well-known ones.
    pub fn stop_tokens(&self) -> &[u32] {
        &self.stop_tokens
    }
}
