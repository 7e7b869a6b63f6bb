//! granitehybrid: granite with a selective state space in place of most attentions, and no rotary positions unless a key
//! says so.

use super::Architecture;
use super::decoder::{attending, attentions};
use super::granite::config;
use super::keys::Keys;
use super::llama::tensors_of;
use super::mamba2::{state_space, state_space_tensors};
use crate::transformer::Mixer;

const NAME: &str = "granitehybrid";

pub(super) const ARCHITECTURE: Architecture = Architecture {
    name: NAME,
    config: |meta| {
        let keys = Keys { meta, name: NAME };
        let mut c = config(meta, NAME)?;
        let turned = meta.bool(&keys.key("rope.scaling.finetuned"))?;
        if turned != Some(true) {
            c.ropes.clear();
            attentions(&mut c, |_, a| a.rope = None);
        }
        let space = state_space(keys)?;
        let attending = attending(&c, keys)?;
        for (block, _) in c.blocks.iter_mut().zip(attending).filter(|(_, a)| !a) {
            block.mixer = Mixer::StateSpace(space);
        }
        Ok(c)
    },
    tensors: |c| {
        let mut t = tensors_of(c);
        state_space_tensors(&mut t);
        t.all
    },
};
