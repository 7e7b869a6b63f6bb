//! The KV cache: keys and values of every layer in f16, allocated once for the whole context; and the states of layers
//! that have one in their place. Those cannot forget single positions: going back means going to a checkpoint.

use super::{Block, Config};
use crate::error::Result;
use crate::kernels::attention::{CHUNK, store_key, store_value};
use crate::ops::attention::KeyValues;
use crate::tensor::zeroed;
use core::ops::Range;

/// Keys and values of the positions evaluated so far.
pub struct Cache {
    /// Layers after each other, each [n_kv_heads, capacity/8, head_dim, 8].
    keys: Vec<u16>,
    /// Layers after each other, each [n_kv_heads, capacity, head_dim].
    values: Vec<u16>,
    /// Where each layer begins in both.
    starts: Vec<usize>,
    /// Layers after each other.
    states: Vec<f32>,
    /// Where each layer begins there.
    state_starts: Vec<usize>,
    /// Earlier states, each with the positions it has seen, the oldest first.
    checkpoints: Vec<(usize, Vec<f32>)>,
    capacity: usize,
    context: usize,
    len: usize,
}

fn elements(config: &Config, capacity: usize) -> Vec<usize> {
    config
        .blocks
        .iter()
        .map(|b| {
            b.attention()
                .map_or(0, |a| a.shape.n_kv_heads * a.shape.head_dim * capacity)
        })
        .collect()
}

/// Checkpoints kept: one is at the end of the last prompt, one at that of the prompt before.
const CHECKPOINTS: usize = 2;

/// Of every layer; 0 where nothing is attended over.
fn head_dims(config: &Config) -> Vec<usize> {
    let blocks = config.blocks.iter();
    blocks
        .map(|b| b.attention().map_or(0, |a| a.shape.head_dim))
        .collect()
}

impl Cache {
    /// Room for `context` positions.
    pub fn new(config: &Config, context: usize) -> Result<Cache> {
        let capacity = context.next_multiple_of(CHUNK);
        let mut starts = vec![0];
        for n in elements(config, capacity) {
            starts.push(starts[starts.len() - 1] + n);
        }
        let total = starts[starts.len() - 1];
        let mut state_starts = vec![0];
        for block in &config.blocks {
            let end = state_starts[state_starts.len() - 1] + block.state_len(config.dim);
            state_starts.push(end);
        }
        let states = state_starts[state_starts.len() - 1];
        Ok(Cache {
            states: zeroed(states)?,
            state_starts,
            checkpoints: Vec::new(),
            keys: zeroed(total)?,
            values: zeroed(total)?,
            starts,
            capacity,
            context,
            len: 0,
        })
    }

    /// Bytes that [`Cache::new`] and its checkpoints take, in a width that no header can overflow.
    pub fn bytes(config: &Config, context: usize) -> u64 {
        let capacity = context.next_multiple_of(CHUNK) as u64;
        let of_block = |block: &Block| {
            let width = block
                .attention()
                .map_or(0, |a| a.shape.n_kv_heads * a.shape.head_dim);
            let states = block.state_len(config.dim) as u64 * (1 + CHECKPOINTS as u64);
            4 * (capacity * width as u64 + states)
        };
        config.blocks.iter().map(of_block).sum()
    }

    /// Positions held.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no position is held.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Positions there is room for.
    pub fn context(&self) -> usize {
        self.context
    }

    /// Forgets every position from `len` on, and where there are states, those back to the last checkpoint before.
    /// Returns how many are still held.
    pub fn truncate(&mut self, len: usize) -> usize {
        if len >= self.len || self.states.is_empty() {
            self.len = self.len.min(len);
            return self.len;
        }
        self.checkpoints.retain(|c| c.0 <= len);
        self.len = match self.checkpoints.last() {
            Some((seen, states)) => {
                self.states.copy_from_slice(states);
                *seen
            }
            None => {
                self.states.fill(0.0);
                0
            }
        };
        self.len
    }

    /// Whether going back needs checkpoints.
    pub fn has_states(&self) -> bool {
        !self.states.is_empty()
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

    /// The state of one layer.
    pub(super) fn state(&mut self, layer: usize) -> &mut [f32] {
        &mut self.states[self.state_starts[layer]..self.state_starts[layer + 1]]
    }

    /// The held positions of every layer: per head the keys in whole blocks of eight positions, then the values.
    /// `head_dims`: one for each layer.
    fn held_parts(&self, head_dims: &[usize], len: usize) -> Vec<(Range<usize>, Range<usize>)> {
        let mut parts = Vec::new();
        for (layer, head_dim) in head_dims.iter().enumerate() {
            let size = self.capacity * head_dim;
            for start in (self.starts[layer]..self.starts[layer + 1]).step_by(size.max(1)) {
                let keys = start..start + len.next_multiple_of(8) * head_dim;
                parts.push((keys, start..start + len * head_dim));
            }
        }
        parts
    }

    /// Appends what is held to `out`, little-endian.
    pub fn save(&self, config: &Config, out: &mut Vec<u8>) {
        for (keys, values) in self.held_parts(&head_dims(config), self.len) {
            let halves = self.keys[keys].iter().chain(&self.values[values]);
            out.extend(halves.flat_map(|half| half.to_le_bytes()));
        }
        out.extend(self.states.iter().flat_map(|state| state.to_le_bytes()));
    }

    /// Holds the `len` positions that [`Cache::save`] wrote, if `bytes` are as many as that takes; whether they are.
    pub fn restore(&mut self, config: &Config, len: usize, bytes: &[u8]) -> bool {
        if len > self.context {
            return false;
        }
        let parts = self.held_parts(&head_dims(config), len);
        let wanted: usize = parts.iter().map(|(k, v)| 2 * (k.len() + v.len())).sum();
        if bytes.len() != wanted + 4 * self.states.len() {
            return false;
        }
        let (bytes, states) = bytes.split_at(wanted);
        let mut halves = bytes
            .chunks_exact(2)
            .map(|b| u16::from_le_bytes([b[0], b[1]]));
        for (keys, values) in parts {
            for half in &mut self.keys[keys] {
                *half = halves.next().unwrap_or_default();
            }
            for half in &mut self.values[values] {
                *half = halves.next().unwrap_or_default();
            }
        }
        for (state, bytes) in self.states.iter_mut().zip(states.chunks_exact(4)) {
            *state = f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        }
        self.checkpoints.clear();
        self.len = len;
        true
    }

    /// Counts `n` further positions as held, once all layers have stored them.
    pub(super) fn advance(&mut self, n: usize) {
        self.len += n;
        assert!(self.len <= self.context);
    }

    /// One layer, to attend over.
    pub(super) fn layer(&self, layer: usize) -> KeyValues<'_> {
        let part = self.starts[layer]..self.starts[layer + 1];
        KeyValues {
            keys: &self.keys[part.clone()],
            values: &self.values[part],
            capacity: self.capacity,
            from: 0,
        }
    }

    /// Stores `k` and `v` ([tokens, heads, head_dim]) at the positions after the held ones.
    pub(super) fn store(
        &mut self,
        layer: usize,
        k: &[f32],
        v: &[f32],
        heads: usize,
        head_dim: usize,
    ) {
        let part = self.starts[layer]..self.starts[layer + 1];
        let size = self.capacity * head_dim;
        for (t, (k, v)) in k
            .chunks_exact(heads * head_dim)
            .zip(v.chunks_exact(heads * head_dim))
            .enumerate()
        {
            let position = self.len + t;
            for h in 0..heads {
                let keys = &mut self.keys[part.clone()][h * size..(h + 1) * size];
                store_key(keys, &k[h * head_dim..][..head_dim], position);
                let values = &mut self.values[part.clone()][h * size..(h + 1) * size];
                store_value(values, &v[h * head_dim..][..head_dim], position);
            }
        }
    }
}
