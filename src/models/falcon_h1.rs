//! falcon-h1: attention and a selective state space side by side in every block, and a gated feed-forward. Folders keep
//! factors beside the weights that GGUF files have in them.

use super::Architecture;
use super::decoder::{decoder, pre_normed};
use super::keys::Keys;
use super::mamba2::{state_space, state_space_tensors};
use crate::error::Result;
use crate::ops::rope::Pairing;
use crate::transformer::{Mixer, Multipliers, Part};

const NAME: &str = "falcon-h1";

/// The keys of [`Multipliers::wide`].
pub(super) const WIDE: [&str; 5] = [
    "ssm.gate_scale",
    "ssm.value_scale",
    "ssm.key_scale",
    "ssm.query_scale",
    "ssm.step_scale",
];

pub(super) const ARCHITECTURE: Architecture = Architecture {
    name: NAME,
    config: |meta| {
        let keys = Keys { meta, name: NAME };
        let mut c = decoder(meta, NAME, Pairing::Halves)?;
        let space = state_space(keys)?;
        for block in &mut c.blocks {
            if let Mixer::Attention(a) = block.mixer {
                block.mixer = Mixer::Both(a, space);
            }
        }
        c.multipliers = multipliers(keys)?;
        c.logit_scale = keys.number("logit_scale")?.unwrap_or(1.0);
        Ok(c)
    },
    tensors: |c| {
        let mut t = pre_normed(c);
        state_space_tensors(&mut t);
        t.may_lack(Part::MixerNorm);
        t.all
    },
};

fn multipliers(keys: Keys<'_>) -> Result<Multipliers> {
    let factor = |key: &str| Ok(keys.number(key)?.unwrap_or(1.0));
    let mut wide = [1.0; 5];
    for (factor_of, key) in wide.iter_mut().zip(WIDE) {
        *factor_of = factor(key)?;
    }
    Ok(Multipliers {
        attention: factor("attention.output_scale")?,
        space: factor("ssm.output_scale")?,
        wide,
        gate: factor("feed_forward.gate_scale")?,
        down: factor("feed_forward.output_scale")?,
    })
}
