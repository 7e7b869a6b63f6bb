//! `cargo xtask bench`: Smidgen in Chromium, beside other engines and native llama.cpp when asked.

use crate::browsers::Browser;
use crate::demo::{self, driven};
use crate::fingerprint::{Fingerprint, unless_done};
use crate::flavours::{self, FLAVOURS, Flavour};
use crate::process::{announce, capture, find, run};
use crate::server::{Mount, Server};
use crate::{build, formats_table, model, project, tools};
use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

#[derive(Args)]
pub struct Options {
    /// Formats of the demo model [default: q4_1]; those it does not come in are made by `smidgen quantize` and kept
    #[arg(long, value_delimiter = ',')]
    formats: Vec<String>,
    /// Lengths of the prompt: prefill is measured over them, decode after them
    #[arg(long, value_delimiter = ',', default_value = "32,512")]
    prompt_tokens: Vec<u32>,
    /// Further lengths
    #[arg(long, value_delimiter = ',')]
    context: Vec<u32>,
    /// Tokens to generate
    #[arg(long, default_value_t = 64)]
    tokens: u32,
    /// Numbers of threads
    #[arg(long, value_delimiter = ',', default_value = "1")]
    threads: Vec<u32>,
    /// Instruction sets
    #[arg(long, value_delimiter = ',', default_value = "relaxed,simd128", value_parser = ["relaxed", "simd128"])]
    flavours: Vec<String>,
    /// Engines to measure beside Smidgen, fetched with npm
    #[arg(long, value_delimiter = ',')]
    vs: Vec<Peer>,
    /// Also native llama.cpp, where `llama-bench` is on PATH
    #[arg(long)]
    native: bool,
    /// Interleaved repetitions
    #[arg(long, default_value_t = 5)]
    repetitions: u32,
    /// Single kernels instead of whole engines: every format (or those of --formats), packing too, beside what the
    /// machine can do at best
    #[arg(long)]
    kernels: bool,
    /// Perplexity, KL divergence and agreement with f32 instead of speed, one JSON object a line
    #[arg(long)]
    fidelity: bool,
    /// Embeddings by an encoder, all-MiniLM-L6-v2 in q8_0, beside transformers.js on the same in int8
    #[arg(long, conflicts_with = "kernels")]
    encoder: bool,
    /// Every architecture: its difference from the reference, memory, speed natively and in a tab, and steps over growing
    /// contexts
    #[arg(long, conflicts_with_all = ["kernels", "encoder"])]
    families: bool,
    /// Time to the first words of a conversation's turns, and of one that was kept and is taken up by a new browser;
    /// --prompt-tokens: lengths of the system message
    #[arg(long, conflicts_with_all = ["kernels", "encoder", "families"])]
    sessions: bool,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
    /// Keep the result under this name in tests/bench/record/, with a chart
    #[arg(long, value_name = "NAME")]
    record: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Peer {
    /// wllama 2.3.1, the last with SIMD kernels
    Wllama2,
    /// wllama 3.8.1
    Wllama3,
    /// transformers.js 4.3.1 on the same weights as ONNX int8, made once
    Transformersjs,
}

impl Peer {
    /// The adapter in tests/bench/page/engines/.
    fn name(self) -> &'static str {
        match self {
            Self::Wllama2 => "wllama2",
            Self::Wllama3 => "wllama3",
            Self::Transformersjs => "transformersjs",
        }
    }
}

pub fn bench(options: &Options) -> Result<()> {
    if options.kernels {
        return kernels(options);
    }
    if options.fidelity {
        let formats = match options.formats.as_slice() {
            [] => &["q4_1".to_owned()],
            formats => formats,
        };
        return formats_table::fidelity(formats, &options.flavours);
    }
    if options.families {
        return families(options);
    }
    if options.encoder {
        return encoder(options);
    }
    if options.sessions {
        return sessions(options);
    }
    build::build(&build::Options {
        flavours: flavours(options),
        no_www: true,
        ..Default::default()
    })?;
    tools::npm_packages(&project::e2e())?;
    let bench = project::root().join("tests/bench");
    if !options.vs.is_empty() {
        tools::npm_packages(&bench)?;
    }
    let demo_model = model::fetch()?;
    let mut models = Vec::new();
    let default = ["q4_1".to_owned()];
    let formats = match options.formats.as_slice() {
        [] => default.as_slice(),
        formats => formats,
    };
    for format in formats {
        let path = in_format(&demo_model, format)?;
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        models.push(json!({
            "format": format,
            "url": format!("/models/{name}"),
            "path": path,
            "bytes": path.metadata()?.len(),
        }));
    }
    let onnx = match options.vs.contains(&Peer::Transformersjs) {
        true => Some(onnx_export(&demo_model)?),
        false => None,
    };
    let llama_bench = match options.native {
        true => {
            Some(find("llama-bench").context("--native needs llama.cpp's `llama-bench` on PATH")?)
        }
        false => None,
    };
    let mut prompts = [options.prompt_tokens.as_slice(), options.context.as_slice()].concat();
    prompts.sort_unstable();
    prompts.dedup();

    let records = bench.join("record");
    let record = options
        .record
        .as_ref()
        .map(|name| records.join(format!("{name}.jsonl")));
    std::fs::create_dir_all(&records)?;
    let server = Server::start(0, mounts(&bench))?;
    let plan = json!({
        "address": server.address(),
        "browser": driven(Browser::Chromium)?,
        "models": models,
        "prompts": prompts,
        "tokens": options.tokens,
        "threads": options.threads,
        "flavours": options.flavours,
        "peers": options.vs.iter().map(|peer| peer.name()).collect::<Vec<_>>(),
        "repetitions": options.repetitions,
        "record": record,
        "onnx": onnx,
        "llamaBench": llama_bench,
        "json": options.json,
    });
    announce("Measuring; leave the machine alone meanwhile");
    let mut node = tools::node()?;
    let status = node
        .arg(bench.join("bench.mjs"))
        .arg(plan.to_string())
        .stdin(Stdio::null())
        .status()?;
    if !status.success() {
        bail!("not everything could be measured");
    }
    if let Some(record) = record {
        let chart = record.with_extension("svg");
        let mut plot = tools::node()?;
        plot.arg(bench.join("plot.mjs")).arg(&record).arg(&chart);
        run(&format!("Drawing {}", project::shown(&chart)), &mut plot)?;
    }
    Ok(())
}

/// Every kernel by itself, in the flavours without threads.
fn kernels(options: &Options) -> Result<()> {
    let bindgen = tools::wasm_bindgen()?;
    tools::wasm_target()?;
    tools::npm_packages(&project::e2e())?;
    let bench = project::root().join("tests/bench");
    let built = build::target_directory().join("kernels");
    let mut builds = Vec::new();
    for flavour in flavours(options).iter().filter(|flavour| !flavour.threads) {
        let module = build::compile_example("kernels", flavour)?;
        let folder = built.join(flavour.name);
        build::bind_as("kernels", &bindgen, &module, &folder, &[])?;
        builds.push(json!({
            "flavour": flavour.name,
            "folder": format!("/kernels/{}", flavour.name),
        }));
    }
    let mounts = vec![
        Mount {
            prefix: "/side/",
            directory: bench.join("page"),
        },
        Mount {
            prefix: "/kernels/",
            directory: built,
        },
    ];
    let records = bench.join("record");
    std::fs::create_dir_all(&records)?;
    let record = options
        .record
        .as_ref()
        .map(|name| records.join(format!("{name}.jsonl")));
    let server = Server::start(0, mounts)?;
    let plan = json!({
        "address": server.address(),
        "browser": driven(Browser::Chromium)?,
        "builds": builds,
        "formats": options.formats,
        "json": options.json,
        "record": record,
    });
    measured(&bench.join("kernels.mjs"), &plan)
}

/// Every architecture's small model, natively and in a tab.
fn families(options: &Options) -> Result<()> {
    let kind = options.flavours.first().map_or("relaxed", String::as_str);
    let named = |flavour: &Flavour| flavour.name == format!("{kind}-folders");
    let flavour = flavours::all().find(named).context("no such flavour")?;
    build::build(&build::Options {
        flavours: vec![flavour],
        no_www: true,
        ..Default::default()
    })?;
    tools::npm_packages(&project::e2e())?;
    let bench = project::root().join("tests/bench");
    let folder = build::target_directory().join("families");
    std::fs::create_dir_all(&folder)?;
    let mut cargo = tools::cargo();
    cargo.args(["run", "--quiet", "--release", "--example", "families", "--"]);
    announce("Measuring natively; leave the machine alone meanwhile");
    let said = capture(cargo.arg(&folder))?;
    let results = folder.join("results.jsonl");
    std::fs::write(&results, said)?;
    let mut mounts = mounts(&bench);
    mounts.insert(
        0,
        Mount {
            prefix: "/families/",
            directory: folder,
        },
    );
    let server = Server::start(0, mounts)?;
    let record = |end: &str| {
        let name = options.record.as_ref()?;
        Some(bench.join("record").join(format!("{name}.{end}")))
    };
    let plan = json!({
        "address": server.address(),
        "browser": driven(Browser::Chromium)?,
        "results": results,
        "flavour": flavour.name,
        "json": options.json,
        "table": record("md"),
        "chart": record("svg"),
    });
    measured(&bench.join("families.mjs"), &plan)
}

/// Embeddings, by ourselves and by transformers.js.
fn encoder(options: &Options) -> Result<()> {
    let flavours = built_for_one_thread(options)?;
    let bench = project::root().join("tests/bench");
    tools::npm_packages(&bench)?;
    let model = model::reader_in("q8_0")?;
    model::fetch_reader_onnx()?;
    let server = Server::start(0, mounts(&bench))?;
    let name = model.file_name().unwrap_or_default().to_string_lossy();
    let record = options.record.as_ref();
    let plan = json!({
        "address": server.address(),
        "browser": driven(Browser::Chromium)?,
        "model": format!("/models/{name}"),
        "onnx": format!("/models/{}", model::READER_ONNX),
        "flavours": flavours,
        "repetitions": options.repetitions,
        "json": options.json,
        "record": record.map(|name| bench.join("record").join(format!("{name}.jsonl"))),
    });
    measured(&bench.join("encoder.mjs"), &plan)
}

/// Builds the flavours without threads that are to be measured, and names them.
fn built_for_one_thread(options: &Options) -> Result<Vec<&'static str>> {
    let mut flavours = flavours(options);
    flavours.retain(|flavour| !flavour.threads);
    build::build(&build::Options {
        flavours: flavours.clone(),
        no_www: true,
        ..Default::default()
    })?;
    tools::npm_packages(&project::e2e())?;
    Ok(flavours.iter().map(|flavour| flavour.name).collect())
}

/// Turns of a conversation, and one that is taken up.
fn sessions(options: &Options) -> Result<()> {
    let flavours = built_for_one_thread(options)?;
    let bench = project::root().join("tests/bench");
    let model = model::fetch()?;
    let server = Server::start(0, mounts(&bench))?;
    let name = model.file_name().unwrap_or_default().to_string_lossy();
    let record = options.record.as_ref();
    let plan = json!({
        "address": server.address(),
        "browser": driven(Browser::Chromium)?,
        "model": format!("/models/{name}"),
        "flavours": flavours,
        "prompts": options.prompt_tokens,
        "repetitions": options.repetitions,
        "json": options.json,
        "record": record.map(|name| bench.join("record").join(format!("{name}.jsonl"))),
    });
    measured(&bench.join("sessions.mjs"), &plan)
}

/// Runs a script that measures what `plan` says.
fn measured(script: &Path, plan: &serde_json::Value) -> Result<()> {
    announce("Measuring; leave the machine alone meanwhile");
    let mut node = tools::node()?;
    node.arg(script).arg(plan.to_string());
    if !node.stdin(Stdio::null()).status()?.success() {
        bail!("not everything could be measured");
    }
    Ok(())
}

/// What pages that measure engines side by side load: themselves, the peers, and all that the demo serves.
fn mounts(bench: &Path) -> Vec<Mount> {
    let mut mounts = vec![
        Mount {
            prefix: "/side/",
            directory: bench.join("page"),
        },
        Mount {
            prefix: "/nm/",
            directory: bench.join("node_modules"),
        },
    ];
    mounts.extend(demo::mounts(&model::directory()));
    mounts
}

/// The flavours to be measured: every instruction set with one thread, with several, or both, as asked.
fn flavours(options: &Options) -> Vec<Flavour> {
    let wanted = |flavour: &Flavour| {
        let kind = if flavour.relaxed {
            "relaxed"
        } else {
            "simd128"
        };
        options.flavours.iter().any(|name| name == kind)
            && options
                .threads
                .iter()
                .any(|&threads| (threads > 1) == flavour.threads)
    };
    FLAVOURS.into_iter().filter(wanted).collect()
}

/// The demo model in `format`, from the cache or made now.
pub fn in_format(demo_model: &Path, format: &str) -> Result<PathBuf> {
    if !format
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || c == '_')
    {
        bail!("{format:?} is not the name of a format");
    }
    if model::FILE
        .to_lowercase()
        .contains(&format!(".{}.", format.to_lowercase()))
    {
        return Ok(demo_model.to_owned());
    }
    let name = model::FILE.replace("Q4_1", &format.to_uppercase());
    model::quantised(demo_model, &model::directory().join(name), format)
}

/// Address of the demo model as transformers.js wants it. The Python packages that this takes stay in the cache.
fn onnx_export(demo_model: &Path) -> Result<&'static str> {
    let folder = model::directory().join("onnx-q8");
    let scripts = project::root().join("tests/bench/onnx");
    let inputs = Fingerprint::new("onnx").tree(&scripts, &[])?;
    unless_done("onnx", inputs, &[folder.join("config.json")], || {
        let bin = tools::python_environment(&project::cache().join("python"))?;
        let mut install = Command::new(bin.join("python"));
        install
            .args(["-m", "pip", "install", "--quiet", "-r"])
            .arg(scripts.join("requirements.txt"));
        run("Installing the ONNX packages", &mut install)?;
        let mut export = Command::new(bin.join("python"));
        run(
            "Exporting to ONNX",
            export
                .arg(scripts.join("export.py"))
                .arg(demo_model)
                .arg(&folder),
        )
    })?;
    Ok("/models/onnx-q8")
}
