//! Text ↔ ids on the `tokenizers` crate.
