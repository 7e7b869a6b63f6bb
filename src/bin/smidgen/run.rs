//! `run`: streams a reply to standard output, then what it cost to standard error.

use super::model;
use clap::Args;
use smidgen::Result;
use smidgen::chat::Message;
use smidgen::session::{CacheFormat, LoadOptions, Prefilled, Request};
use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;

/// Answers a prompt.
#[derive(Args)]
pub struct Run {
    /// A GGUF file (of several, the first), or a Hugging Face folder.
    model: PathBuf,
    /// What the user says.
    #[arg(short, long)]
    prompt: String,
    /// What the system message says.
    #[arg(long)]
    system: Option<String>,
    /// Take the prompt as raw text, without the chat template.
    #[arg(long)]
    raw: bool,
    /// Tokens to generate at most.
    #[arg(short = 'n', long, default_value_t = 256)]
    max_tokens: usize,
    /// 0 is greedy.
    #[arg(long, default_value_t = 0.0)]
    temperature: f32,
    /// Starts the random generator.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Positions of the KV cache.
    #[arg(long)]
    context: Option<usize>,
    /// What keys and values are held in: q16_0, f16, or q8_0, which takes about half of the memory.
    #[arg(long, default_value = "q16_0")]
    cache_format: CacheFormat,
    /// Where the context is full, forget its oldest tokens behind the first ones and go on.
    #[arg(long)]
    shift: bool,
    /// Round the weights to this format while they are read, as in q4_k_m.
    #[arg(long)]
    quantise: Option<String>,
}

impl Run {
    /// See the module.
    pub fn run(self) -> Result<()> {
        let options = LoadOptions {
            context_length: self.context,
            cache_format: self.cache_format,
            quantise: self.quantise,
            ..LoadOptions::default()
        };
        let mut engine = model::load(&self.model, options)?;
        let mut request = Request {
            max_tokens: Some(self.max_tokens),
            temperature: self.temperature,
            seed: self.seed,
            shift: self.shift,
            ..Request::default()
        };
        if self.raw {
            request.prompt = Some(self.prompt);
        } else {
            let system = self.system.map(|s| Message::new("system", &s));
            request.messages = Some(
                system
                    .into_iter()
                    .chain([Message::new("user", &self.prompt)])
                    .collect(),
            );
        }
        let start = Instant::now();
        let begun = engine.begin(&request)?;
        while engine.prefill(begun.reply, usize::MAX)? == Prefilled::More {}
        let prefilled = Instant::now();
        let mut tokens = 0;
        let finish = loop {
            let step = engine.decode(begun.reply)?;
            tokens += 1;
            print!("{}", step.text);
            let _ = std::io::stdout().flush();
            if let Some(finish) = step.finish {
                break finish;
            }
        };
        println!();
        let (prefill, decode) = (
            (prefilled - start).as_secs_f64(),
            prefilled.elapsed().as_secs_f64(),
        );
        eprintln!(
            "prompt {} tokens, {:.1} tok/s; generated {tokens} tokens, {:.1} tok/s; {finish:?}",
            begun.prompt_tokens,
            begun.prompt_tokens as f64 / prefill,
            f64::from(tokens) / decode,
        );
        Ok(())
    }
}
