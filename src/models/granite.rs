//! granite: the plain decoder with a factor on embeddings, scores, what blocks add, and logits.

use super::Architecture;
use super::decoder::decoder;
use super::keys::Keys;
use super::llama::tensors;
use crate::error::Result;
use crate::format::Metadata;
use crate::ops::rope::Pairing;
use crate::transformer::Config;

pub(super) const ARCHITECTURE: Architecture = Architecture {
    name: "granite",
    config: |meta| config(meta, "granite"),
    tensors,
};

/// Its shape under the keys of `name`. The factors on embeddings, scores and sums have keys that any decoder may have;
/// logits are divided by theirs.
pub(super) fn config(meta: &Metadata, name: &'static str) -> Result<Config> {
    let keys = Keys { meta, name };
    let mut c = decoder(meta, name, Pairing::Interleaved)?;
    c.logit_scale = 1.0 / keys.positive("logit_scale")?.unwrap_or(1.0);
    Ok(c)
}
