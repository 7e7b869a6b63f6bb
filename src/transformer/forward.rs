//! The one forward pass: a slice of tokens through every block, then, where wanted, one position's logits.

use core::ops::Range;

use super::importance::{Importance, Input};
use super::{BlockWeights, Cache, Config, FeedForward, Mixer, Weights};
use crate::error::Result;
use crate::kernels::pool::Pool;
use crate::kernels::{Activations, Isa, Packed, Product, matmul, vector};
use crate::ops::attention::{Partials, attention};
use crate::ops::norm::{rms_norm, rms_norm_in_place};
use crate::ops::rope::Rotation;
use crate::tensor::{Matrix, zeroed};

/// Tokens that one call of [`Model::forward`] takes at most.
pub const SLICE: usize = 64;

/// A model ready to run.
pub struct Model {
    /// Its shape.
    pub config: Config,
    /// Its weights.
    pub weights: Weights,
    /// What its matrices are multiplied with.
    pub isa: Isa,
}

/// Everything a forward pass writes besides the cache, planned once.
pub struct Scratch {
    /// [SLICE, dim]: the residual stream.
    x: Vec<f32>,
    /// [SLICE, dim]: normed input, and a block's output before it is added.
    h: Vec<f32>,
    /// [SLICE, n_heads, head_dim].
    q: Vec<f32>,
    /// [SLICE, n_kv_heads, head_dim].
    k: Vec<f32>,
    /// [SLICE, n_kv_heads, head_dim].
    v: Vec<f32>,
    /// [SLICE, n_heads, head_dim].
    mixed: Vec<f32>,
    /// [SLICE, hidden_dim].
    gate: Vec<f32>,
    /// [SLICE, hidden_dim].
    up: Vec<f32>,
    /// [vocab_size].
    logits: Vec<f32>,
    activations: Activations,
    rotation: Rotation,
    partials: Option<Partials>,
    /// Tokens of the last slice.
    tokens: usize,
    /// Hears of every matrix's input, where somebody listens.
    importance: Option<Box<Importance>>,
}

/// The widest of what `f` says of each attention.
fn widest(config: &Config, f: impl Fn(&super::Attention) -> usize) -> usize {
    config.attentions().map(f).max().unwrap_or(0)
}

fn hidden_dim(config: &Config) -> usize {
    let widths = config.blocks.iter().map(|b| match b.feed_forward {
        FeedForward::GatedSilu { hidden_dim } => hidden_dim,
    });
    widths.max().unwrap_or(0)
}

impl Scratch {
    /// Scratch for `model` with contexts of up to `context` positions.
    pub fn new(model: &Model, context: usize) -> Result<Scratch> {
        let c = &model.config;
        let q = widest(c, |a| a.shape.n_heads * a.shape.head_dim);
        let kv = widest(c, |a| a.shape.n_kv_heads * a.shape.head_dim);
        Ok(Scratch {
            x: zeroed(SLICE * c.dim)?,
            h: zeroed(SLICE * c.dim)?,
            q: zeroed(SLICE * q)?,
            k: zeroed(SLICE * kv)?,
            v: zeroed(SLICE * kv)?,
            mixed: zeroed(SLICE * q)?,
            gate: zeroed(SLICE * hidden_dim(c))?,
            up: zeroed(SLICE * hidden_dim(c))?,
            logits: zeroed(c.vocab_size)?,
            activations: Activations::new(SLICE, c.max_width()),
            rotation: Rotation::new(
                c.rope.dims,
                c.rope.theta,
                &model.weights.rope_factors,
                SLICE,
            ),
            partials: c
                .attentions()
                .max_by_key(|a| a.shape.n_heads * a.shape.head_dim)
                .map(|a| Partials::new(&a.shape, context)),
            tokens: 0,
            importance: None,
        })
    }

    /// Bytes that [`Scratch::new`] takes.
    pub fn bytes(config: &Config, context: usize) -> usize {
        let q = widest(config, |a| a.shape.n_heads * a.shape.head_dim);
        let kv = widest(config, |a| a.shape.n_kv_heads * a.shape.head_dim);
        let a_token = 2 * config.dim + 2 * q + 2 * kv + 2 * hidden_dim(config);
        4 * (SLICE * a_token + config.vocab_size)
            + Activations::bytes(SLICE, config.max_width())
            + Rotation::bytes(config.rope.dims, SLICE)
            + widest(config, |a| Partials::bytes(&a.shape, context))
    }

    /// Adds up the squares of every matrix's input from now on, or stops doing so; returns what was added up so far.
    pub fn listen(&mut self, importance: Option<Box<Importance>>) -> Option<Box<Importance>> {
        core::mem::replace(&mut self.importance, importance)
    }

    /// Tells who listens of the first `n` rows of the buffer that `input` stands in.
    fn observe(&mut self, input: Input, n: usize, cols: usize) {
        if let Some(importance) = &mut self.importance {
            let x = match input {
                Input::Output | Input::Mixer(_) | Input::FeedForward(_) => &self.h,
                Input::MixerOutput(_) => &self.mixed,
                Input::Down(_) => &self.gate,
            };
            importance.add(input, &x[..n * cols], cols);
        }
    }

    /// The logits of the last [`Model::logits`].
    pub fn logits_mut(&mut self) -> &mut [f32] {
        &mut self.logits
    }
}

/// A matrix that the declaration of this kind of block requires.
fn need(m: &Option<Matrix>) -> &Matrix {
    m.as_ref().expect("the declaration requires it")
}

impl Model {
    fn packed(&self, m: &Option<Matrix>) -> Packed<'_> {
        self.weights.arena.packed(need(m))
    }

    /// Evaluates `tokens` (at most [`SLICE`]) at the positions after those in `cache`. Allocates nothing.
    pub fn forward(&self, pool: &Pool, cache: &mut Cache, s: &mut Scratch, tokens: &[u32]) {
        let (n, dim) = (tokens.len(), self.config.dim);
        assert!((1..=SLICE).contains(&n) && cache.len() + n <= cache.context());
        s.tokens = n;
        for (token, x) in tokens.iter().zip(s.x.chunks_exact_mut(dim)) {
            self.weights
                .arena
                .row(&self.weights.token_embedding, *token as usize, x);
        }
        s.rotation.set(cache.len(), n);
        for (layer, (block, w)) in self
            .config
            .blocks
            .iter()
            .zip(&self.weights.blocks)
            .enumerate()
        {
            match &block.mixer {
                Mixer::Attention(a) => self.attend(pool, cache, s, layer, a, w),
            }
            vector::add(self.isa, &mut s.x[..n * dim], &s.h[..n * dim]);
            match block.feed_forward {
                FeedForward::GatedSilu { hidden_dim } => self.feed(pool, s, layer, hidden_dim, w),
            }
            vector::add(self.isa, &mut s.x[..n * dim], &s.h[..n * dim]);
        }
        cache.advance(n);
    }

    /// The logits after token `index` of the last slice → [`Scratch::logits_mut`].
    pub fn logits(&self, pool: &Pool, s: &mut Scratch, index: usize) {
        let mut out = core::mem::take(&mut s.logits);
        self.logits_of(pool, s, index..index + 1, &mut out);
        s.logits = out;
    }

    /// The logits after each token of `range` of the last slice → `out` [range, vocab_size].
    pub fn logits_of(&self, pool: &Pool, s: &mut Scratch, range: Range<usize>, out: &mut [f32]) {
        assert!(range.end <= s.tokens);
        let (n, dim) = (range.len(), self.config.dim);
        let head = self.weights.output.unwrap_or(self.weights.token_embedding);
        let weights = self.weights.arena.packed(&head);
        let x = &s.x[range.start * dim..range.end * dim];
        rms_norm(
            self.isa,
            x,
            &self.weights.output_norm,
            self.config.norm_eps,
            &mut s.h[..n * dim],
        );
        s.observe(Input::Output, n, dim);
        s.activations
            .fill(self.isa, &s.h[..n * dim], dim, &[weights]);
        matmul(
            self.isa,
            pool,
            &s.activations,
            &mut [Product { weights, out }],
        );
    }

    /// x → h: one attention.
    fn attend(
        &self,
        pool: &Pool,
        cache: &mut Cache,
        s: &mut Scratch,
        layer: usize,
        a: &super::Attention,
        w: &BlockWeights,
    ) {
        let (n, dim, eps) = (s.tokens, self.config.dim, self.config.norm_eps);
        let (heads, kv_heads, hd) = (a.shape.n_heads, a.shape.n_kv_heads, a.shape.head_dim);
        rms_norm(
            self.isa,
            &s.x[..n * dim],
            &w.attention_norm,
            eps,
            &mut s.h[..n * dim],
        );
        s.observe(Input::Mixer(layer), n, dim);
        let (q, k, v) = (
            &mut s.q[..n * heads * hd],
            &mut s.k[..n * kv_heads * hd],
            &mut s.v[..n * kv_heads * hd],
        );
        let weights = [
            self.packed(&w.query),
            self.packed(&w.key),
            self.packed(&w.value),
        ];
        s.activations.fill(self.isa, &s.h[..n * dim], dim, &weights);
        let [wq, wk, wv] = weights;
        matmul(
            self.isa,
            pool,
            &s.activations,
            &mut [
                Product {
                    weights: wq,
                    out: q,
                },
                Product {
                    weights: wk,
                    out: k,
                },
                Product {
                    weights: wv,
                    out: v,
                },
            ],
        );
        for (x, bias) in [
            (&mut *q, &w.query_bias),
            (&mut *k, &w.key_bias),
            (&mut *v, &w.value_bias),
        ] {
            if !bias.is_empty() {
                x.chunks_exact_mut(bias.len())
                    .for_each(|x| vector::add(self.isa, x, bias));
            }
        }
        for (x, norm) in [(&mut *q, &w.query_norm), (&mut *k, &w.key_norm)] {
            if !norm.is_empty() {
                rms_norm_in_place(self.isa, x, norm, eps);
            }
        }
        if a.rope {
            s.rotation.apply(self.config.rope.pairing, q, heads, hd);
            s.rotation.apply(self.config.rope.pairing, k, kv_heads, hd);
        }
        q.iter_mut().for_each(|q| *q *= a.scale);
        cache.store(layer, k, v, kv_heads, hd);
        let mixed = &mut s.mixed[..n * heads * hd];
        let partials = s.partials.as_mut().expect("there is an attention");
        attention(
            self.isa,
            pool,
            &a.shape,
            q,
            cache.layer(layer),
            cache.len(),
            partials,
            mixed,
        );
        s.observe(Input::MixerOutput(layer), n, heads * hd);
        let weights = self.packed(&w.attention_output);
        s.activations
            .fill(self.isa, &s.mixed[..n * heads * hd], heads * hd, &[weights]);
        matmul(
            self.isa,
            pool,
            &s.activations,
            &mut [Product {
                weights,
                out: &mut s.h[..n * dim],
            }],
        );
    }

    /// x → h: one gated feed-forward.
    fn feed(
        &self,
        pool: &Pool,
        s: &mut Scratch,
        layer: usize,
        hidden_dim: usize,
        w: &BlockWeights,
    ) {
        let (n, dim) = (s.tokens, self.config.dim);
        rms_norm(
            self.isa,
            &s.x[..n * dim],
            &w.feed_forward_norm,
            self.config.norm_eps,
            &mut s.h[..n * dim],
        );
        s.observe(Input::FeedForward(layer), n, dim);
        let (gate, up) = (&mut s.gate[..n * hidden_dim], &mut s.up[..n * hidden_dim]);
        let weights = [self.packed(&w.gate), self.packed(&w.up)];
        s.activations.fill(self.isa, &s.h[..n * dim], dim, &weights);
        let [wg, wu] = weights;
        matmul(
            self.isa,
            pool,
            &s.activations,
            &mut [
                Product {
                    weights: wg,
                    out: gate,
                },
                Product {
                    weights: wu,
                    out: up,
                },
            ],
        );
        vector::silu_mul(self.isa, gate, up);
        s.observe(Input::Down(layer), n, hidden_dim);
        let weights = self.packed(&w.down);
        s.activations
            .fill(self.isa, &s.gate[..n * hidden_dim], hidden_dim, &[weights]);
        matmul(
            self.isa,
            pool,
            &s.activations,
            &mut [Product {
                weights,
                out: &mut s.h[..n * dim],
            }],
        );
    }
}
