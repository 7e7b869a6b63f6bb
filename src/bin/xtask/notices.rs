//! The licences of everything that is compiled into the package, for whoever passes it on: dist/THIRD-PARTY.txt.

use crate::process::capture;
use crate::{project, tools};
use anyhow::{Context, Result, bail};
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

pub const FILE: &str = "dist/THIRD-PARTY.txt";

/// npm packages that are bundled into the JavaScript.
const BUNDLED: [&str; 1] = ["@noble/hashes"];

/// One package and its licence.
struct Notice {
    name: String,
    licence: String,
    text: String,
}

pub fn write() -> Result<()> {
    let mut notices = crates()?;
    let modules = project::pkg().join("node_modules");
    for name in BUNDLED {
        notices.push(npm_package(name, &modules.join(name))?);
    }
    // Many have the very same text.
    let mut by_text: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for Notice {
        name,
        licence,
        text,
    } in &notices
    {
        let named = format!("{name} ({licence})");
        by_text.entry(text).or_default().push(named);
    }
    let mut out = String::from(
        "The package contains these works of others, and parts of Rust's standard library (MIT OR Apache-2.0).\n",
    );
    for (text, names) in by_text {
        let rule = "-".repeat(80);
        out += &format!("\n{rule}\n{}\n\n{text}\n", names.join("\n"));
    }
    let path = project::pkg().join(FILE);
    std::fs::write(&path, out).with_context(|| format!("cannot write {}", path.display()))
}

/// The crates that the wasm modules are made of, the grammar module among them.
fn crates() -> Result<Vec<Notice>> {
    let said = capture(tools::cargo().args([
        "metadata",
        "--format-version=1",
        "--locked",
        "--filter-platform=wasm32-unknown-unknown",
        "--features=grammar",
    ]))?;
    let metadata: Json = serde_json::from_str(&said)?;
    let list = |value: &Json| value.as_array().cloned().unwrap_or_default();
    let nodes = list(&metadata["resolve"]["nodes"]);
    let root = metadata["resolve"]["root"].as_str().unwrap_or_default();
    let (mut seen, mut next) = (BTreeSet::new(), vec![root.to_owned()]);
    while let Some(id) = next.pop() {
        if !seen.insert(id.clone()) {
            continue;
        }
        let node = nodes.iter().find(|node| node["id"] == id.as_str());
        for dependency in node.map_or_else(Vec::new, |node| list(&node["deps"])) {
            // Neither for tests nor for build scripts.
            let mut kinds = list(&dependency["dep_kinds"]).into_iter();
            if kinds.any(|kind| kind["kind"].is_null()) {
                next.push(dependency["pkg"].as_str().unwrap_or_default().to_owned());
            }
        }
    }
    let mut notices = Vec::new();
    for package in list(&metadata["packages"]) {
        // What comes from nowhere is our own.
        let ours = package["source"].is_null();
        if ours || !seen.contains(package["id"].as_str().unwrap_or_default()) {
            continue;
        }
        let manifest = PathBuf::from(package["manifest_path"].as_str().unwrap_or_default());
        let folder = manifest.parent().context("a crate without a folder")?;
        let licence = package["license"].as_str().unwrap_or("see below");
        notices.push(Notice {
            name: format!("{} {}", plain(&package["name"]), plain(&package["version"])),
            licence: licence.to_owned(),
            text: text_in(folder)?.unwrap_or_else(|| {
                let authors = list(&package["authors"]);
                let authors: Vec<String> = authors.iter().map(plain).collect();
                format!(
                    "Copyright of its authors {}, under {licence}.",
                    authors.join(", ")
                )
            }),
        });
    }
    if notices.is_empty() {
        bail!("cargo metadata names no dependency");
    }
    Ok(notices)
}

fn npm_package(name: &str, folder: &Path) -> Result<Notice> {
    let said = std::fs::read_to_string(folder.join("package.json"))?;
    let package: Json = serde_json::from_str(&said)?;
    Ok(Notice {
        name: format!("{name} {}", plain(&package["version"])),
        licence: plain(&package["license"]),
        text: text_in(folder)?.with_context(|| format!("{name} has no licence file"))?,
    })
}

fn plain(value: &Json) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The text of a package's licence; where there are several to choose from, the shortest.
fn text_in(folder: &Path) -> Result<Option<String>> {
    let mut texts = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().to_lowercase();
        let named = ["license", "licence", "copying", "unlicense"]
            .iter()
            .any(|start| name.starts_with(start));
        if named && entry.file_type()?.is_file() {
            let text = std::fs::read_to_string(entry.path())?;
            texts.push(text.replace("\r\n", "\n").trim().to_owned());
        }
    }
    Ok(texts.into_iter().min_by_key(String::len))
}
