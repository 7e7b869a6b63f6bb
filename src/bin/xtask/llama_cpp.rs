//! `cargo xtask llama-cpp`: our files read by llama.cpp, and its files and vocabularies read here.
//!
//! llama.cpp comes as the source that a Python package carries, and is built once; without it nothing is checked, which
//! is said.

use crate::packages::{self, Source};
use crate::process::{announce, capture, find, run};
use crate::{model, project, tools};
use anyhow::{Context, Result, bail};
use clap::Args;
use std::path::PathBuf;
use std::process::Command;

#[derive(Args)]
pub struct Options {
    /// Build llama.cpp where it is missing: 77 MB and some minutes
    #[arg(long)]
    build: bool,
}

const PACKAGE: &str = "llama-cpp-python==0.3.36";
const ARCHIVE_SHA256: &str = "832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e";
const PROGRAMS: [&str; 5] = [
    "llama-perplexity",
    "llama-completion",
    "llama-quantize",
    "llama-gguf-split",
    "llama-bench",
];

/// What is needed of it.
pub struct LlamaCpp {
    /// The folder of its programs.
    pub programs: PathBuf,
    /// The folder of its vocabularies, which only its source has.
    pub vocabularies: Option<PathBuf>,
}

fn home() -> PathBuf {
    project::cache().join("llama.cpp")
}

/// llama.cpp as this command built it, else as it is on PATH.
pub fn present() -> Option<LlamaCpp> {
    let vocabularies = source().map(|source| source.join("models")).ok();
    let built = home().join("build/bin");
    let on_path = || find(PROGRAMS[0]).and_then(|path| Some(path.parent()?.to_owned()));
    let all = |folder: &PathBuf| {
        let file = |program| folder.join(format!("{program}{}", std::env::consts::EXE_SUFFIX));
        PROGRAMS.iter().all(|program| file(program).is_file())
    };
    let programs = [Some(built), on_path()].into_iter().flatten().find(all)?;
    Some(LlamaCpp {
        programs,
        vocabularies: vocabularies.filter(|folder| folder.is_dir()),
    })
}

impl LlamaCpp {
    /// Names what is there for the tests in `tests/rust/llama_cpp.rs`.
    pub fn name_in(&self, command: &mut Command) {
        command.env("SMIDGEN_LLAMA_CPP", &self.programs);
        if let Some(vocabularies) = &self.vocabularies {
            command.env("SMIDGEN_LLAMA_VOCABS", vocabularies);
        }
    }
}

pub fn check(options: &Options) -> Result<()> {
    if options.build && present().is_none() {
        build()?;
    }
    let Some(llama) = present() else {
        announce("Skipped: llama.cpp is not here; `cargo xtask llama-cpp --build` builds it");
        return Ok(());
    };
    let mut cargo = tools::cargo();
    cargo.args([
        "test",
        "--release",
        "--features",
        "cli",
        "--test",
        "llama_cpp",
    ]);
    cargo.args(["--", "--nocapture", "--test-threads=1"]);
    cargo.env("SMIDGEN_MODEL", model::fetch()?);
    llama.name_in(&mut cargo);
    run("Files of both engines in both", &mut cargo)
}

/// The folder of the unpacked source.
fn source() -> Result<PathBuf> {
    let unpacked = home().join("source");
    let entries = std::fs::read_dir(&unpacked).with_context(|| project::shown(&unpacked))?;
    let found = entries
        .filter_map(|entry| Some(entry.ok()?.path().join("vendor/llama.cpp")))
        .find(|path| path.is_dir());
    found.with_context(|| format!("{} holds no llama.cpp", project::shown(&unpacked)))
}

fn build() -> Result<()> {
    if source().is_err() {
        packages::unpack(
            Source::Sdist(PACKAGE),
            ARCHIVE_SHA256,
            &home().join("source"),
            "llama.cpp (77 MB)",
        )?;
    }
    let bin = tools::python_environment(&home().join("python"))?;
    let mut pip = Command::new(bin.join("python"));
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "cmake==4.4.4",
        "ninja==1.13.2",
    ]);
    run("Installing cmake and ninja", &mut pip)?;
    let folder = home().join("build");
    let mut cmake = Command::new(bin.join("cmake"));
    cmake.arg("-S").arg(source()?).arg("-B").arg(&folder);
    cmake.args([
        "-G",
        "Ninja",
        "-DCMAKE_BUILD_TYPE=Release",
        "-DBUILD_SHARED_LIBS=OFF",
    ]);
    cmake.arg(format!(
        "-DCMAKE_MAKE_PROGRAM={}",
        bin.join("ninja").display()
    ));
    for off in [
        "CURL",
        "OPENSSL",
        "BUILD_SERVER",
        "BUILD_TESTS",
        "BUILD_EXAMPLES",
        "BUILD_APP",
    ] {
        cmake.arg(format!("-DLLAMA_{off}=OFF"));
    }
    run("Configuring llama.cpp", &mut cmake)?;
    let mut cmake = Command::new(bin.join("cmake"));
    cmake
        .arg("--build")
        .arg(&folder)
        .arg("--target")
        .args(PROGRAMS);
    run("Building llama.cpp", &mut cmake)?;
    let version = capture(Command::new(folder.join("bin/llama-perplexity")).arg("--version"));
    if let Err(error) = version {
        bail!("what was built does not run: {error}");
    }
    Ok(())
}
