//! qwen2: the plain decoder with biases on query, key and value.

use super::{Architecture, decoder, decoder_tensors, projection_biases};
use crate::ops::rope::Pairing;

pub(super) const ARCHITECTURE: Architecture = Architecture {
    name: "qwen2",
    config: |meta| decoder(meta, "qwen2", Pairing::Halves),
    tensors: |c| {
        let mut all = decoder_tensors(c);
        all.extend(projection_biases(c));
        all
    },
};
