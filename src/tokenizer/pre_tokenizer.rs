//! Pre-tokenizers: how text falls into words before byte-pair encoding. A new name is one row of the table.
//!
//! The rows follow the `tokenizer.json` files of the models. The common ways to split are `bitcannon`'s, the
//! splitter of the `tokenizers` project; the others are patterns, one after the other on what the one before has cut.

use super::alphabet::CHARS;
use super::pattern::{self, Pattern, Tagged};
use super::unicode::Rewrite;
use crate::error::{Error, Result};
use crate::format::Metadata;
use bitcannon::Span;
use bitcannon::classes::class_runs_into;
use bitcannon::classify::{classify_scalar, mask};
use core::ops::Range;

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
    /// Patterns as `tokenizer.json` files write them.
    Patterns(&'static [&'static str]),
}

/// One row: the names that `tokenizer.ggml.pre` uses for it.
pub(super) struct PreTokenizer {
    names: &'static [&'static str],
    split: Split,
    /// A word that is a piece is that piece, whatever the merges say.
    pub whole_words: bool,
    /// Whether BOS stands before a text if the file does not say.
    pub add_bos: bool,
    /// What is done to a text first.
    rewrites: &'static [Rewrite],
    /// Patterns for the characters that bytes are written as, after all else.
    bytewise: &'static [&'static str],
}

/// Names of SentencePiece models whose merges have ranks; they have no words.
const RANKED: &[&str] = &["gemma4", "granite-embed-multi-311m", "sarvam-moe"];

/// Whether a `tokenizer.ggml.pre` is the name of such a model.
pub(super) fn is_ranked(name: &str) -> bool {
    RANKED.contains(&name)
}

const fn row(names: &'static [&'static str], split: Split) -> PreTokenizer {
    PreTokenizer {
        names,
        split,
        whole_words: false,
        add_bos: false,
        rewrites: &[],
        bytewise: &[],
    }
}

/// As the models' own files have it, though GGUF files do not say so.
const fn composed(row: PreTokenizer) -> PreTokenizer {
    PreTokenizer {
        rewrites: &[Rewrite::Nfc],
        ..row
    }
}

const fn whole_words(row: PreTokenizer) -> PreTokenizer {
    PreTokenizer {
        whole_words: true,
        ..row
    }
}

macro_rules! gpt2 {
    () => {
        r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
    };
}

/// What follows the words in the kin of cl100k: numbers of so many digits, signs, spaces.
macro_rules! cl100k_tail {
    ($numbers:literal) => {
        concat!(
            $numbers,
            r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
        )
    };
}

macro_rules! contractions {
    () => {
        "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
    };
}

/// Words of o200k, which break before capitals: upper case, lower case, what may end a word, what follows words.
macro_rules! o200k {
    ($upper:literal, $lower:literal, $end:expr, $tail:literal) => {
        concat!(
            r"[^\r\n\p{L}\p{N}]?",
            $upper,
            "*",
            $lower,
            "+",
            $end,
            r"|[^\r\n\p{L}\p{N}]?",
            $upper,
            "+",
            $lower,
            "*",
            $end,
            "|",
            $tail
        )
    };
}

const O200K: &str = o200k!(
    r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]",
    r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]",
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
    r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
);

const TABLE: &[PreTokenizer] = &[
    // "default" and a missing key: files older than the key, nearly all of them GPT-2's kin.
    row(
        &[
            "gpt-2",
            "default",
            "phi-2",
            "jais",
            "gigachat",
            "a.x-4.0",
            "mellum",
            "exaone4",
            "trillion",
            "granite-docling",
            "jina-es",
            "jina-de",
            "jina-v2-es",
            "jina-v2-de",
            "jina-v1-en",
            "jina-v2-code",
            "roberta-bpe",
        ],
        Split::Gpt2,
    ),
    composed(row(&["olmo", "mpt", "modern-bert"], Split::Gpt2)),
    row(
        &[
            "smollm",
            "starcoder",
            "refact",
            "command-r",
            "codeshell",
            "exaone",
            "minerva-7b",
            "mellum2",
        ],
        Split::DigitsGpt2,
    ),
    PreTokenizer {
        add_bos: true,
        ..whole_words(row(
            &[
                "llama-bpe",
                "llama3",
                "llama-v3",
                "lfm2",
                "falcon3",
                "falcon-h1",
                "pixtral",
                "midm-2.0",
                "jina-v5-nano",
            ],
            Split::Cl100k,
        ))
    },
    row(&["dbrx", "smaug-bpe", "chatglm-bpe"], Split::Cl100k),
    whole_words(row(&["glm4", "glm5"], Split::Cl100k)),
    composed(row(
        &["qwen2", "deepseek-r1-qwen", "megrez", "kormo", "f2llmv2"],
        Split::Cl100kDigits,
    )),
    row(
        &["stablelm2", "hunyuan", "solar-open", "grok-2"],
        Split::Cl100kDigits,
    ),
    row(
        &["qwen35"],
        Split::Patterns(&[concat!(
            contractions!(),
            r"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
        )]),
    ),
    row(
        &["gpt-4o", "llama4", "kanana2", "talkie", "minimax-m2"],
        Split::Patterns(&[O200K]),
    ),
    whole_words(row(&["granite-embed-multi-97m"], Split::Patterns(&[O200K]))),
    PreTokenizer {
        add_bos: true,
        ..whole_words(row(
            &["tekken"],
            Split::Patterns(&[o200k!(
                r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]",
                r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]",
                "",
                r"\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
            )]),
        ))
    },
    row(
        &["kimi-k2"],
        Split::Patterns(&[concat!(
            r"[\p{Han}]+|",
            o200k!(
                r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]",
                r"[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]",
                "(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
                r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
            )
        )]),
    ),
    row(
        &["deepseek-v3", "hunyuan-dense", "joyai-llm", "hy_v4"],
        Split::Patterns(&[
            r"\p{N}{1,3}",
            "[一-龥぀-ゟ゠-ヿ]+",
            r##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"##,
        ]),
    ),
    row(
        &["spark2_5"],
        Split::Patterns(&[
            r"\p{N}{1,3}",
            "[一-龥぀-ゟ゠-ヿ]+",
            r##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+|[\r\n]|\s+(?!\S)|\s+"##,
            r"\p{N}",
        ]),
    ),
    row(
        &["afmoe"],
        Split::Patterns(&[
            // Numbers in threes from their end.
            r"\p{N}{1,3}(?=(?:\p{N}{3})*(?!\p{N}))",
            r"[一-鿿㐀-䶿\x{f900}-\x{faff}぀-ゟ゠-ヿ･-ﾟ⼀-\x{2fdf}เ-\x{e7f}\x{e80}-\x{eff}ក-\x{17ff}က-႟ꩠ-ꩿꧠ-\x{a9ff}가-\x{d7af}ᄀ-ᇿ]+",
            r##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"##,
        ]),
    ),
    whole_words(row(
        &["youtu"],
        Split::Patterns(&[
            "[가-힣ㄱ-ㆎ]+|[！…“”‘’—：；，、-〿︰-﹏]+|[ㄅ-ㄯ]+|[一-龥぀-ゟ゠-ヿ]+",
            o200k!(
                r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]",
                r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]",
                "(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
                r"\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
            ),
        ]),
    )),
    row(
        &["jais-2"],
        Split::Patterns(&[concat!(
            contractions!(),
            r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+",
            r"|\s{512}(?!\S)|\s{256}(?!\S)|\s{128}(?!\S)|\s{64}(?!\S)|\s{32}(?!\S)|\s{16}(?!\S)|\s{8}(?!\S)|\s{4}(?!\S)|\s{1,2}(?!\S)|\s{1}"
        )]),
    ),
    // cl100k with every digit alone and no contractions, so that Turkish suffixes stay whole.
    row(
        &["ufakzeka"],
        Split::Patterns(&[concat!(
            r"[^\r\n\p{L}\p{N}]?\p{L}+|",
            cl100k_tail!(r"\p{N}")
        )]),
    ),
    row(
        &["deepseek-coder"],
        Split::Patterns(&[
            r"[\r\n]",
            r"\s?\p{L}+",
            r"\s?\p{P}+",
            "[一-龥ࠀ-一가-퟿]+",
            r"\p{N}",
        ]),
    ),
    row(
        &["deepseek-llm"],
        Split::Patterns(&[
            r"[\r\n]",
            r"\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-\x{1f7d}ᾀ-ᾴᾶ-ᾼ\x{1fbe}ῂ-ῄῆ-ῌῐ-\x{1fd3}ῖ-\x{1fdb}ῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤ\x{2126}ℨ\x{212a}-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃]+",
            r"\s?[!-/:-~！-／：-～‘-‟　-。]+",
            r"\s+$",
            "[一-龥ࠀ-一가-퟿]+",
            r"\p{N}+",
        ]),
    ),
    PreTokenizer {
        bytewise: &[r"\p{N}+", "[0-9][0-9][0-9]"],
        ..row(
            &["falcon"],
            Split::Patterns(&[r"[\p{P}$+<=>^~|`]+", gpt2!()]),
        )
    },
    row(
        &["bloom", "poro-chat", "gpt3-finnish"],
        Split::Patterns(&[" ?[^(\\s|.,!?…。，、।۔،)]+"]),
    ),
    row(
        &["viking"],
        Split::Patterns(&[" ?[^(\\s|.,!?…。，、।۔،)]+", r"\p{N}"]),
    ),
    row(
        &["seed-coder"],
        Split::Patterns(&[concat!(
            contractions!(),
            r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+"
        )]),
    ),
    row(
        &["bailingmoe", "bailingmoe2", "llada-moe"],
        Split::Patterns(&[
            r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+",
        ]),
    ),
    row(
        &["exaone-moe"],
        Split::Patterns(&[concat!(
            contractions!(),
            r"|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+"
        )]),
    ),
    row(
        &["tiny_aya", "cohere2moe"],
        Split::Patterns(&[r"\d{1,3}(?=(?:\d{3})*\b)", O200K]),
    ),
    row(
        &["superbpe"],
        Split::Patterns(&[r"\p{N}+", r"(?=(\d{3})+(?!\d))"]),
    ),
    whole_words(row(
        &["minicpm5"],
        Split::Patterns(&[
            r"\p{N}{1,3}",
            concat!(
                contractions!(),
                r"|[^\r\n\p{L}\p{N}]?\p{L}+|",
                cl100k_tail!(r"\p{N}+")
            ),
        ]),
    )),
    row(
        &["laguna"],
        Split::Patterns(&[
            r"[^\n]+|[\n]+",
            concat!(
                contractions!(),
                r"|[^\r\n\p{L}\p{N}]?\p{L}+|",
                cl100k_tail!(r"\p{N}")
            ),
        ]),
    ),
    row(
        &["chameleon"],
        Split::Patterns(&[
            "<sentinel:[0-9]+>",
            "(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z",
            r"([\t\n]|    |  )",
            r"\p{N}",
            r"[\p{P}!-/:-@\[-`{-~]",
            gpt2!(),
        ]),
    ),
];

/// Keys of our own, written for folders whose `tokenizer.json` says what no name says.
pub(super) const PATTERNS_KEY: &str = "smidgen.pre_tokenizer";
const BYTEWISE_KEY: &str = "smidgen.pre_tokenizer_bytes";
const WHOLE_WORDS_KEY: &str = "smidgen.ignore_merges";

/// How a file's texts fall into words.
pub(super) struct Splitter {
    split: Split,
    patterns: Vec<Pattern>,
    /// For the characters that bytes are written as.
    bytewise: Vec<Pattern>,
    pub whole_words: bool,
    pub add_bos: bool,
    pub rewrites: &'static [Rewrite],
}

impl Splitter {
    pub fn from_gguf(meta: &Metadata) -> Result<Splitter> {
        let compile = |patterns: &[&str]| -> Result<Vec<Pattern>> {
            if patterns.len() > MAX_PATTERNS {
                return Err(Error::Tokenizer {
                    what: format!(
                        "{} patterns; at most {MAX_PATTERNS} are used",
                        patterns.len()
                    ),
                });
            }
            patterns
                .iter()
                .map(|pattern| Pattern::new(pattern))
                .collect()
        };
        if let Some(patterns) = meta.strings(PATTERNS_KEY)? {
            let bytewise = meta.strings(BYTEWISE_KEY)?;
            return Ok(Splitter {
                split: Split::Patterns(&[]),
                patterns: compile(&patterns.collect::<Vec<_>>())?,
                bytewise: compile(&bytewise.into_iter().flatten().collect::<Vec<_>>())?,
                whole_words: meta.bool(WHOLE_WORDS_KEY)?.unwrap_or(false),
                add_bos: false,
                rewrites: &[],
            });
        }
        let row = by_name(meta.str("tokenizer.ggml.pre")?.unwrap_or("default"))?;
        let patterns = match row.split {
            Split::Patterns(patterns) => compile(patterns)?,
            _ => Vec::new(),
        };
        Ok(Splitter {
            split: row.split,
            patterns,
            bytewise: compile(row.bytewise)?,
            whole_words: meta.bool(WHOLE_WORDS_KEY)?.unwrap_or(row.whole_words),
            add_bos: row.add_bos,
            rewrites: row.rewrites,
        })
    }

    /// Gives each word of `text`, in order, to `each`; together the words are the whole text.
    pub fn words<'t>(
        &self,
        text: &'t str,
        scratch: &mut Scratch,
        mut each: impl FnMut(&'t [u8]),
    ) -> Result<()> {
        let Split::Patterns(_) = self.split else {
            self.split
                .words(text, scratch, |word| each(word.as_bytes()));
            return Ok(());
        };
        scratch.search.refuel(text);
        let whole = core::iter::once(0..text.len()).collect();
        let words = split_all(&self.patterns, text, whole, scratch)?;
        if self.bytewise.is_empty() {
            words
                .into_iter()
                .for_each(|word| each(text[word].as_bytes()));
            return Ok(());
        }
        // Each byte is a character now; words are places among them, and then among the bytes again.
        let mut spelled = String::with_capacity(text.len() * 2);
        let mut places = Vec::with_capacity(text.len() + 1);
        for byte in text.bytes() {
            places.push(spelled.len());
            spelled.push(CHARS[usize::from(byte)]);
        }
        places.push(spelled.len());
        let words = words
            .iter()
            .map(|word| places[word.start]..places[word.end])
            .collect();
        let words = split_all(&self.bytewise, &spelled, words, scratch)?;
        let byte = |place: usize| places.partition_point(|p| *p < place);
        for word in words {
            each(&text.as_bytes()[byte(word.start)..byte(word.end)]);
        }
        Ok(())
    }
}

/// Cuts the words of `text` by one pattern after the other.
fn split_all(
    patterns: &[Pattern],
    text: &str,
    mut words: Vec<Range<usize>>,
    scratch: &mut Scratch,
) -> Result<Vec<Range<usize>>> {
    scratch.tags.resize(text.len(), 0);
    classify_scalar(text.as_bytes(), &mut scratch.tags);
    for pattern in patterns {
        let mut parts = Vec::with_capacity(words.len());
        for word in words {
            let part = Tagged {
                text: &text[word.clone()],
                tags: &scratch.tags[word.clone()],
            };
            pattern.split(part, &mut scratch.search, |range| {
                parts.push(word.start + range.start..word.start + range.end);
            })?;
        }
        words = parts;
    }
    Ok(words)
}

/// Real files have at most six.
const MAX_PATTERNS: usize = 32;

/// The row for a `tokenizer.ggml.pre`.
fn by_name(name: &str) -> Result<&'static PreTokenizer> {
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
    words: Vec<Span>,
    parts: Vec<Span>,
    search: pattern::Scratch,
}

impl Split {
    fn words<'t>(self, text: &'t str, scratch: &mut Scratch, mut each: impl FnMut(&'t str)) {
        let bytes = text.as_bytes();
        let len = bytes.len();
        let blocks = len.div_ceil(64) + 1;
        let Scratch {
            tags,
            starts,
            flags,
            words,
            parts,
            search: _,
        } = scratch;
        tags.resize(len, 0);
        words.resize(len + 1, Span::default());
        for bitmap in [&mut *starts, flags] {
            bitmap.resize(blocks, 0);
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
            Split::Patterns(_) => 0,
        };
        for word in &words[..n] {
            each(&text[word.range()]);
        }
    }
}
