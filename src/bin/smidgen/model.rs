//! Opens model files for the commands.

use smidgen::session::{Engine, LoadOptions, Loader};
use smidgen::{Error, Result};
use std::fs::File;
use std::io::Read;
use std::path::Path;

const PART: usize = 1 << 20;

/// An error of the file system, with the file's name.
pub fn io(path: &Path, error: &std::io::Error) -> Error {
    Error::Io {
        what: format!("{}: {error}", path.display()),
    }
}

/// Streams a file into a loader until it has what `enough` asks for.
fn stream(path: &Path, options: LoadOptions, enough: impl Fn(&Loader) -> bool) -> Result<Loader> {
    let mut file = File::open(path).map_err(|e| io(path, &e))?;
    let mut loader = Loader::new(options);
    let mut part = vec![0; PART];
    while !enough(&loader) {
        let n = file.read(&mut part).map_err(|e| io(path, &e))?;
        if n == 0 {
            break;
        }
        loader.push(&part[..n])?;
    }
    Ok(loader)
}

/// The engine of the model at `path`.
pub fn load(path: &Path, options: LoadOptions) -> Result<Engine> {
    stream(path, options, |_| false)?.finish()
}

/// A loader that has read the header of the file at `path`.
pub fn open(path: &Path, options: LoadOptions) -> Result<Loader> {
    let loader = stream(path, options, |l| l.plan().is_some())?;
    if loader.plan().is_none() {
        loader.finish()?;
        unreachable!("a file without a whole header does not load");
    }
    Ok(loader)
}
