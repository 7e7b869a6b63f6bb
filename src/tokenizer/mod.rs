//! Text ↔ ids, built from GGUF metadata: byte-level BPE with the file's own pre-tokenizer, SentencePiece BPE or
//! Unigram, WordPiece, or RWKV's longest pieces.
//!
//! Ids equal those of the Python `tokenizers` package (`tests/golden/tokenizer`). Adds no BOS: the caller decides.

mod alphabet;
mod bpe;
mod byte_level;
mod charsmap;
mod greedy;
mod guard;
mod index;
mod markers;
mod pattern;
mod pre_tokenizer;
mod sentencepiece;
mod spaces;
mod stream;
mod traits;
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
use greedy::Greedy;
use guard::Guard;
use markers::{Marker, Markers, Part, Traits};
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
    /// A text with its spaces as pieces write them.
    spelled: String,
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
    Greedy(Greedy),
}

/// `text` as `rewrites` leave it.
fn rewritten<'t>(text: &'t str, rewrites: &[Rewrite]) -> Cow<'t, str> {
    let text = Cow::Borrowed(text);
    rewrites.iter().fold(text, |text, how| rewrite(text, *how))
}

/// As `rewritten`, with the spaces of those models that write them before they look for late markers.
fn normalised(text: &str, rewrites: &[Rewrite], model: &Model) -> String {
    let text = rewritten(text, rewrites);
    match model {
        Model::SentencePiece(m) if m.spaces().early => {
            let mut spelled = String::new();
            m.spaces().spell(&text, true, &mut spelled);
            spelled
        }
        _ => text.into_owned(),
    }
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
    /// User-defined tokens that are looked for in what is left once it has been normalised.
    late_markers: Markers,
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
        const KNOWN: [&str; 6] = ["gpt2", "llama", "gemma4", "t5", "bert", "rwkv"];
        if !KNOWN.contains(&name) {
            return Err(Error::Tokenizer {
                what: format!(
                    "the tokenizer model {name:?} is not supported; supported: {}",
                    KNOWN.join(", ")
                ),
            });
        }
        let vocabulary = Vocabulary::from_gguf(meta)?;
        // Some files of SentencePiece models with merges in place of scores name the model of the others.
        let ranked = name == "gemma4"
            || meta
                .str("tokenizer.ggml.pre")?
                .is_some_and(pre_tokenizer::is_ranked);
        let (model, add_bos) = match name {
            "llama" | "gemma4" | "gpt2" if ranked || name == "llama" => {
                let model = SentencePiece::from_gguf(meta, &vocabulary, ranked)?;
                (Model::SentencePiece(Box::new(model)), name != "gpt2")
            }
            "t5" => {
                let model = Unigram::from_gguf(meta, &vocabulary)?;
                (Model::Unigram(Box::new(model)), false)
            }
            "bert" => {
                let model = WordPiece::from_gguf(meta, &vocabulary)?;
                (Model::WordPiece(model), true)
            }
            "rwkv" => (Model::Greedy(Greedy::from_gguf(&vocabulary)?), false),
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
        let traits = traits::of_tokens(meta, &vocabulary, name)?;
        let marker = |id: u32| Marker {
            text: vocabulary.piece(id).unwrap_or_default().into(),
            id,
            traits: traits.get(&id).copied().unwrap_or_default(),
        };
        let markers = |kinds: &[Kind], late: bool| -> Vec<Marker> {
            let of_kind = kinds.iter().flat_map(|kind| vocabulary.of_kind(*kind));
            let all = of_kind.map(marker);
            all.filter(|m| m.traits.has(Traits::LATE) == late).collect()
        };
        let mut late_markers = markers(&[Kind::UserDefined], true);
        for marker in &mut late_markers {
            marker.text = normalised(&marker.text, &rewrites, &model).into();
        }
        let mut all_markers = markers(&[Kind::UserDefined], false);
        // Whatever a file says of it: a control token is its own text and nothing else.
        all_markers.extend(
            [Kind::Control, Kind::Unknown]
                .into_iter()
                .flat_map(|kind| vocabulary.of_kind(kind).map(marker)),
        );
        Ok(Tokenizer {
            all_markers: Markers::new(all_markers)?,
            text_markers: Markers::new(markers(&[Kind::UserDefined], false))?,
            late_markers: Markers::new(late_markers)?,
            guard: Guard::new(&vocabulary),
            add_bos: meta
                .bool("tokenizer.ggml.add_bos_token")?
                .unwrap_or(add_bos),
            vocabulary,
            model,
            rewrites,
            add_eos: meta
                .bool("tokenizer.ggml.add_eos_token")?
                .unwrap_or(name == "t5"),
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
        self.encode_plain(markers, text, true, &mut Scratch::default(), &mut ids)?;
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
            .split(text, barred, Some(guard), |part| match part {
                Part::Marker(id) => ids.push(id),
                Part::Text(..) if outcome.is_err() => {}
                Part::Text(at, text) => {
                    let plain = text.replace(guard, "");
                    let markers = &self.text_markers;
                    outcome = self.encode_plain(markers, &plain, at == 0, &mut scratch, &mut ids);
                }
            });
        outcome.map(|()| ids)
    }

    /// Appends the ids of a text in which `markers` alone are looked for; `start`: nothing comes before it.
    fn encode_plain(
        &self,
        markers: &Markers,
        text: &str,
        start: bool,
        scratch: &mut Scratch,
        ids: &mut Vec<u32>,
    ) -> Result<()> {
        let mut outcome = Ok(());
        markers.split(
            text,
            |_| false,
            None,
            |part| match part {
                Part::Marker(id) => ids.push(id),
                Part::Text(..) if outcome.is_err() => {}
                Part::Text(at, text) => {
                    outcome = self.encode_text(text, start && at == 0, scratch, ids);
                }
            },
        );
        outcome
    }

    /// Appends the ids of a stretch between markers, which may hold late ones.
    fn encode_text(
        &self,
        text: &str,
        start: bool,
        scratch: &mut Scratch,
        ids: &mut Vec<u32>,
    ) -> Result<()> {
        if self.late_markers.is_empty() {
            return self.encode_words(&rewritten(text, &self.rewrites), start, scratch, ids);
        }
        let text = normalised(text, &self.rewrites, &self.model);
        let mut outcome = Ok(());
        self.late_markers.split(
            &text,
            |_| false,
            None,
            |part| match part {
                Part::Marker(id) => ids.push(id),
                Part::Text(..) if outcome.is_err() => {}
                Part::Text(at, text) => {
                    outcome = match &self.model {
                        Model::SentencePiece(m) if m.spaces().early => {
                            m.encode(&self.vocabulary, text, &mut scratch.sentencepiece, ids);
                            Ok(())
                        }
                        _ => self.encode_words(text, start && at == 0, scratch, ids),
                    }
                }
            },
        );
        outcome
    }

    /// Appends the ids of a stretch without markers, after its rewritings.
    fn encode_words(
        &self,
        text: &str,
        start: bool,
        scratch: &mut Scratch,
        ids: &mut Vec<u32>,
    ) -> Result<()> {
        let vocabulary = &self.vocabulary;
        match &self.model {
            Model::ByteLevel(m) => return m.encode(vocabulary, text, &mut scratch.byte_level, ids),
            Model::SentencePiece(m) => {
                m.spaces().spell(text, start, &mut scratch.spelled);
                m.encode(
                    vocabulary,
                    &scratch.spelled,
                    &mut scratch.sentencepiece,
                    ids,
                );
            }
            Model::Unigram(m) => {
                return m.encode(vocabulary, text, start, &mut scratch.unigram, ids);
            }
            Model::WordPiece(m) => m.encode(vocabulary, text, &mut scratch.word_piece, ids),
            Model::Greedy(m) => return m.encode(text, ids),
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
            Model::SentencePiece(m) => m.spaces().prefixes(),
            Model::Unigram(m) => m.spaces().prefixes(),
            Model::WordPiece(_) => true,
            Model::ByteLevel(_) | Model::Greedy(_) => false,
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
            Model::Greedy(_) => greedy::bytes(piece, kind),
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
