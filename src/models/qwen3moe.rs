//! qwen3moe: qwen3 with experts in place of each feed-forward.

use super::Architecture;
use super::decoder::{decoder, experts};
use super::keys::Keys;
use super::qwen3::tensors;
use crate::ops::rope::Pairing;

const NAME: &str = "qwen3moe";

pub(super) const ARCHITECTURE: Architecture = Architecture {
    name: NAME,
    config: |meta| {
        let mut c = decoder(meta, NAME, Pairing::Halves)?;
        experts(&mut c, Keys { meta, name: NAME })?;
        Ok(c)
    },
    tensors,
};
