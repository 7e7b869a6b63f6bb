//! The positions of one text, and where in the cache they are.

use crate::error::Result;
use crate::tensor::zeroed;

/// Checkpoints kept: one is at the end of the last prompt, one at that of the prompt before.
pub(super) const CHECKPOINTS: usize = 2;

/// The positions of one text, and where in the cache they are. Given back by [`super::Cache::release`].
pub struct Sequence {
    /// For each of the cache's kinds of blocks: the first CHUNK positions, the next, … Those that a window has left
    /// behind may be gone.
    pub(super) blocks: Vec<Vec<u32>>,
    pub(super) len: usize,
    /// The first positions, which are those of an encoder's text.
    pub(super) read: usize,
    /// What was forgotten to make room.
    pub(super) shifts: Shifts,
    /// Layers after each other.
    pub(super) states: Vec<f32>,
    /// Earlier states, each with the positions it has seen, the oldest first.
    pub(super) checkpoints: Vec<(usize, Vec<f32>)>,
}

/// What shifts have left of a text; all 0 where there was none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Shifts {
    /// Tokens that have no position any more.
    pub forgotten: usize,
    /// The first positions, which are never forgotten.
    pub kept: usize,
    /// Positions that were left by the last shift.
    pub left: usize,
}

impl Sequence {
    /// Of nothing, in `blocks`.
    pub(super) fn new(blocks: Vec<Vec<u32>>, states: usize) -> Result<Sequence> {
        Ok(Sequence {
            blocks,
            len: 0,
            read: 0,
            shifts: Shifts::default(),
            states: zeroed(states)?,
            checkpoints: Vec::new(),
        })
    }

    /// Positions held.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Of these, the first ones that an encoder has read.
    pub fn read(&self) -> usize {
        self.read
    }

    /// Tokens evaluated: those of the positions held, and those forgotten.
    pub fn seen(&self) -> usize {
        self.len + self.shifts.forgotten
    }

    /// Where positions were forgotten: how many at the start are not.
    pub fn kept(&self) -> Option<usize> {
        (self.shifts.forgotten > 0).then_some(self.shifts.kept)
    }

    /// Whether no position is held.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Counts `n` further positions as held, once all layers have stored them.
    pub(super) fn advance(&mut self, n: usize) {
        self.len += n;
    }

    /// What a turn back to the first `seen` tokens leaves, as far as positions and shifts go: positions, and whether
    /// they are those from before the first shift.
    pub(super) fn before(&self, seen: usize) -> (usize, bool) {
        let Shifts {
            forgotten,
            kept,
            left,
        } = self.shifts;
        let seen = seen.min(self.seen());
        if forgotten > 0 && seen < forgotten + left {
            (seen.min(kept), true)
        } else {
            (seen - forgotten, forgotten == 0)
        }
    }

    /// Remembers the states as they are, in the place of the oldest ones.
    pub fn checkpoint(&mut self) -> Result<()> {
        if self.states.is_empty() || self.checkpoints.iter().any(|c| c.0 == self.len) {
            return Ok(());
        }
        let mut states = match self.checkpoints.len() {
            CHECKPOINTS => self.checkpoints.remove(0).1,
            _ => zeroed(self.states.len())?,
        };
        states.copy_from_slice(&self.states);
        self.checkpoints.push((self.len, states));
        Ok(())
    }
}
