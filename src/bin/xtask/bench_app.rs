//! `cargo xtask bench-app`: the chat page on a processor as slow as a cheap phone's, online for the first time and offline for the second.

use crate::browsers::Browser;
use crate::demo::driven;
use crate::process::announce;
use crate::{build, model, project, tools};
use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::json;
use std::process::Stdio;

#[derive(Args)]
pub struct Options {
    /// How much of one core all processes of the browser get together; 0 for the whole processor
    #[arg(long, default_value_t = 0.25)]
    cores: f64,
    /// Browser to measure in
    #[arg(long, value_enum, default_value = "chromium")]
    browser: Browser,
    /// Fresh profiles to visit with, one after the other
    #[arg(long, default_value_t = 3)]
    repetitions: u32,
    /// Seconds after which a step counts as never done
    #[arg(long, default_value_t = 600)]
    patience: u32,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

pub fn bench(options: &Options) -> Result<()> {
    if options.browser == Browser::Webkit && options.cores > 0.0 {
        bail!(
            "WebKit starts its own processes and cannot be held back: choose another browser, or --cores 0"
        );
    }
    build::build(&build::Options::default())?;
    tools::npm_packages(&project::e2e())?;
    let model = model::fetch()?;
    let plan = json!({
        "browser": driven(options.browser)?,
        "cores": options.cores,
        "models": model.parent().context("the demo model lies in a folder")?,
        "repetitions": options.repetitions,
        "patienceSeconds": options.patience,
        "json": options.json,
    });
    announce("Measuring; leave the machine alone meanwhile");
    let mut node = tools::node()?;
    let status = node
        .arg(project::root().join("tests/bench/app.mjs"))
        .arg(plan.to_string())
        .env("SMIDGEN_XTASK", std::env::current_exe()?)
        .stdin(Stdio::null())
        .status()?;
    if !status.success() {
        bail!("not everything could be measured");
    }
    Ok(())
}
