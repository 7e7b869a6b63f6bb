//! Byte-level BPE (`tokenizer.ggml.model` = gpt2): words by the pre-tokenizer, their bytes merged by rank.

use super::alphabet;
use super::bpe::{self, Merges};
use super::pre_tokenizer::{self, PreTokenizer};
use super::vocabulary::{Kind, Vocabulary};
use crate::error::Result;
use crate::format::Metadata;

pub(super) struct ByteLevel {
    pre_tokenizer: &'static PreTokenizer,
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
        let pre = meta.str("tokenizer.ggml.pre")?.unwrap_or("default");
        Ok(ByteLevel {
            pre_tokenizer: pre_tokenizer::by_name(pre)?,
            merges: Merges::new(meta.require_strings("tokenizer.ggml.merges")?, vocabulary)?,
            byte_ids: alphabet::CHARS.map(|c| vocabulary.text_id(c.encode_utf8(&mut [0; 4]))),
        })
    }

    pub fn add_bos(&self) -> bool {
        self.pre_tokenizer.add_bos
    }

    /// Appends the ids of a text without markers; bytes that the vocabulary cannot write are left out.
    pub fn encode(
        &self,
        vocabulary: &Vocabulary,
        text: &str,
        scratch: &mut Scratch,
        ids: &mut Vec<u32>,
    ) {
        let Scratch {
            split,
            merge,
            spelled,
        } = scratch;
        self.pre_tokenizer.split.words(text, split, |word| {
            if self.pre_tokenizer.whole_words {
                spelled.clear();
                spelled.extend(word.bytes().map(|b| alphabet::CHARS[usize::from(b)]));
                if let Some(id) = vocabulary.text_id(spelled) {
                    ids.push(id);
                    return;
                }
            }
            let symbols = word.bytes().filter_map(|b| self.byte_ids[usize::from(b)]);
            self.merges.encode(symbols, merge, ids);
        });
    }

    pub fn bytes(&self, piece: &str, kind: Kind) -> Vec<u8> {
        match kind {
            Kind::Control | Kind::Unknown | Kind::Unused => Vec::new(),
            Kind::UserDefined => piece.as_bytes().to_vec(),
            Kind::Normal | Kind::Byte => alphabet::decode(piece),
        }
    }
}
