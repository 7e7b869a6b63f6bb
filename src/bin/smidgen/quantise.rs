//! `quantize`: GGUF or Hugging Face folder → GGUF in another format, with what each tensor lost.

use super::progress::Progress;
use super::{auto, model, source};
use clap::Args;
use smidgen::format::importance::{Importance, MAX_FILE_BYTES};
use smidgen::format::mixture::Mixture;
use smidgen::format::quantise::{Choice, quantise_as};
use smidgen::{Error, Result};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// Writes a GGUF file in another format.
#[derive(Args)]
pub struct Quantise {
    /// A GGUF file (of several, the first), or a Hugging Face folder.
    input: PathBuf,
    /// The GGUF file to write.
    output: PathBuf,
    /// The format, as in q4_k_m; `auto` chooses one for each tensor.
    #[arg(long = "type")]
    kind: String,
    /// Importance data, as `imatrix` or llama.cpp writes them.
    #[arg(long)]
    imatrix: Option<PathBuf>,
    /// Bits for each value that `auto` may spend.
    #[arg(long, default_value_t = 4.85)]
    bits: f64,
    /// Print no line for each tensor.
    #[arg(long)]
    quiet: bool,
}

impl Quantise {
    /// See the module.
    pub fn run(self) -> Result<()> {
        let importance = self.imatrix.as_deref().map(importance).transpose()?;
        let mixture = match self.kind.as_str() {
            "auto" => Mixture::Q4KM,
            name => Mixture::from_name(name)?,
        };
        let (gguf, mut tensors) = source::open(&self.input)?;
        let formats = if self.kind == "auto" {
            let progress = Progress::new(gguf.tensors.len() as u64, "tensors tried");
            let formats =
                auto::formats(&gguf, &mut tensors, importance.as_ref(), self.bits, |t| {
                    progress.advance(1, &t.name)
                })?;
            progress.finish();
            formats
        } else {
            mixture.formats(&gguf)?
        };
        // Only a whole file ever has the name asked for.
        let part = self.output.with_extension("part");
        let target = File::create(&part).map_err(|e| model::io(&part, &e))?;
        let mut target = BufWriter::new(target);
        let values = gguf
            .tensors
            .iter()
            .map(|t| t.shape.iter().product::<u64>())
            .sum();
        let progress = Progress::new(values, "values");
        let choice = Choice {
            formats,
            file_type: mixture.file_type(),
            importance: importance.as_ref(),
        };
        let report = quantise_as(&gguf, choice, &mut tensors, &mut target, |t| {
            progress.advance(t.shape.iter().product(), &t.name);
            if !self.quiet {
                progress.line(&format!(
                    "{:<32} {:>8} → {:<8} {:>6.2} bits {:>12} bytes  error {:.3e}",
                    t.name,
                    t.from.name(),
                    t.to.name(),
                    t.bits_per_weight,
                    t.bytes,
                    t.rmse
                ));
            }
        })?;
        progress.finish();
        target.flush().map_err(|e| model::io(&part, &e))?;
        std::fs::rename(&part, &self.output).map_err(|e| model::io(&self.output, &e))?;
        println!(
            "{} bytes, {:.2} bits per weight",
            report.file_bytes, report.bits_per_weight
        );
        Ok(())
    }
}

fn importance(path: &Path) -> Result<Importance> {
    let length = std::fs::metadata(path)
        .map_err(|e| model::io(path, &e))?
        .len();
    if length > MAX_FILE_BYTES {
        return Err(Error::BadArgument {
            name: "imatrix".into(),
            found: format!("{length} bytes"),
            expected: format!("at most {MAX_FILE_BYTES}"),
        });
    }
    Importance::read(&std::fs::read(path).map_err(|e| model::io(path, &e))?)
}
