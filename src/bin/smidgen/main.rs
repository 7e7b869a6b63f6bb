//! The native command line: run, inspect, measure and quantise, on the same engine as the browser's.

mod auto;
mod bench;
mod errors;
mod fidelity;
mod imatrix;
mod inspect;
mod logits;
mod model;
mod progress;
mod quantise;
mod read;
mod run;
mod source;
mod text;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Small language models, natively, with the engine that runs in browsers.
#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Answers a prompt.
    Run(run::Run),
    /// Shows a file's metadata, tensors, formats and memory plan.
    Inspect(inspect::Inspect),
    /// Measures prefill and decode.
    Bench(bench::Bench),
    /// Measures how well a model expects a text.
    Perplexity(fidelity::Perplexity),
    /// Measures how far a model's distributions are from those of another file.
    Kl(fidelity::Kl),
    /// Measures which columns of a model's matrices matter.
    Imatrix(imatrix::Imatrix),
    /// Shows what each format loses of a model's matrices.
    Errors(errors::Errors),
    /// Writes a GGUF file in another format.
    Quantize(quantise::Quantise),
    /// Turns texts into vectors.
    Embed(read::Embed),
    /// Tells which class a text falls in.
    Classify(read::Classify),
    /// Orders documents by how well they answer a query.
    Rerank(read::Rerank),
    /// Finds the tokens that are masked in a text.
    FillMask(read::FillMask),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Run(c) => c.run(),
        Command::Inspect(c) => c.run(),
        Command::Bench(c) => c.run(),
        Command::Perplexity(c) => c.run(),
        Command::Kl(c) => c.run(),
        Command::Imatrix(c) => c.run(),
        Command::Errors(c) => c.run(),
        Command::Quantize(c) => c.run(),
        Command::Embed(c) => c.run(),
        Command::Classify(c) => c.run(),
        Command::Rerank(c) => c.run(),
        Command::FillMask(c) => c.run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error [{}]: {error}", error.code());
            ExitCode::FAILURE
        }
    }
}
