//! Every architecture against the reference implementation of `transformers` (`tests/golden/families/make.py`), from a
//! Hugging Face folder and from GGUF: log-probabilities, logits, and the same token by token.

use smidgen::session::{Engine, LoadOptions, Loader, Request};

#[path = "family_model.rs"]
mod family_model;
use family_model::{Family, File, families, numbers};

/// All is f32 here and f64 there, but keys and values, which both round to f16: of the largest logit, what a difference
/// may be.
const RELATIVE: f64 = 1e-3;

fn load(files: &[File], context: usize) -> Engine {
    let options = LoadOptions {
        context_length: Some(context),
        ..LoadOptions::default()
    };
    let mut loader = Loader::new(options);
    for (name, bytes) in files {
        loader.file(name).unwrap();
        // Cuts headers, rows and values anywhere.
        for part in bytes.chunks(40_009) {
            loader.push(part).unwrap();
        }
    }
    loader.finish().unwrap()
}

/// The family's files in every form there is.
fn forms(family: &Family) -> Vec<(String, Vec<File>)> {
    let mut forms = vec![(format!("{} folder", family.name), family.folder())];
    if let Some(gguf) = family.gguf() {
        forms.push((format!("{} GGUF", family.name), vec![gguf]));
    }
    forms
}

fn causal() -> Vec<Family> {
    let mut all = families();
    all.retain(|f| f.golden.get("lastLogits").is_some());
    all
}

#[test]
fn decoders_compute_what_the_reference_computes() {
    let mut failed = Vec::new();
    for family in causal() {
        let ids = family.ids();
        let expected = numbers(&family.golden["logProbabilities"]);
        let expected_last = numbers(&family.golden["lastLogits"]);
        let size = expected_last.iter().fold(0.0, |m: f64, l| m.max(l.abs()));
        for (form, files) in forms(&family) {
            let mut engine = load(&files, ids.len());
            let scores = engine.score(&ids).unwrap();
            assert_eq!(scores.len(), expected.len() + 1);
            let mut last = Vec::new();
            engine
                .evaluate(&ids, ids.len() - 1, |_, logits| last = logits.to_vec())
                .unwrap();
            let far = |pairs: &mut dyn Iterator<Item = (f64, f32)>| {
                let differences = pairs.map(|(e, p)| (e - f64::from(p)).abs());
                // A NaN is as far as can be.
                differences.fold(0.0, |m: f64, d| if d.is_nan() { f64::INFINITY } else { m.max(d) })
            };
            let each = far(&mut expected.iter().copied().zip(scores.iter().map(|s| s.0)));
            let logits = far(&mut expected_last.iter().copied().zip(last));
            println!("{form}: {each:.5} nat, {logits:.5} of {size:.1} in the last logits");
            if each.max(logits) > RELATIVE * size {
                failed.push(format!("{form}: {each} nat, {logits} of {size} in logits"));
            }
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn token_by_token_is_the_same_as_in_slices() {
    for family in causal() {
        let ids = family.ids();
        let mut engine = load(&family.folder(), ids.len() + 1);
        let tops: Vec<u32> = engine.score(&ids).unwrap().iter().map(|s| s.1).collect();
        engine.reset();
        for n in 1..=ids.len() {
            let request = Request {
                ids: Some(ids[..n].to_vec()),
                max_tokens: Some(1),
                ignore_eos: true,
                ..Request::default()
            };
            let begun = engine.begin(&request).unwrap();
            assert_eq!(begun.cached_tokens, n - 1, "{}", family.name);
            while !engine.prefill().unwrap() {}
            let step = engine.decode().unwrap();
            assert_eq!(step.id, tops[n - 1], "{} after {n} tokens", family.name);
        }
    }
}
