//! `embed`, `classify`, `rerank`, `fill-mask`: what a model makes of texts without writing.

use super::model;
use clap::{Args, ValueEnum};
use smidgen::Result;
use smidgen::session::{Engine, LoadOptions};
use smidgen::transformer::Pooling;
use std::path::PathBuf;

/// The model that reads.
#[derive(Args)]
struct Reader {
    /// A GGUF file or a Hugging Face folder.
    model: PathBuf,
    /// Tokens of a text at most.
    #[arg(long)]
    context: Option<usize>,
    /// Round the weights to this format while they are read, as in q8_0.
    #[arg(long)]
    quantise: Option<String>,
}

impl Reader {
    fn load(self) -> Result<Engine> {
        let options = LoadOptions {
            context_length: self.context,
            quantise: self.quantise,
            ..LoadOptions::default()
        };
        model::load(&self.model, options)
    }
}

/// How tokens become one vector.
#[derive(Clone, Copy, ValueEnum)]
enum Pool {
    Mean,
    First,
    Last,
}

/// Prints the embedding of each text, one JSON list a line.
#[derive(Args)]
pub struct Embed {
    #[command(flatten)]
    reader: Reader,
    /// The texts.
    #[arg(required = true)]
    texts: Vec<String>,
    /// How tokens become one vector; what the model says by default.
    #[arg(long)]
    pooling: Option<Pool>,
    /// Do not scale to length 1.
    #[arg(long)]
    raw: bool,
}

impl Embed {
    /// See the module.
    pub fn run(self) -> Result<()> {
        let mut engine = self.reader.load()?;
        let pooling = self.pooling.map(|p| match p {
            Pool::Mean => Pooling::Mean,
            Pool::First => Pooling::First,
            Pool::Last => Pooling::Last,
        });
        let texts: Vec<&str> = self.texts.iter().map(String::as_str).collect();
        for embedding in engine.embed(&texts, pooling, self.raw.then_some(false))? {
            println!("{embedding:?}");
        }
        Ok(())
    }
}

/// Prints the classes of a text, or of two read together.
#[derive(Args)]
pub struct Classify {
    #[command(flatten)]
    reader: Reader,
    /// The text.
    text: String,
    /// The second one.
    second: Option<String>,
}

impl Classify {
    /// See the module.
    pub fn run(self) -> Result<()> {
        let mut engine = self.reader.load()?;
        for class in engine.classify(&self.text, self.second.as_deref())? {
            println!("{:.6} {}", class.score, class.label);
        }
        Ok(())
    }
}

/// Prints documents by how well they answer a query, the best first.
#[derive(Args)]
pub struct Rerank {
    #[command(flatten)]
    reader: Reader,
    /// The query.
    query: String,
    /// The documents.
    #[arg(required = true)]
    documents: Vec<String>,
}

impl Rerank {
    /// See the module.
    pub fn run(self) -> Result<()> {
        let mut engine = self.reader.load()?;
        let mut ranked = Vec::new();
        for document in &self.documents {
            ranked.push((engine.rerank(&self.query, document)?, document));
        }
        ranked.sort_by(|a, b| b.0.total_cmp(&a.0));
        for (score, document) in ranked {
            println!("{score:.6} {document}");
        }
        Ok(())
    }
}

/// Prints the likeliest tokens for each mask of a text.
#[derive(Args)]
pub struct FillMask {
    #[command(flatten)]
    reader: Reader,
    /// The text with `[MASK]` or `<mask>`.
    text: String,
    /// Tokens to print for each.
    #[arg(long, default_value_t = 5)]
    top_k: usize,
}

impl FillMask {
    /// See the module.
    pub fn run(self) -> Result<()> {
        let mut engine = self.reader.load()?;
        for (i, mask) in engine
            .fill_mask(&self.text, self.top_k)?
            .into_iter()
            .enumerate()
        {
            for filled in mask {
                println!("{i} {:.6} {}", filled.score, filled.token);
            }
        }
        Ok(())
    }
}
