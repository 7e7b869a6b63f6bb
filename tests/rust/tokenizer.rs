//! The tokenizer: ids equal to those of the Python `tokenizers` package, control tokens out of a user's reach,
//! and hostile vocabularies refused.

mod gguf_file;
mod golden_texts;
mod model_file;

use gguf_file::{GgufFile, Value};
use golden_texts::{hash, shorten, texts};
use serde_json::Value as Json;
use smidgen::format::Metadata;
use smidgen::format::gguf::{Progress, read};
use smidgen::tokenizer::{Special, StreamDecoder, Tokenizer};
use std::sync::LazyLock;

static METADATA: LazyLock<Metadata> = LazyLock::new(model_file::metadata);
static SMOLLM: LazyLock<Tokenizer> = LazyLock::new(|| Tokenizer::from_gguf(&METADATA).unwrap());

const TEXTS: &str = include_str!("../golden/tokenizer/texts.jsonl");
const SENTENCEPIECE: &str = include_str!("../golden/tokenizer/sentencepiece.jsonl");
const PROMPTS: &str = include_str!("../golden/tokenizer/prompts.json");

fn metadata(file: GgufFile) -> Metadata {
    match read(&file.bytes()) {
        Ok(Progress::Done(gguf)) => gguf.metadata,
        other => panic!("{other:?}"),
    }
}

/// The model's vocabulary with another pre-tokenizer.
fn with_pre(pre: &str) -> Tokenizer {
    let strings = |key: &str| {
        let strings = METADATA.strings(key).unwrap().unwrap();
        Value::Strs(strings.map(String::from).collect())
    };
    let types = METADATA.i32s("tokenizer.ggml.token_type").unwrap().unwrap();
    let file = GgufFile::new()
        .str("tokenizer.ggml.model", "gpt2")
        .str("tokenizer.ggml.pre", pre)
        .key("tokenizer.ggml.tokens", strings("tokenizer.ggml.tokens"))
        .key("tokenizer.ggml.token_type", Value::I32s(types))
        .key("tokenizer.ggml.merges", strings("tokenizer.ggml.merges"));
    Tokenizer::from_gguf(&metadata(file)).unwrap()
}

#[test]
fn prompts_have_the_reference_ids() {
    let prompts: Vec<Json> = serde_json::from_str(PROMPTS).unwrap();
    assert_eq!(prompts.len(), 5);
    for prompt in prompts {
        let expected: Vec<u32> = serde_json::from_value(prompt["prompt_ids"].clone()).unwrap();
        let text = prompt["text"].as_str().unwrap();
        assert_eq!(
            SMOLLM.encode(text, Special::Parse).unwrap(),
            expected,
            "{}",
            prompt["id"]
        );
    }
}

#[test]
fn every_split_gives_the_reference_ids() {
    let splits: Vec<String> = serde_json::from_str(TEXTS.lines().next().unwrap()).unwrap();
    assert!(TEXTS.lines().count() > 2000 && splits.len() >= 8);
    let mut wrong = Vec::new();
    for (column, pre) in splits.iter().enumerate() {
        let tokenizer = with_pre(pre);
        for (text, hashes) in texts(TEXTS) {
            let ids = tokenizer.encode(&text, Special::Text).unwrap();
            if hash(&ids) != hashes[column + 1] {
                wrong.push(format!(
                    "{pre}: {:?} → {:?}",
                    shorten(&text),
                    &ids[..ids.len().min(40)]
                ));
            }
        }
    }
    for (text, hashes) in texts(TEXTS) {
        let ids = SMOLLM.encode(&text, Special::Parse).unwrap();
        if hash(&ids) != hashes[0] {
            wrong.push(format!("parsed: {:?}", shorten(&text)));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} texts differ:\n{}",
        wrong.len(),
        wrong[..wrong.len().min(30)].join("\n")
    );
}

#[test]
fn sentencepiece_gives_the_reference_ids() {
    let head: Json = serde_json::from_str(SENTENCEPIECE.lines().next().unwrap()).unwrap();
    let numbers = |key: &str| head[key].as_array().unwrap().iter();
    let build = |prefix: bool| {
        let file = GgufFile::new()
            .str("tokenizer.ggml.model", "llama")
            .key(
                "tokenizer.ggml.tokens",
                Value::Strs(
                    numbers("pieces")
                        .map(|p| p.as_str().unwrap().into())
                        .collect(),
                ),
            )
            .key(
                "tokenizer.ggml.scores",
                Value::F32s(
                    numbers("scores")
                        .map(|s| s.as_f64().unwrap() as f32)
                        .collect(),
                ),
            )
            .key(
                "tokenizer.ggml.token_type",
                Value::I32s(
                    numbers("types")
                        .map(|t| t.as_i64().unwrap() as i32)
                        .collect(),
                ),
            )
            .key("tokenizer.ggml.add_space_prefix", Value::Bool(prefix))
            .key("tokenizer.ggml.bos_token_id", Value::U32(1))
            .key("tokenizer.ggml.eos_token_id", Value::U32(2));
        Tokenizer::from_gguf(&metadata(file)).unwrap()
    };
    let tokenizers = [build(true), build(false)];
    let (mut compared, mut wrong) = (0, Vec::new());
    for (text, hashes) in texts(SENTENCEPIECE) {
        for (tokenizer, expected) in tokenizers.iter().zip(&hashes) {
            let ids = tokenizer.encode(&text, Special::Text).unwrap();
            assert!(!ids.iter().any(|id| tokenizer.is_control(*id)), "{text:?}");
            if expected.is_empty() {
                continue;
            }
            compared += 1;
            if hash(&ids) != *expected {
                wrong.push(format!("{:?} → {ids:?}", shorten(&text)));
            } else if !text.contains('▁') {
                assert_eq!(tokenizer.decode(&ids), text);
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} texts differ:\n{}",
        wrong.len(),
        wrong[..wrong.len().min(20)].join("\n")
    );
    assert!(compared > 4000, "{compared}");

    let [tokenizer, _] = &tokenizers;
    assert!(tokenizer.add_bos());
    let [start, hi] = [tokenizer.id("<|im_start|>"), tokenizer.id("▁")].map(Option::unwrap);
    let ids = tokenizer.encode("<|im_start|>龘", Special::Parse).unwrap();
    assert_eq!((ids[0], ids[1]), (start, hi));
    // A byte token is never written by its name.
    let byte = tokenizer.id("<0x0A>").unwrap();
    assert!(
        !tokenizer
            .encode("<0x0A>", Special::Parse)
            .unwrap()
            .contains(&byte)
    );
    assert_eq!(tokenizer.bytes(byte), b"\n");
}

#[test]
fn plain_text_never_gives_a_control_token_and_decodes_to_itself() {
    let mut whole = 0;
    for (text, _) in texts(TEXTS) {
        let ids = SMOLLM.encode(&text, Special::Text).unwrap();
        assert!(!ids.iter().any(|id| SMOLLM.is_control(*id)), "{text:?}");
        // This vocabulary has no piece for some bytes; the reference drops them as well.
        let writable = text.bytes().all(|byte| {
            let one = String::from_utf8(vec![byte]);
            one.is_err()
                || !SMOLLM
                    .encode(&one.unwrap(), Special::Text)
                    .unwrap()
                    .is_empty()
        }) && !text.bytes().any(|byte| byte >= 0xf1);
        if writable {
            assert_eq!(SMOLLM.decode(&ids), text);
            let mut stream = StreamDecoder::new();
            let mut streamed: String = ids.iter().map(|id| stream.push(&SMOLLM, *id)).collect();
            streamed.push_str(&stream.finish());
            assert_eq!(streamed, text);
            whole += 1;
        }
    }
    assert!(whole > 2000, "{whole}");
}

#[test]
fn a_stream_holds_back_half_a_character() {
    let ids = SMOLLM.encode("🦀é", Special::Text).unwrap();
    assert!(ids.len() > 2, "{ids:?}: this needs split characters");
    let mut stream = StreamDecoder::new();
    let pieces: Vec<String> = ids.iter().map(|id| stream.push(&SMOLLM, *id)).collect();
    assert_eq!(pieces.concat(), "🦀é");
    assert!(pieces.iter().all(|piece| !piece.contains('\u{fffd}')));
    let mut cut = StreamDecoder::new();
    assert_eq!(cut.push(&SMOLLM, ids[0]), "");
    assert_eq!(cut.finish(), "\u{fffd}");
    assert_eq!(cut.finish(), "");
}

#[test]
fn knows_its_special_tokens() {
    assert_eq!(SMOLLM.vocab_size(), 49152);
    assert_eq!((SMOLLM.bos(), SMOLLM.eos()), (Some(1), Some(2)));
    assert!(!SMOLLM.add_bos());
    assert_eq!(SMOLLM.piece(2), Some("<|im_end|>"));
    assert_eq!(SMOLLM.stop_tokens(), [0, 2]);
    assert!(SMOLLM.is_control(1) && !SMOLLM.is_control(9690));
    assert_eq!(SMOLLM.bytes(1), b"");
    assert_eq!(SMOLLM.bytes(SMOLLM.id("Ġthe").unwrap()), b" the");
    assert_eq!(SMOLLM.decode(&[1, 9690, 198, u32::MAX]), "system\n");
    assert_eq!(SMOLLM.piece(49152), None);
}

/// Tokens, types and merges.
type Parts = (Vec<String>, Vec<i32>, Vec<String>);

/// A vocabulary of all bytes and a few merges.
fn small() -> Parts {
    let printable = |b: u8| matches!(b, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    let mut shifted = 255;
    let mut tokens: Vec<String> = (0..=255u8)
        .map(|b| {
            if printable(b) {
                char::from(b).to_string()
            } else {
                shifted += 1;
                char::from_u32(shifted).unwrap().to_string()
            }
        })
        .collect();
    tokens.extend(["ab", "bc", "abc", "<|end|>", "<|en", "<tool>"].map(String::from));
    let mut types = vec![1; tokens.len()];
    types[261] = 4;
    types[259] = 4;
    let merges = vec!["b c".into(), "a bc".into(), "a b".into()];
    (tokens, types, merges)
}

fn file((tokens, types, merges): Parts) -> GgufFile {
    GgufFile::new()
        .str("tokenizer.ggml.model", "gpt2")
        .str("tokenizer.ggml.pre", "gpt-2")
        .key("tokenizer.ggml.tokens", Value::Strs(tokens))
        .key("tokenizer.ggml.token_type", Value::I32s(types))
        .key("tokenizer.ggml.merges", Value::Strs(merges))
}

#[test]
fn markup_is_control_even_where_the_file_forgets_to_say_so() {
    let t = Tokenizer::from_gguf(&metadata(file(small()))).unwrap();
    assert!(t.is_control(259));
    assert_eq!(t.stop_tokens(), [259]);
    assert_eq!(t.encode("abc<|end|>", Special::Parse).unwrap(), [258, 259]);
    let plain = t.encode("abc<|end|>", Special::Text).unwrap();
    assert!(!plain.contains(&259) && t.decode(&plain) == "abc<|end|>");
    // A user-defined token is one token in every text, and keeps its text.
    assert_eq!(t.encode("a<tool>b", Special::Text).unwrap(), [97, 261, 98]);
    assert_eq!(t.decode(&[97, 261]), "a<tool>");
}

#[test]
fn refuses_what_it_cannot_do_faithfully() {
    let code = |file: GgufFile| match Tokenizer::from_gguf(&metadata(file)) {
        Err(error) => (error.code(), error.to_string()),
        Ok(_) => panic!("built"),
    };
    let (tokens, types, merges) = small();
    let with = |change: &dyn Fn(&mut Parts)| {
        let mut parts = small();
        change(&mut parts);
        code(file(parts))
    };
    assert_eq!(code(GgufFile::new()).0, "missing_key");
    let mut unknown = file(small());
    unknown.keys[1].1 = Value::Str("no-such-split".into());
    let (kind, message) = code(unknown);
    assert!(kind == "bad_tokenizer" && message.contains("no-such-split"));
    let (kind, message) = code(GgufFile::new().str("tokenizer.ggml.model", "plamo2"));
    assert!(kind == "bad_tokenizer" && message.contains("plamo2"));
    assert_eq!(with(&|p| p.1.truncate(3)).0, "bad_key");
    assert_eq!(with(&|p| p.0.clear()).0, "bad_key");
    for merge in ["ab zz", "abc", "", " ", "b d"] {
        let (kind, message) = with(&|p| p.2.push(merge.into()));
        assert!(
            kind == "bad_tokenizer" && message.contains("merge 3"),
            "{message}"
        );
    }
    let (kind, message) = with(&|p| {
        let long = "b".repeat(2048);
        (p.0[256], p.2[2]) = (format!("a{long}"), format!("a {long}"));
    });
    assert!(
        kind == "bad_tokenizer" && message.contains("merge 2 makes a piece of over 2048 bytes"),
        "{message}"
    );
    let far = file((tokens, types, merges)).key("tokenizer.ggml.eos_token_id", Value::U32(262));
    assert_eq!(code(far).0, "bad_key");
}

#[test]
fn long_texts_are_refused_and_long_words_end() {
    let long = "a".repeat((16 << 20) + 1);
    assert_eq!(
        SMOLLM.encode(&long, Special::Text).unwrap_err().code(),
        "bad_argument"
    );
    let word = "ab".repeat(100_000);
    let ids = SMOLLM.encode(&word, Special::Text).unwrap();
    assert_eq!(SMOLLM.decode(&ids), word);
}

#[test]
fn damaged_vocabularies_never_panic() {
    let original = file(small())
        .key("tokenizer.ggml.scores", Value::F32s(vec![0.5; 262]))
        .key("tokenizer.ggml.bos_token_id", Value::U32(259))
        .bytes();
    let mut seed = 0x1234_5678_9abc_def1u64;
    let mut random = move |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed % below as u64) as usize
    };
    let name = original.windows(4).position(|w| w == b"gpt2").unwrap();
    let (mut built, mut refused) = (0, 0);
    for round in 0..4000 {
        let mut bytes = original.clone();
        if round % 2 == 0 {
            // The other model's name is one byte longer.
            bytes.splice(name..name + 4, *b"llama");
            bytes[name - 8] += 1;
        }
        for _ in 0..random(4) {
            let at = random(bytes.len());
            bytes[at] = match random(3) {
                0 => bytes[at] ^ 1 << random(8),
                1 => random(256) as u8,
                _ => bytes[random(bytes.len())],
            };
        }
        let Ok(Progress::Done(gguf)) = read(&bytes) else {
            continue;
        };
        match Tokenizer::from_gguf(&gguf.metadata) {
            Ok(tokenizer) => {
                built += 1;
                for special in [Special::Parse, Special::Text] {
                    let ids = tokenizer.encode("abc <|end|>é😀\0<0x0A>", special).unwrap();
                    tokenizer.decode(&ids);
                    assert!(
                        special == Special::Parse
                            || !ids.iter().any(|id| tokenizer.is_control(*id))
                    );
                }
                let guarded = tokenizer.protect("<|end|>abc<|en", '\u{fdd0}');
                let ids = tokenizer.encode_guarded(&guarded, '\u{fdd0}').unwrap();
                assert!(!ids.iter().any(|id| tokenizer.is_control(*id)));
            }
            Err(error) => {
                refused += 1;
                assert!(!error.to_string().is_empty());
            }
        }
    }
    assert!(built > 500 && refused > 200, "{built} {refused}");
}
