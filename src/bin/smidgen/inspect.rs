//! `inspect`: what a file holds and what it will need.

use super::model;
use clap::Args;
use smidgen::Result;
use smidgen::session::{CacheFormat, LoadOptions};
use std::path::PathBuf;

/// Shows a file's metadata, tensors, formats and memory plan.
#[derive(Args)]
pub struct Inspect {
    /// A GGUF file.
    model: PathBuf,
    /// Positions of the KV cache to plan for.
    #[arg(long)]
    context: Option<usize>,
    /// What keys and values are held in: q16_0, f16, or q8_0, which takes about half of the memory.
    #[arg(long, default_value = "q16_0")]
    cache_format: CacheFormat,
    /// Leave the list of tensors out.
    #[arg(long)]
    brief: bool,
}

impl Inspect {
    /// See the module.
    pub fn run(self) -> Result<()> {
        let options = LoadOptions {
            context_length: self.context,
            cache_format: self.cache_format,
            ..LoadOptions::default()
        };
        let loader = model::open(&self.model, options)?;
        let (Some(gguf), Some(plan)) = (loader.header(), loader.plan()) else {
            unreachable!("open returns a loader that has read the header");
        };
        println!(
            "GGUF version {}, {} tensors",
            gguf.version,
            gguf.tensors.len()
        );
        println!("\nmetadata");
        for key in gguf.metadata.keys() {
            println!("  {key} = {}", gguf.metadata.describe(key));
        }
        if !self.brief {
            println!("\ntensors");
            for t in &gguf.tensors {
                println!("  {:<34} {:<8} {:?}", t.name, t.format.name(), t.shape);
            }
        }
        println!("\nformats");
        let mut formats: Vec<(&str, usize, u64)> = Vec::new();
        for t in &gguf.tensors {
            match formats.iter_mut().find(|f| f.0 == t.format.name()) {
                Some(f) => (f.1, f.2) = (f.1 + 1, f.2 + t.bytes),
                None => formats.push((t.format.name(), 1, t.bytes)),
            }
        }
        for (name, n, bytes) in formats {
            println!("  {name:<8} {n:>4} tensors {:>9.1} MB", megabytes(bytes));
        }
        println!("\nmemory plan for {} positions", plan.context_length);
        for (name, bytes) in [
            ("weights", plan.weights_bytes as u64),
            ("KV cache", plan.cache_bytes as u64),
            ("scratch", plan.scratch_bytes as u64),
            ("total", plan.total_bytes as u64),
            ("file", plan.file_bytes),
        ] {
            println!("  {name:<8} {:>9.1} MB", megabytes(bytes));
        }
        Ok(())
    }
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
