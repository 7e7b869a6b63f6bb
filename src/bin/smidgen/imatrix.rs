//! `imatrix`: runs a text through a model and writes which columns of its matrices matter.

use super::progress::Progress;
use super::text::Text;
use super::{model, source};
use clap::Args;
use smidgen::Result;
use smidgen::format::importance::{Columns, Importance};
use smidgen::models;
use smidgen::transformer::{self, Input, Part};
use std::path::PathBuf;

/// Measures which columns of a model's matrices matter.
#[derive(Args)]
pub struct Imatrix {
    /// A GGUF file, or a Hugging Face folder: the less quantised, the better.
    model: PathBuf,
    #[command(flatten)]
    text: Text,
    /// The file to write.
    #[arg(short, long)]
    output: PathBuf,
}

impl Imatrix {
    /// See the module.
    pub fn run(self) -> Result<()> {
        let mut engine = model::load(&self.model, self.text.options())?;
        let windows = self.text.windows(&engine)?;
        self.text.start_threads(&engine);
        engine.listen(Some(Box::default()));
        let progress = Progress::new(windows.len() as u64, "windows");
        for window in &windows {
            engine.evaluate(window, self.text.from(), |_, _| {})?;
            progress.advance(1, "");
        }
        progress.finish();
        let heard = engine.listen(None).expect("it has listened");
        let importance = self.named(&heard)?;
        let dataset = self.text.name();
        let bytes = importance.write(&dataset, windows.len() as u32, self.text.context as u32);
        let part = self.output.with_extension("part");
        std::fs::write(&part, &bytes).map_err(|e| model::io(&part, &e))?;
        std::fs::rename(&part, &self.output).map_err(|e| model::io(&self.output, &e))?;
        println!(
            "{} matrices over {} windows",
            importance.matrices().len(),
            windows.len()
        );
        Ok(())
    }

    /// The sums by the names of the matrices that read them.
    fn named(&self, heard: &transformer::Importance) -> Result<Importance> {
        let (gguf, _) = source::open(&self.model)?;
        let architecture = models::architecture(&gguf.metadata)?;
        let specs = (architecture.tensors)(&(architecture.config)(&gguf.metadata)?);
        let there = |name: &str| gguf.tensors.iter().any(|t| t.name == name);
        let tied = !specs
            .iter()
            .any(|s| s.slot.part == Part::Output && there(&s.name));
        let mut matrices = Vec::new();
        for spec in specs.iter().filter(|s| s.rows > 0 && there(&s.name)) {
            let input = match spec.slot.part {
                Part::TokenEmbedding if tied => Some(Input::Output),
                _ => spec.slot.input(),
            };
            if let Some(squares) = heard.inputs().iter().find(|s| Some(s.input) == input) {
                matrices.push(Columns {
                    tensor: spec.name.clone(),
                    sums: squares.sums.iter().map(|s| *s as f32).collect(),
                    count: squares.count as f32,
                });
            }
        }
        Ok(Importance::new(matrices))
    }
}
