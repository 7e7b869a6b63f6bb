//! One sequence's part of the cache as bytes, and back.

use super::blocks::GONE;
use super::cache::Layer;
use super::sequence::Shifts;
use super::{Cache, Sequence};
use crate::kernels::attention::{CHUNK, KEY_BLOCK};
use core::ops::Range;

/// Numbers at the start of [`Cache::marks`] that are there for every model.
const SHIFTS: usize = 3;

impl Cache {
    /// What is to be known of `sequence` besides its tokens and bytes: tokens forgotten, positions kept, positions left
    /// by the last shift, of every window the first block that is held, and the positions that an encoder has read. All
    /// are 0 where nothing is gone and nothing was read.
    pub fn marks(&self, sequence: &Sequence) -> Vec<u32> {
        let Shifts {
            forgotten,
            kept,
            left,
        } = sequence.shifts;
        let mut marks = [forgotten, kept, left].map(|n| n as u32).to_vec();
        for (kind, blocks) in self.kinds.iter().zip(&sequence.blocks).skip(1) {
            let gone = blocks.iter().rposition(|block| *block == GONE);
            let first = gone.map_or(0, |i| i + 1);
            marks.push(first.max(kind.first(sequence.len)) as u32);
        }
        marks.extend(self.reads.then_some(sequence.read as u32));
        marks
    }

    /// How many there are.
    pub fn n_marks(&self) -> usize {
        SHIFTS + self.kinds.len() - 1 + usize::from(self.reads)
    }

    /// Bytes that [`Cache::save`] makes of `tokens` evaluated tokens with these marks; `None` where no sequence has them.
    pub fn saved_bytes(&self, tokens: usize, marks: &[u32]) -> Option<u64> {
        let [forgotten, kept, left] = [0, 1, 2].map(|i| marks[i] as usize);
        let len = tokens.checked_sub(forgotten)?;
        let shifted = forgotten > 0
            && forgotten.is_multiple_of(CHUNK)
            && kept.is_multiple_of(CHUNK)
            && (kept..=len).contains(&left)
            && !self.has_states();
        if len > self.context() || !(shifted || [forgotten, kept, left] == [0; SHIFTS]) {
            return None;
        }
        for (i, kind) in self.kinds.iter().enumerate() {
            let held = kind.first(len)..=kind.seen(len, kept);
            if !held.contains(&first(marks, i)) {
                return None;
            }
        }
        // Something has been read before anything is written.
        let read = self.read(marks);
        if read > len || self.reads && (read == 0) != (len == 0) {
            return None;
        }
        let mut bytes = 4 * self.state_starts[self.state_starts.len() - 1] as u64;
        for layer in self.layers.iter().filter(|l| !l.passes) {
            let held = len - first(marks, layer.kind) * CHUNK;
            for start in (0..held).step_by(CHUNK) {
                let parts = [false, true].map(|values| self.held(layer, values, held - start));
                let head: usize = parts.iter().flatten().map(Range::len).sum();
                bytes += (layer.heads * head) as u64;
            }
        }
        Some(bytes)
    }

    /// Where the keys or `values` of the first `positions` of one head's chunk are.
    fn held(&self, layer: &Layer, values: bool, positions: usize) -> Vec<Range<usize>> {
        let positions = positions.min(CHUNK);
        if values {
            return self.format.values(layer.head_dim, positions);
        }
        let bytes = positions.next_multiple_of(KEY_BLOCK) * self.format.bytes(layer.head_dim);
        core::iter::once(0..bytes).collect()
    }

    /// Where `sequence` with these marks is: of each layer and head, block by block, the keys, in whole stretches of
    /// eight positions, then, block by block, the values (true).
    fn parts(&self, sequence: &Sequence, marks: &[u32]) -> Vec<(usize, bool, Range<usize>)> {
        let mut parts = Vec::new();
        let layers = self.layers.iter().enumerate();
        for (i, layer) in layers.filter(|(_, l)| !l.passes) {
            let begin = first(marks, layer.kind) * CHUNK;
            for part in 0..2 * layer.heads {
                let (head, values) = (part / 2, part % 2 == 1);
                for start in (begin..sequence.len).step_by(CHUNK) {
                    let block = sequence.blocks[layer.kind][start / CHUNK];
                    let at = layer.stretch(self.format, block, head).start;
                    for range in self.held(layer, values, sequence.len - start) {
                        parts.push((i, values, at + range.start..at + range.end));
                    }
                }
            }
        }
        parts
    }

    /// Appends what `sequence` holds to `out`, little-endian.
    pub fn save(&self, sequence: &Sequence, out: &mut Vec<u8>) {
        for (layer, values, range) in self.parts(sequence, &self.marks(sequence)) {
            let layer = &self.layers[layer];
            let part = match values {
                true => layer.values(&self.memory),
                false => layer.keys(&self.memory),
            };
            out.extend_from_slice(&part[range]);
        }
        out.extend(sequence.states.iter().flat_map(|s| s.to_le_bytes()));
    }

    /// The positions that an encoder has read.
    fn read(&self, marks: &[u32]) -> usize {
        let last = marks.last().filter(|_| self.reads);
        last.map_or(0, |read| *read as usize)
    }

    /// Gives the empty `sequence` room for `tokens` with these marks, which [`Cache::saved_bytes`] knows; false where
    /// blocks are wanting, and then some may have come.
    pub fn reserve_saved(&mut self, sequence: &mut Sequence, tokens: usize, marks: &[u32]) -> bool {
        let end = (tokens - marks[0] as usize).div_ceil(CHUNK);
        for kind in 0..self.kinds.len() {
            while sequence.blocks[kind].len() < end {
                let block = match sequence.blocks[kind].len() < first(marks, kind) {
                    true => Some(GONE),
                    false => self.kinds[kind].take(),
                };
                let Some(block) = block else {
                    return false;
                };
                sequence.blocks[kind].push(block);
            }
        }
        true
    }

    /// Puts what [`Cache::save`] wrote into `sequence`, for which [`Cache::reserve_saved`] has made room. There are
    /// [`Cache::saved_bytes`] of `bytes`.
    pub fn restore(&mut self, sequence: &mut Sequence, tokens: usize, marks: &[u32], bytes: &[u8]) {
        assert!(self.saved_bytes(tokens, marks) == Some(bytes.len() as u64));
        let [forgotten, kept, left] = [0, 1, 2].map(|i| marks[i] as usize);
        sequence.len = tokens - forgotten;
        sequence.read = self.read(marks);
        sequence.shifts = Shifts {
            forgotten,
            kept,
            left,
        };
        sequence.checkpoints.clear();
        let mut rest = bytes;
        for (layer, values, range) in self.parts(sequence, marks) {
            let (keys, all_values) = self.layers[layer].both_mut(&mut self.memory);
            let part = if values { all_values } else { keys };
            let (these, others) = rest.split_at(range.len());
            part[range].copy_from_slice(these);
            rest = others;
        }
        for (state, bytes) in sequence.states.iter_mut().zip(rest.chunks_exact(4)) {
            *state = f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        }
    }
}

/// The first block that is held of a kind.
fn first(marks: &[u32], kind: usize) -> usize {
    match kind {
        0 => 0,
        _ => marks[SHIFTS + kind - 1] as usize,
    }
}
