//! smollm3: the plain decoder with rotary positions in three layers of four.

use super::Architecture;
use super::decoder::{attentions, decoder};
use super::keys::Keys;
use super::llama::tensors;
use crate::ops::rope::Pairing;

const NAME: &str = "smollm3";

/// Of so many layers the last has no rotary positions, unless `rope.layers` lists those that have.
const CYCLE: usize = 4;

pub(super) const ARCHITECTURE: Architecture = Architecture {
    name: NAME,
    config: |meta| {
        let mut c = decoder(meta, NAME, Pairing::Interleaved)?;
        let turned = Keys { meta, name: NAME }.pattern("rope.layers", c.blocks.len(), CYCLE)?;
        attentions(&mut c, |i, a| a.rope = turned[i].then_some(0));
        Ok(c)
    },
    tensors,
};
