//! `quantize`: GGUF → GGUF in another format, with what each tensor lost.

use super::model;
use clap::Args;
use smidgen::Result;
use smidgen::format::mixture::Mixture;
use smidgen::format::quantise::quantise;
use smidgen::session::LoadOptions;
use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::PathBuf;

/// Writes a GGUF file in another format.
#[derive(Args)]
pub struct Quantise {
    /// The GGUF file to read.
    input: PathBuf,
    /// The GGUF file to write.
    output: PathBuf,
    /// The format, as in q4_k_m.
    #[arg(long = "type")]
    kind: String,
}

impl Quantise {
    /// See the module.
    pub fn run(self) -> Result<()> {
        let mixture = Mixture::from_name(&self.kind)?;
        let loader = model::open(&self.input, LoadOptions::default())?;
        let Some(gguf) = loader.header() else {
            unreachable!("open returns a loader that has read the header");
        };
        let source = File::open(&self.input).map_err(|e| model::io(&self.input, &e))?;
        // Only a whole file ever has the name asked for.
        let part = self.output.with_extension("part");
        let target = File::create(&part).map_err(|e| model::io(&part, &e))?;
        let mut target = BufWriter::new(target);
        let (total, mut done) = (gguf.tensors.len(), 0);
        let report = quantise(
            gguf,
            mixture,
            &mut BufReader::new(source),
            &mut target,
            |t| {
                done += 1;
                println!(
                    "[{done}/{total}] {:<32} {:>8} → {:<8} {:>6.2} bits  error {:.3e}",
                    t.name,
                    t.from.name(),
                    t.to.name(),
                    t.bits_per_weight,
                    t.rmse
                );
            },
        )?;
        target.flush().map_err(|e| model::io(&part, &e))?;
        std::fs::rename(&part, &self.output).map_err(|e| model::io(&self.output, &e))?;
        println!(
            "{} bytes, {:.2} bits per weight",
            report.file_bytes, report.bits_per_weight
        );
        Ok(())
    }
}
