//! phi3: the plain decoder with query, key and value in one tensor, gate and up in another, a sliding window in some
//! sizes, and two sets of rotary divisors in those for long contexts.

use super::Architecture;
use super::decoder::{decoder, pre_normed, slide};
use super::keys::Keys;
use crate::ops::rope::{Pairing, Scaling};
use crate::transformer::Part;

const NAME: &str = "phi3";

pub(super) const ARCHITECTURE: Architecture = Architecture {
    name: NAME,
    config: |meta| {
        let keys = Keys { meta, name: NAME };
        let mut c = decoder(meta, NAME, Pairing::Halves)?;
        slide(&mut c, keys, 0)?;
        // Files name no kind of scaling: those with divisors bring them as tensors.
        if keys.str("rope.scaling.type")?.is_none()
            && let Some(original) = keys.count("rope.scaling.original_context_length")?
        {
            c.ropes[0].scaling = Scaling::Long { original };
        }
        Ok(c)
    },
    tensors: |c| {
        let mut t = pre_normed(c);
        t.all.retain(|s| s.slot.part != Part::RopeFactors);
        let pairs = c.ropes[0].dims / 2;
        t.vector(Part::RopeFactors, "rope_factors_short.weight", pairs)
            .optional()
            .vector(Part::LongRopeFactors, "rope_factors_long.weight", pairs)
            .optional()
            .fuse("attn_qkv.weight", &[Part::Query, Part::Key, Part::Value])
            .fuse("ffn_up.weight", &[Part::Gate, Part::Up]);
        t.apart("ffn_up");
        t.all
    },
};
