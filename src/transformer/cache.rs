//! The KV cache: keys and values of every layer in f16, allocated once for the whole context.

use super::Config;
use crate::error::Result;
use crate::kernels::attention::{CHUNK, store_key, store_value};
use crate::ops::attention::KeyValues;
use crate::tensor::zeroed;

/// Keys and values of the positions evaluated so far.
pub struct Cache {
    /// Layers after each other, each [n_kv_heads, capacity/8, head_dim, 8].
    keys: Vec<u16>,
    /// Layers after each other, each [n_kv_heads, capacity, head_dim].
    values: Vec<u16>,
    /// Where each layer begins in both.
    starts: Vec<usize>,
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

impl Cache {
    /// Room for `context` positions.
    pub fn new(config: &Config, context: usize) -> Result<Cache> {
        let capacity = context.next_multiple_of(CHUNK);
        let mut starts = vec![0];
        for n in elements(config, capacity) {
            starts.push(starts[starts.len() - 1] + n);
        }
        let total = starts[starts.len() - 1];
        Ok(Cache {
            keys: zeroed(total)?,
            values: zeroed(total)?,
            starts,
            capacity,
            context,
            len: 0,
        })
    }

    /// Bytes that [`Cache::new`] takes.
    pub fn bytes(config: &Config, context: usize) -> usize {
        4 * elements(config, context.next_multiple_of(CHUNK))
            .iter()
            .sum::<usize>()
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

    /// Forgets every position from `len` on.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
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
