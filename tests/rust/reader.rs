//! A real encoder, all-MiniLM-L6-v2, against `transformers` (`tests/golden/reader/make.py`): ids and embeddings.

use serde_json::Value;
use smidgen::session::{Engine, LoadOptions, Loader};
use smidgen::tokenizer::Special;
use std::path::PathBuf;

/// Cosine to the reference in f32, and with weights of eight bits.
const F32: f32 = 0.9999;
const Q8_0: f32 = 0.995;

/// `SMIDGEN_READER`, else the project's cache folder.
fn folder() -> PathBuf {
    let path = std::env::var_os("SMIDGEN_READER").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(".cache/models/all-MiniLM-L6-v2"),
        PathBuf::from,
    );
    assert!(
        path.exists(),
        "{} is missing: `cargo xtask test families` gets it, or set SMIDGEN_READER",
        path.display()
    );
    path
}

fn load(quantise: Option<&str>, context: usize) -> Engine {
    let mut loader = Loader::new(LoadOptions {
        quantise: quantise.map(str::to_owned),
        context_length: Some(context),
        ..LoadOptions::default()
    });
    // The package has two files of this name, so it is kept beside the golden ones.
    loader.file("config.json").unwrap();
    loader
        .push(include_bytes!("../golden/reader/config.json"))
        .unwrap();
    for name in [
        "tokenizer.json",
        "tokenizer_config.json",
        "model.safetensors",
    ] {
        loader.file(name).unwrap();
        for part in std::fs::read(folder().join(name)).unwrap().chunks(1 << 20) {
            loader.push(part).unwrap();
        }
    }
    loader.finish().unwrap()
}

/// One text by itself.
fn embed(engine: &mut Engine, text: &str) -> Vec<f32> {
    let mut all = engine.embed(&[text], None, true).unwrap();
    assert_eq!(all.len(), 1);
    all.remove(0)
}

#[test]
fn embeddings_are_those_of_the_reference() {
    let golden: Value = serde_json::from_str(include_str!("../golden/reader/minilm.json")).unwrap();
    for (quantise, least) in [(None, F32), (Some("q8_0"), Q8_0)] {
        let mut engine = load(quantise, 256);
        assert_eq!(engine.info().format, quantise.unwrap_or("f32"));
        for case in golden.as_array().unwrap() {
            let text = case["text"].as_str().unwrap();
            let ids = engine.tokenizer().encode(text, Special::Text).unwrap();
            let ids: Vec<Value> = engine
                .tokenizer()
                .frame(&ids)
                .iter()
                .map(|id| (*id).into())
                .collect();
            assert_eq!(case["ids"].as_array().unwrap(), &ids, "{text:?}");
            let found = embed(&mut engine, text);
            let expected = case["embedding"].as_array().unwrap();
            assert_eq!(found.len(), expected.len());
            let cosine: f32 = found
                .iter()
                .zip(expected)
                .map(|(f, e)| f * e.as_f64().unwrap() as f32)
                .sum();
            println!("{quantise:?}: {cosine:.6} over {} tokens", ids.len());
            assert!(cosine >= least, "{quantise:?}, {text:?}: {cosine}");
        }
        assert_eq!(
            engine.classify("a", None).unwrap_err().code(),
            "wrong_state"
        );
        assert_eq!(
            engine.fill_mask("a [MASK]", 3).unwrap_err().code(),
            "wrong_state"
        );
    }
}

#[test]
fn a_text_over_the_context_is_cut() {
    let mut engine = load(Some("q8_0"), 32);
    let long = "word ".repeat(200);
    let embedding = embed(&mut engine, &long);
    let exact = embed(&mut engine, &"word ".repeat(30));
    assert_eq!(
        embedding, exact,
        "32 tokens are read, CLS and SEP among them"
    );
}

/// More texts than one pass takes, of all lengths, one over the context and one empty.
#[test]
fn texts_that_are_read_together_see_nothing_of_each_other() {
    let mut engine = load(Some("q8_0"), 96);
    let long = "word ".repeat(200);
    let mut texts: Vec<String> = (0..40)
        .map(|i| format!("{} of {i}", "A river, a mill and a sea. ".repeat(i % 7)))
        .collect();
    texts[3] = long;
    texts[5].clear();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let together = engine.embed(&texts, None, true).unwrap();
    assert_eq!(together.len(), texts.len());
    for (text, found) in texts.iter().zip(&together) {
        let alone = embed(&mut engine, text);
        let far = alone
            .iter()
            .zip(found)
            .fold(0.0f32, |far, (a, f)| far.max((a - f).abs()));
        assert!(far < 1e-6, "{far} in the embedding of {text:?}");
    }
    assert!(engine.embed(&[], None, true).unwrap().is_empty());
}
