//! Hugging Face folders and split GGUF files (`tests/golden/hf/make.py`): what they compute, and what is refused.

use serde_json::Value;
use smidgen::chat::Message;
use smidgen::format::safetensors::{Progress, read};
use smidgen::session::{Engine, LoadOptions, Loader};
use smidgen::tokenizer::Special;
use smidgen::{Error, Result};
use std::path::PathBuf;

/// The KV cache keeps f16; all else is f32 against f64.
const FLOAT: f64 = 4e-3;
/// Eight bits for each weight of a model this narrow, whose logits are as wild as its random weights.
const Q8_0: f64 = 0.2;

const SMALL: &[&str] = &[
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
    "model.safetensors.index.json",
];

/// The files of a folder, in the order of loading.
fn folder(name: &str) -> Vec<(String, Vec<u8>)> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden/hf")
        .join(name);
    let mut names: Vec<String> = SMALL.iter().map(|n| (*n).to_owned()).collect();
    let mut weights: Vec<String> = std::fs::read_dir(&path)
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .filter(|n| n.ends_with(".safetensors"))
        .collect();
    weights.sort();
    names.extend(weights);
    names
        .into_iter()
        .filter_map(|n| std::fs::read(path.join(&n)).ok().map(|bytes| (n, bytes)))
        .collect()
}

fn load(files: &[(String, Vec<u8>)], options: LoadOptions, piece: usize) -> Result<Engine> {
    let mut loader = Loader::new(options);
    for (name, bytes) in files {
        loader.file(name)?;
        for part in bytes.chunks(piece) {
            loader.push(part)?;
        }
    }
    loader.finish()
}

fn refused(files: &[(String, Vec<u8>)]) -> Error {
    match load(files, LoadOptions::default(), 1 << 20) {
        Ok(_) => panic!("it loads"),
        Err(error) => error,
    }
}

fn golden(name: &str) -> Value {
    let all: Value = serde_json::from_str(include_str!("../golden/hf/golden.json")).unwrap();
    all[name].clone()
}

fn ids(value: &Value) -> Vec<u32> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|v| v.as_u64().unwrap() as u32)
        .collect()
}

/// The largest difference of log-probabilities from the golden ones.
fn difference(engine: &mut Engine, golden: &Value) -> f64 {
    let expected = golden["logProbabilities"].as_array().unwrap();
    let scores = engine.score(&ids(&golden["ids"])).unwrap();
    assert_eq!(scores.len(), expected.len() + 1);
    expected
        .iter()
        .zip(&scores)
        .map(|(e, (p, _))| (e.as_f64().unwrap() - f64::from(*p)).abs())
        .fold(0.0, f64::max)
}

#[test]
fn folders_compute_what_numpy_computes() {
    for name in ["llama", "qwen2", "qwen3"] {
        let (files, golden) = (folder(name), golden(name));
        // A piece of 997 bytes cuts headers, rows and values anywhere.
        for piece in [1 << 20, 997] {
            let mut engine = load(&files, LoadOptions::default(), piece).unwrap();
            let difference = difference(&mut engine, &golden);
            assert!(difference < FLOAT, "{name}: {difference}");
            let mut last = Vec::new();
            engine
                .evaluate(&ids(&golden["ids"]), 15, |_, logits| last = logits.to_vec())
                .unwrap();
            for (logit, expected) in last.iter().zip(golden["lastLogits"].as_array().unwrap()) {
                assert!(
                    (f64::from(*logit) - expected.as_f64().unwrap()).abs() < 4.0 * FLOAT,
                    "{name}"
                );
            }
        }
    }
}

#[test]
fn tokenizers_templates_and_ends_come_from_the_folder() {
    for name in ["llama", "qwen2", "qwen3"] {
        let golden = golden(name);
        let engine = load(&folder(name), LoadOptions::default(), 1 << 20).unwrap();
        let tokenizer = engine.tokenizer();
        for case in golden["texts"].as_array().unwrap() {
            let text = case["text"].as_str().unwrap();
            assert_eq!(
                tokenizer.encode(text, Special::Parse).unwrap(),
                ids(&case["ids"]),
                "{name}: {text:?}"
            );
        }
        assert_eq!(
            tokenizer.add_bos(),
            golden["addsBos"].as_bool().unwrap(),
            "{name}"
        );
        assert_eq!(
            (tokenizer.bos(), tokenizer.eos()),
            (Some(0), Some(2)),
            "{name}"
        );
        assert_eq!(tokenizer.stop_tokens(), [0, 2], "{name}");
        let prompt = engine
            .apply_template(&[Message::new("user", "hi")], true)
            .unwrap();
        assert_eq!(
            prompt, "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n",
            "{name}"
        );
        assert_eq!(engine.info().template_warning, None, "{name}");
    }
}

#[test]
fn weights_are_rounded_while_they_stream() {
    for name in ["llama", "qwen2", "qwen3"] {
        let options = |q: &str| LoadOptions {
            quantise: Some(q.into()),
            ..LoadOptions::default()
        };
        let files = folder(name);
        let mut engine = load(&files, options("q8_0"), 1000).unwrap();
        assert_eq!(engine.info().format, "q8_0", "{name}");
        let rounded = difference(&mut engine, &golden(name));
        assert!(rounded < Q8_0 && rounded > 0.0, "{name}: {rounded}");
        let plain = load(&files, LoadOptions::default(), 1 << 20)
            .unwrap()
            .info()
            .plan
            .weights_bytes;
        let small = engine.info().plan.weights_bytes;
        assert!(small < plain, "{name}: {small} of {plain}");
        let mut four = load(&files, options("q4_0"), 1 << 20).unwrap();
        let coarse = difference(&mut four, &golden(name));
        assert!(coarse > rounded && coarse < 3.0, "{name}: {coarse}");
        let error = load(&files, options("q9"), 1 << 20)
            .map(|_| ())
            .unwrap_err();
        assert_eq!(error.code(), "bad_argument");
    }
}

/// The file `name` of `files` with `from` replaced.
fn edited(files: &[(String, Vec<u8>)], name: &str, from: &str, to: &str) -> Vec<(String, Vec<u8>)> {
    let mut files = files.to_vec();
    let file = files.iter_mut().find(|f| f.0 == name).unwrap();
    let text = String::from_utf8(file.1.clone()).unwrap();
    assert!(text.contains(from), "{name} says {from}");
    file.1 = text.replace(from, to).into_bytes();
    files
}

#[test]
fn what_cannot_be_computed_is_refused_by_name() {
    let files = folder("qwen2");
    for (name, from, to, code, word) in [
        (
            "config.json",
            "\"qwen2\"",
            "\"gpt9\"",
            "unknown_architecture",
            "gpt9",
        ),
        ("config.json", "silu", "gelu", "bad_key", "hidden_act"),
        (
            "config.json",
            "\"hidden_size\": 32",
            "\"hidden_size\": 64",
            "bad_shape",
            "token_embd",
        ),
        (
            "config.json",
            "\"hidden_size\": 32",
            "\"hidden_size\": -1",
            "bad_key",
            "hidden_size",
        ),
        (
            "config.json",
            "\"vocab_size\": 304",
            "\"vocab_size\": 200",
            "bad_tokenizer",
            "200",
        ),
        (
            "config.json",
            "\"num_hidden_layers\": 2",
            "\"num_hidden_layers\": 3",
            "missing_tensor",
            "blk.2",
        ),
        (
            "config.json",
            "\"rms_norm_eps\"",
            "\"other_eps\"",
            "missing_key",
            "rms_norm_eps",
        ),
        ("config.json", "{", "[", "malformed_header", "config.json"),
        (
            "tokenizer.json",
            "\"BPE\"",
            "\"WordPiece\"",
            "bad_tokenizer",
            "WordPiece",
        ),
        (
            "tokenizer.json",
            "\\\\s+(?!\\\\S)",
            "(\\\\s+",
            "bad_tokenizer",
            "pattern",
        ),
    ] {
        println!("{name}: {from} → {to}");
        let error = refused(&edited(&files, name, from, to));
        assert_eq!(error.code(), code, "{name} {to}: {error}");
        assert!(error.to_string().contains(word), "{name} {to}: {error}");
    }
    let without = |name: &str| {
        files
            .iter()
            .filter(|f| f.0 != name)
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!(refused(&without("config.json")).code(), "missing_key");
    assert_eq!(refused(&without("tokenizer.json")).code(), "bad_tokenizer");
    assert_eq!(refused(&without("model.safetensors")).code(), "truncated");
    let mut short = files.clone();
    short.last_mut().unwrap().1.truncate(100_000);
    assert_eq!(refused(&short).code(), "truncated");
    let mut twice = files.clone();
    twice.push(files.last().unwrap().clone());
    assert_eq!(refused(&twice).code(), "malformed_header");
}

#[test]
fn a_header_is_read_from_any_prefix_and_survives_any_byte() {
    let bytes = folder("llama").pop().unwrap().1;
    let length = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    for n in 0..length {
        match read(&bytes[..n]) {
            Ok(Progress::NeedBytes(needed)) => {
                assert!(needed > n as u64 && needed <= length as u64)
            }
            other => panic!("{n} bytes: {other:?}"),
        }
    }
    let Ok(Progress::Done(header)) = read(&bytes[..length]) else {
        panic!("no header")
    };
    assert_eq!(header.file_bytes, bytes.len() as u64);
    assert!(
        header
            .tensors
            .windows(2)
            .all(|t| t[0].offset + t[0].bytes <= t[1].offset)
    );
    for at in 0..length {
        for byte in [0, b'9', b'"', b'}', 0xff] {
            let mut damaged = bytes[..length].to_vec();
            damaged[at] = byte;
            if let Ok(Progress::Done(header)) = read(&damaged) {
                assert!(
                    header
                        .tensors
                        .iter()
                        .all(|t| t.offset + t.bytes <= header.file_bytes)
                );
            }
        }
    }
    let huge = [&u64::MAX.to_le_bytes()[..], b"{}"].concat();
    assert_eq!(read(&huge).unwrap_err().code(), "malformed_header");
}

#[test]
fn a_damaged_folder_never_panics() {
    let files = folder("qwen3");
    // A simple generator: the same damage on every machine.
    let mut state = 7u64;
    let mut next = |n: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % n
    };
    for _ in 0..150 {
        let mut files = files.clone();
        let which = next(files.len());
        let bytes = &mut files[which].1;
        for _ in 0..1 + next(3) {
            let at = next(bytes.len().min(6000));
            bytes[at] = b"0179-{}[]\",:xNe\0"[next(16)];
        }
        let _ = load(
            &files,
            LoadOptions {
                memory_limit: Some(1 << 26),
                ..LoadOptions::default()
            },
            4096,
        );
    }
}
