//! Everything a forward pass writes besides the cache, planned and allocated once.

use super::importance::{Importance, Input};
use super::{Config, Model, Part, SLICE};
use crate::error::Result;
use crate::kernels::Activations;
use crate::ops::attention::Partials;
use crate::ops::distance::Distances;
use crate::ops::rope::Rotation;
use crate::tensor::zeroed;

/// The buffers of one forward pass; `slice` is the most tokens it takes.
pub struct Scratch {
    /// [slice, width]: the residual stream.
    pub(super) x: Vec<f32>,
    /// Values of a token in `x`: dim, but in a narrower stretch.
    pub(super) width: usize,
    /// [slice, dim]: normed input, and a block's output before it is added. Before the blocks, embeddings side by side.
    pub(super) h: Vec<f32>,
    /// [slice, dim]: the output of one of two mixers; or [slice, narrower], which changes places with `x`; else empty.
    pub(super) side: Vec<f32>,
    /// [slice, n_heads, head_dim].
    pub(super) q: Vec<f32>,
    /// [slice, n_kv_heads, head_dim].
    pub(super) k: Vec<f32>,
    /// [slice, n_kv_heads, head_dim].
    pub(super) v: Vec<f32>,
    /// [slice, n_heads, head_dim], or what another mixer has there.
    pub(super) mixed: Vec<f32>,
    /// [slice, outputs of the first matrix of such a mixer].
    pub(super) wide: Vec<f32>,
    /// [slice, hidden_dim].
    pub(super) gate: Vec<f32>,
    /// [slice, hidden_dim].
    pub(super) up: Vec<f32>,
    /// [batch, vocab_size].
    pub(super) logits: Vec<f32>,
    /// [vocab_size], where a head adds up rows.
    pub(super) row: Vec<f32>,
    pub(super) routed: Routed,
    pub(super) activations: Activations,
    /// One for each of the model's rotary embeddings.
    pub(super) rotations: Vec<Rotation>,
    /// Of each block that has such biases.
    pub(super) distances: Vec<Option<Distances>>,
    pub(super) partials: Option<Partials>,
    /// The most tokens of one call.
    pub(super) slice: usize,
    /// Tokens of the last slice of which results are wanted.
    pub(super) tokens: usize,
    /// Of how many of them, the first ones, the block that is computed leaves keys and values only.
    pub(super) unwanted: usize,
    /// The first token of a second text, where two are read together.
    pub(super) second: usize,
    /// Hears of every matrix's input, where somebody listens.
    importance: Option<Box<Importance>>,
}

/// Tokens on their way to experts and back; empty for models without experts.
pub(super) struct Routed {
    /// [slice, experts]: the router's scores.
    pub scores: Vec<f32>,
    /// [slice, experts used]: which, and with what weight.
    pub chosen: Vec<(u32, f32)>,
    /// [slice]: the tokens of the expert being computed, and their weights.
    pub tokens: Vec<(u32, f32)>,
    /// [slice, dim]: their inputs, then their outputs.
    pub x: Vec<f32>,
    /// [slice, dim]: what the experts so far came to.
    pub sum: Vec<f32>,
}

/// The most tokens of one call: all there are where a token sees those after it.
fn slice(config: &Config, context: usize) -> usize {
    match config.is_causal() {
        true => SLICE,
        false => context,
    }
}

/// What the scores of block `i` have added by distance, where its weights say that.
fn distances(model: &Model, i: usize) -> Option<Distances> {
    let block = &model.config.blocks[i];
    let shape = &block.attention()?.shape;
    let table = model.weights.blocks[block.weights].optional(Part::DistanceBias)?;
    let row = |bucket, out: &mut [f32]| model.weights.arena.row(table, bucket, out);
    Some(Distances::new(
        shape.n_heads,
        table.rows,
        shape.ahead > 0,
        row,
    ))
}

/// Values of a row of logits that a head of narrower embeddings adds up.
fn row_len(config: &Config) -> usize {
    config.factored.map_or(0, |_| config.vocab_size)
}

impl Scratch {
    /// Scratch for `model` with contexts of up to `context` positions.
    pub fn new(model: &Model, context: usize) -> Result<Scratch> {
        let c = &model.config;
        let slice = slice(c, context);
        let (q, kv, hidden) = (c.query_width(), c.key_width(), c.hidden_dim());
        let (n_experts, n_used) = c.experts();
        let some = |n: usize| slice * n * usize::from(n_experts > 0);
        let mut chosen = Vec::new();
        chosen.resize(some(n_used), (0, 0.0));
        let mut tokens = Vec::new();
        tokens.resize(some(1), (0, 0.0));
        let divisors = |i: usize| match i {
            0 => [Part::RopeFactors, Part::LongRopeFactors].map(|p| model.weights.model.vector(p)),
            _ => [&[][..]; 2],
        };
        let rotations = c.ropes.iter().enumerate();
        Ok(Scratch {
            x: zeroed(slice * c.dim)?,
            width: c.dim,
            h: zeroed(slice * c.dim.max(c.embedding_width()))?,
            side: zeroed(slice * c.side_width())?,
            q: zeroed(slice * q)?,
            k: zeroed(slice * kv)?,
            v: zeroed(slice * kv)?,
            mixed: zeroed(slice * c.mixed_width())?,
            wide: zeroed(slice * c.wide_width())?,
            gate: zeroed(slice * hidden)?,
            up: zeroed(slice * hidden)?,
            logits: zeroed(c.batch() * c.vocab_size)?,
            row: zeroed(row_len(c))?,
            routed: Routed {
                scores: zeroed(some(n_experts))?,
                chosen,
                tokens,
                x: zeroed(some(c.dim))?,
                sum: zeroed(some(c.dim))?,
            },
            activations: Activations::new(slice, c.max_width()),
            rotations: rotations
                .map(|(i, rope)| Rotation::new(rope, divisors(i), context, slice))
                .collect(),
            distances: (0..c.blocks.len()).map(|i| distances(model, i)).collect(),
            partials: c
                .attentions()
                .max_by_key(|a| a.shape.n_heads * a.shape.head_dim)
                .map(|a| Partials::new(&a.shape, context)),
            slice,
            tokens: 0,
            unwanted: 0,
            second: usize::MAX,
            importance: None,
        })
    }

    /// Bytes that [`Scratch::new`] takes, in a width that no header can overflow.
    pub fn bytes(config: &Config, context: usize) -> u64 {
        let slice = slice(config, context);
        let (n_experts, n_used) = config.experts();
        let mut widths = vec![
            config.dim + config.dim.max(config.embedding_width()),
            config.side_width(),
            config.query_width(),
            2 * config.key_width(),
            config.mixed_width(),
            config.wide_width(),
            2 * config.hidden_dim(),
        ];
        if n_experts > 0 {
            widths.extend([n_experts, 2 * n_used + 2, 2 * config.dim]);
        }
        let a_token: u64 = widths.into_iter().map(|n| n as u64).sum();
        let partials = config
            .attentions()
            .map(|a| Partials::bytes(&a.shape, context));
        let rotations = config.ropes.iter().map(|r| Rotation::bytes(r.dims, slice));
        let biased = config.attentions().filter(|_| config.distance_buckets > 0);
        let distances = biased.map(|a| Distances::bytes(a.shape.n_heads));
        let logits = config.batch() as u64 * config.vocab_size as u64 + row_len(config) as u64;
        4 * (slice as u64 * a_token + logits)
            + Activations::bytes(slice, config.max_width())
            + rotations.sum::<u64>()
            + distances.sum::<u64>()
            + partials.max().unwrap_or(0)
    }

    /// The most tokens that one call of [`Model::forward`] takes.
    pub fn slice(&self) -> usize {
        self.slice
    }

    /// Adds up the squares of every matrix's input from now on, or stops doing so; returns what was added up so far.
    pub fn listen(&mut self, importance: Option<Box<Importance>>) -> Option<Box<Importance>> {
        core::mem::replace(&mut self.importance, importance)
    }

    /// Goes on without the first `n` tokens of the slice.
    pub(super) fn forget(&mut self, n: usize) {
        self.x
            .copy_within(n * self.width..self.tokens * self.width, 0);
        self.tokens -= n;
    }

    /// Tells who listens of the first `n` rows of the buffer that `input` stands in.
    pub(super) fn observe(&mut self, input: Input, n: usize, cols: usize) {
        if let Some(importance) = &mut self.importance {
            let x = match input {
                Input::Output | Input::Mixer(_) | Input::FeedForward(_) => &self.h,
                Input::MixerOutput(_) => &self.mixed,
                Input::Down(_) => &self.gate,
            };
            importance.add(input, &x[..n * cols], cols);
        }
    }

    /// From which token on a second text is read, in the calls to come; `usize::MAX` where there is none.
    pub fn set_second(&mut self, from: usize) {
        self.second = from;
    }

    /// The logits of row `row` of the last [`Model::logits`]; there are `vocab_size` in each.
    pub fn logits_mut(&mut self, row: usize, vocab_size: usize) -> &mut [f32] {
        &mut self.logits[row * vocab_size..][..vocab_size]
    }
}
