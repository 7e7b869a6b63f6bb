//! `cargo xtask formats-table`: what each format keeps of the demo model, measured and written into the documentation.
//!
//! Perplexity, KL and agreement are those of a flavour in Chromium over 8,493 tokens, against the f32 computation of
//! the demo file. Errors of rounding alone come from `smidgen errors`. Speed is taken from a record of
//! `cargo xtask bench`, which wants the machine for itself.

use crate::browsers::Browser;
use crate::process::{announce, capture, run};
use crate::{bench, build, model, project, tools};
use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

#[derive(Args)]
pub struct Options {
    /// Formats to measure; every one that `smidgen quantize` makes otherwise
    #[arg(long, value_delimiter = ',')]
    formats: Vec<String>,
    /// Instruction set
    #[arg(long, default_value = "relaxed", value_parser = ["relaxed", "simd128"])]
    flavour: String,
    /// Measure nothing: write the tables from what is recorded
    #[arg(long)]
    render: bool,
    /// Forget what is recorded of the formats to be measured
    #[arg(long)]
    again: bool,
}

/// Windows of 512 tokens, of which 447 count.
const WINDOWS: u32 = 19;
/// From large to small; what `--type` calls them.
const FORMATS: [&str; 18] = [
    "f16", "bf16", "q8_0", "q6_k", "q5_k_m", "q5_1", "q5_0", "auto", "q4_k_m", "q4_k_s", "q4_1",
    "q4_0", "iq4_nl", "iq4_xs", "q3_k_m", "q2_k", "tq2_0", "tq1_0",
];
/// The table of `src/README.md` stands between these.
const MARKS: [&str; 2] = ["<!-- formats-table -->", "<!-- /formats-table -->"];
const SPEED: &str = "formats-speed";

fn records() -> PathBuf {
    project::root().join("tests/bench/record")
}

pub fn table(options: &Options) -> Result<()> {
    let all = FORMATS.map(String::from);
    let formats = match options.formats.as_slice() {
        [] => all.as_slice(),
        formats => formats,
    };
    if !options.render {
        measure(options, formats)?;
    }
    render(&options.flavour)
}

fn measure(options: &Options, formats: &[String]) -> Result<()> {
    let demo_model = model::fetch()?;
    std::fs::create_dir_all(records())?;
    announce("Rounding rows");
    let mut errors = tools::cargo();
    errors.args(["run", "--quiet", "--release", "--features", "cli"]);
    errors.args(["--bin", "smidgen", "--", "errors", "--json"]);
    let errors = capture(errors.arg(&demo_model))?;
    std::fs::write(records().join("format-errors.jsonl"), errors)?;
    let record = records().join("formats.jsonl");
    if options.again {
        let kept: Vec<String> = rows("formats")?
            .iter()
            .filter(|row| !formats.iter().any(|f| row["format"] == f.as_str()))
            .map(Value::to_string)
            .collect();
        std::fs::write(
            &record,
            kept.iter().map(|l| format!("{l}\n")).collect::<String>(),
        )?;
    }
    let mut node = measuring(formats, &options.flavour, Some(record))?;
    run("Measuring", &mut node)
}

/// `cargo xtask bench --fidelity`: prints one JSON object for each format and flavour.
pub fn fidelity(formats: &[String], flavours: &[String]) -> Result<()> {
    for flavour in flavours {
        let mut node = measuring(formats, flavour, None)?;
        if !node.stdin(Stdio::null()).status()?.success() {
            bail!("not everything could be measured");
        }
    }
    Ok(())
}

/// The script about to measure, with all that it needs there.
fn measuring(formats: &[String], flavour: &str, record: Option<PathBuf>) -> Result<Command> {
    build::build(&build::Options {
        no_www: true,
        ..Default::default()
    })?;
    tools::npm_packages(&project::e2e())?;
    let demo_model = model::fetch()?;
    let mut models = Vec::new();
    for format in formats {
        let path = bench::in_format(&demo_model, format)?;
        models.push(json!({ "format": format, "path": path }));
    }
    let plan = json!({
        "flavour": flavour, "windows": WINDOWS, "record": record, "models": models,
    });
    let mut node = tools::node()?;
    node.current_dir(project::e2e())
        .arg("fidelity/table.mjs")
        .arg(plan.to_string());
    node.env("SMIDGEN_MODEL", &demo_model);
    node.env("SMIDGEN_CHROMIUM", Browser::Chromium.executable()?);
    Ok(node)
}

/// The lines of a record; none where it is missing.
fn rows(name: &str) -> Result<Vec<Value>> {
    let path = records().join(format!("{name}.jsonl"));
    let Ok(text) = std::fs::read_to_string(&path) else {
        return Ok(Vec::new());
    };
    text.lines()
        .map(|line| serde_json::from_str(line).with_context(|| project::shown(&path)))
        .collect()
}

fn render(flavour: &str) -> Result<()> {
    let (fidelity, errors, speed) = (rows("formats")?, rows("format-errors")?, rows(SPEED)?);
    let mut table = String::from(
        "| format | bits per weight | round trip | dot | perplexity | KL | top-1 | decode tok/s | prefill tok/s |\n\
         |---|--:|--:|--:|--:|--:|--:|--:|--:|\n",
    );
    let number = |value: &Value, digits: usize| match value.as_f64() {
        Some(value) => format!("{value:.digits$}"),
        None => "–".to_owned(),
    };
    let percent = |value: &Value, digits: usize| match value.as_f64() {
        Some(value) => format!("{:.digits$} %", 100.0 * value),
        None => "–".to_owned(),
    };
    let mut reference = Value::Null;
    let mut found = 0;
    for format in FORMATS {
        let row = |row: &&Value| row["format"] == format && row["flavour"] == flavour;
        let Some(row) = fidelity.iter().find(row) else {
            continue;
        };
        found += 1;
        reference = row["referencePerplexity"].clone();
        let base = format.trim_end_matches("_m").trim_end_matches("_s");
        let rounding = errors.iter().find(|row| row["format"] == base);
        let rounding = rounding.unwrap_or(&Value::Null);
        let timed = |longest: bool| {
            let runs = speed.iter().filter(|row| {
                row["engine"] == "smidgen" && row["format"] == format && row["flavour"] == flavour
            });
            let length = |row: &&Value| row["prompt_tokens"].as_u64();
            if longest {
                runs.max_by_key(length)
            } else {
                runs.min_by_key(length)
            }
        };
        let [decode, prefill] =
            [(false, "decode_tps"), (true, "prefill_tps")].map(|(longest, key)| {
                timed(longest).map_or(Value::Null, |row| row[key]["median"].clone())
            });
        let bits = row["bytes"].as_f64().zip(row["parameters"].as_f64());
        writeln!(
            table,
            "| {format} | {} | {} | {} | {} | {} | {} | {} | {} |",
            number(&json!(bits.map(|(bytes, n)| 8.0 * bytes / n)), 2),
            percent(&rounding["roundTrip"], 2),
            percent(&rounding["dot"], 2),
            number(&row["perplexity"], 3),
            number(&row["kl"], 5),
            percent(&row["top1"], 2),
            number(&decode, 1),
            number(&prefill, 1),
        )?;
    }
    if found == 0 {
        bail!("nothing is recorded for {flavour}; run this without --render");
    }
    let tokens = u64::from(WINDOWS) * 447;
    let text = format!(
        "{}\nThe demo file rounded again to each format, in the flavour {flavour}, over {tokens} tokens of English: \
         perplexity (the demo file computed in f32: {}), mean KL divergence from that computation, how often both \
         think the same token likeliest; bits per weight of the whole file. Round trip and dot are errors of the \
         plain format, relative to the root mean square, over the embedding, which the demo file holds in q8_0.\n\n{table}{}",
        MARKS[0],
        number(&reference, 3),
        MARKS[1],
    );
    let path = project::root().join("src/README.md");
    let readme = std::fs::read_to_string(&path)?;
    let parts = readme
        .split_once(MARKS[0])
        .and_then(|(before, rest)| Some((before, rest.split_once(MARKS[1])?.1)));
    let Some((before, behind)) = parts else {
        bail!("src/README.md has lost the marks {}", MARKS.join(" … "));
    };
    std::fs::write(&path, format!("{before}{text}{behind}"))?;
    println!("{table}");
    if speed.is_empty() {
        println!(
            "No speed yet: cargo xtask bench --flavours {flavour} --repetitions 3 --record {SPEED} --formats {}",
            FORMATS.join(",")
        );
    }
    Ok(())
}
