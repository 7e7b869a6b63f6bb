//! `bench`: prefill and decode, medians of interleaved repetitions.

use super::model;
use clap::Args;
use smidgen::Result;
use smidgen::session::{LoadOptions, Prefilled, Request};
use std::path::PathBuf;
use std::time::Instant;

/// Measures prefill and decode.
#[derive(Args)]
pub struct Bench {
    /// A GGUF file.
    model: PathBuf,
    /// Tokens of the prompt.
    #[arg(long, default_value_t = 128)]
    prompt_tokens: usize,
    /// Tokens to generate.
    #[arg(long, default_value_t = 32)]
    max_tokens: usize,
    /// Repetitions.
    #[arg(long, default_value_t = 5)]
    repeat: usize,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

impl Bench {
    /// See the module.
    pub fn run(self) -> Result<()> {
        let mut engine = model::load(&self.model, LoadOptions::default())?;
        let info = engine.info();
        let ids = (0..self.prompt_tokens as u32)
            .map(|i| i * 37 % info.vocab_size as u32)
            .collect();
        let request = Request {
            ids: Some(ids),
            max_tokens: Some(self.max_tokens.max(2)),
            ignore_eos: true,
            ..Request::default()
        };
        let (mut prefill, mut decode) = (Vec::new(), Vec::new());
        for _ in 0..self.repeat.max(1) {
            engine.reset();
            let start = Instant::now();
            let begun = engine.begin(&request)?;
            while engine.prefill(begun.reply, usize::MAX)? == Prefilled::More {}
            engine.decode(begun.reply)?;
            prefill.push(begun.prompt_tokens as f64 / start.elapsed().as_secs_f64());
            let (start, mut n) = (Instant::now(), 1);
            while engine.decode(begun.reply)?.finish.is_none() {
                n += 1;
            }
            decode.push(f64::from(n) / start.elapsed().as_secs_f64());
        }
        let (p, d) = (summary(prefill), summary(decode));
        if self.json {
            let object = serde_json::json!({
                "engine": "smidgen", "format": info.format, "flavour": info.flavour, "threads": info.threads,
                "prompt_tokens": self.prompt_tokens, "prefill_tps": p, "decode_tps": d,
            });
            println!("{object}");
        } else {
            println!(
                "{} {} {}: prefill {p}, decode {d} tok/s",
                info.name, info.format, info.flavour
            );
        }
        Ok(())
    }
}

/// Median, smallest and largest.
fn summary(mut values: Vec<f64>) -> serde_json::Value {
    values.sort_by(f64::total_cmp);
    let round = |v: f64| (v * 10.0).round() / 10.0;
    serde_json::json!({
        "median": round(values[values.len() / 2]), "min": round(values[0]), "max": round(values[values.len() - 1]),
    })
}
