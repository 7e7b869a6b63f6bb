//! The KV cache: keys and values of every layer in f16, allocated once, in blocks of positions that sequences share as
//! long as they begin alike; and the states of layers that have one in their place. Those cannot forget single
//! positions: going back means going to a checkpoint.

use super::{Block, Config};
use crate::error::Result;
use crate::kernels::attention::{CHUNK, KEY_BLOCK, store_key, store_value};
use crate::ops::attention::KeyValues;
use crate::tensor::zeroed;
use core::ops::Range;

/// The memory of all sequences: blocks of [`CHUNK`] positions, each with the number of sequences that hold it.
pub struct Cache {
    /// Layers after each other, each [blocks, n_kv_heads, CHUNK/8, head_dim, 8].
    keys: Vec<u16>,
    /// Layers after each other, each [blocks, n_kv_heads, CHUNK, head_dim].
    values: Vec<u16>,
    /// Where each layer begins in both.
    starts: Vec<usize>,
    /// [layers]: values of a head; 0 where nothing is attended over.
    head_dims: Vec<usize>,
    /// [blocks]: sequences that hold it.
    holders: Vec<u32>,
    /// Blocks that nobody holds.
    free: Vec<u32>,
    /// Where each layer begins in a sequence's states.
    state_starts: Vec<usize>,
    context: usize,
}

/// The positions of one text, and where in the cache they are. Given back by [`Cache::release`].
pub struct Sequence {
    /// The first CHUNK positions, the next, …
    blocks: Vec<u32>,
    len: usize,
    /// Layers after each other.
    states: Vec<f32>,
    /// Earlier states, each with the positions it has seen, the oldest first.
    checkpoints: Vec<(usize, Vec<f32>)>,
}

/// Checkpoints kept: one is at the end of the last prompt, one at that of the prompt before.
const CHECKPOINTS: usize = 2;

impl Sequence {
    /// Positions held.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no position is held.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Counts `n` further positions as held, once all layers have stored them.
    pub(super) fn advance(&mut self, n: usize) {
        self.len += n;
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

impl Cache {
    /// Room for `capacity` positions in all, and sequences of up to `context` of them.
    pub fn new(config: &Config, context: usize, capacity: usize) -> Result<Cache> {
        let blocks = capacity.max(context).div_ceil(CHUNK);
        let (mut starts, mut state_starts) = (vec![0], vec![0]);
        let mut head_dims = Vec::with_capacity(config.blocks.len());
        for block in &config.blocks {
            let width = block
                .attention()
                .map_or(0, |a| a.shape.n_kv_heads * a.shape.head_dim);
            starts.push(starts[starts.len() - 1] + blocks * CHUNK * width);
            state_starts.push(state_starts[state_starts.len() - 1] + block.state_len(config.dim));
            head_dims.push(block.attention().map_or(0, |a| a.shape.head_dim));
        }
        let total = starts[starts.len() - 1];
        Ok(Cache {
            keys: zeroed(total)?,
            values: zeroed(total)?,
            starts,
            head_dims,
            holders: vec![0; blocks],
            free: (0..blocks as u32).rev().collect(),
            state_starts,
            context,
        })
    }

    /// Bytes that [`Cache::new`] and one sequence's states and checkpoints take, in a width that no header can overflow.
    pub fn bytes(config: &Config, context: usize, capacity: usize) -> u64 {
        let positions = capacity.max(context).next_multiple_of(CHUNK) as u64;
        let of_block = |block: &Block| {
            let width = block
                .attention()
                .map_or(0, |a| a.shape.n_kv_heads * a.shape.head_dim);
            let states = block.state_len(config.dim) as u64 * (1 + CHECKPOINTS as u64);
            4 * (positions * width as u64 + states)
        };
        config.blocks.iter().map(of_block).sum()
    }

    /// Positions a sequence may have.
    pub fn context(&self) -> usize {
        self.context
    }

    /// Blocks that no sequence holds.
    pub fn free_blocks(&self) -> usize {
        self.free.len()
    }

    /// Whether going back needs checkpoints.
    pub fn has_states(&self) -> bool {
        self.state_starts.last() != Some(&0)
    }

    /// A sequence that holds nothing.
    pub fn sequence(&self) -> Result<Sequence> {
        Ok(Sequence {
            blocks: Vec::with_capacity(self.context.div_ceil(CHUNK)),
            len: 0,
            states: zeroed(self.state_starts[self.state_starts.len() - 1])?,
            checkpoints: Vec::new(),
        })
    }

    /// A sequence that begins with the first `len` positions of `from`, in the same memory. Not where there are states.
    pub fn fork(&mut self, from: &Sequence, len: usize) -> Result<Sequence> {
        assert!(!self.has_states() && len <= from.len);
        let mut fork = self.sequence()?;
        fork.len = len;
        fork.blocks
            .extend_from_slice(&from.blocks[..len.div_ceil(CHUNK)]);
        for block in &fork.blocks {
            self.holders[*block as usize] += 1;
        }
        Ok(fork)
    }

    /// Forgets `sequence`.
    pub fn release(&mut self, mut sequence: Sequence) {
        self.give_back(&mut sequence, 0);
    }

    /// Makes sure that `n` further positions can be stored; false where blocks are wanting, and then some may have come.
    pub fn reserve(&mut self, sequence: &mut Sequence, n: usize) -> bool {
        let last = sequence.len / CHUNK;
        if !sequence.len.is_multiple_of(CHUNK) && self.holders[sequence.blocks[last] as usize] > 1 {
            let Some(own) = self.take() else {
                return false;
            };
            let shared = core::mem::replace(&mut sequence.blocks[last], own);
            self.copy_block(shared as usize, own as usize);
            self.holders[shared as usize] -= 1;
        }
        while sequence.blocks.len() < (sequence.len + n).div_ceil(CHUNK) {
            let Some(block) = self.take() else {
                return false;
            };
            sequence.blocks.push(block);
        }
        true
    }

    fn take(&mut self) -> Option<u32> {
        let block = self.free.pop()?;
        self.holders[block as usize] = 1;
        Some(block)
    }

    fn copy_block(&mut self, from: usize, to: usize) {
        let blocks = self.holders.len();
        for layer in self.starts.windows(2) {
            let size = (layer[1] - layer[0]) / blocks;
            let at = layer[0] + from * size;
            self.keys.copy_within(at..at + size, layer[0] + to * size);
            self.values.copy_within(at..at + size, layer[0] + to * size);
        }
    }

    /// Gives back the blocks behind the first `len` positions.
    fn give_back(&mut self, sequence: &mut Sequence, len: usize) {
        for block in sequence.blocks.drain(len.div_ceil(CHUNK)..) {
            let holders = &mut self.holders[block as usize];
            *holders -= 1;
            if *holders == 0 {
                self.free.push(block);
            }
        }
    }

    /// Forgets every position of `sequence` from `len` on, and where there are states, those back to the last
    /// checkpoint before. Returns how many are still held.
    pub fn truncate(&mut self, sequence: &mut Sequence, len: usize) -> usize {
        if len >= sequence.len || sequence.states.is_empty() {
            sequence.len = sequence.len.min(len);
        } else {
            sequence.checkpoints.retain(|c| c.0 <= len);
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
        self.give_back(sequence, len);
        len
    }

    /// The state of one layer.
    pub(super) fn state<'s>(&self, sequence: &'s mut Sequence, layer: usize) -> &'s mut [f32] {
        &mut sequence.states[self.state_starts[layer]..self.state_starts[layer + 1]]
    }

    /// Where the first `len` positions of a text in `blocks` are: of each layer and head, block by block, the keys in
    /// whole stretches of eight positions, then, block by block, the values (true).
    fn parts(&self, blocks: &[u32], len: usize) -> Vec<(bool, Range<usize>)> {
        let mut parts = Vec::new();
        for (layer, head_dim) in self.head_dims.iter().enumerate() {
            let (from, to) = (self.starts[layer], self.starts[layer + 1]);
            let size = CHUNK * head_dim;
            let heads = (to - from) / (self.holders.len() * size).max(1);
            for i in 0..2 * heads {
                let (head, values) = (i / 2, i % 2 == 1);
                let len = match values {
                    true => len,
                    false => len.next_multiple_of(KEY_BLOCK),
                };
                for first in (0..len).step_by(CHUNK) {
                    let start = from + (blocks[first / CHUNK] as usize * heads + head) * size;
                    parts.push((values, start..start + CHUNK.min(len - first) * head_dim));
                }
            }
        }
        parts
    }

    /// Bytes that [`Cache::save`] makes of `len` positions.
    pub fn saved_bytes(&self, len: usize) -> u64 {
        let positions = len + len.next_multiple_of(KEY_BLOCK);
        let halves = self.starts[self.starts.len() - 1] / (self.holders.len() * CHUNK);
        let states = self.state_starts[self.state_starts.len() - 1];
        2 * positions as u64 * halves as u64 + 4 * states as u64
    }

    /// Appends what `sequence` holds to `out`, little-endian.
    pub fn save(&self, sequence: &Sequence, out: &mut Vec<u8>) {
        for (values, range) in self.parts(&sequence.blocks, sequence.len) {
            let halves = if values { &self.values } else { &self.keys };
            out.extend(halves[range].iter().flat_map(|half| half.to_le_bytes()));
        }
        out.extend(sequence.states.iter().flat_map(|s| s.to_le_bytes()));
    }

    /// Puts the `len` positions that [`Cache::save`] wrote into the empty `sequence`, which has room for them. There are
    /// [`Cache::saved_bytes`] of `bytes`.
    pub fn restore(&mut self, sequence: &mut Sequence, len: usize, bytes: &[u8]) {
        assert!(sequence.is_empty() && bytes.len() as u64 == self.saved_bytes(len));
        let (bytes, states) = bytes.split_at(bytes.len() - 4 * sequence.states.len());
        let mut halves = bytes
            .chunks_exact(2)
            .map(|b| u16::from_le_bytes([b[0], b[1]]));
        for (values, range) in self.parts(&sequence.blocks, len) {
            let to = if values {
                &mut self.values
            } else {
                &mut self.keys
            };
            for half in &mut to[range] {
                *half = halves.next().unwrap_or_default();
            }
        }
        for (state, bytes) in sequence.states.iter_mut().zip(states.chunks_exact(4)) {
            *state = f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        }
        sequence.checkpoints.clear();
        sequence.len = len;
    }

    /// One layer of `sequence`, to attend over.
    pub(super) fn layer<'a>(&'a self, sequence: &'a Sequence, layer: usize) -> KeyValues<'a> {
        let part = self.starts[layer]..self.starts[layer + 1];
        KeyValues {
            keys: &self.keys[part.clone()],
            values: &self.values[part],
            blocks: &sequence.blocks,
            from: 0,
        }
    }

    /// Stores `k` and `v` ([tokens, heads, head_dim]) at the positions after those that `sequence` holds.
    pub(super) fn store(
        &mut self,
        sequence: &Sequence,
        layer: usize,
        k: &[f32],
        v: &[f32],
        heads: usize,
    ) {
        let part = self.starts[layer]..self.starts[layer + 1];
        let head_dim = self.head_dims[layer];
        let size = CHUNK * head_dim;
        let rows = k
            .chunks_exact(heads * head_dim)
            .zip(v.chunks_exact(heads * head_dim));
        for (t, (k, v)) in rows.enumerate() {
            let position = sequence.len + t;
            let block = sequence.blocks[position / CHUNK] as usize;
            for h in 0..heads {
                let at = part.start + (block * heads + h) * size;
                let inside = position % CHUNK;
                let of_head = h * head_dim..(h + 1) * head_dim;
                store_key(&mut self.keys[at..at + size], &k[of_head.clone()], inside);
                store_value(&mut self.values[at..at + size], &v[of_head], inside);
            }
        }
    }
}
