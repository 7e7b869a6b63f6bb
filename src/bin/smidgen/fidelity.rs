//! `perplexity` and `kl`: how well a model expects a text, and how far it is from another computation of it.
//!
//! Natively everything is computed in f32 over the decoded weights. What a browser's flavour loses against that is
//! measured in a browser, on the distributions that `perplexity --save-logits` writes.

use super::logits::{Saved, Writer};
use super::model;
use super::progress::Progress;
use super::text::Text;
use clap::Args;
use smidgen::Result;
use smidgen::session::fidelity::{self, Fidelity};
use std::path::PathBuf;

/// Measures how well a model expects a text.
#[derive(Args)]
pub struct Perplexity {
    /// A GGUF file, or a Hugging Face folder.
    model: PathBuf,
    #[command(flatten)]
    text: Text,
    /// Write the distributions to this file, for `kl` and for browsers: 2 bytes × vocabulary × position.
    #[arg(long)]
    save_logits: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

impl Perplexity {
    /// See the module.
    pub fn run(self) -> Result<()> {
        let mut engine = model::load(&self.model, self.text.options())?;
        let windows = self.text.windows(&engine)?;
        self.text.start_threads(&engine);
        let (info, from) = (engine.info(), self.text.from());
        let mut writer = match &self.save_logits {
            Some(path) => Some(Writer::create(
                path,
                self.text.context,
                from,
                info.vocab_size,
                windows.len(),
            )?),
            None => None,
        };
        let progress = Progress::new(windows.len() as u64, "windows");
        // Of the positions, for the standard error.
        let (mut n, mut sum, mut squares) = (0u64, 0.0f64, 0.0f64);
        let mut packed = Vec::new();
        for window in &windows {
            packed.clear();
            engine.evaluate(window, from, |i, logits| {
                let Some(next) = window.get(i + 1) else {
                    return;
                };
                let nll = fidelity::log_sum_exp(logits.iter().copied()).1
                    - f64::from(logits[*next as usize]);
                (n, sum, squares) = (n + 1, sum + nll, squares + nll * nll);
                if writer.is_some() {
                    fidelity::pack(logits, &mut packed);
                }
            })?;
            if let Some(writer) = &mut writer {
                writer.window(window, &packed)?;
            }
            progress.advance(1, &format!("perplexity {:.4}", (sum / n as f64).exp()));
        }
        progress.finish();
        if let Some(writer) = writer {
            writer.finish()?;
        }
        let mean = sum / n as f64;
        let error = ((squares / n as f64 - mean * mean).max(0.0) / n as f64).sqrt();
        if self.json {
            let object = serde_json::json!({
                "model": info.name, "format": info.format, "flavour": info.flavour,
                "bitsPerWeight": model::bits_per_weight(&self.model, self.text.quantise())?,
                "context": self.text.context, "from": from, "tokens": n,
                "nll": mean, "perplexity": mean.exp(), "perplexityError": mean.exp() * error,
            });
            println!("{object}");
        } else {
            println!(
                "{} {}: perplexity {:.4} ± {:.4} over {n} tokens, {:.2} bits per weight",
                info.name,
                info.format,
                mean.exp(),
                mean.exp() * error,
                model::bits_per_weight(&self.model, self.text.quantise())?
            );
        }
        Ok(())
    }
}

/// Measures how far a model's distributions are from those of another file.
#[derive(Args)]
pub struct Kl {
    /// A GGUF file, or a Hugging Face folder.
    model: PathBuf,
    #[command(flatten)]
    text: Text,
    /// The model to compare with: the same one, less or not quantised.
    #[arg(long, required_unless_present = "logits")]
    reference: Option<PathBuf>,
    /// Or its distributions, as `perplexity --save-logits` wrote them; its windows are used, and not the text's.
    #[arg(long, conflicts_with = "reference")]
    logits: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

impl Kl {
    /// See the module.
    pub fn run(self) -> Result<()> {
        let mut total = Fidelity::default();
        let mut engine;
        if let Some(path) = &self.logits {
            let mut saved = Saved::open(path)?;
            let mut options = self.text.options();
            options.context_length = Some(saved.context);
            engine = model::load(&self.model, options)?;
            saved.check(engine.info().vocab_size)?;
            self.text.start_threads(&engine);
            let progress = Progress::new(saved.windows as u64, "windows");
            while let Some((ids, packed)) = saved.window()? {
                total.merge(&engine.compare(&ids, saved.from, &packed)?);
                progress.advance(1, &format!("KL {:.5}", total.kl / total.tokens as f64));
            }
            progress.finish();
        } else {
            engine = model::load(&self.model, self.text.options())?;
            let path = self
                .reference
                .as_deref()
                .expect("clap requires one of the two");
            let mut reference = model::load(path, self.text.options())?;
            let windows = self.text.windows(&reference)?;
            self.text.start_threads(&engine);
            let progress = Progress::new(windows.len() as u64, "windows");
            let (from, mut packed) = (self.text.from(), Vec::new());
            for window in &windows {
                packed.clear();
                reference.evaluate(window, from, |i, logits| {
                    if i + 1 < window.len() {
                        fidelity::pack(logits, &mut packed);
                    }
                })?;
                total.merge(&engine.compare(window, from, &packed)?);
                progress.advance(1, &format!("KL {:.5}", total.kl / total.tokens as f64));
            }
            progress.finish();
        }
        let (info, n) = (engine.info(), total.tokens as f64);
        let perplexity = (total.nll / n).exp();
        let reference = (total.reference_nll / n).exp();
        let bits = model::bits_per_weight(&self.model, self.text.quantise())?;
        if self.json {
            let object = serde_json::json!({
                "model": info.name, "format": info.format, "flavour": info.flavour, "bitsPerWeight": bits,
                "tokens": total.tokens, "perplexity": perplexity, "referencePerplexity": reference,
                "kl": total.kl / n, "top1": total.agreed as f64 / n,
                "meanDifference": total.difference / n, "maxDifference": total.max_difference,
            });
            println!("{object}");
        } else {
            println!(
                "{} {}: KL {:.5}, top-1 {:.2} %, perplexity {perplexity:.4} (reference {reference:.4}), \
                 {bits:.2} bits per weight, over {} tokens",
                info.name,
                info.format,
                total.kl / n,
                100.0 * total.agreed as f64 / n,
                total.tokens
            );
        }
        Ok(())
    }
}
