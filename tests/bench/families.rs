//! `cargo xtask bench --families`: every architecture's worst difference from its reference, its memory and its speed, and
//! what a step costs as the context grows. Models are the small ones of tests/golden/families, computed natively in f32.

use serde_json::{Value, json};
use smidgen::session::{Engine, Prefilled, Request};
use smidgen::transformer::Pooling;
use std::time::Instant;

#[allow(dead_code)]
#[path = "../rust/family_model.rs"]
mod family_model;
use family_model::{Family, File, families, load, numbers};

/// The context that memory is told for.
const CONTEXT: usize = 4096;

/// Positions after which steps are timed.
const LENGTHS: [usize; 4] = [128, 512, 2048, 8192];

/// Steps timed at each.
const STEPS: usize = 24;

/// Families whose steps are timed: states alone, states beside attention, and attention alone.
const TIMED: [&str; 5] = ["rwkv7", "mamba2", "lfm2", "granitehybrid", "llama-linear"];

/// The largest difference, as a share of the largest expected value.
fn worst(expected: &Value, found: &[f32]) -> f64 {
    let expected = numbers(expected);
    let size = expected.iter().fold(0.0, |m: f64, e| m.max(e.abs()));
    let far = expected.iter().zip(found);
    far.fold(0.0, |m: f64, (e, f)| m.max((e - f64::from(*f)).abs())) / size
}

/// Differences of a file or folder: of what writes in its last logits, of what reads in its mean representation.
fn difference(family: &Family, files: &[File]) -> f64 {
    let ids = family.ids();
    let mut engine = load(files, ids.len());
    if family.golden.get("lastLogits").is_none() {
        let mean = engine.read(&ids, usize::MAX, Pooling::Mean);
        return worst(&family.golden["mean"], &mean.expect("it reads"));
    }
    let mut last = Vec::new();
    let evaluated = engine.evaluate(&ids, ids.len() - 1, |_, logits| last = logits.to_vec());
    evaluated.expect("it writes");
    worst(&family.golden["lastLogits"], &last)
}

/// Microseconds of a step after `n` positions, the median of several.
fn step(engine: &mut Engine, n: usize) -> f64 {
    engine.reset();
    let request = Request {
        ids: Some((0..n as u32).map(|i| i * 7 % 300).collect()),
        max_tokens: Some(STEPS + 1),
        ignore_eos: true,
        ..Request::default()
    };
    let reply = engine.begin(&request).expect("room for the prompt").reply;
    while engine.prefill(reply, usize::MAX).expect("a prompt") == Prefilled::More {}
    engine.decode(reply).expect("a step");
    let mut times: Vec<f64> = (0..STEPS)
        .map(|_| {
            let start = Instant::now();
            engine.decode(reply).expect("a step");
            start.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[STEPS / 2]
}

fn main() {
    for mut family in families() {
        let folder = family.folder();
        let gguf = family.gguf().map(|file| difference(&family, &[file]));
        let mut row = json!({
            "family": family.name,
            "reference": if family.name == "rwkv7" { "rwkv" } else { "transformers" },
            "folder": difference(&family, &folder),
            "gguf": gguf,
        });
        let writes = family.golden.get("lastLogits").is_some();
        for key in ["max_position_embeddings", "n_positions"] {
            if writes && family.golden["config"].get(key).is_some() {
                family.golden["config"][key] = (LENGTHS[3] + STEPS + 2).into();
            }
        }
        let folder = family.folder();
        if writes {
            let mut engine = load(&folder, CONTEXT);
            let plan = engine.info().plan;
            row["kilobytes"] = (plan.total_bytes / 1024).into();
            row["cacheKilobytes"] = (plan.cache_bytes / 1024).into();
            row["tokensPerSecond"] = (1e6 / step(&mut engine, 128)).round().into();
        }
        if TIMED.contains(&family.name.as_str()) {
            let mut engine = load(&folder, LENGTHS[3] + STEPS + 2);
            let times = LENGTHS.map(|n| json!([n, step(&mut engine, n)]));
            row["microseconds"] = times.to_vec().into();
        }
        println!("{row}");
    }
}
