//! A text as the commands that measure read it: windows of equal length, and from which position each one counts.

use super::model;
use clap::Args;
use smidgen::session::{CacheFormat, Engine, LoadOptions, POOL};
use smidgen::tokenizer::Special;
use smidgen::{Error, Result};
use std::path::PathBuf;

/// The text and how it is cut.
#[derive(Args)]
pub struct Text {
    /// A UTF-8 text, the longer the better.
    text: PathBuf,
    /// Tokens of a window.
    #[arg(long, default_value_t = 512)]
    pub context: usize,
    /// The first position of a window that counts: the first ones have seen too little. Half of the window by default.
    #[arg(long)]
    from: Option<usize>,
    /// Windows to read at most.
    #[arg(long)]
    windows: Option<usize>,
    /// What keys and values are held in: q16_0, f16, or q8_0, which takes about half of the memory.
    #[arg(long, default_value = "f16")]
    cache_format: CacheFormat,
    /// Round the weights to this format while they are read, as in q4_k_m.
    #[arg(long)]
    quantise: Option<String>,
    /// Threads.
    #[arg(long)]
    threads: Option<usize>,
}

impl Text {
    /// The first position that counts.
    pub fn from(&self) -> usize {
        self.from.unwrap_or(self.context / 2)
    }

    /// The format to round the weights to.
    pub fn quantise(&self) -> Option<&str> {
        self.quantise.as_deref()
    }

    /// The text's file name.
    pub fn name(&self) -> String {
        self.text
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned()
    }

    /// What a model is loaded with to read windows.
    pub fn options(&self) -> LoadOptions {
        LoadOptions {
            context_length: Some(self.context),
            cache_format: self.cache_format,
            quantise: self.quantise.clone(),
            ..LoadOptions::default()
        }
    }

    /// The windows as ids, each of `context`; BOS stands at the start of each if the model wants one.
    pub fn windows(&self, engine: &Engine) -> Result<Vec<Vec<u32>>> {
        if self.from() + 2 > self.context {
            return Err(Error::BadArgument {
                name: "from".into(),
                found: self.from().to_string(),
                expected: format!("at most {}", self.context.saturating_sub(2)),
            });
        }
        let text = std::fs::read_to_string(&self.text).map_err(|e| model::io(&self.text, &e))?;
        let tokenizer = engine.tokenizer();
        let ids = tokenizer.encode(&text, Special::Text)?;
        let bos = tokenizer.bos().filter(|_| tokenizer.add_bos());
        let step = self.context - usize::from(bos.is_some());
        let mut windows: Vec<Vec<u32>> = ids
            .chunks_exact(step)
            .map(|part| bos.iter().chain(part).copied().collect())
            .collect();
        windows.truncate(self.windows.unwrap_or(usize::MAX));
        if windows.is_empty() {
            return Err(Error::BadArgument {
                name: "text".into(),
                found: format!("{} tokens", ids.len()),
                expected: format!("at least {step}"),
            });
        }
        Ok(windows)
    }

    /// Starts the threads asked for.
    pub fn start_threads(&self, engine: &Engine) {
        let n = self
            .threads
            .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
        for _ in 1..n {
            std::thread::spawn(|| POOL.work());
        }
        engine.set_threads(n);
    }
}
