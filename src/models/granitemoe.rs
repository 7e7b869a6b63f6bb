//! granitemoe: granite with experts in place of each feed-forward.

use super::Architecture;
use super::decoder::experts;
use super::granite::config;
use super::keys::Keys;
use super::llama::tensors;

const NAME: &str = "granitemoe";

pub(super) const ARCHITECTURE: Architecture = Architecture {
    name: NAME,
    config: |meta| {
        let mut c = config(meta, NAME)?;
        experts(&mut c, Keys { meta, name: NAME })?;
        Ok(c)
    },
    tensors,
};
