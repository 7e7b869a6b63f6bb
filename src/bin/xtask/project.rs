//! Where things lie in the repository.

use std::path::{Path, PathBuf};

/// The repository's root. Cargo names it at run time, so a checkout that has moved still works.
pub fn root() -> PathBuf {
    std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from)
}

/// Everything fetched or remembered between runs; ignored by git, safe to delete.
pub fn cache() -> PathBuf {
    root().join(".cache")
}

pub fn pkg() -> PathBuf {
    root().join("pkg")
}

pub fn www() -> PathBuf {
    root().join("www")
}

pub fn e2e() -> PathBuf {
    root().join("tests/e2e")
}

/// `path` as seen from the root, for messages.
pub fn shown(path: &Path) -> String {
    path.strip_prefix(root())
        .unwrap_or(path)
        .display()
        .to_string()
}
