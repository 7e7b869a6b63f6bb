//! llama: the plain decoder; its files interleave rotary pairs. Biases are read where a file has them.

use super::{Architecture, decoder, decoder_tensors, optional, projection_biases};
use crate::ops::rope::Pairing;

pub(super) const ARCHITECTURE: Architecture = Architecture {
    name: "llama",
    config: |meta| decoder(meta, "llama", Pairing::Interleaved),
    tensors: |c| {
        let mut all = decoder_tensors(c);
        all.extend(projection_biases(c).into_iter().map(optional));
        all
    },
};
