//! Room in a context that is full: the first positions stay, as attention rests on them (attention sinks, Xiao et al.
//! 2023), the oldest behind them are forgotten, and those that are left move up, their keys turned to their new places.
//! Nothing is evaluated again; what later layers took from the positions forgotten stays in the values of the others.

use super::{Cache, Model, Part, Scratch, Sequence};
use crate::kernels::attention::CHUNK;
use crate::ops::rope::Rotation;

/// Positions of any text that attention rests on.
const SINKS: usize = 4;

/// Of what is not kept, the share that one shift forgets.
const SHARE: usize = 4;

/// What a shift keeps of a context, where it is asked to keep the first `wanted` positions: whole blocks. `None` where
/// that would leave less than two further ones.
pub fn kept(context: usize, wanted: usize) -> Option<usize> {
    let kept = wanted.max(SINKS).checked_next_multiple_of(CHUNK)?;
    (kept.checked_add(2 * CHUNK)? <= context).then_some(kept)
}

/// Positions that one shift forgets: whole blocks, at least one.
fn forgotten(context: usize, kept: usize) -> usize {
    ((context - kept) / SHARE / CHUNK).max(1) * CHUNK
}

impl Model {
    /// Whether positions can move: not where something of them is kept that cannot be turned.
    pub fn can_shift(&self) -> bool {
        let learned = self.weights.model.optional(Part::PositionEmbedding);
        let states = |b: &super::Block| b.state_len(self.config.dim) > 0;
        learned.is_none() && self.config.is_causal() && !self.config.blocks.iter().any(states)
    }

    /// Forgets the oldest positions of `sequence` behind the first `kept`, once [`Cache::claim`] has made those that
    /// move its own.
    pub fn shift(&self, cache: &mut Cache, s: &Scratch, sequence: &mut Sequence, kept: usize) {
        let n = forgotten(cache.context(), kept);
        let back: Vec<Rotation> = s.rotations.iter().map(|r| r.back(n)).collect();
        cache.forget(sequence, kept, n);
        for (layer, block) in self.config.blocks.iter().enumerate() {
            if let Some(rope) = block.attention().and_then(|a| a.rope) {
                cache.turn(sequence, layer, kept, &back[rope]);
            }
        }
    }
}

impl Cache {
    /// Makes the memory of all that a shift of the full `sequence` moves its own; false where blocks are wanting.
    pub fn claim(&mut self, sequence: &mut Sequence, kept: usize) -> bool {
        let first = (kept + forgotten(self.context(), kept)) / CHUNK;
        self.own(sequence, first..sequence.len.div_ceil(CHUNK))
    }
}
