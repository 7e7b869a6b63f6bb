//! Skips steps whose inputs have not changed: a hash of the inputs beside the name of the step, under .cache/stamps.

use crate::project;
use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};

/// What a step depends on; two equal fingerprints make equal outputs.
pub struct Fingerprint(Sha256);

impl Fingerprint {
    pub fn new(step: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update(step);
        Self(hash)
    }

    pub fn text(mut self, text: &str) -> Self {
        self.0.update((text.len() as u64).to_le_bytes());
        self.0.update(text);
        self
    }

    /// A file, or every file below a directory except below directories named in `but`.
    pub fn tree(mut self, path: &Path, but: &[&str]) -> Result<Self> {
        for file in files(path, but)? {
            let bytes =
                fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
            self = self.text(&project::shown(&file));
            self.0.update((bytes.len() as u64).to_le_bytes());
            self.0.update(&bytes);
        }
        Ok(self)
    }

    pub fn finish(self) -> String {
        hex(&self.0.finalize())
    }
}

/// Every file at or below `path`, sorted; a path that is not there has none.
pub fn files(path: &Path, but: &[&str]) -> Result<Vec<PathBuf>> {
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    if !path.is_dir() {
        return Ok(found);
    }
    for entry in fs::read_dir(path).with_context(|| format!("cannot list {}", path.display()))? {
        let path = entry?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if !(path.is_dir() && but.contains(&name.as_str())) {
            found.extend(files(&path, but)?);
        }
    }
    found.sort();
    Ok(found)
}

/// Runs `work` unless the same step with the same fingerprint has left all of `outputs` before. Says whether it ran.
pub fn unless_done(
    step: &str,
    fingerprint: Fingerprint,
    outputs: &[PathBuf],
    work: impl FnOnce() -> Result<()>,
) -> Result<bool> {
    let stamp = project::cache()
        .join("stamps")
        .join(step.replace(['/', ' '], "-"));
    let now = fingerprint.finish();
    let same = fs::read_to_string(&stamp).is_ok_and(|before| before == now);
    if same && outputs.iter().all(|output| output.exists()) {
        return Ok(false);
    }
    // A step that fails half-way must not look done.
    let _ = fs::remove_file(&stamp);
    work()?;
    fs::create_dir_all(stamp.parent().context("stamp without a folder")?)?;
    fs::write(&stamp, now)?;
    Ok(true)
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
