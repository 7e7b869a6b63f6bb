//! Opens models for the commands: a GGUF file, the first of several, or a Hugging Face folder.

use super::source;
use smidgen::format::gguf::TensorInfo;
use smidgen::format::hugging_face::FILES;
use smidgen::format::mixture::Mixture;
use smidgen::quant::Format;
use smidgen::session::{Engine, LoadOptions, Loader};
use smidgen::{Error, Result};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

const PART: usize = 1 << 20;

/// An error of the file system, with the file's name.
pub fn io(path: &Path, error: &std::io::Error) -> Error {
    Error::Io {
        what: format!("{}: {error}", path.display()),
    }
}

/// The files of the model at `path`, in the order a loader wants them.
pub fn files(path: &Path) -> Result<Vec<PathBuf>> {
    if path.is_dir() {
        return folder(path);
    }
    // llama.cpp's names for the parts of a split file: NAME-00001-of-0000N.gguf.
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let parts = name.strip_suffix(".gguf").and_then(|stem| {
        let (stem, count) = stem.rsplit_once("-of-")?;
        let (stem, number) = stem.rsplit_once('-')?;
        let digits = |s: &str| (s.len() == 5).then(|| s.parse::<u32>().ok()).flatten();
        Some((stem.to_owned(), digits(number)?, digits(count)?))
    });
    match parts {
        Some((stem, 1, count)) => Ok((1..=count)
            .map(|n| path.with_file_name(format!("{stem}-{n:05}-of-{count:05}.gguf")))
            .collect()),
        Some((stem, number, count)) => Err(Error::BadArgument {
            name: "model".into(),
            found: format!("part {number} of a model in {count} files"),
            expected: format!("the first one, {stem}-00001-of-{count:05}.gguf"),
        }),
        None => Ok(vec![path.to_owned()]),
    }
}

fn folder(path: &Path) -> Result<Vec<PathBuf>> {
    let mut all: Vec<PathBuf> = FILES
        .iter()
        .map(|name| path.join(name))
        .filter(|p| p.is_file())
        .collect();
    let mut weights: Vec<PathBuf> = std::fs::read_dir(path)
        .map_err(|e| io(path, &e))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|p| p.extension().is_some_and(|e| e == "safetensors"))
        .collect();
    weights.sort();
    if weights.is_empty() {
        return Err(Error::BadArgument {
            name: "model".into(),
            found: format!("{}, a folder without .safetensors files", path.display()),
            expected: "a GGUF file or a Hugging Face folder".into(),
        });
    }
    all.extend(weights);
    Ok(all)
}

/// Streams a model's files into a loader until it has what `enough` asks for.
fn stream(path: &Path, options: LoadOptions, enough: impl Fn(&Loader) -> bool) -> Result<Loader> {
    let mut loader = Loader::new(options);
    let mut part = vec![0; PART];
    for path in files(path)? {
        let mut file = File::open(&path).map_err(|e| io(&path, &e))?;
        loader.file(&path.to_string_lossy())?;
        while !enough(&loader) {
            let n = file.read(&mut part).map_err(|e| io(&path, &e))?;
            if n == 0 {
                break;
            }
            loader.push(&part[..n])?;
        }
        if enough(&loader) {
            break;
        }
    }
    Ok(loader)
}

/// The engine of the model at `path`.
pub fn load(path: &Path, options: LoadOptions) -> Result<Engine> {
    stream(path, options, |_| false)?.finish()
}

/// A loader that has read the (first) header of the model at `path`.
pub fn open(path: &Path, options: LoadOptions) -> Result<Loader> {
    let loader = stream(path, options, |l| l.plan().is_some())?;
    if loader.plan().is_none() {
        loader.finish()?;
        unreachable!("a file without a whole header does not load");
    }
    Ok(loader)
}

/// Bits of the model's tensor data per value, in the formats that `quantise` asks for.
pub fn bits_per_weight(path: &Path, quantise: Option<&str>) -> Result<f64> {
    let (gguf, _) = source::open(path)?;
    let formats = match quantise {
        Some(name) => Mixture::from_name(name)?.formats(&gguf)?,
        None => gguf.tensors.iter().map(|t| t.format).collect(),
    };
    let size = |(t, f): (&TensorInfo, Format)| {
        t.shape.iter().product::<u64>() / f.block_len() as u64 * f.block_bytes() as u64
    };
    let bytes: u64 = gguf.tensors.iter().zip(formats).map(size).sum();
    let values: u64 = gguf
        .tensors
        .iter()
        .map(|t| t.shape.iter().product::<u64>())
        .sum();
    Ok(8.0 * bytes as f64 / (values as f64).max(1.0))
}
