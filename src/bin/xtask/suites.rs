//! `cargo xtask test`: every suite that continuous integration runs, each installing what it needs.

use crate::browsers::{self, Browser};
use crate::flavours::{FLAVOURS, STD_ARGUMENTS};
use crate::process::{announce, capture, run, tee};
use crate::{build, demo, fingerprint, llama_cpp, model, project, tokenizers, tools};
use anyhow::{Context, Result, bail};
use clap::Args;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

#[derive(Args)]
pub struct Options {
    /// The suites to run; all of them otherwise
    suites: Vec<String>,
    /// Name the suites and stop
    #[arg(long)]
    list: bool,
    /// Also what takes long: other browsers, longer fuzzing (SMIDGEN_FULL=1 for the tests)
    #[arg(long)]
    full: bool,
    /// Of the browser tests only the files whose name holds this: `app --only screens --full`
    #[arg(long)]
    only: Option<String>,
}

struct Suite {
    name: &'static str,
    about: &'static str,
    run: fn(&Options) -> Result<()>,
}

const SUITES: [Suite; 13] = [
    Suite {
        name: "fmt",
        about: "rustfmt and prettier would change nothing",
        run: fmt,
    },
    Suite {
        name: "rooms",
        about: "the import table and the other rules of src/README.md hold",
        run: rooms,
    },
    Suite {
        name: "clippy",
        about: "no warnings, natively and in every flavour",
        run: clippy,
    },
    Suite {
        name: "native",
        about: "Rust tests on this machine, with the demo model, but those of the next two suites",
        run: native,
    },
    Suite {
        name: "formats",
        about: "files, quantisation, tokenizers, templates and fidelity, against the references",
        run: formats,
    },
    Suite {
        name: "families",
        about: "every architecture against the reference implementations, and a real encoder",
        run: families,
    },
    Suite {
        name: "wasm",
        about: "Rust tests in headless Chromium, in every flavour",
        run: wasm,
    },
    Suite {
        name: "types",
        about: "TypeScript of the package and the app, and references made of types without a warning",
        run: types,
    },
    Suite {
        name: "js",
        about: "JavaScript tests of the package without a browser",
        run: js,
    },
    Suite {
        name: "e2e",
        about: "the package and the demo in Chromium, on- and offline",
        run: e2e,
    },
    Suite {
        name: "app",
        about: "the app: chat, documents, models, every screen in light and dark, offline",
        run: app,
    },
    Suite {
        name: "clients",
        about: "the openai client, the AI SDK and the Prompt API over the package in Chromium",
        run: clients,
    },
    Suite {
        name: "cache-faults",
        about: "the weight cache while servers, tabs and workers fail at random",
        run: cache_faults,
    },
];

/// Test targets of the suite `families`.
const FAMILIES: [&str; 3] = ["encoder_decoder", "families", "reader"];

/// So many files of browser tests may fail and are run once more; when more fail, it is no accident.
const MOST_TRIED_AGAIN: usize = 3;

/// The Rust test target that runs in browsers.
const WASM_TEST: &str = "kernels";

pub fn test(options: &Options) -> Result<()> {
    if options.list {
        for suite in SUITES {
            println!("{:<8} {}", suite.name, suite.about);
        }
        return Ok(());
    }
    let mut chosen = Vec::new();
    for name in &options.suites {
        match SUITES.iter().find(|suite| suite.name == name) {
            Some(suite) => chosen.push(suite),
            None => bail!("there is no suite {name}; see cargo xtask test --list"),
        }
    }
    if options.suites.is_empty() {
        chosen.extend(&SUITES);
    }
    let mut rows = Vec::new();
    for suite in chosen {
        announce(&format!("Suite {}: {}", suite.name, suite.about));
        let start = Instant::now();
        let outcome = (suite.run)(options);
        if let Err(error) = &outcome {
            eprintln!("✗ {}: {error:#}", suite.name);
        }
        rows.push((suite.name, start.elapsed(), outcome));
    }
    let failed = rows
        .iter()
        .filter(|(_, _, outcome)| outcome.is_err())
        .count();
    println!("\n{:<8} {:>8}  result", "suite", "seconds");
    for (name, time, outcome) in &rows {
        let result = match outcome {
            Ok(()) => "passed".to_owned(),
            Err(error) => format!("FAILED: {error}"),
        };
        println!("{name:<8} {:>8.1}  {result}", time.as_secs_f64());
    }
    println!("{} passed, {failed} failed", rows.len() - failed);
    if failed > 0 {
        bail!("not all suites passed");
    }
    Ok(())
}

fn fmt(_: &Options) -> Result<()> {
    tools::rust_component("rustfmt", &["fmt", "--version"])?;
    run("rustfmt", tools::cargo().args(["fmt", "--all", "--check"]))?;
    tools::npm_packages(&project::e2e())?;
    let mut prettier = tools::node()?;
    prettier.current_dir(project::root());
    prettier.arg(project::e2e().join("node_modules/prettier/bin/prettier.cjs"));
    prettier.args(["--check", "--no-error-on-unmatched-pattern"]);
    prettier.args(
        ["src/js", "pkg", "www", "tests", "examples"]
            .map(|folder| format!("{folder}/**/*.{{js,mjs,ts,tsx,css,html}}")),
    );
    run("prettier", &mut prettier)
}

fn rooms(_: &Options) -> Result<()> {
    own_tests("Rules", &["--test", "rooms"])
}

fn clippy(_: &Options) -> Result<()> {
    tools::rust_component("clippy", &["clippy", "--version"])?;
    let deny = ["--", "-D", "warnings"];
    let mut native = tools::cargo();
    run(
        "clippy, native",
        native
            .args([
                "clippy",
                "--quiet",
                "--workspace",
                "--all-targets",
                "--all-features",
            ])
            .args(deny),
    )?;
    for flavour in FLAVOURS {
        tools::wasm_target()?;
        let mut cargo = tools::cargo();
        cargo.args([
            "clippy",
            "--quiet",
            "--lib",
            "--test",
            WASM_TEST,
            "--target",
            "wasm32-unknown-unknown",
        ]);
        cargo.args(STD_ARGUMENTS).args(deny);
        build::flavoured(&mut cargo, &flavour);
        run(&format!("clippy, {flavour}"), &mut cargo)?;
    }
    let mut cargo = tools::cargo();
    cargo.args(["clippy", "--quiet", "--lib"]);
    cargo.args(["--target", "wasm32-unknown-unknown"]);
    cargo
        .args(STD_ARGUMENTS)
        .args(build::GRAMMAR_ARGUMENTS)
        .args(deny);
    build::flavoured(&mut cargo, &FLAVOURS[0]);
    run("clippy, grammar", &mut cargo)
}

/// The test targets of the suite `formats`.
const FORMATS: [&str; 13] = [
    "chat",
    "chat_real",
    "fidelity",
    "gguf",
    "hostile",
    "kernels",
    "llama_cpp",
    "quant",
    "quantise",
    "safetensors",
    "tokenizer",
    "tokenizer_families",
    "tokenizer_world",
];

fn native(options: &Options) -> Result<()> {
    let mut others = test_targets()?;
    others.retain(|name| {
        ![&FORMATS[..], &FAMILIES[..]]
            .concat()
            .contains(&name.as_str())
    });
    let others = others.iter().map(String::as_str);
    let mut cargo = native_tests(others, options)?;
    cargo.args(["--workspace", "--lib", "--bins"]);
    counted("Native tests", &mut cargo, 2)?;
    own_tests("Tests of xtask", &["--bin", "xtask"])
}

fn families(options: &Options) -> Result<()> {
    let mut cargo = native_tests(FAMILIES.into_iter(), options)?;
    cargo.env("SMIDGEN_READER", model::fetch_reader()?);
    counted("Tests of families", &mut cargo, 5)?;
    build::build(&build::Options {
        no_www: true,
        ..Default::default()
    })?;
    let mut tests = end_to_end_tests()?;
    tests.retain(|path| room(path) == Room::Families);
    browser_tests("Families in wasm", tests, options)
}

fn formats(options: &Options) -> Result<()> {
    let mut cargo = native_tests(FORMATS.into_iter(), options)?;
    cargo.env("SMIDGEN_TOKENIZERS", tokenizers::fetch(options.full)?);
    // Minutes, and only where somebody has built it.
    match llama_cpp::present().filter(|_| options.full) {
        Some(llama) => llama.name_in(&mut cargo),
        None => announce("Skipped: llama.cpp; `cargo xtask llama-cpp` checks against it"),
    }
    counted("Tests of formats", &mut cargo, FORMATS.len() as u64)?;
    build::build(&build::Options {
        no_www: true,
        ..Default::default()
    })?;
    let mut tests = end_to_end_tests()?;
    tests.retain(|path| room(path) == Room::Formats);
    browser_tests("Formats in the browser", tests, options)
}

/// Cargo about to run the named test targets with the demo model.
fn native_tests<'n>(targets: impl Iterator<Item = &'n str>, options: &Options) -> Result<Command> {
    let mut cargo = tools::cargo();
    cargo
        .args(["test", "--release", "--features", "cli", "--no-fail-fast"])
        .env("SMIDGEN_MODEL", model::fetch()?);
    for target in targets {
        cargo.args(["--test", target]);
    }
    full(&mut cargo, options);
    Ok(cargo)
}

/// The names of all test targets, as Cargo knows them.
fn test_targets() -> Result<Vec<String>> {
    let said = capture(tools::cargo().args(["metadata", "--no-deps", "--format-version", "1"]))?;
    let metadata: serde_json::Value = serde_json::from_str(&said)?;
    let packages = metadata["packages"].as_array();
    let targets = packages
        .into_iter()
        .flatten()
        .filter_map(|package| package["targets"].as_array());
    let tests = targets
        .flatten()
        .filter(|target| target["kind"][0] == "test");
    let names: Vec<String> = tests
        .filter_map(|target| Some(target["name"].as_str()?.to_owned()))
        .collect();
    if names.is_empty() {
        bail!("cargo metadata names no test");
    }
    Ok(names)
}

/// Rust tests that use nothing of the library, in the profile that has compiled us: nothing more to build.
/// With the very features of `.cargo/config.toml`: with others this program would be built anew in place of the running one.
fn own_tests(step: &str, arguments: &[&str]) -> Result<()> {
    let mut cargo = tools::cargo();
    cargo
        .args([
            "test",
            "--profile",
            "xtask",
            "--no-default-features",
            "--features",
            "xtask,native",
        ])
        .args(arguments);
    counted(step, &mut cargo, 1)
}

fn wasm(options: &Options) -> Result<()> {
    let driver = browsers::chromedriver()?;
    Browser::Chromium.executable()?;
    let bindgen = tools::wasm_bindgen()?;
    let pack = tools::wasm_pack()?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths([bindgen].into_iter().chain(std::env::split_paths(&path)))?;
    for flavour in FLAVOURS {
        tools::wasm_target()?;
        let mut tests = Command::new(pack.join("wasm-pack"));
        tests
            .current_dir(project::root())
            .env("PATH", &path)
            .env("CHROMEDRIVER", &driver);
        tests.args(["test", "--headless", "--chrome", "--mode", "no-install"]);
        // The profile that ships, so that the very code that ships is tested; and no native test (see Cargo.toml).
        tests
            .args([
                "--",
                "--profile",
                "wasm",
                "--no-default-features",
                "--features",
                "engine",
                "--test",
                WASM_TEST,
            ])
            .args(STD_ARGUMENTS);
        build::flavoured(&mut tests, &flavour);
        full(&mut tests, options);
        counted(&format!("wasm tests, {flavour}"), &mut tests, 1)?;
    }
    Ok(())
}

fn types(_: &Options) -> Result<()> {
    // The app is checked against the package's built declarations.
    build::build(&build::Options {
        flavours: vec![FLAVOURS[0]],
        no_www: true,
        ..Default::default()
    })?;
    let (pkg, www) = (project::pkg(), project::www());
    run(
        "Types of pkg and its tests",
        tools::npm(&pkg).args(["run", "--silent", "check"]),
    )?;
    tools::npm_packages(&www)?;
    let tsc = www.join("node_modules/typescript/bin/tsc");
    run(
        "Types of www",
        tools::node()?.current_dir(&www).arg(tsc).arg("--noEmit"),
    )?;
    let reference = pkg.join("reference");
    tools::npm_packages(&reference)?;
    run(
        "API reference",
        tools::npm(&reference).args(["run", "--silent", "check"]),
    )?;
    let mut rustdoc = tools::cargo();
    rustdoc.env("RUSTDOCFLAGS", "-D warnings");
    run(
        "rustdoc",
        rustdoc.args(["doc", "--quiet", "--workspace", "--no-deps", "--lib"]),
    )
}

fn js(options: &Options) -> Result<()> {
    let pkg = project::pkg();
    tools::npm_packages(&pkg)?;
    let mut npm = tools::npm(&pkg);
    full(&mut npm, options);
    run("JavaScript tests", npm.args(["test"]))
}

fn e2e(options: &Options) -> Result<()> {
    build::build(&build::Options::default())?;
    let mut tests = end_to_end_tests()?;
    tests.retain(|path| room(path) == Room::EndToEnd);
    browser_tests("End-to-end tests", tests, options)
}

fn app(options: &Options) -> Result<()> {
    build::build(&build::Options::default())?;
    let mut tests = end_to_end_tests()?;
    tests.retain(|path| room(path) == Room::App);
    if options.full {
        tools::npm_packages(&project::e2e().join("lighthouse"))?;
    }
    browser_tests("The app", tests, options)
}

fn clients(options: &Options) -> Result<()> {
    build::build(&build::Options {
        no_www: true,
        ..Default::default()
    })?;
    let mut tests = end_to_end_tests()?;
    tests.retain(|path| room(path) == Room::Clients);
    browser_tests("Other people's clients", tests, options)
}

fn cache_faults(options: &Options) -> Result<()> {
    build::build(&build::Options {
        no_www: true,
        ..Default::default()
    })?;
    let mut tests = end_to_end_tests()?;
    tests.retain(|path| room(path) == Room::CacheFaults);
    browser_tests("Faults of the weight cache", tests, options)
}

/// The suite that a file of tests/e2e belongs to.
#[derive(PartialEq)]
enum Room {
    EndToEnd,
    App,
    CacheFaults,
    Formats,
    Families,
    Clients,
}

fn room(path: &Path) -> Room {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    match name.split('.').next() {
        Some("cache-faults") => Room::CacheFaults,
        Some("fidelity" | "formats") => Room::Formats,
        Some("families") => Room::Families,
        Some("clients") => Room::Clients,
        Some("app") => Room::App,
        _ => Room::EndToEnd,
    }
}

fn browser_tests(step: &str, mut tests: Vec<PathBuf>, options: &Options) -> Result<()> {
    if let Some(only) = &options.only {
        tests.retain(|path| {
            path.file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .contains(only)
        });
        if tests.is_empty() {
            bail!("{step}: no file's name holds {only}");
        }
    }
    tools::npm_packages(&project::e2e())?;
    let model = model::fetch()?;
    let app = tests.iter().any(|path| room(path) == Room::App);
    let encoder = app.then(model::fetch_encoder).transpose()?;
    let browser = demo::driven(Browser::Chromium)?;
    let browsers = match options.full {
        true => serde_json::json!([
            browser,
            demo::driven(Browser::Firefox)?,
            demo::driven(Browser::Webkit)?
        ]),
        false => serde_json::json!([browser]),
    };
    tests.sort();
    let node = |path: &Path| -> Result<Command> {
        let mut node = tools::node()?;
        node.current_dir(project::e2e()).arg("--test").arg(path);
        node.env("SMIDGEN_MODEL", &model)
            .env("SMIDGEN_BROWSERS", browsers.to_string());
        if let Some(encoder) = &encoder {
            node.env("SMIDGEN_ENCODER", encoder);
        }
        node.env("SMIDGEN_CHROMIUM", Browser::Chromium.executable()?);
        // The tests start and stop the very server of `cargo xtask demo`.
        node.env(
            "SMIDGEN_XTASK",
            std::env::current_exe().context("cannot tell the path of this program")?,
        );
        full(&mut node, options);
        Ok(node)
    };
    let name = |path: &Path| {
        let name = path.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    };
    let mut failed = Vec::new();
    for path in &tests {
        if run(&format!("{step}: {}", name(path)), &mut node(path)?).is_err() {
            failed.push(path);
        }
    }
    let names = |paths: &[&PathBuf]| {
        let names: Vec<String> = paths.iter().map(|path| name(path)).collect();
        names.join(", ")
    };
    if failed.len() > MOST_TRIED_AGAIN {
        bail!("{step}: failed in {}", names(&failed));
    }
    // A browser on a loaded machine can fail for reasons of its own; a fault of ours fails again.
    let first = names(&failed);
    let mut twice = Vec::new();
    for path in failed {
        let step = format!("{step}: {}, once more", name(path));
        if run(&step, &mut node(path)?).is_err() {
            twice.push(path);
        }
    }
    if !twice.is_empty() {
        bail!("{step}: failed twice in {}", names(&twice));
    }
    if !first.is_empty() {
        announce(&format!("{step}: PASSED ONLY AT THE SECOND TRY: {first}"));
    }
    Ok(())
}

/// The files directly in tests/e2e; what lies deeper is what they import.
fn end_to_end_tests() -> Result<Vec<PathBuf>> {
    let mut tests = fingerprint::files(&project::e2e(), &["node_modules", "drive"])?;
    tests.retain(|path| {
        path.parent() == Some(&project::e2e())
            && path.extension().is_some_and(|extension| extension == "mjs")
    });
    if tests.is_empty() {
        bail!("there are no tests in tests/e2e");
    }
    Ok(tests)
}

fn full(command: &mut Command, options: &Options) {
    if options.full {
        command.env("SMIDGEN_FULL", "1");
    }
}

/// Runs Rust tests and fails if fewer than `at_least` ran: a suite that the runner skips in silence passes otherwise.
fn counted(step: &str, command: &mut Command, at_least: u64) -> Result<()> {
    let (success, said) = tee(step, command)?;
    let passed = count_passed(&said);
    if !success {
        bail!("{step}: a test failed or did not compile");
    }
    if passed < at_least {
        bail!("{step}: {passed} tests ran, at least {at_least} should");
    }
    announce(&format!("{step}: {passed} passed"));
    Ok(())
}

/// The sum over lines like "test result: ok. 5 passed; 0 failed".
fn count_passed(said: &str) -> u64 {
    said.lines()
        .filter_map(|line| line.split_once("test result: ")?.1.split_once(" passed"))
        .filter_map(|(before, _)| before.rsplit(' ').next()?.parse::<u64>().ok())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passed_tests_are_summed() {
        let said = "running 2 tests\ntest result: ok. 2 passed; 0 failed; 0 ignored\nnoise 7 passed\n\
                    test result: FAILED. 3 passed; 1 failed\n";
        assert_eq!(count_passed(said), 5);
        assert_eq!(count_passed("no tests to run!"), 0);
    }
}
