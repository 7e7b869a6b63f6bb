//! Tokenizers of every family from their own `tokenizer.json`: ids equal to those of the Python packages, through
//! the very keys that GGUF files have; and damaged ones refused or harmless.

mod gguf_file;
mod golden_texts;
mod model_file;

use gguf_file::{GgufFile, Value};
use golden_texts::{hash, shorten, texts};
use serde_json::Value as Json;
use smidgen::format::gguf::{Progress, read};
use smidgen::format::gguf_write::HeaderWriter;
use smidgen::format::hugging_face::Folder;
use smidgen::tokenizer::{Special, StreamDecoder, Tokenizer};
use std::path::PathBuf;
use std::sync::LazyLock;

static GOLDEN: LazyLock<Json> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../golden/tokenizer/families.json")).unwrap()
});
static TEXTS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let golden = include_str!("../golden/tokenizer/texts.jsonl");
    texts(golden).map(|(text, _)| text).collect()
});

/// The keys that a `tokenizer.json` comes to, as a GGUF header.
fn header(json: &[u8]) -> smidgen::error::Result<Vec<u8>> {
    let mut folder = Folder::default();
    folder.take("tokenizer.json", json)?;
    let mut keys = HeaderWriter::new(32);
    folder.write_text_keys(vocab_size(json), &mut keys)?;
    Ok(keys.finish())
}

/// One more than the highest id.
fn vocab_size(json: &[u8]) -> usize {
    let Ok(json) = serde_json::from_slice::<Json>(json) else {
        return 0;
    };
    let added = json["added_tokens"].as_array().into_iter().flatten();
    let added = added.filter_map(|token| token["id"].as_u64());
    let vocab = &json["model"]["vocab"];
    let listed = vocab.as_array().map_or(0, Vec::len) as u64;
    let named = vocab.as_object().into_iter().flatten();
    let ids = added.chain(named.filter_map(|(_, id)| id.as_u64()));
    // A damaged file may name any id.
    ids.map(|id| id + 1).fold(listed, u64::max).min(1 << 20) as usize
}

fn from_header(bytes: &[u8]) -> smidgen::error::Result<Tokenizer> {
    match read(bytes)? {
        Progress::Done(gguf) => Tokenizer::from_gguf(&gguf.metadata),
        Progress::NeedBytes(n) => panic!("the header wants {n} bytes"),
    }
}

fn tokenizer(json: &[u8]) -> Tokenizer {
    from_header(&header(json).unwrap()).unwrap()
}

/// The settings of variants.json over small vocabularies: what a `tokenizer.json` can say of spaces, of added tokens,
/// and of the steps around `ByteLevel`.
#[test]
fn every_variant_gives_the_reference_ids() {
    let golden: Json =
        serde_json::from_str(include_str!("../golden/tokenizer/variants.json")).unwrap();
    let bases = [
        ("bpe", include_str!("../golden/tokenizer/bpe.json")),
        (
            "fallback",
            include_str!("../golden/tokenizer/fallback.json"),
        ),
        ("unigram", include_str!("../golden/tokenizer/unigram.json")),
        (
            "wordpiece",
            include_str!("../golden/tokenizer/wordpiece.json"),
        ),
    ];
    let texts: Vec<String> = TEXTS
        .iter()
        .filter(|text| text.chars().count() < 1000)
        .cloned()
        .collect();
    let variants = golden["variants"].as_object().unwrap();
    assert!(variants.len() >= 16);
    let mut wrong = Vec::new();
    for (name, variant) in variants {
        let base = bases.iter().find(|b| variant["base"] == b.0).unwrap().1;
        let mut json: Json = serde_json::from_str(base).unwrap();
        for (key, value) in variant["keys"].as_object().unwrap() {
            json[key] = value.clone();
        }
        let tokens: Vec<String> = json["added_tokens"]
            .as_array()
            .unwrap()
            .iter()
            .map(|token| token["content"].as_str().unwrap().to_owned())
            .collect();
        let texts = [
            texts.clone(),
            mixed(&texts, &tokens),
            mixed(&vec![tokens.clone(); 40].concat(), &tokens[1..]),
        ]
        .concat();
        assert!(texts.len() > 5000);
        let tokenizer = tokenizer(&serde_json::to_vec(&json).unwrap());
        wrong.extend(both_ways(name, &tokenizer, &texts, variant));
    }
    assert_none(&wrong);
}

/// Blocks that differ as plain text, or with control tokens parsed.
fn both_ways(name: &str, tokenizer: &Tokenizer, texts: &[String], golden: &Json) -> Vec<String> {
    let ways = [("plain", Special::Text), ("parsed", Special::Parse)];
    let differences = ways.map(|(key, special)| {
        let label = format!("{name}, {key}");
        differences(&label, tokenizer, special, texts, &golden[key])
    });
    differences.concat()
}

/// Each text with a token put into it, where the golden file's script puts it.
fn mixed(texts: &[String], tokens: &[String]) -> Vec<String> {
    let with_token = |(i, text): (usize, &String)| {
        let at = i * 7 % (text.chars().count() + 1);
        let at = text.char_indices().nth(at).map_or(text.len(), |(at, _)| at);
        let token = &tokens[i % tokens.len()];
        let behind = &" \n"[..i / 3 % 3];
        format!(
            "{}{:spaces$}{token}{behind}{}",
            &text[..at],
            "",
            &text[at..],
            spaces = i % 3
        )
    };
    texts.iter().enumerate().map(with_token).collect()
}

/// Blocks whose ids differ from the reference, each with its texts and ids.
fn differences(
    name: &str,
    tokenizer: &Tokenizer,
    special: Special,
    texts: &[String],
    expected: &Json,
) -> Vec<String> {
    let block = GOLDEN["block"].as_u64().unwrap() as usize;
    let expected = expected.as_array().unwrap();
    assert_eq!(expected.len(), texts.len().div_ceil(block), "{name}");
    let mut wrong = Vec::new();
    for (number, (texts, expected)) in texts.chunks(block).zip(expected).enumerate() {
        let ids: Vec<Vec<u32>> = texts
            .iter()
            .map(|text| tokenizer.encode(text, special).unwrap())
            .collect();
        if hash(ids.iter().flat_map(|ids| ids.iter().chain(&[u32::MAX])))
            != expected.as_str().unwrap()
        {
            let shown: Vec<String> = texts
                .iter()
                .zip(&ids)
                .map(|(text, ids)| {
                    format!("    {:?} → {:?}", shorten(text), &ids[..ids.len().min(60)])
                })
                .collect();
            wrong.push(format!("{name}, block {number}:\n{}", shown.join("\n")));
        }
    }
    wrong
}

fn assert_none(wrong: &[String]) {
    let label = |block: &str| block.split(", block").next().unwrap_or_default().to_owned();
    let mut counts = std::collections::BTreeMap::new();
    for block in wrong {
        *counts.entry(label(block)).or_insert(0) += 1;
    }
    assert!(
        wrong.is_empty(),
        "{} blocks differ: {counts:?}\n{}",
        wrong.len(),
        wrong[..wrong.len().min(6)].join("\n")
    );
}

/// Texts made of a tokenizer's own added tokens, whole and damaged, as the golden file's script makes them.
fn look_alikes(json: &Json) -> Vec<String> {
    let mut texts = Vec::new();
    for token in json["added_tokens"].as_array().unwrap().iter().take(150) {
        let token = token["content"].as_str().unwrap();
        let first = token.chars().next().map_or(0, char::len_utf8);
        let last = token.chars().next_back().map_or(0, char::len_utf8);
        texts.push(token.to_owned());
        texts.push(format!("a{token}b"));
        texts.push(format!(" {token} {token}\n"));
        texts.push(token[first..].to_owned());
        texts.push(token[..token.len() - last].to_owned());
        texts.push(token.repeat(3));
    }
    texts
}

/// Where `cargo xtask test` keeps real files.
fn real(name: &str) -> Vec<u8> {
    let folder = std::env::var_os("SMIDGEN_TOKENIZERS").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(".cache/tokenizers"),
        PathBuf::from,
    );
    let path = folder.join(name).join("tokenizer.json");
    std::fs::read(&path).unwrap_or_else(|e| {
        panic!(
            "{}: {e}; `cargo xtask test formats` gets it, or set SMIDGEN_TOKENIZERS",
            path.display()
        )
    })
}

fn real_files_give_the_reference_ids(names: &[&str]) {
    for name in names {
        let bytes = real(name);
        let json: Json = serde_json::from_slice(&bytes).unwrap();
        let tokenizer = tokenizer(&bytes);
        let texts = [&TEXTS[..], &look_alikes(&json)].concat();
        assert!(texts.len() > 2000);
        let golden = &GOLDEN["real"][*name];
        let mut wrong = Vec::new();
        wrong.extend(both_ways(name, &tokenizer, &texts, golden));
        assert_none(&wrong);
        never_a_control_token_and_streams(&tokenizer, &texts);
    }
}

/// Of every text, as plain text; and what comes out piece by piece is what comes out at once.
fn never_a_control_token_and_streams(tokenizer: &Tokenizer, texts: &[String]) {
    for text in texts {
        let ids = tokenizer.encode(text, Special::Text).unwrap();
        assert!(!ids.iter().any(|id| tokenizer.is_control(*id)), "{text:?}");
        let mut stream = StreamDecoder::new();
        let mut streamed = String::new();
        for id in &ids {
            streamed.push_str(&stream.push(tokenizer, *id));
        }
        streamed.push_str(&stream.finish());
        assert_eq!(streamed, tokenizer.decode(&ids), "{text:?}");
    }
}

#[test]
fn byte_level_files_give_the_reference_ids() {
    real_files_give_the_reference_ids(&["llama3", "qwen3"]);
}

#[test]
fn sentencepiece_files_give_the_reference_ids() {
    real_files_give_the_reference_ids(&["llama2"]);
}

#[test]
fn word_piece_files_give_the_reference_ids() {
    real_files_give_the_reference_ids(&["minilm"]);
}

/// Large vocabularies: with --full.
#[test]
fn large_files_give_the_reference_ids() {
    if std::env::var_os("SMIDGEN_FULL").is_some() {
        real_files_give_the_reference_ids(&["gemma3", "deepseek_v3", "gptoss"]);
    }
}

#[test]
fn every_pattern_gives_the_reference_ids() {
    let meta = model_file::metadata();
    let strings = |key: &str| {
        let strings = meta.strings(key).unwrap().unwrap();
        Value::Strs(strings.map(String::from).collect())
    };
    let patterns = GOLDEN["patterns"].as_object().unwrap();
    assert!(patterns.len() >= 16);
    let mut wrong = Vec::new();
    for (name, expected) in patterns {
        let file = GgufFile::new()
            .str("tokenizer.ggml.model", "gpt2")
            .str("tokenizer.ggml.pre", name)
            .key("tokenizer.ggml.tokens", strings("tokenizer.ggml.tokens"))
            .key(
                "tokenizer.ggml.token_type",
                Value::I32s(meta.i32s("tokenizer.ggml.token_type").unwrap().unwrap()),
            )
            .key("tokenizer.ggml.merges", strings("tokenizer.ggml.merges"));
        let tokenizer = from_header(&file.bytes()).unwrap();
        wrong.extend(differences(
            name,
            &tokenizer,
            Special::Text,
            &TEXTS,
            expected,
        ));
    }
    assert_none(&wrong);
}

#[test]
fn unigram_gives_the_reference_ids() {
    let json = include_bytes!("../golden/tokenizer/unigram.json");
    let tokenizer = tokenizer(json);
    let usable = |text: &&String| {
        !["\0", "<extra_id_0>", "<tool>"]
            .iter()
            .any(|cut| text.contains(cut))
    };
    let texts: Vec<String> = TEXTS.iter().filter(usable).cloned().collect();
    assert!(texts.len() > 2000);
    let expected = &GOLDEN["unigram"]["reference"];
    assert_none(&differences(
        "unigram",
        &tokenizer,
        Special::Text,
        &texts,
        expected,
    ));
    never_a_control_token_and_streams(&tokenizer, &TEXTS);
    let ids = tokenizer.encode("a <tool> b</s>", Special::Parse).unwrap();
    let [tool, end] = ["<tool>", "</s>"].map(|piece| tokenizer.id(piece).unwrap());
    assert!(ids.contains(&tool) && ids.ends_with(&[end]));
    assert_eq!(
        tokenizer.decode(&tokenizer.encode("the  model ①", Special::Text).unwrap()),
        "the model 1"
    );
}

#[test]
fn cased_word_piece_gives_the_reference_ids() {
    let json = include_bytes!("../golden/tokenizer/wordpiece.json");
    let tokenizer = tokenizer(json);
    let expected = &GOLDEN["wordpiece"]["cased"];
    assert_none(&differences(
        "cased",
        &tokenizer,
        Special::Text,
        &TEXTS,
        expected,
    ));
    never_a_control_token_and_streams(&tokenizer, &TEXTS);
}

#[test]
fn encoders_frame_a_text() {
    let bytes = real("minilm");
    let config = br#"{"cls_token": "[CLS]", "sep_token": "[SEP]", "unk_token": "[UNK]"}"#;
    let mut folder = Folder::default();
    folder.take("tokenizer.json", &bytes).unwrap();
    folder.take("tokenizer_config.json", config).unwrap();
    let mut keys = HeaderWriter::new(32);
    folder
        .write_text_keys(vocab_size(&bytes), &mut keys)
        .unwrap();
    let tokenizer = from_header(&keys.finish()).unwrap();
    let ids = tokenizer.encode("Hello world", Special::Text).unwrap();
    assert_eq!(tokenizer.frame(&ids), [101, 7592, 2088, 102]);
    assert_eq!(tokenizer.decode(&ids), "hello world");
}

#[test]
fn damaged_files_are_refused_or_harmless() {
    let originals = [
        include_bytes!("../golden/tokenizer/unigram.json").to_vec(),
        include_bytes!("../golden/tokenizer/wordpiece.json").to_vec(),
    ];
    let mut seed = 0x9e37_79b9_97f4_a7c1u64;
    let mut random = move |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed % below as u64) as usize
    };
    let rounds = if std::env::var_os("SMIDGEN_FULL").is_some() {
        4000
    } else {
        400
    };
    let (mut built, mut refused) = (0, 0);
    for original in &originals {
        let keys = header(original).unwrap();
        for round in 0..rounds {
            let mut bytes = if round % 2 == 0 {
                original.clone()
            } else {
                keys.clone()
            };
            // Most of a file is vocabulary; what shapes the rest stands at its start.
            let reach = if random(2) == 0 {
                bytes.len().min(4096)
            } else {
                bytes.len()
            };
            for _ in 0..=random(4) {
                let at = random(reach);
                bytes[at] = match random(3) {
                    0 => bytes[at] ^ 1 << random(8),
                    1 => random(256) as u8,
                    _ => bytes[random(bytes.len())],
                };
            }
            let header = if round % 2 == 0 {
                header(&bytes)
            } else {
                Ok(bytes)
            };
            let tokenizer = header.and_then(|bytes| match read(&bytes)? {
                Progress::Done(gguf) => Tokenizer::from_gguf(&gguf.metadata),
                Progress::NeedBytes(n) => Err(smidgen::Error::Truncated {
                    what: "the header".into(),
                    expected: n,
                    found: bytes.len() as u64,
                }),
            });
            match tokenizer {
                Ok(tokenizer) => {
                    built += 1;
                    for special in [Special::Parse, Special::Text] {
                        if let Ok(ids) =
                            tokenizer.encode("ab\u{ff21}\u{fdfa} </s>é😀\0[UNK] 漢", special)
                        {
                            tokenizer.decode(&ids);
                            tokenizer.frame(&ids);
                        }
                    }
                }
                Err(error) => {
                    refused += 1;
                    assert!(!error.to_string().is_empty());
                }
            }
        }
    }
    assert!(
        built > rounds / 4 && refused > rounds / 8,
        "{built} {refused}"
    );
}
