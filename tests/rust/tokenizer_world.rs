//! RWKV's World tokenizer: ids equal to the `rwkv` package's over its own vocabulary, as GGUF files hold it; and vocabularies
//! that nobody made in earnest.

mod gguf_file;
mod golden_texts;

use gguf_file::{GgufFile, Value};
use golden_texts::{hash, shorten, texts};
use smidgen::Result;
use smidgen::format::gguf::{Progress, read};
use smidgen::tokenizer::{Special, StreamDecoder, Tokenizer};
use std::path::PathBuf;

const TEXTS: &str = include_str!("../golden/tokenizer/texts.jsonl");
const HASHES: &str = include_str!("../golden/tokenizer/world.txt");
const NORMAL: i32 = 1;
const CONTROL: i32 = 3;
const UNUSED: i32 = 5;

/// The vocabulary of the package: id, a Python literal, its bytes, on each line.
fn vocabulary() -> Vec<(usize, Vec<u8>)> {
    let folder = std::env::var_os("SMIDGEN_TOKENIZERS").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(".cache/tokenizers"),
        PathBuf::from,
    );
    let path = folder.join("rwkv/rwkv_vocab_v20230424.txt");
    let lines = std::fs::read_to_string(&path).unwrap_or_else(|e| {
        panic!(
            "{}: {e}; `cargo xtask test formats` gets it, or set SMIDGEN_TOKENIZERS",
            path.display()
        )
    });
    let read = |line: &str| {
        let (id, rest) = line.split_once(' ').unwrap();
        let (literal, len) = rest.rsplit_once(' ').unwrap();
        let bytes = evaluated(literal);
        assert_eq!(bytes.len(), len.parse::<usize>().unwrap(), "{line}");
        (id.parse().unwrap(), bytes)
    };
    lines.lines().map(read).collect()
}

/// What a literal of Python stands for, text in UTF-8.
fn evaluated(literal: &str) -> Vec<u8> {
    let raw = literal.starts_with('b');
    let inside = literal.trim_start_matches('b');
    let mut chars = inside[1..inside.len() - 1].chars();
    let mut out = Vec::new();
    while let Some(c) = chars.next() {
        let escaped = (c == '\\').then(|| chars.next().unwrap());
        let digits = match escaped {
            Some('x') => 2,
            Some('u') => 4,
            Some('U') => 8,
            _ => 0,
        };
        let code: String = chars.by_ref().take(digits).collect();
        let code = || u32::from_str_radix(&code, 16).unwrap();
        let c = match escaped {
            Some('x') if raw => {
                out.push(code() as u8);
                continue;
            }
            Some('x' | 'u' | 'U') => char::from_u32(code()).unwrap(),
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some(itself) => itself,
            None => c,
        };
        out.extend(c.encode_utf8(&mut [0; 4]).bytes());
    }
    out
}

/// Bytes as Python spells them, without quotes: what llama.cpp's converter writes.
fn spelled(bytes: &[u8]) -> String {
    let quoted = bytes.contains(&b'\'') && !bytes.contains(&b'"');
    let spell = |byte: &u8| match byte {
        b'\n' => "\\n".into(),
        b'\r' => "\\r".into(),
        b'\t' => "\\t".into(),
        b'\\' => "\\\\".into(),
        b'\'' if !quoted => "\\'".into(),
        b' '..=b'~' => char::from(*byte).to_string(),
        other => format!("\\x{other:02x}"),
    };
    bytes.iter().map(spell).collect()
}

fn tokenizer(pieces: Vec<String>, kinds: Vec<i32>) -> Result<Tokenizer> {
    let file = GgufFile::new()
        .str("tokenizer.ggml.model", "rwkv")
        .key("tokenizer.ggml.tokens", Value::Strs(pieces))
        .key("tokenizer.ggml.token_type", Value::I32s(kinds))
        .key("tokenizer.ggml.bos_token_id", Value::U32(0))
        .key("tokenizer.ggml.eos_token_id", Value::U32(0))
        .key("tokenizer.ggml.eot_token_id", Value::U32(1));
    match read(&file.bytes())? {
        Progress::Done(gguf) => Tokenizer::from_gguf(&gguf.metadata),
        Progress::NeedBytes(n) => panic!("the header wants {n} bytes"),
    }
}

/// The tokenizer of a vocabulary of bytes, from id 1 on, padded as files are.
fn of_bytes(all: &[(usize, Vec<u8>)]) -> Result<Tokenizer> {
    let mut pieces = vec!["<s>".to_owned()];
    let mut kinds = vec![CONTROL];
    for (id, bytes) in all {
        assert_eq!(*id, pieces.len());
        pieces.push(spelled(bytes));
        kinds.push(NORMAL);
    }
    for id in 0..6 {
        pieces.push(format!("[PAD{id}]"));
        kinds.push(UNUSED);
    }
    tokenizer(pieces, kinds)
}

/// Every byte, and `more`.
fn small(more: &[&[u8]]) -> Vec<(usize, Vec<u8>)> {
    let bytes = (0..=u8::MAX).map(|byte| vec![byte]);
    let all = bytes.chain(more.iter().map(|piece| piece.to_vec()));
    (1..).zip(all).collect()
}

#[test]
fn the_world_gives_the_reference_ids() {
    let vocabulary = vocabulary();
    assert_eq!(vocabulary.len(), 65_529);
    let tokenizer = of_bytes(&vocabulary).unwrap();
    assert!(!tokenizer.add_bos());
    let (mut n, mut wrong) = (0, Vec::new());
    let expected = HASHES.lines();
    let texts: Vec<String> = texts(TEXTS).map(|(text, _)| text).collect();
    assert_eq!(texts.len(), expected.clone().count());
    for (text, expected) in texts.iter().zip(expected) {
        let ids = tokenizer.encode(text, Special::Text).unwrap();
        n += 1;
        if hash(&ids) != expected {
            wrong.push(format!("{:?} → {ids:?}", shorten(text)));
        }
        assert!(!ids.iter().any(|id| tokenizer.is_control(*id)), "{text:?}");
        let mut stream = StreamDecoder::new();
        let mut streamed: String = ids.iter().map(|id| stream.push(&tokenizer, *id)).collect();
        streamed.push_str(&stream.finish());
        assert_eq!(&streamed, text);
    }
    assert!(n > 2000);
    assert!(
        wrong.is_empty(),
        "{} texts differ:\n{}",
        wrong.len(),
        wrong[..wrong.len().min(20)].join("\n")
    );
}

#[test]
fn control_tokens_are_the_templates_own() {
    let tokenizer = of_bytes(&small(&[b"<s", b"\n\n"])).unwrap();
    let parsed = tokenizer.encode("a<s>", Special::Parse).unwrap();
    assert_eq!(parsed, [1 + u32::from(b'a'), 0]);
    let plain = tokenizer.encode("a<s>\n\n[PAD1]", Special::Text).unwrap();
    assert_eq!(&plain[1..4], [257, 1 + u32::from(b'>'), 258]);
    assert!(!plain.contains(&0));
    assert_eq!(tokenizer.decode(&plain), "a<s>\n\n[PAD1]");
    assert_eq!(tokenizer.decode(&[0, 260]), "", "padding is no text");
}

#[test]
fn the_longest_piece_wins_and_nothing_is_looked_for_behind_it() {
    let pieces: [&[u8]; 5] = [b"ab", b"abcd", b"bc", b"\xc3", b"ab"];
    let tokenizer = of_bytes(&small(&pieces)).unwrap();
    let ids = |text: &str| tokenizer.encode(text, Special::Text).unwrap();
    let byte = |b: u8| 1 + u32::from(b);
    // Of two that are alike the last counts, as in the reference.
    assert_eq!(ids("abc"), [261, byte(b'c')]);
    assert_eq!(ids("abcd"), [258]);
    assert_eq!(ids("é"), [260, byte(0xa9)]);
    assert!(ids("").is_empty());
    assert_eq!(tokenizer.decode(&[261, 260, byte(0xa9)]), "abé");
}

#[test]
fn vocabularies_that_cannot_be_meant_are_refused() {
    let refused = |pieces: Vec<String>| {
        let kinds = vec![NORMAL; pieces.len()];
        let error = tokenizer(pieces, kinds).err().expect("refused");
        assert_eq!(error.code(), "bad_tokenizer");
        error.to_string()
    };
    let bytes: Vec<String> = (0..=u8::MAX).map(|b| spelled(&[b])).collect();
    let with = |more: &str| [bytes.clone(), vec![more.to_owned()]].concat();
    assert!(refused(bytes[..200].to_vec()).contains("the byte 200"));
    for bad in ["\\", "\\x", "\\x4", "\\xg0", "\\u0041", "a\\q"] {
        assert!(refused(with(bad)).contains("piece 256"), "{bad}");
    }
    assert!(refused(with(&"a".repeat(257))).contains("256 bytes"));
    assert!(tokenizer(with(&"a".repeat(256)), vec![NORMAL; 257]).is_ok());
    // An empty piece would match everywhere and bring nobody on.
    let empty = tokenizer(with(""), vec![NORMAL; 257]).unwrap();
    assert_eq!(empty.encode("ab", Special::Text).unwrap().len(), 2);
}

/// Each piece begins as the text does and none is the text: what is looked at again and again is bounded.
#[test]
fn a_vocabulary_of_near_misses_does_not_hang() {
    let misses: Vec<Vec<u8>> = (2..256)
        .map(|n| [&b"a".repeat(n)[..], b"b"].concat())
        .collect();
    let misses: Vec<&[u8]> = misses.iter().map(Vec::as_slice).collect();
    let tokenizer = of_bytes(&small(&misses)).unwrap();
    let error = tokenizer.encode(&"a".repeat(1 << 20), Special::Text);
    assert_eq!(error.unwrap_err().code(), "bad_tokenizer");
    assert_eq!(tokenizer.encode("aaab", Special::Text).unwrap(), [258]);
}
