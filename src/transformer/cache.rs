//! The KV cache: keys and values of every layer, allocated once, in blocks of positions that sequences share as long as
//! they begin alike; and the states of layers that have one in their place. Those cannot forget single positions: going
//! back means going to a checkpoint.

use super::blocks::{Blocks, GONE, plan};
use super::sequence::{CHECKPOINTS, Shifts};
use super::{Config, Sequence};
use crate::error::Result;
use crate::kernels::attention::{CHUNK, CacheFormat, load_key, store_key, store_value};
use crate::ops::attention::{KeyValues, Shape};
use crate::ops::rope::Rotation;
use crate::tensor::{Line, PART_BYTES, zeroed};
use core::ops::Range;

/// The memory of all sequences, in blocks of [`CHUNK`] positions.
pub struct Cache {
    pub(super) format: CacheFormat,
    pub(super) layers: Vec<Layer>,
    /// Keys and values of all layers, in as few allocations as can be: each one takes an engine's memory time to grow.
    pub(super) memory: Vec<Vec<Line>>,
    /// The first for layers that see everything, then one for each window that lets blocks go.
    pub(super) kinds: Vec<Blocks>,
    /// Where each layer begins in a sequence's states.
    pub(super) state_starts: Vec<usize>,
    context: usize,
    /// Whether sequences begin with a text that an encoder reads.
    pub(super) reads: bool,
}

/// Where the keys and values of one layer are; without heads where nothing is attended over.
pub(super) struct Layer {
    /// Which part of the memory both are in.
    part: usize,
    /// [blocks, heads, CHUNK/8, (head_dim, 8), 8 scales].
    keys: Range<usize>,
    /// [blocks, heads, CHUNK, (head_dim), scale].
    values: Range<usize>,
    pub heads: usize,
    pub head_dim: usize,
    /// Which of the kinds of blocks its are.
    pub kind: usize,
    /// Whether it sees the last positions of a context only.
    slides: bool,
    /// Whether nothing of it is wanted once a slice has been evaluated.
    pub passes: bool,
}

impl Layer {
    /// Where one head's keys or values in a block are.
    pub fn stretch(&self, format: CacheFormat, block: u32, head: usize) -> Range<usize> {
        let size = CHUNK * format.bytes(self.head_dim);
        let at = (block as usize * self.heads + head) * size;
        at..at + size
    }

    /// Its keys in the cache's `memory`.
    pub fn keys<'m>(&self, memory: &'m [Vec<Line>]) -> &'m [u8] {
        &Line::bytes(&memory[self.part])[self.keys.clone()]
    }

    /// Its values.
    pub fn values<'m>(&self, memory: &'m [Vec<Line>]) -> &'m [u8] {
        &Line::bytes(&memory[self.part])[self.values.clone()]
    }

    /// Its keys and its values.
    pub fn both_mut<'m>(&self, memory: &'m mut [Vec<Line>]) -> (&'m mut [u8], &'m mut [u8]) {
        let part = Line::bytes_mut(&mut memory[self.part]);
        part[self.keys.start..self.values.end].split_at_mut(self.keys.len())
    }
}

/// Which of `kinds` the blocks of a layer of `shape` are.
fn kind(kinds: &[(Option<usize>, usize)], shape: Option<&Shape>) -> usize {
    let window = shape.and_then(|s| s.window.filter(|_| s.ahead == 0));
    let same = kinds.iter().position(|(known, _)| *known == window);
    same.unwrap_or(0)
}

/// What is attended over in block `i`, where that has a place of its own.
fn holding(config: &Config, i: usize) -> Option<&Shape> {
    let attention = config.blocks[i].attention();
    attention
        .filter(|_| config.holder(i) == i)
        .map(|a| &a.shape)
}

impl Cache {
    /// Room for `capacity` positions in all, and sequences of up to `context` of them.
    pub fn new(
        config: &Config,
        format: CacheFormat,
        context: usize,
        capacity: usize,
    ) -> Result<Cache> {
        let kinds = plan(config, context, capacity);
        let mut state_starts = vec![0];
        let mut layers: Vec<Layer> = Vec::with_capacity(config.blocks.len());
        let mut parts = vec![0];
        for (i, block) in config.blocks.iter().enumerate() {
            state_starts.push(state_starts[state_starts.len() - 1] + block.state_len(config.dim));
            let shape = holding(config, i);
            let (heads, head_dim) = shape.map_or((0, 0), |s| (s.n_kv_heads, s.head_dim));
            let kind = kind(&kinds, shape);
            let bytes = kinds[kind].1 * CHUNK * heads * format.bytes(head_dim);
            if parts[parts.len() - 1] >= PART_BYTES as usize {
                parts.push(0);
            }
            let part = parts.len() - 1;
            // A multiple of lines, as a chunk's positions are.
            let at = parts[part];
            parts[part] += 2 * bytes;
            layers.push(Layer {
                part,
                keys: at..at + bytes,
                values: at + bytes..at + 2 * bytes,
                heads,
                head_dim,
                kind,
                slides: shape.is_some_and(|s| s.window.is_some_and(|w| w < context)),
                passes: config.encoder.is_some_and(|e| i < e.n_blocks),
            });
        }
        let kinds = kinds.into_iter().map(|(window, n)| Blocks::new(window, n));
        let parts = parts.iter().map(|bytes| zeroed(bytes / size_of::<Line>()));
        Ok(Cache {
            format,
            layers,
            memory: parts.collect::<Result<_>>()?,
            kinds: kinds.collect(),
            state_starts,
            context,
            reads: config.encoder.is_some(),
        })
    }

    /// Bytes that [`Cache::new`] and one sequence's states and checkpoints take, in a width that no header can overflow.
    pub fn bytes(config: &Config, format: CacheFormat, context: usize, capacity: usize) -> u64 {
        let kinds = plan(config, context, capacity);
        let mut bytes = 0;
        for (i, block) in config.blocks.iter().enumerate() {
            bytes += 4 * block.state_len(config.dim) as u64 * (1 + CHECKPOINTS as u64);
            if let Some(shape) = holding(config, i) {
                let positions = (kinds[kind(&kinds, Some(shape))].1 * CHUNK) as u64;
                let position = shape.n_kv_heads as u64 * format.bytes(shape.head_dim) as u64;
                bytes += 2 * positions * position;
            }
        }
        bytes
    }

    /// What keys and values are held in.
    pub fn format(&self) -> CacheFormat {
        self.format
    }

    /// Positions a sequence may have.
    pub fn context(&self) -> usize {
        self.context
    }

    /// Blocks that no sequence holds, of the kind that has fewest.
    pub fn free_blocks(&self) -> usize {
        self.kinds.iter().map(Blocks::free).min().unwrap_or(0)
    }

    /// Whether nothing is left for positions that no sequence holds yet.
    pub fn is_full(&self) -> bool {
        self.kinds[0].free() == 0
    }

    /// Whether going back needs checkpoints.
    pub fn has_states(&self) -> bool {
        self.state_starts.last() != Some(&0)
    }

    /// A sequence that holds nothing.
    pub fn sequence(&self) -> Result<Sequence> {
        let most = self.context.div_ceil(CHUNK);
        let blocks = self.kinds.iter().map(|_| Vec::with_capacity(most));
        Sequence::new(
            blocks.collect(),
            self.state_starts[self.state_starts.len() - 1],
        )
    }

    /// A sequence that begins with the first `seen` tokens of `from`, to which that could be turned back
    /// ([`Cache::reach`]), in the same memory. Not where there are states.
    pub fn fork(&mut self, from: &Sequence, seen: usize) -> Result<Sequence> {
        assert!(!self.has_states() && self.reach(from, seen) == seen);
        let mut fork = self.sequence()?;
        let (len, first) = from.before(seen);
        fork.len = len;
        fork.read = if len > 0 { from.read } else { 0 };
        if !first {
            fork.shifts = from.shifts;
        }
        for ((kind, to), from) in self
            .kinds
            .iter_mut()
            .zip(&mut fork.blocks)
            .zip(&from.blocks)
        {
            to.extend_from_slice(&from[..len.div_ceil(CHUNK)]);
            to.iter().for_each(|block| kind.share(*block));
        }
        Ok(fork)
    }

    /// Forgets `sequence`.
    pub fn release(&mut self, mut sequence: Sequence) {
        self.give_back(&mut sequence, 0);
    }

    /// Makes sure that `n` further positions (at most a slice) can be stored; false where blocks are wanting, and then
    /// some may have come.
    pub fn reserve(&mut self, sequence: &mut Sequence, n: usize) -> bool {
        let last = sequence.len / CHUNK;
        if !sequence.len.is_multiple_of(CHUNK) && !self.own(sequence, last..last + 1) {
            return false;
        }
        let end = (sequence.len + n).div_ceil(CHUNK);
        (0..self.kinds.len()).all(|kind| {
            while sequence.blocks[kind].len() < end {
                let Some(block) = self.take(sequence, kind) else {
                    return false;
                };
                sequence.blocks[kind].push(block);
            }
            true
        })
    }

    /// A free block; where there is none, what windows of `sequence` have left behind goes.
    pub(super) fn take(&mut self, sequence: &mut Sequence, kind: usize) -> Option<u32> {
        if self.kinds[kind].free() == 0 {
            self.trim(sequence);
        }
        self.kinds[kind].take()
    }

    /// Gives back the blocks of `sequence` that its windows have left so far behind that it will not be turned back to
    /// where they see them.
    pub fn trim(&mut self, sequence: &mut Sequence) {
        for (kind, blocks) in self.kinds.iter_mut().zip(&mut sequence.blocks) {
            let unseen = kind.first(sequence.len).min(blocks.len());
            for block in &mut blocks[..unseen] {
                kind.give_back(core::mem::replace(block, GONE));
            }
        }
    }

    /// Copies those of the blocks `range` of `sequence` that others hold too; false where blocks are wanting.
    pub(super) fn own(&mut self, sequence: &mut Sequence, range: Range<usize>) -> bool {
        (0..self.kinds.len()).all(|kind| {
            range.clone().all(|i| {
                let shared = sequence.blocks[kind][i];
                if !self.kinds[kind].is_shared(shared) {
                    return true;
                }
                let Some(own) = self.take(sequence, kind) else {
                    return false;
                };
                if sequence.blocks[kind][i] == GONE {
                    // To find one, this one has gone.
                    self.kinds[kind].give_back(own);
                    return true;
                }
                self.copy_block(kind, shared, own);
                self.kinds[kind].give_back(shared);
                sequence.blocks[kind][i] = own;
                true
            })
        })
    }

    fn copy_block(&mut self, kind: usize, from: u32, to: u32) {
        for layer in self.layers.iter_mut().filter(|l| l.kind == kind) {
            for head in 0..layer.heads {
                let to = layer.stretch(self.format, to, head).start;
                let from = layer.stretch(self.format, from, head);
                let (keys, values) = layer.both_mut(&mut self.memory);
                keys.copy_within(from.clone(), to);
                values.copy_within(from, to);
            }
        }
    }

    /// Gives back the blocks behind the first `len` positions.
    fn give_back(&mut self, sequence: &mut Sequence, len: usize) {
        for (kind, blocks) in self.kinds.iter_mut().zip(&mut sequence.blocks) {
            let gone = blocks.drain(len.div_ceil(CHUNK).min(blocks.len())..);
            gone.for_each(|block| kind.give_back(block));
        }
    }

    /// How many of the first `seen` tokens of `sequence` it can be turned back to: none where a layer would see what is
    /// gone or a text that was read as a whole would lack its end, and only those before all shifts where `seen` lies
    /// before the last. States are another matter.
    pub fn reach(&self, sequence: &Sequence, seen: usize) -> usize {
        let (len, first) = sequence.before(seen);
        if len < sequence.read {
            return 0;
        }
        let sinks = if first { 0 } else { sequence.shifts.kept };
        let mut kinds = self.kinds.iter().zip(&sequence.blocks);
        let gone = |(kind, blocks): (&Blocks, &Vec<u32>)| {
            let seen = kind.seen(len, sinks);
            seen * CHUNK < len && blocks[seen] == GONE
        };
        match kinds.any(gone) {
            true => 0,
            false if first => len,
            false => len + sequence.shifts.forgotten,
        }
    }

    /// Turns `sequence` back to its first `seen` tokens, or to fewer where [`Cache::reach`] says so, and where there are
    /// states, to the last checkpoint before. Returns how many are still held.
    pub fn truncate(&mut self, sequence: &mut Sequence, seen: usize) -> usize {
        if seen >= sequence.seen() {
            return sequence.seen();
        }
        if sequence.states.is_empty() {
            let seen = self.reach(sequence, seen);
            let (len, first) = sequence.before(seen);
            sequence.len = len;
            if first {
                sequence.shifts = Shifts::default();
            }
        } else {
            let mut checkpoints = core::mem::take(&mut sequence.checkpoints);
            checkpoints.retain(|c| c.0 <= seen && self.reach(sequence, c.0) == c.0);
            sequence.checkpoints = checkpoints;
            sequence.len = match sequence.checkpoints.last() {
                Some((seen, states)) => {
                    sequence.states.copy_from_slice(states);
                    *seen
                }
                None => {
                    sequence.states.fill(0.0);
                    0
                }
            };
        }
        let len = sequence.len;
        if len == 0 {
            sequence.read = 0;
        }
        self.give_back(sequence, len);
        sequence.seen()
    }

    /// Forgets `n` positions of `sequence` from `kept` on, both whole blocks: those behind take their places. Their keys
    /// are still those of the old ones.
    pub(super) fn forget(&mut self, sequence: &mut Sequence, kept: usize, n: usize) {
        for (kind, blocks) in self.kinds.iter_mut().zip(&mut sequence.blocks) {
            let gone = blocks.drain(kept / CHUNK..(kept + n) / CHUNK);
            gone.for_each(|block| kind.give_back(block));
        }
        sequence.len -= n;
        sequence.shifts = Shifts {
            forgotten: sequence.shifts.forgotten + n,
            kept,
            left: sequence.len,
        };
    }

    /// Turns the keys of `sequence` from position `from` (the start of a block) on by `rotation`'s first angles.
    pub(super) fn turn(
        &mut self,
        sequence: &Sequence,
        layer: usize,
        from: usize,
        rotation: &Rotation,
    ) {
        let layer = &self.layers[layer];
        let (all, _) = layer.both_mut(&mut self.memory);
        let mut key = vec![0.0; layer.head_dim];
        for start in (from..sequence.len).step_by(CHUNK) {
            let block = sequence.blocks[layer.kind][start / CHUNK];
            if block == GONE {
                continue;
            }
            for head in 0..layer.heads {
                let stretch = layer.stretch(self.format, block, head);
                let keys = &mut all[stretch];
                for inside in 0..CHUNK.min(sequence.len - start) {
                    load_key(self.format, keys, inside, &mut key);
                    rotation.apply(&mut key, 1, layer.head_dim);
                    store_key(self.format, keys, &key, inside);
                }
            }
        }
    }

    /// The state of one layer.
    pub(super) fn state<'s>(&self, sequence: &'s mut Sequence, layer: usize) -> &'s mut [f32] {
        &mut sequence.states[self.state_starts[layer]..self.state_starts[layer + 1]]
    }

    /// One layer of `sequence`, to attend over. Where a layer slides, its window has left the first positions behind,
    /// and a shift does not bring them back.
    pub(super) fn layer<'a>(&'a self, sequence: &'a Sequence, layer: usize) -> KeyValues<'a> {
        let layer = &self.layers[layer];
        KeyValues {
            format: self.format,
            keys: layer.keys(&self.memory),
            values: layer.values(&self.memory),
            blocks: &sequence.blocks[layer.kind],
            from: if layer.slides {
                sequence.shifts.kept
            } else {
                sequence.read
            },
            end: usize::MAX,
            distances: None,
        }
    }

    /// Stores `k` and `v` ([tokens, heads, head_dim]) at the positions after those that `sequence` holds.
    pub(super) fn store(&mut self, sequence: &Sequence, layer: usize, k: &[f32], v: &[f32]) {
        let layer = &self.layers[layer];
        let (all_keys, all_values) = layer.both_mut(&mut self.memory);
        let (heads, head_dim) = (layer.heads, layer.head_dim);
        let rows = k
            .chunks_exact(heads * head_dim)
            .zip(v.chunks_exact(heads * head_dim));
        for (t, (k, v)) in rows.enumerate() {
            let position = sequence.len + t;
            let (block, inside) = (position / CHUNK, position % CHUNK);
            let block = sequence.blocks[layer.kind][block];
            for head in 0..heads {
                let stretch = layer.stretch(self.format, block, head);
                let of_head = head * head_dim..(head + 1) * head_dim;
                let keys = &mut all_keys[stretch.clone()];
                store_key(self.format, keys, &k[of_head.clone()], inside);
                let values = &mut all_values[stretch];
                store_value(self.format, values, &v[of_head], inside);
            }
        }
    }
}
