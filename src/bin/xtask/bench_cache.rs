//! `cargo xtask bench-cache`: what keeping a model costs its download, and how soon a second visit answers, per browser and storage back end.

use crate::browsers::Browser;
use crate::demo::driven;
use crate::flavours::FLAVOURS;
use crate::process::announce;
use crate::{build, model, project, tools};
use anyhow::{Result, bail};
use clap::Args;
use serde_json::json;
use std::process::Stdio;

#[derive(Args)]
pub struct Options {
    /// Browsers to measure in
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "chromium,firefox,webkit"
    )]
    browsers: Vec<Browser>,
    /// Storage back ends; one that a browser does not have is left out there
    #[arg(long, value_delimiter = ',', default_value = "opfs,indexeddb", value_parser = ["opfs", "indexeddb"])]
    storages: Vec<String>,
    /// Megabytes a second that the server sends; 0 is as fast as it goes
    #[arg(long, default_value_t = 200)]
    rate: u32,
    /// Interleaved repetitions
    #[arg(long, default_value_t = 7)]
    repetitions: u32,
    /// What each step of storing and reading costs alone, instead of whole visits
    #[arg(long)]
    steps: bool,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

pub fn bench(options: &Options) -> Result<()> {
    // A page without threads takes one of these.
    let flavours = FLAVOURS.into_iter().filter(|flavour| !flavour.threads);
    build::build(&build::Options {
        flavours: flavours.collect(),
        no_www: true,
        ..Default::default()
    })?;
    tools::npm_packages(&project::e2e())?;
    let browsers = options
        .browsers
        .iter()
        .map(|&browser| driven(browser))
        .collect::<Result<Vec<_>>>()?;
    let plan = json!({
        "browsers": browsers,
        "storages": options.storages,
        "model": model::fetch()?,
        "pkg": project::pkg().join("dist"),
        "megabytesPerSecond": options.rate,
        "repetitions": options.repetitions,
        "steps": options.steps,
        "json": options.json,
    });
    announce("Measuring; leave the machine alone meanwhile");
    let mut node = tools::node()?;
    let status = node
        .arg(project::root().join("tests/bench/cache.mjs"))
        .arg(plan.to_string())
        .stdin(Stdio::null())
        .status()?;
    if !status.success() {
        bail!("not everything could be measured");
    }
    Ok(())
}
