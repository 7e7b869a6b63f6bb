//! The tools that building needs, each found, installed, or named in an error that says how to get it.

use crate::fingerprint::{Fingerprint, unless_done};
use crate::process::{capture, find, run};
use crate::project;
use anyhow::{Context, Result, anyhow, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

const WASM_TARGET: &str = "wasm32-unknown-unknown";
const OLDEST_NODE: u32 = 20;

/// Cargo of the toolchain that runs us.
pub fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(project::root());
    cargo
}

/// The wasm target and the sources of std: rustup adds what is missing.
pub fn wasm_target() -> Result<()> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let printed = capture(
        Command::new(rustc)
            .current_dir(project::root())
            .args(["--print", "sysroot"]),
    )?;
    let rustlib = PathBuf::from(printed.trim()).join("lib/rustlib");
    if !rustlib.join(WASM_TARGET).join("lib").is_dir() {
        let mut add = rustup("target");
        run("Adding the wasm target", add.args(["add", WASM_TARGET]))?;
    }
    if !rustlib.join("src/rust/library/std").is_dir() {
        let mut add = rustup("component");
        run("Adding the sources of std", add.args(["add", "rust-src"]))?;
    }
    Ok(())
}

/// rustfmt and clippy, where the toolchain came without them.
pub fn rust_component(name: &str, probe: &[&str]) -> Result<()> {
    if capture(cargo().args(probe)).is_ok() {
        return Ok(());
    }
    run(
        &format!("Adding {name}"),
        rustup("component").args(["add", name]),
    )
}

fn rustup(what: &str) -> Command {
    let mut rustup = Command::new("rustup");
    rustup.current_dir(project::root()).arg(what);
    rustup
}

/// The directory with wasm-bindgen and its test runner, of exactly the version that Cargo.lock holds: the two halves
/// of its interface do not match across versions.
pub fn wasm_bindgen() -> Result<PathBuf> {
    let version = locked_version("wasm-bindgen")?;
    let wanted = format!("wasm-bindgen {version}");
    installed("wasm-bindgen-cli", "wasm-bindgen", &version, |binary| {
        capture(Command::new(binary).arg("--version")).is_ok_and(|said| said.starts_with(&wanted))
    })
}

/// The directory with wasm-pack, which runs the wasm tests.
pub fn wasm_pack() -> Result<PathBuf> {
    installed("wasm-pack", "wasm-pack", "0.15.1", |binary| {
        capture(Command::new(binary).arg("--version")).is_ok()
    })
}

/// The directory of `binary`, from .cache/tools or PATH if `fits`, else installed with cargo. Not --locked: the lock
/// file of an old release can name withdrawn versions.
fn installed(
    package: &str,
    binary: &str,
    version: &str,
    fits: impl Fn(&Path) -> bool,
) -> Result<PathBuf> {
    let tools = project::cache().join("tools");
    let own = tools
        .join("bin")
        .join(format!("{binary}{}", std::env::consts::EXE_SUFFIX));
    for path in [own.is_file().then(|| own.clone()), find(binary)]
        .into_iter()
        .flatten()
    {
        if fits(&path) {
            return Ok(path.parent().unwrap_or(Path::new(".")).to_owned());
        }
    }
    let step = format!(
        "Installing {package} {version} into {}",
        project::shown(&tools)
    );
    let mut install = cargo();
    install
        .args(["install", "--quiet", "--force", "--root"])
        .arg(&tools);
    install.args([package, "--version", version]);
    // These tools run for seconds and are compiled once: half the compile time is worth more than their speed.
    install
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1")
        .env("CARGO_PROFILE_RELEASE_LTO", "off");
    install
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_TARGET_DIR");
    run(&step, &mut install)?;
    if !fits(&own) {
        bail!(
            "{} was installed, but is not {package} {version}",
            own.display()
        );
    }
    Ok(own.parent().unwrap_or(Path::new(".")).to_owned())
}

/// The version of a dependency in Cargo.lock.
pub fn locked_version(package: &str) -> Result<String> {
    let lock = std::fs::read_to_string(project::root().join("Cargo.lock"))
        .context("cannot read Cargo.lock")?;
    let entry = format!("name = \"{package}\"\nversion = \"");
    lock.split_once(&entry)
        .and_then(|(_, rest)| rest.split_once('"'))
        .map(|(version, _)| version.to_owned())
        .ok_or_else(|| anyhow!("Cargo.lock does not hold {package}"))
}

/// Node, at least of the oldest version that the build tools run on.
pub fn node() -> Result<Command> {
    let said = capture(Command::new("node").arg("--version"))
        .context("Node.js is needed (https://nodejs.org, version 20 or newer)")?;
    let major = said
        .trim()
        .trim_start_matches('v')
        .split('.')
        .next()
        .and_then(|major| major.parse::<u32>().ok());
    match major {
        Some(major) if major >= OLDEST_NODE => Ok(Command::new("node")),
        _ => bail!(
            "Node.js {} is too old: version {OLDEST_NODE} or newer is needed (https://nodejs.org)",
            said.trim()
        ),
    }
}

pub fn npm(directory: &Path) -> Command {
    let mut npm = Command::new(if cfg!(windows) { "npm.cmd" } else { "npm" });
    npm.current_dir(directory);
    npm
}

/// The npm packages that `directory`'s lock file names, without running their install scripts.
pub fn npm_packages(directory: &Path) -> Result<bool> {
    let name = project::shown(directory);
    let fingerprint = Fingerprint::new("npm")
        .tree(&directory.join("package.json"), &[])?
        .tree(&directory.join("package-lock.json"), &[])?;
    unless_done(
        &format!("npm {name}"),
        fingerprint,
        &[directory.join("node_modules")],
        || {
            node()?;
            let step = format!("Installing npm packages of {name}");
            run(
                &step,
                npm(directory).args([
                    "ci",
                    "--ignore-scripts",
                    "--no-audit",
                    "--no-fund",
                    "--loglevel=error",
                ]),
            )
        },
    )
}

/// A Python environment in `folder`, made if need be; gives the folder of its programs.
pub fn python_environment(folder: &Path) -> Result<PathBuf> {
    let mut venv = Command::new(python()?);
    run(
        "Making a Python environment",
        venv.args(["-m", "venv"]).arg(folder),
    )?;
    Ok(folder.join(if cfg!(windows) { "Scripts" } else { "bin" }))
}

/// A Python that has pip.
pub fn python() -> Result<&'static str> {
    ["python3", "python"]
        .into_iter()
        .find(|python| capture(Command::new(python).args(["-m", "pip", "--version"])).is_ok())
        .context("Python with pip is needed to fetch the demo model (https://www.python.org; `python3 -m ensurepip`)")
}
