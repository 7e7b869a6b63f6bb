//! `cargo xtask build`: JavaScript of pkg/, each wasm flavour into pkg/dist/wasm/, then the app in www/.

use crate::fingerprint::{Fingerprint, files, unless_done};
use crate::flavours::{self, FLAVOURS, Flavour, STD_ARGUMENTS};
use crate::process::{announce, run};
use crate::{notices, project, tools, wasm_file};
use anyhow::{Context, Result};
use clap::Args;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Folders of an npm package that are made, not written.
const MADE: [&str; 5] = ["dist", "dist-tests", "node_modules", "dev-dist", "LICENSE"];

/// Arguments for cargo that make the library the grammar module.
pub const GRAMMAR_ARGUMENTS: [&str; 3] = ["--no-default-features", "--features", "grammar"];

#[derive(Args, Default)]
pub struct Options {
    /// Build only this flavour (may be repeated); all of them otherwise
    #[arg(long = "flavour")]
    pub flavours: Vec<Flavour>,
    /// Leave the app (www/) out
    #[arg(long)]
    pub no_www: bool,
    /// Build the grammar module also where single flavours are named
    #[arg(long)]
    pub grammar: bool,
}

pub fn build(options: &Options) -> Result<()> {
    let flavours = if options.flavours.is_empty() {
        flavours::all().collect()
    } else {
        options.flavours.clone()
    };
    let mut worked = build_package()?;
    for flavour in &flavours {
        worked |= build_flavour(flavour)?;
    }
    if options.grammar || options.flavours.is_empty() {
        worked |= build_grammar()?;
    }
    if !options.no_www {
        worked |= build_app()?;
    }
    if !worked {
        announce("Everything is up to date");
    }
    Ok(())
}

/// Where a flavour's JavaScript and wasm come to lie.
pub fn flavour_directory(flavour: &Flavour) -> PathBuf {
    project::pkg().join("dist/wasm").join(flavour.name)
}

fn build_flavour(flavour: &Flavour) -> Result<bool> {
    let directory = flavour_directory(flavour);
    let wasm = directory.join("smidgen_bg.wasm");
    let outputs = [wasm.clone(), directory.join("smidgen.js")];
    let fingerprint = rust_sources(&format!("wasm {flavour}"))?
        .text(&flavour.rustflags())
        .text(&STD_ARGUMENTS.join(" "))
        .text(&flavour.features().join(" "));
    unless_done(&format!("wasm {flavour}"), fingerprint, &outputs, || {
        tools::wasm_target()?;
        let bindgen = tools::wasm_bindgen()?;
        let module = compile(flavour)?;
        bind(
            &bindgen,
            &module,
            &directory,
            &["--remove-name-section", "--remove-producers-section"],
        )?;
        wasm_file::check(&wasm, flavour)
    })
}

/// The module of grammar masks: one for all flavours, single-threaded, with a memory of its own.
fn build_grammar() -> Result<bool> {
    let flavour = &FLAVOURS[0];
    let directory = project::pkg().join("dist/wasm/grammar");
    let wasm = directory.join("smidgen_bg.wasm");
    let outputs = [wasm.clone(), directory.join("smidgen.js")];
    let fingerprint = rust_sources("wasm grammar")?
        .text(&flavour.rustflags())
        .text(&GRAMMAR_ARGUMENTS.join(" "));
    unless_done("wasm grammar", fingerprint, &outputs, || {
        tools::wasm_target()?;
        let bindgen = tools::wasm_bindgen()?;
        let module = compile_as("grammar", flavour, &GRAMMAR_ARGUMENTS)?;
        bind(
            &bindgen,
            &module,
            &directory,
            &["--remove-name-section", "--remove-producers-section"],
        )
    })
}

/// Compiles the library for a flavour and returns the path of the module, function names still in it.
pub fn compile(flavour: &Flavour) -> Result<PathBuf> {
    compile_as(flavour.name, flavour, flavour.features())
}

/// The same for an example.
pub fn compile_example(example: &str, flavour: &Flavour) -> Result<PathBuf> {
    cargo_build(
        &format!("{example}, {flavour}"),
        flavour,
        &["--example", example],
    )?;
    let folder = wasm_target_directory().join("wasm32-unknown-unknown/wasm/examples");
    Ok(folder.join(format!("{example}.wasm")))
}

fn compile_as(name: &str, flavour: &Flavour, arguments: &[&str]) -> Result<PathBuf> {
    cargo_build(name, flavour, &[&["--lib"], arguments].concat())?;
    // Another flavour compiles to the same place, so that they share build scripts and macros.
    let module = wasm_target_directory().join("wasm32-unknown-unknown/wasm/smidgen.wasm");
    let aside = module.with_file_name(format!("smidgen-{name}.wasm"));
    std::fs::copy(&module, &aside).with_context(|| format!("cannot copy {}", module.display()))?;
    Ok(aside)
}

fn cargo_build(name: &str, flavour: &Flavour, arguments: &[&str]) -> Result<()> {
    let mut cargo = tools::cargo();
    cargo.args(["build", "--profile", "wasm"]);
    cargo.args(["--target", "wasm32-unknown-unknown"]);
    cargo.args(STD_ARGUMENTS).args(arguments);
    flavoured(&mut cargo, flavour);
    run(&format!("Compiling {name}"), &mut cargo)
}

/// RUSTC_BOOTSTRAP counts as another compiler: in the folder of native builds they would rebuild each other's macros.
fn wasm_target_directory() -> PathBuf {
    target_directory().join("wasm")
}

/// Sets the environment that makes cargo compile for this flavour.
pub fn flavoured(cargo: &mut Command, flavour: &Flavour) {
    cargo
        .env("CARGO_ENCODED_RUSTFLAGS", flavour.rustflags())
        .env("CARGO_TARGET_DIR", wasm_target_directory())
        // -Z build-std on the pinned stable toolchain.
        .env("RUSTC_BOOTSTRAP", "1")
        .env_remove("RUSTFLAGS");
}

/// JavaScript glue and the final module, from what the compiler left.
pub fn bind(bindgen: &Path, module: &Path, directory: &Path, arguments: &[&str]) -> Result<()> {
    bind_as("smidgen", bindgen, module, directory, arguments)
}

/// [`bind`], with files called `name`.
pub fn bind_as(
    name: &str,
    bindgen: &Path,
    module: &Path,
    directory: &Path,
    arguments: &[&str],
) -> Result<()> {
    let mut command = Command::new(bindgen.join("wasm-bindgen"));
    command
        .args(["--target", "web", "--out-name", name, "--out-dir"])
        .arg(directory);
    command.args(arguments).arg(module);
    run(
        &format!("Binding {}", project::shown(directory)),
        &mut command,
    )
}

pub fn target_directory() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| project::root().join("target"), PathBuf::from)
}

/// The Rust that ends up in a wasm module, with what decides how it is compiled.
pub fn rust_sources(step: &str) -> Result<Fingerprint> {
    let root = project::root();
    let mut fingerprint = Fingerprint::new(step);
    for file in ["Cargo.toml", "Cargo.lock", "rust-toolchain.toml"] {
        fingerprint = fingerprint.tree(&root.join(file), &[])?;
    }
    let crates = files(&root.join("crates"), &[])?;
    for file in files(&root.join("src"), &["bin", "js"])?
        .into_iter()
        .chain(crates)
    {
        if file.extension().is_some_and(|extension| extension == "rs") {
            fingerprint = fingerprint.tree(&file, &[])?;
        }
    }
    Ok(fingerprint)
}

fn build_package() -> Result<bool> {
    let pkg = project::pkg();
    let installed = tools::npm_packages(&pkg)?;
    let fingerprint = Fingerprint::new("pkg")
        .tree(&pkg, &MADE)?
        .tree(&project::root().join("src/js"), &[])?
        .tree(&project::root().join("Cargo.lock"), &[])?
        .tree(&project::root().join("LICENSE"), &[])?;
    let outputs = ["dist/index.js", "LICENSE", notices::FILE].map(|name| pkg.join(name));
    let built = unless_done("pkg", fingerprint, &outputs, || {
        run(
            "Building pkg",
            tools::npm(&pkg).args(["run", "--silent", "build"]),
        )?;
        notices::write()
    })?;
    Ok(installed || built)
}

fn build_app() -> Result<bool> {
    let www = project::www();
    let installed = tools::npm_packages(&www)?;
    let fingerprint = Fingerprint::new("www")
        .tree(&www, &MADE)?
        .tree(&project::pkg().join("package.json"), &[])?
        .tree(&project::pkg().join("dist"), &[])?;
    let built = unless_done("www", fingerprint, &[www.join("dist/index.html")], || {
        run(
            "Building www",
            tools::npm(&www).args(["run", "--silent", "build"]),
        )
    })?;
    Ok(installed || built)
}

/// Fails with what to run when something that should be built is not there.
pub fn require(path: &Path) -> Result<()> {
    path.metadata().map(drop).with_context(|| {
        format!(
            "{} is not built: run `cargo xtask build`",
            project::shown(path)
        )
    })
}
