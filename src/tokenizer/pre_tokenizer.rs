//! Pre-tokenizers: how text falls into words before byte-pair encoding. A new name is one row of the table.
//!
//! The rows follow the `tokenizer.json` files of the models; `bitcannon` is the splitter of the `tokenizers` project.
//! Some of those files (Qwen, OLMo) bring text into Unicode's form C first. That is left to the caller: the tables
//! would be an eighth of the whole engine, and text as people type it is in form C already.

use crate::error::{Error, Result};
use bitcannon::Span;
use bitcannon::classes::class_runs_into;
use bitcannon::classify::{classify_scalar, mask};

/// A way to split.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Split {
    /// GPT-2: contractions, and words, numbers and signs each with one leading space.
    Gpt2,
    /// Every digit alone, then GPT-2 on what lies between.
    DigitsGpt2,
    /// cl100k: numbers in threes, any sign may lead a word.
    Cl100k,
    /// cl100k with every digit alone.
    Cl100kDigits,
    /// o200k: as cl100k, and words break before capitals.
    O200k,
    /// o200k without contractions, every digit alone.
    O200kDigits,
    /// o200k with runs of Han characters apart.
    O200kHan,
    /// Numbers in threes, then Han and kana runs, then the rest.
    NumbersHan,
}

/// One row: the names that `tokenizer.ggml.pre` uses for it.
pub(super) struct PreTokenizer {
    names: &'static [&'static str],
    pub split: Split,
    /// A word that is a piece is that piece, whatever the merges say.
    pub whole_words: bool,
    /// Whether BOS stands before a text if the file does not say.
    pub add_bos: bool,
}

const fn row(names: &'static [&'static str], split: Split) -> PreTokenizer {
    PreTokenizer {
        names,
        split,
        whole_words: false,
        add_bos: false,
    }
}

const TABLE: &[PreTokenizer] = &[
    // "default" and a missing key: files older than the key, nearly all of them GPT-2's kin.
    row(
        &[
            "gpt-2", "default", "phi-2", "olmo", "mpt", "jais", "gigachat", "a.x-4.0", "mellum",
        ],
        Split::Gpt2,
    ),
    row(
        &[
            "smollm",
            "starcoder",
            "refact",
            "command-r",
            "codeshell",
            "exaone",
            "minerva-7b",
        ],
        Split::DigitsGpt2,
    ),
    PreTokenizer {
        whole_words: true,
        add_bos: true,
        ..row(
            &[
                "llama-bpe",
                "llama3",
                "llama-v3",
                "lfm2",
                "falcon3",
                "falcon-h1",
                "pixtral",
                "midm-2.0",
            ],
            Split::Cl100k,
        )
    },
    row(&["dbrx", "smaug-bpe", "chatglm-bpe", "glm4"], Split::Cl100k),
    row(
        &[
            "qwen2",
            "deepseek-r1-qwen",
            "stablelm2",
            "hunyuan",
            "megrez",
            "kormo",
        ],
        Split::Cl100kDigits,
    ),
    row(&["gpt-4o", "llama4"], Split::O200k),
    PreTokenizer {
        whole_words: true,
        ..row(&["tekken"], Split::O200kDigits)
    },
    row(&["kimi-k2"], Split::O200kHan),
    row(&["deepseek-v3", "hunyuan-dense"], Split::NumbersHan),
];

/// The row for a `tokenizer.ggml.pre`.
pub(super) fn by_name(name: &str) -> Result<&'static PreTokenizer> {
    TABLE
        .iter()
        .find(|row| row.names.contains(&name))
        .ok_or_else(|| Error::Tokenizer {
            what: format!("the pre-tokenizer {name:?} is not supported"),
        })
}

/// Buffers of `Split::words`, kept between texts.
#[derive(Default)]
pub(super) struct Scratch {
    /// One class per byte.
    tags: Vec<u8>,
    starts: Vec<u64>,
    flags: Vec<u64>,
    later: Vec<u64>,
    words: Vec<Span>,
    parts: Vec<Span>,
}

impl Split {
    /// Gives each word of `text`, in order, to `each`; together the words are the whole text.
    pub fn words<'t>(self, text: &'t str, scratch: &mut Scratch, mut each: impl FnMut(&'t str)) {
        let bytes = text.as_bytes();
        let len = bytes.len();
        let blocks = len.div_ceil(64) + 1;
        let Scratch {
            tags,
            starts,
            flags,
            later,
            words,
            parts,
        } = scratch;
        tags.resize(len, 0);
        words.resize(len + 1, Span::default());
        for (bitmap, len) in [(&mut *starts, blocks), (flags, blocks), (later, 2 * blocks)] {
            bitmap.resize(len, 0);
        }
        classify_scalar(bytes, tags);

        if self == Split::DigitsGpt2 {
            parts.resize(len + 1, Span::default());
            let n = class_runs_into::<0, { mask::NUMERIC }, 0>(bytes, tags, starts, flags, parts);
            for part in &parts[..n] {
                let range = part.range();
                let (bytes, tags) = (&bytes[range.clone()], &tags[range.clone()]);
                let n = bitcannon::bitcannon_byte_level(bytes, tags, starts, flags, words);
                for word in &words[..n] {
                    each(&text[range.clone()][word.range()]);
                }
            }
            return;
        }
        let n = match self {
            Split::Gpt2 | Split::DigitsGpt2 => {
                bitcannon::bitcannon_byte_level(bytes, tags, starts, flags, words)
            }
            Split::Cl100k => bitcannon::bitcannon_cl100k(bytes, tags, starts, flags, words),
            Split::Cl100kDigits => bitcannon::bitcannon_qwen(bytes, tags, starts, flags, words),
            Split::O200k => bitcannon::bitcannon_o200k(bytes, tags, starts, flags, later, words),
            Split::O200kDigits => {
                bitcannon::bitcannon_tekken(bytes, tags, starts, flags, later, words)
            }
            Split::O200kHan => bitcannon::bitcannon_kimi(bytes, tags, starts, flags, later, words),
            Split::NumbersHan => bitcannon::bitcannon_deepseek(bytes, tags, starts, words),
        };
        for word in &words[..n] {
            each(&text[word.range()]);
        }
    }
}
