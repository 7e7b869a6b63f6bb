//! lfm2: qwen3's attention in some layers, and in the others a gated convolution of the last few positions.

use super::Architecture;
use super::decoder::{attending, decoder, pre_normed};
use super::keys::Keys;
use crate::ops::rope::Pairing;
use crate::transformer::{Block, Mixer, Part};

const NAME: &str = "lfm2";

/// Positions that a convolution may see.
const MAX_KERNEL: usize = 64;

pub(super) const ARCHITECTURE: Architecture = Architecture {
    name: NAME,
    config: |meta| {
        let keys = Keys { meta, name: NAME };
        let mut c = decoder(meta, NAME, Pairing::Halves)?;
        let kernel = keys.require("shortconv.l_cache")?;
        if kernel > MAX_KERNEL {
            return keys.bad("shortconv.l_cache", kernel, format!("at most {MAX_KERNEL}"));
        }
        let attending = attending(&c, keys)?;
        for (block, _) in c.blocks.iter_mut().zip(attending).filter(|(_, a)| !a) {
            block.mixer = Mixer::ShortConvolution { kernel };
        }
        Ok(c)
    },
    tensors: |c| {
        let dim = c.dim;
        let kernel = |b: &Block| match b.mixer {
            Mixer::ShortConvolution { kernel } => Some(kernel),
            _ => None,
        };
        let mut t = pre_normed(c);
        t.all.retain(|s| s.slot.part != Part::OutputNorm);
        // What its files call so norms the last representations.
        t.vector(Part::OutputNorm, "token_embd_norm.weight", dim)
            .head_norms()
            .matrices(Part::MixerInput, "shortconv.in_proj.weight", |b| {
                kernel(b).map(|_| (3 * dim, dim))
            })
            .matrices(Part::MixerOutput, "shortconv.out_proj.weight", |b| {
                kernel(b).map(|_| (dim, dim))
            })
            .vectors(Part::Convolution, "shortconv.conv.weight", |b| {
                kernel(b).map(|k| k * dim)
            });
        t.all
    },
};
