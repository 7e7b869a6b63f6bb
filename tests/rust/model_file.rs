//! Finds the demo model and reads its header, for tests that need a real vocabulary.

use smidgen::format::Metadata;
use smidgen::format::gguf::{Progress, read};
use std::io::Read;
use std::path::PathBuf;

/// `SMIDGEN_MODEL`, else the project's cache folder.
pub fn path() -> PathBuf {
    let path = std::env::var_os("SMIDGEN_MODEL").map_or_else(
        || {
            PathBuf::from(env!("CARGO_MANIFEST_DIR"))
                .join(".cache/models/SmolLM2-135M-Instruct.Q4_1.gguf")
        },
        PathBuf::from,
    );
    assert!(
        path.exists(),
        "{} is missing: `cargo xtask test` gets it, or set SMIDGEN_MODEL",
        path.display()
    );
    path
}

/// The file's keys, read as the header reader asks for bytes.
#[allow(dead_code)]
pub fn metadata() -> Metadata {
    let mut file = std::fs::File::open(path()).unwrap();
    let mut prefix = Vec::new();
    loop {
        match read(&prefix).unwrap() {
            Progress::Done(gguf) => return gguf.metadata,
            Progress::NeedBytes(n) => {
                let more = n - prefix.len() as u64;
                let got = file.by_ref().take(more).read_to_end(&mut prefix).unwrap();
                assert_eq!(got as u64, more, "the model file is truncated");
            }
        }
    }
}
