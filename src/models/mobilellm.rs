//! mobilellm: the plain decoder, deep and thin; where layers are shared, each computes twice in a row with one set of
//! weights. No tool writes it as GGUF, so the keys are llama's and `repeat_count` is ours.

use super::Architecture;
use super::decoder::decoder;
use super::keys::Keys;
use super::llama::tensors;
use crate::ops::rope::Pairing;

const NAME: &str = "mobilellm";

/// Times that a layer may compute.
const MAX_REPEATS: usize = 8;

pub(super) const ARCHITECTURE: Architecture = Architecture {
    name: NAME,
    config: |meta| {
        let keys = Keys { meta, name: NAME };
        let mut c = decoder(meta, NAME, Pairing::Halves)?;
        let repeats = keys.count("repeat_count")?.unwrap_or(1);
        if repeats > MAX_REPEATS {
            return keys.bad("repeat_count", repeats, format!("at most {MAX_REPEATS}"));
        }
        c.blocks = c
            .blocks
            .iter()
            .flat_map(|b| core::iter::repeat_n(*b, repeats))
            .collect();
        Ok(c)
    },
    tensors,
};
