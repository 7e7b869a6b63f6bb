//! Every architecture against the reference implementation of `transformers` (`tests/golden/families/make.py`), from a
//! Hugging Face folder and from GGUF: log-probabilities, logits, and the same token by token.

use smidgen::session::{Engine, LoadOptions, Loader, Prefilled, Request};
use smidgen::transformer::Pooling;

#[path = "family_model.rs"]
mod family_model;
use family_model::{Family, File, causal, families, load, numbers, writing};

/// All is f32 here and f64 there, but keys and values, which both round to f16: of the largest logit, what a difference
/// may be.
const RELATIVE: f64 = 1e-3;

/// The family's files in every form there is.
fn forms(family: &Family) -> Vec<(String, Vec<File>)> {
    let mut forms = vec![(format!("{} folder", family.name), family.folder())];
    if let Some(gguf) = family.gguf() {
        forms.push((format!("{} GGUF", family.name), vec![gguf]));
    }
    forms
}

#[test]
fn decoders_compute_what_the_reference_computes() {
    let mut failed = Vec::new();
    for family in writing() {
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
            let found: Vec<f32> = scores.iter().map(|s| s.0).take(expected.len()).collect();
            let (each, _) = distance(&expected, &found);
            let (logits, _) = distance(&expected_last, &last);
            println!("{form}: {each:.5} nat, {logits:.5} of {size:.1} in the last logits");
            if each.max(logits) > RELATIVE * size {
                failed.push(format!("{form}: {each} nat, {logits} of {size} in logits"));
            }
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

/// The largest difference, and the largest expected value.
fn distance(expected: &[f64], found: &[f32]) -> (f64, f64) {
    assert_eq!(expected.len(), found.len());
    let differences = expected
        .iter()
        .zip(found)
        .map(|(e, f)| (e - f64::from(*f)).abs());
    // A NaN is as far as can be.
    let far = differences.fold(
        0.0,
        |m: f64, d| if d.is_nan() { f64::INFINITY } else { m.max(d) },
    );
    (far, expected.iter().fold(0.0, |m: f64, e| m.max(e.abs())))
}

#[test]
fn encoders_compute_what_the_reference_computes() {
    let mut all = families();
    all.retain(|f| f.golden.get("maskedLogits").is_some());
    assert!(all.len() >= 4);
    let mut failed = Vec::new();
    for family in all {
        let golden = &family.golden;
        let (ids, second) = (family.ids(), golden["second"].as_u64().unwrap() as usize);
        for (form, files) in forms(&family) {
            let mut engine = load(&files, ids.len() + 3);
            let mut check = |what: &str, found: &[f32]| {
                let (far, size) = distance(&numbers(&golden[what]), found);
                println!("{form}: {what} {far:.6} of {size:.2}");
                if far > RELATIVE * size {
                    failed.push(format!("{form}: {what} {far} of {size}"));
                }
            };
            check(
                "mean",
                &engine.read(&ids, usize::MAX, Pooling::Mean).unwrap(),
            );
            let first = engine.read(&ids, usize::MAX, Pooling::First).unwrap();
            check("first", &first);
            let folder = form.ends_with("folder");
            if folder {
                let mut logits = vec![0.0; 304];
                engine.unmask(golden["masked"].as_u64().unwrap() as usize, &mut logits);
                check("maskedLogits", &logits);
            }
            let pair = engine.read(&ids, second, Pooling::First).unwrap();
            match engine.class_scores(&pair) {
                Ok(scores) => check("classScores", &scores),
                // llama.cpp writes a classifier for some only.
                Err(error) => assert!(!folder, "{form}: {error}"),
            }
            let request = Request {
                ids: Some(ids.clone()),
                ..Request::default()
            };
            assert_eq!(engine.begin(&request).unwrap_err().code(), "wrong_state");
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
            while engine.prefill(begun.reply, 64).unwrap() == Prefilled::More {}
            let step = engine.decode(begun.reply).unwrap();
            assert_eq!(step.id, tops[n - 1], "{} after {n} tokens", family.name);
        }
    }
}

#[test]
fn states_go_back_to_a_checkpoint() {
    let mut all = causal();
    all.retain(|f| {
        ["lfm2", "mamba2", "granitehybrid", "falcon-h1", "rwkv7"].contains(&f.name.as_str())
    });
    assert_eq!(all.len(), 5);
    for family in all {
        let ids = family.ids();
        let mut engine = load(&family.folder(), 200);
        let answer = |engine: &mut Engine, ids: &[u32]| {
            let request = Request {
                ids: Some(ids.to_vec()),
                max_tokens: Some(5),
                ignore_eos: true,
                ..Request::default()
            };
            let begun = engine.begin(&request).unwrap();
            while engine.prefill(begun.reply, 64).unwrap() == Prefilled::More {}
            let made = (0..5).map(|_| engine.decode(begun.reply).unwrap().id);
            let made: Vec<u32> = made.collect();
            (begun.cached_tokens, made)
        };
        let (_, first) = answer(&mut engine, &ids[..70]);
        // The same again starts at the checkpoint before the prompt's last token.
        assert_eq!(
            answer(&mut engine, &ids[..70]),
            (69, first.clone()),
            "{}",
            family.name
        );
        // A prompt that shares less than that starts anew; what comes of it does not depend on what was held.
        let (cached, other) = answer(&mut engine, &ids[..40]);
        assert_eq!(cached, 0, "{}", family.name);
        let mut fresh = load(&family.folder(), 200);
        assert_eq!(answer(&mut fresh, &ids[..40]).1, other, "{}", family.name);
        assert_eq!(answer(&mut engine, &ids[..70]).1, first, "{}", family.name);
    }
}

#[test]
fn damaged_configurations_are_refused_and_never_panic() {
    // A simple generator: the same damage on every machine.
    let mut state = 11u64;
    let mut next = |n: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % n
    };
    for family in families() {
        let files = family.folder();
        for _ in 0..12 {
            let mut files = files.clone();
            let config = &mut files[0].1;
            for _ in 0..1 + next(3) {
                let at = next(config.len());
                config[at] = b"0179-{}[]\",:xNe"[next(15)];
            }
            let mut loader = Loader::new(LoadOptions {
                memory_limit: Some(1 << 26),
                ..LoadOptions::default()
            });
            let loaded = files.iter().try_for_each(|(name, bytes)| {
                loader.file(name)?;
                loader.push(bytes)
            });
            if let Ok(Ok(mut engine)) = loaded.map(|()| loader.finish()) {
                // What still loads computes.
                let _ = engine.score(&family.ids()[..20]);
            }
        }
    }
}
