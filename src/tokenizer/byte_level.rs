//! Byte-level BPE (`tokenizer.ggml.model` = gpt2): words by the pre-tokenizer, their bytes merged by rank.

use super::alphabet;
use super::bpe::{self, Merges};
use super::pre_tokenizer::{self, Splitter};
use super::unicode::Rewrite;
use super::vocabulary::{Kind, Vocabulary};
use crate::error::Result;
use crate::format::Metadata;

pub(super) struct ByteLevel {
    splitter: Splitter,
    /// Whether a text starts with a space that it does not have.
    space_prefix: bool,
    merges: Merges,
    /// The id of each byte's character; some vocabularies lack bytes.
    byte_ids: [Option<u32>; 256],
}

/// Buffers kept between words.
#[derive(Default)]
pub(super) struct Scratch {
    split: pre_tokenizer::Scratch,
    merge: bpe::Scratch,
    spelled: String,
}

impl ByteLevel {
    pub fn from_gguf(meta: &Metadata, vocabulary: &Vocabulary) -> Result<ByteLevel> {
        Ok(ByteLevel {
            splitter: Splitter::from_gguf(meta)?,
            space_prefix: meta
                .bool("tokenizer.ggml.add_space_prefix")?
                .unwrap_or(false),
            merges: Merges::new(
                meta.require_byte_strings("tokenizer.ggml.merges")?,
                vocabulary,
            )?,
            byte_ids: alphabet::CHARS.map(|c| vocabulary.text_id(c.encode_utf8(&mut [0; 4]))),
        })
    }

    pub fn add_bos(&self) -> bool {
        self.splitter.add_bos
    }

    /// What is done to a text first, unless the file says otherwise.
    pub fn rewrites(&self) -> &'static [Rewrite] {
        self.splitter.rewrites
    }

    /// Appends the ids of a text without markers; bytes that the vocabulary cannot write are left out.
    pub fn encode(
        &self,
        vocabulary: &Vocabulary,
        text: &str,
        scratch: &mut Scratch,
        ids: &mut Vec<u32>,
    ) -> Result<()> {
        let Scratch {
            split,
            merge,
            spelled,
        } = scratch;
        let prefixed = self.space_prefix && !text.starts_with(' ');
        let longer = prefixed.then(|| format!(" {text}"));
        let text = longer.as_deref().unwrap_or(text);
        self.splitter.words(text, split, |word| {
            if self.splitter.whole_words {
                spelled.clear();
                spelled.extend(word.iter().map(|b| alphabet::CHARS[usize::from(*b)]));
                if let Some(id) = vocabulary.text_id(spelled) {
                    ids.push(id);
                    return;
                }
            }
            let symbols = word.iter().filter_map(|b| self.byte_ids[usize::from(*b)]);
            self.merges.encode(vocabulary, symbols, merge, ids);
        })
    }

    pub fn bytes(&self, piece: &str, kind: Kind) -> Vec<u8> {
        match kind {
            Kind::Control | Kind::Unknown | Kind::Unused => Vec::new(),
            Kind::UserDefined => piece.as_bytes().to_vec(),
            Kind::Normal | Kind::Byte => alphabet::decode(piece),
        }
    }
}
