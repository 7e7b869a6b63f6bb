//! Which blocks of positions are in use, and by how many sequences: once for the layers that see everything, and once
//! for those of each window that is so much shorter than the context that what lies behind it need not be held.

use super::{Config, SLICE};
use crate::kernels::attention::CHUNK;

/// In the place of a block that no layer of its kind will read again.
pub(super) const GONE: u32 = u32::MAX;

/// Blocks of the layers that see equally far.
pub(super) struct Blocks {
    /// Positions that are seen, where what lies before them may go.
    pub window: Option<usize>,
    /// [blocks]: sequences that hold it.
    holders: Vec<u32>,
    /// Blocks that nobody holds.
    free: Vec<u32>,
}

/// How many blocks there are for each window, the first for layers that see everything. A window's are enough for every
/// conversation that the cache is planned for, and once more as many, for those that are only held and for going back.
pub(super) fn plan(
    config: &Config,
    context: usize,
    capacity: usize,
) -> Vec<(Option<usize>, usize)> {
    let all = capacity.max(context).div_ceil(CHUNK);
    let conversations = capacity.div_ceil(context.max(1)).max(1);
    let mut plan = vec![(None, all)];
    for shape in config.attentions().map(|a| &a.shape) {
        // Which the sums below cannot overflow.
        let Some(window) = shape.window.filter(|w| shape.ahead == 0 && *w < context) else {
            continue;
        };
        let live = (window + SLICE + CHUNK).div_ceil(CHUNK) + 1;
        let blocks = live.saturating_mul(conversations + 1);
        if blocks < all && plan.iter().all(|(known, _)| *known != Some(window)) {
            plan.push((Some(window), blocks));
        }
    }
    plan
}

impl Blocks {
    /// `n` of them.
    pub fn new(window: Option<usize>, n: usize) -> Blocks {
        Blocks {
            window,
            holders: vec![0; n],
            free: (0..n as u32).rev().collect(),
        }
    }

    /// Those that nobody holds.
    pub fn free(&self) -> usize {
        self.free.len()
    }

    /// The first block that is held of a sequence of `len` positions: all that the next token sees, and as much more as
    /// can be taken back of the sequence without evaluating it again.
    pub fn first(&self, len: usize) -> usize {
        let unseen = |window| (len + 1).saturating_sub(window + CHUNK) / CHUNK;
        self.window.map_or(0, unseen)
    }

    /// The first block that the token behind `len` positions sees, those before `sinks` left out.
    pub fn seen(&self, len: usize, sinks: usize) -> usize {
        let unseen = |window| (len + 1).saturating_sub(window).max(sinks) / CHUNK;
        self.window.map_or(0, unseen)
    }

    /// One that nobody held.
    pub fn take(&mut self) -> Option<u32> {
        let block = self.free.pop()?;
        self.holders[block as usize] = 1;
        Some(block)
    }

    /// Counts a further holder of `block`.
    pub fn share(&mut self, block: u32) {
        if block != GONE {
            self.holders[block as usize] += 1;
        }
    }

    /// Whether `block` has several holders.
    pub fn is_shared(&self, block: u32) -> bool {
        block != GONE && self.holders[block as usize] > 1
    }

    /// Counts one holder less.
    pub fn give_back(&mut self, block: u32) {
        if block == GONE {
            return;
        }
        let holders = &mut self.holders[block as usize];
        *holders -= 1;
        if *holders == 0 {
            self.free.push(block);
        }
    }
}
