//! gemma3: gemma2 with norms on queries and keys in place of bounded scores, and five layers with a sliding window and a
//! rotary embedding of their own for each that sees everything.

use super::Architecture;
use super::decoder::{attentions, decoder, slide};
use super::gemma2::{sandwiched, shared};
use super::keys::Keys;
use crate::ops::rope::{Pairing, Rope, Scaling};

const NAME: &str = "gemma3";

/// Of so many layers the last sees everything.
const CYCLE: usize = 6;

/// See [`super::gemma2`].
const LARGEST: usize = 62;

pub(super) const ARCHITECTURE: Architecture = Architecture {
    name: NAME,
    config: |meta| {
        let keys = Keys { meta, name: NAME };
        let mut c = decoder(meta, NAME, Pairing::Halves)?;
        shared(&mut c, keys, LARGEST)?;
        let local = keys.positive("rope.freq_base_swa")?.unwrap_or(10_000.0);
        c.ropes.push(Rope {
            theta: f64::from(local),
            scaling: Scaling::None,
            magnitude: 1.0,
            ..c.ropes[0]
        });
        let sliding = slide(&mut c, keys, CYCLE)?;
        attentions(&mut c, |i, a| a.rope = Some(usize::from(sliding[i])));
        Ok(c)
    },
    tensors: |c| {
        let mut t = sandwiched(c);
        t.head_norms();
        t.all
    },
};
