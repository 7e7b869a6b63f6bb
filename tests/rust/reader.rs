//! A real encoder, all-MiniLM-L6-v2, against `transformers` (`tests/golden/reader/make.py`): ids and embeddings.

use serde_json::Value;
use smidgen::Result;
use smidgen::format::hugging_face::FILES;
use smidgen::session::{Engine, LoadOptions, Loader};
use smidgen::tokenizer::Special;
use smidgen::transformer::Pooling;

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
    load_with(quantise, context, |_| None).unwrap()
}

/// The encoder with other bytes in those of its files that `other` gives some for.
fn load_with(
    quantise: Option<&str>,
    context: usize,
    other: impl Fn(&str) -> Option<String>,
) -> Result<Engine> {
    let mut loader = Loader::new(LoadOptions {
        quantise: quantise.map(str::to_owned),
        context_length: Some(context),
        ..LoadOptions::default()
    });
    let weights = ["model.safetensors"];
    let small = FILES.iter().filter(|name| folder().join(name).is_file());
    for name in small.chain(&weights) {
        let path = folder().join(name);
        loader.file(&path.to_string_lossy())?;
        let bytes = match other(name) {
            Some(text) => text.into_bytes(),
            None => std::fs::read(path).unwrap(),
        };
        for part in bytes.chunks(1 << 20) {
            loader.push(part)?;
        }
    }
    loader.finish()
}

/// One text by itself.
fn embed(engine: &mut Engine, text: &str) -> Vec<f32> {
    let mut all = engine.embed(&[text], None, None).unwrap();
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

/// The folder says how tokens become one vector and whether that gets the length 1, and so does the GGUF file made of it.
#[test]
fn a_folder_says_how_its_embeddings_are_made() {
    const POOLING: &str = "1_Pooling/config.json";
    const TEXT: &str = "A river, a mill and a sea.";
    let changed = |file: &'static str, from: &'static str, to: &'static str| {
        let text = std::fs::read_to_string(folder().join(file)).unwrap();
        assert!(text.contains(from), "{file} has {from}");
        let text = text.replace(from, to);
        move |name: &str| (name == file).then(|| text.clone())
    };
    let mut plain = load(None, 64);
    let mut expected = |pooling, normalise| {
        let mut all = plain
            .embed(&[TEXT], Some(pooling), Some(normalise))
            .unwrap();
        all.remove(0)
    };
    let [first, last] = [Pooling::First, Pooling::Last].map(|p| expected(p, true));
    let raw = expected(Pooling::Mean, false);
    assert_eq!(
        expected(Pooling::Mean, true),
        embed(&mut load(None, 64), TEXT)
    );

    // Neither is what a folder without these files means.
    let cls = changed(POOLING, "_cls_token\": false", "_cls_token\": true");
    let both = load_with(None, 64, &cls).err().unwrap();
    assert_eq!(both.code(), "bad_key");
    assert!(both.to_string().contains("mean and cls"), "{both}");
    let one =
        |name: &str| cls(name).map(|t| t.replace("mean_tokens\": true", "mean_tokens\": false"));
    assert_eq!(embed(&mut load_with(None, 64, one).unwrap(), TEXT), first);
    let newer = |name: &str| (name == POOLING).then(|| r#"{"pooling_mode": "lasttoken"}"#.into());
    assert_eq!(embed(&mut load_with(None, 64, newer).unwrap(), TEXT), last);
    let unscaled = |name: &str| {
        let two = r#"[{"type": "a.b.Transformer"}, {"type": "a.b.Pooling"}]"#;
        (name == "modules.json").then(|| two.into())
    };
    assert_eq!(
        embed(&mut load_with(None, 64, unscaled).unwrap(), TEXT),
        raw
    );

    for (file, text, words) in [
        (POOLING, r#"{"pooling_mode": "max"}"#, "max"),
        (
            POOLING,
            r#"{"pooling_mode": ["mean", "cls"]}"#,
            r#"["mean","cls"]"#,
        ),
        (POOLING, r#"{"pooling_mode": ["mean", "median"]}"#, "median"),
        (POOLING, r#"{"pooling_mode": 7}"#, "7"),
        (POOLING, "{}", "nothing"),
        (POOLING, "[]", "no JSON object"),
        ("modules.json", "{}", "no list"),
        ("modules.json", r#"[{"type": 7}]"#, "no list"),
        ("modules.json", r#"[{"type": "a.Dense"}]"#, "Dense"),
    ] {
        let other = |name: &str| (name == file).then(|| text.to_owned());
        let error = load_with(None, 64, other).err();
        let said = error.map(|e| e.to_string()).unwrap_or_default();
        assert!(said.contains(words), "{file} {text}: {said:?}");
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
    let together = engine.embed(&texts, None, None).unwrap();
    assert_eq!(together.len(), texts.len());
    for (text, found) in texts.iter().zip(&together) {
        let alone = embed(&mut engine, text);
        let far = alone
            .iter()
            .zip(found)
            .fold(0.0f32, |far, (a, f)| far.max((a - f).abs()));
        assert!(far < 1e-6, "{far} in the embedding of {text:?}");
    }
    assert!(engine.embed(&[], None, None).unwrap().is_empty());
}
