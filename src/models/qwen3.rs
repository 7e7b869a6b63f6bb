//! qwen3: the plain decoder with a norm on each head's queries and keys.

use super::{Architecture, decoder, decoder_tensors, head_norms};
use crate::ops::rope::Pairing;

pub(super) const ARCHITECTURE: Architecture = Architecture {
    name: "qwen3",
    config: |meta| decoder(meta, "qwen3", Pairing::Halves),
    tensors: |c| {
        let mut all = decoder_tensors(c);
        all.extend(head_norms(c));
        all
    },
};
