//! The project's own commands: build, demo, serve, test, size. Everything a fresh clone needs is installed from here.
#![allow(missing_docs)]

mod bench;
mod bench_app;
mod bench_cache;
mod browsers;
mod build;
mod demo;
mod fingerprint;
mod flavours;
mod formats_table;
mod http;
mod llama_cpp;
mod model;
mod packages;
mod process;
mod project;
mod server;
mod size;
mod suites;
mod tokenizers;
mod tools;
mod wasm_file;

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    about = "Builds, shows, tests and measures Smidgen",
    version
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Build the wasm flavours, the npm package (pkg/) and the app (www/); what is up to date is skipped
    Build(build::Options),
    /// Build everything, fetch the demo model and serve the app; with --prompt, chat once in a headless browser
    Demo(demo::Options),
    /// Serve what is already built on localhost, with the headers that threads need
    Serve(demo::ServeOptions),
    /// Run the test suites, all of them unless some are named
    Test(suites::Options),
    /// Print what a page downloads: raw, gzip and brotli bytes, and the crates they come from
    Size(size::Options),
    /// Measure speed and memory in Chromium, beside other engines with --vs
    Bench(bench::Options),
    /// Measure what keeping a model costs its download and how soon a second visit answers, in every browser
    BenchCache(bench_cache::Options),
    /// Measure the app's first visit and its second one offline, in a browser held to a quarter of a core
    BenchApp(bench_app::Options),
    /// Measure what each format keeps of the demo model, and write the table into src/README.md
    FormatsTable(formats_table::Options),
    /// Check files, vocabularies and replies against llama.cpp, where it is built; with --build, build it
    LlamaCpp(llama_cpp::Options),
    /// Fetch the demo model into .cache/models and check its hash
    FetchModel,
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("✗ {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<()> {
    match command {
        Command::Build(options) => build::build(&options),
        Command::Demo(options) => demo::demo(&options),
        Command::Serve(options) => demo::serve(&options),
        Command::Test(options) => suites::test(&options),
        Command::Size(options) => size::size(&options),
        Command::Bench(options) => bench::bench(&options),
        Command::BenchCache(options) => bench_cache::bench(&options),
        Command::BenchApp(options) => bench_app::bench(&options),
        Command::FormatsTable(options) => formats_table::table(&options),
        Command::LlamaCpp(options) => llama_cpp::check(&options),
        Command::FetchModel => model::fetch().map(|path| println!("{}", path.display())),
    }
}
