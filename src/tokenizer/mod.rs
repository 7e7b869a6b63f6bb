//! Text ↔ ids, built from GGUF metadata: byte-level BPE with the file's own pre-tokenizer.
//!
//! Ids equal those of the Python `tokenizers` package (`tests/golden/tokenizer`). Adds no BOS: the caller decides.

mod bpe;
mod byte_level;
mod guard;
mod index;
mod markers;
mod pre_tokenizer;
mod stream;
mod vocabulary;

pub use guard::free_guard;
pub use stream::StreamDecoder;

use crate::error::{Error, Result};
use crate::format::Metadata;
use bpe::Merges;
use guard::Guard;
use markers::{Markers, Part};
use pre_tokenizer::PreTokenizer;
use vocabulary::{Kind, Vocabulary};

/// A longer text can fit no context; refusing it bounds the memory that splitting takes.
const MAX_TEXT_BYTES: usize = 16 << 20;

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
    split: pre_tokenizer::Scratch,
    merge: bpe::Scratch,
}

/// How control tokens in a text are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Special {
    /// As control tokens: for the template's own text.
    Parse,
    /// As plain text: for anything a user wrote.
    Text,
}

/// A vocabulary with its way of splitting.
pub struct Tokenizer {
    vocabulary: Vocabulary,
    pre_tokenizer: &'static PreTokenizer,
    merges: Merges,
    /// The id of each byte's character; some vocabularies lack bytes.
    byte_ids: [Option<u32>; 256],
    /// Control and user-defined tokens.
    all_markers: Markers,
    /// User-defined tokens only.
    text_markers: Markers,
    guard: Guard,
    bos: Option<u32>,
    eos: Option<u32>,
    add_bos: bool,
    stop_tokens: Vec<u32>,
}

impl Tokenizer {
    /// Reads the keys `tokenizer.ggml.*`.
    pub fn from_gguf(meta: &Metadata) -> Result<Tokenizer> {
        let model = meta.require_str("tokenizer.ggml.model")?;
        if model != "gpt2" {
            return Err(Error::Tokenizer {
                what: format!("the tokenizer model {model:?} is not supported (\"gpt2\" is)"),
            });
        }
        let pre = meta.str("tokenizer.ggml.pre")?.unwrap_or("default");
        let pre_tokenizer = pre_tokenizer::by_name(pre)?;
        let vocabulary = Vocabulary::from_gguf(meta)?;
        let merges = Merges::new(meta.require_strings("tokenizer.ggml.merges")?, &vocabulary)?;
        let byte_ids = byte_level::CHARS.map(|c| vocabulary.text_id(c.encode_utf8(&mut [0; 4])));

        let token = |key: &str| match meta.u32(key)? {
            Some(id) if id as usize >= vocabulary.len() => Err(Error::BadKey {
                key: key.into(),
                found: id.to_string(),
                expected: format!("an id below {}", vocabulary.len()),
            }),
            id => Ok(id),
        };
        let bos = token("tokenizer.ggml.bos_token_id")?;
        let eos = token("tokenizer.ggml.eos_token_id")?;
        let eot = token("tokenizer.ggml.eot_token_id")?;
        let eom = token("tokenizer.ggml.eom_token_id")?;
        let mut stop_tokens: Vec<u32> = [eos, eot, eom].into_iter().flatten().collect();
        stop_tokens.extend(vocabulary.stop_pieces());
        stop_tokens.sort_unstable();
        stop_tokens.dedup();

        let user_defined = || vocabulary.of_kind(Kind::UserDefined);
        Ok(Tokenizer {
            all_markers: Markers::new(
                &vocabulary,
                user_defined().chain(vocabulary.of_kind(Kind::Control)),
            )?,
            text_markers: Markers::new(&vocabulary, user_defined())?,
            guard: Guard::new(&vocabulary),
            add_bos: meta
                .bool("tokenizer.ggml.add_bos_token")?
                .unwrap_or(pre_tokenizer.add_bos),
            vocabulary,
            pre_tokenizer,
            merges,
            byte_ids,
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
        let mut scratch = Scratch::default();
        markers.split(
            &self.vocabulary,
            text,
            |_| false,
            |part| match part {
                Part::Marker(id) => ids.push(id),
                Part::Text(text) => self.encode_words(text, &mut scratch, &mut ids),
            },
        );
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
        let barred = |at| guard::is_barred(text, at, guard);
        self.all_markers
            .split(&self.vocabulary, text, barred, |part| match part {
                Part::Marker(id) => ids.push(id),
                Part::Text(text) => {
                    let plain = text.replace(guard, "");
                    self.text_markers.split(
                        &self.vocabulary,
                        &plain,
                        |_| false,
                        |part| match part {
                            Part::Marker(id) => ids.push(id),
                            Part::Text(text) => self.encode_words(text, &mut scratch, &mut ids),
                        },
                    );
                }
            });
        Ok(ids)
    }

    fn encode_words(&self, text: &str, Scratch { split, merge }: &mut Scratch, ids: &mut Vec<u32>) {
        let mut spelled = String::new();
        self.pre_tokenizer.split.words(text, split, |word| {
            if self.pre_tokenizer.whole_words {
                spelled.clear();
                spelled.extend(word.bytes().map(|b| byte_level::CHARS[usize::from(b)]));
                if let Some(id) = self.vocabulary.text_id(&spelled) {
                    ids.push(id);
                    return;
                }
            }
            let symbols = word.bytes().filter_map(|b| self.byte_ids[usize::from(b)]);
            self.merges.encode(symbols, merge, ids);
        });
    }

    /// The text of `ids`. Control tokens leave none; bytes that are no UTF-8 become U+FFFD.
    pub fn decode(&self, ids: &[u32]) -> String {
        let bytes: Vec<u8> = ids.iter().flat_map(|id| self.bytes(*id)).collect();
        String::from_utf8_lossy(&bytes).into_owned()
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
        match kind {
            Kind::Control | Kind::Unknown | Kind::Unused => Vec::new(),
            Kind::UserDefined => piece.as_bytes().to_vec(),
            Kind::Normal | Kind::Byte => byte_level::decode(piece),
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

    /// Whether `id` is a control token: markup that leaves no text.
    pub fn is_control(&self, id: u32) -> bool {
        self.vocabulary.kind(id) == Some(Kind::Control)
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
