//! `cargo xtask bench --families`: every architecture's worst difference from its reference, its memory and its speed, and
//! what a step costs as the context grows. Models are the small ones of tests/golden/families, computed natively in f32.
//! Their folders go where the argument says, for the browser to load.

use serde_json::{Value, json};
use smidgen::session::{Engine, Prefilled, Request};
use smidgen::tokenizer::Special;
use smidgen::transformer::Pooling;
use std::path::Path;
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

/// What models that read are timed with, in a few more tokens than it has bytes at most.
const TEXT: &str =
    "abcdefghijklmnopqrstuvwxyz,abcdefghijklmnopqrstuvwxyz;abcdefghijklmnopqrstuvwxyz";

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

/// The middle one of `STEPS` microseconds.
fn median(mut microseconds: impl FnMut() -> f64) -> f64 {
    let mut times: Vec<f64> = (0..STEPS).map(|_| microseconds()).collect();
    times.sort_by(f64::total_cmp);
    times[STEPS / 2]
}

/// Microseconds that `work` takes.
fn timed(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64() * 1e6
}

/// Microseconds of a step after `n` positions.
fn step(engine: &mut Engine, n: usize) -> f64 {
    engine.reset();
    let request = Request {
        ids: Some((0..n as u32).map(|i| 1 + i * 7 % 299).collect()),
        max_tokens: Some(STEPS + 1),
        ignore_eos: true,
        ..Request::default()
    };
    let reply = engine.begin(&request).expect("room for the prompt").reply;
    while engine.prefill(reply, usize::MAX).expect("a prompt") == Prefilled::More {}
    engine.decode(reply).expect("a step");
    median(|| {
        timed(|| {
            engine.decode(reply).expect("a step");
        })
    })
}

/// Microseconds that a token of [`TEXT`] takes to be read.
fn reading(engine: &mut Engine) -> f64 {
    let tokens = engine.tokenizer().encode(TEXT, Special::Text);
    let tokens = tokens.expect("a short text").len();
    let text = median(|| {
        timed(|| {
            engine.embed(&[TEXT], None, None).expect("it reads");
        })
    });
    text / tokens as f64
}

/// Lets the model see as many positions as are timed, unless it has learned one vector for each.
fn lengthen(family: &mut Family) {
    let learned = |row: &Value| {
        row[0]
            .as_str()
            .is_some_and(|name| name.contains("position"))
    };
    let tensors = family.golden["tensors"].as_array();
    if tensors.is_some_and(|rows| rows.iter().any(learned)) {
        return;
    }
    for key in ["max_position_embeddings", "n_positions"] {
        if family.golden["config"].get(key).is_some() {
            family.golden["config"][key] = (LENGTHS[3] + STEPS + 2).into();
        }
    }
}

fn main() {
    let folders = std::env::args().nth(1);
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
        lengthen(&mut family);
        let folder = family.folder();
        let most = load(&folder, 1).info().max_context_length;
        let mut engine = load(&folder, CONTEXT.min(most));
        let info = engine.info();
        row["kilobytes"] = (info.plan.total_bytes / 1024).into();
        row["cacheKilobytes"] = (info.plan.cache_bytes / 1024).into();
        row["context"] = info.context_length.into();
        let microseconds = match writes {
            true => step(&mut engine, LENGTHS[0]),
            false => reading(&mut engine),
        };
        row["tokensPerSecond"] = (1e6 / microseconds).round().into();
        if let Some(folders) = &folders {
            let to = Path::new(folders).join(&family.name);
            std::fs::create_dir_all(&to).expect("a folder");
            for (name, bytes) in &folder {
                std::fs::write(to.join(name), bytes).expect("a file");
            }
            row["files"] = folder.iter().map(|(name, _)| name.as_str()).collect();
            row["timed"] = match writes {
                true => json!({ "ids": LENGTHS[0], "steps": STEPS }),
                false => json!({ "text": TEXT, "times": STEPS }),
            };
        }
        if TIMED.contains(&family.name.as_str()) {
            let mut engine = load(&folder, LENGTHS[3] + STEPS + 2);
            let times = LENGTHS.map(|n| json!([n, step(&mut engine, n)]));
            row["microseconds"] = times.to_vec().into();
        }
        println!("{row}");
    }
}
