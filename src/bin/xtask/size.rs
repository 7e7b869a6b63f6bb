//! `cargo xtask size`: what a page downloads for a plain chat, and which crates the wasm's bytes come from.

use crate::fingerprint::files;
use crate::flavours::{FLAVOURS, FOLDER_FLAVOURS, Flavour};
use crate::{build, project, tools, wasm_file};
use anyhow::{Context, Result};
use clap::Args;
use serde_json::json;
use std::io::Write;
use std::path::{Path, PathBuf};

#[derive(Args)]
pub struct Options {
    /// One JSON object a line
    #[arg(long)]
    json: bool,
    /// Flavour whose crates are listed
    #[arg(long, default_value = "relaxed")]
    crates: Flavour,
    /// How many crates are listed
    #[arg(long, default_value_t = 20)]
    rows: usize,
}

#[derive(Clone, Copy, Default)]
struct Size {
    raw: usize,
    gzip: usize,
    brotli: usize,
}

impl std::ops::Add for Size {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            raw: self.raw + other.raw,
            gzip: self.gzip + other.gzip,
            brotli: self.brotli + other.brotli,
        }
    }
}

pub fn size(options: &Options) -> Result<()> {
    build::build(&build::Options {
        flavours: Vec::new(),
        no_www: true,
        ..Default::default()
    })?;
    let mut rows = Vec::new();
    let mut scripts = Size::default();
    for path in scripts_of_package()? {
        let size = measure(&path)?;
        scripts = scripts + size;
        rows.push((project::shown(&path), size));
    }
    for flavour in FLAVOURS {
        let directory = build::flavour_directory(&flavour);
        let glue = measure(&directory.join("smidgen.js"))?;
        let wasm = measure(&directory.join("smidgen_bg.wasm"))?;
        rows.push((format!("{flavour}: wasm"), wasm));
        rows.push((format!("{flavour}: glue"), glue));
        rows.push((
            format!("{flavour}: all a chat downloads"),
            wasm + glue + scripts,
        ));
    }
    for flavour in FOLDER_FLAVOURS {
        let wasm = build::flavour_directory(&flavour).join("smidgen_bg.wasm");
        rows.push((format!("{flavour}: wasm"), measure(&wasm)?));
    }
    print_sizes(&rows, options.json);
    print_crates(options)
}

/// The package's JavaScript, every file of it: an upper bound of what one page loads.
fn scripts_of_package() -> Result<Vec<PathBuf>> {
    let mut scripts = files(&project::pkg().join("dist"), &["wasm"])?;
    scripts.retain(|path| path.extension().is_some_and(|extension| extension == "js"));
    // Façades that are entry points of their own, and what only Node loads: a plain chat loads none of them.
    let others = [
        "ai-sdk.js",
        "catalogue.js",
        "prompt-api.js",
        "node.js",
        "node-worker.js",
    ];
    scripts.retain(|path| !others.iter().any(|name| path.ends_with(name)));
    Ok(scripts)
}

fn measure(path: &Path) -> Result<Size> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(&bytes)?;
    let mut packed = Vec::new();
    let parameters = brotli::enc::BrotliEncoderParams {
        quality: 11,
        lgwin: 22,
        ..Default::default()
    };
    brotli::BrotliCompress(&mut bytes.as_slice(), &mut packed, &parameters)?;
    Ok(Size {
        raw: bytes.len(),
        gzip: gzip.finish()?.len(),
        brotli: packed.len(),
    })
}

fn print_sizes(rows: &[(String, Size)], json: bool) {
    if json {
        for (name, Size { raw, gzip, brotli }) in rows {
            println!(
                "{}",
                json!({ "file": name, "raw": raw, "gzip": gzip, "brotli": brotli })
            );
        }
        return;
    }
    println!(
        "{:<44} {:>10} {:>10} {:>10}",
        "bytes", "raw", "gzip -9", "brotli 11"
    );
    for (name, Size { raw, gzip, brotli }) in rows {
        println!("{name:<44} {raw:>10} {gzip:>10} {brotli:>10}");
    }
}

fn print_crates(options: &Options) -> Result<()> {
    let flavour = options.crates;
    let bindgen = tools::wasm_bindgen()?;
    let directory = build::target_directory().join("size").join(flavour.name);
    build::bind(&bindgen, &build::compile(&flavour)?, &directory, &[])?;
    let bytes = std::fs::read(directory.join("smidgen_bg.wasm"))?;
    let crates = wasm_file::code_by_crate(&bytes)?;
    if options.json {
        for (name, bytes) in crates {
            println!(
                "{}",
                json!({ "flavour": flavour.name, "crate": name, "bytes": bytes })
            );
        }
        return Ok(());
    }
    println!("\n{flavour} by crate (raw bytes; generic code counts for the crate that wrote it)");
    for (name, bytes) in crates.iter().take(options.rows) {
        println!("{name:<44} {bytes:>10}");
    }
    let rest: u64 = crates
        .iter()
        .skip(options.rows)
        .map(|(_, bytes)| bytes)
        .sum();
    println!("{:<44} {rest:>10}", "others");
    Ok(())
}
