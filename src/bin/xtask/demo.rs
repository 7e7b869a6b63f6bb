//! `cargo xtask demo` and `serve`: the built app on localhost, or one answer from a headless browser.

use crate::browsers::{self, Browser};
use crate::flavours::Flavour;
use crate::process::announce;
use crate::server::{Mount, Server};
use crate::{build, model, project, tools};
use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// Fixed, so that what a browser has stored for the app is found again on the next start.
const PORT: u16 = 8470;

#[derive(Args)]
pub struct Options {
    /// Ask this in a headless browser, print the answer as it streams and then the speed
    #[arg(long)]
    prompt: Option<String>,
    /// With --prompt: print one JSON object instead
    #[arg(long, requires = "prompt")]
    json: bool,
    /// With --prompt: the browser
    #[arg(long, value_enum, default_value = "chromium")]
    browser: Browser,
    /// With --prompt: this flavour rather than the best that the browser runs (and build no other)
    #[arg(long)]
    flavour: Option<Flavour>,
    /// With --prompt: threads of the engine
    #[arg(long)]
    threads: Option<u32>,
    /// With --prompt: the most tokens to generate
    #[arg(long, default_value_t = 256)]
    max_tokens: u32,
    /// With --prompt: seed of the sampler
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// With --prompt: 0 picks the likeliest token every time
    #[arg(long, default_value_t = 0.0)]
    temperature: f64,
    /// A GGUF file or its address, rather than the demo model
    #[arg(long, value_name = "PATH_OR_URL")]
    model: Option<String>,
    /// The port on localhost; any free one with --prompt
    #[arg(long)]
    port: Option<u16>,
}

#[derive(Args)]
pub struct ServeOptions {
    /// The port on localhost; 0 takes any free one
    #[arg(long, default_value_t = PORT)]
    port: u16,
    /// Folder with model files, served below /models/
    #[arg(long)]
    models: Option<PathBuf>,
}

/// A model as the page sees it.
struct Model {
    /// Served below /models/.
    directory: PathBuf,
    /// Address, relative to the page's origin where the model is a file here.
    url: String,
}

pub fn demo(options: &Options) -> Result<()> {
    // With a prompt the app is not on the screen; and no flavour but the one named is loaded.
    let flavours = options.flavour.into_iter().collect();
    build::build(&build::Options {
        flavours,
        no_www: options.prompt.is_some(),
        ..Default::default()
    })?;
    let model = choose_model(options.model.as_deref())?;
    let port = options
        .port
        .unwrap_or(if options.prompt.is_some() { 0 } else { PORT });
    let server = Server::start(port, mounts(&model.directory))?;
    match &options.prompt {
        Some(prompt) => chat(options, prompt, &model, &server),
        None => {
            let query = match options.model {
                Some(_) => format!("?model={}", percent_encode(&model.url)),
                None => String::new(),
            };
            println!("{}/{query}", server.address());
            announce("Serving until it is stopped (Ctrl-C)");
            wait()
        }
    }
}

pub fn serve(options: &ServeOptions) -> Result<()> {
    let models = options.models.clone().unwrap_or_else(model::directory);
    build::require(&project::pkg().join("dist/index.js"))?;
    build::require(&project::www().join("dist/index.html"))?;
    let server = Server::start(options.port, mounts(&models))?;
    println!("{}/", server.address());
    wait()
}

fn wait() -> ! {
    loop {
        std::thread::park();
    }
}

/// The app at the root, models beside it, and for pages without the app the package by itself.
pub fn mounts(models: &Path) -> Vec<Mount> {
    let mount = |prefix, directory| Mount { prefix, directory };
    vec![
        mount("/models/", models.to_owned()),
        mount("/pkg/", project::pkg().join("dist")),
        mount("/bench/", project::e2e().join("drive/page")),
        mount("/", project::www().join("dist")),
    ]
}

fn choose_model(given: Option<&str>) -> Result<Model> {
    let path = match given {
        Some(url) if url.starts_with("http://") || url.starts_with("https://") => {
            return Ok(Model {
                directory: model::directory(),
                url: url.to_owned(),
            });
        }
        Some(path) => PathBuf::from(path)
            .canonicalize()
            .with_context(|| format!("--model {path}"))?,
        None => model::fetch()?,
    };
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
        bail!("--model {} is not a file", path.display());
    };
    let url = format!("/models/{}", percent_encode(&name.to_string_lossy()));
    Ok(Model {
        directory: directory.to_owned(),
        url,
    })
}

fn chat(options: &Options, prompt: &str, model: &Model, server: &Server) -> Result<()> {
    let mut run = json!({
        "prompt": prompt,
        "model": model.url,
        "maxTokens": options.max_tokens,
        "seed": options.seed,
        "temperature": options.temperature,
    });
    if let Some(flavour) = options.flavour {
        run["flavour"] = Value::from(flavour.name);
    }
    if let Some(threads) = options.threads {
        run["threads"] = Value::from(threads);
    }
    let drive = json!({
        "browser": driven(options.browser)?,
        "address": server.address(),
        "json": options.json,
        "run": run,
    });
    tools::npm_packages(&project::e2e())?;
    let mut node = tools::node()?;
    node.arg(project::e2e().join("drive/chat.mjs"))
        .arg(drive.to_string())
        .stdin(Stdio::null());
    announce(&format!("Asking in {}", options.browser.name()));
    let status = node.status().context("cannot start node")?;
    if !status.success() {
        bail!("the browser gave no answer");
    }
    Ok(())
}

/// What tests/e2e/drive needs to know of a browser.
pub fn driven(browser: Browser) -> Result<Value> {
    Ok(json!({
        "name": browser.name(),
        "executable": browser.executable()?,
        "sandbox": !browsers::without_sandbox(),
    }))
}

/// For one component of a path or a query.
fn percent_encode(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                (byte as char).to_string()
            }
            byte => format!("%{byte:02X}"),
        })
        .collect()
}
