//! The one forward pass: a slice of tokens through every block, then, where wanted, one position's logits.

use core::ops::Range;

use super::importance::Input;
use super::{BlockWeights, Cache, Config, FeedForward, Mixer, Norm, Part, Scratch, Weights};
use crate::kernels::pool::Pool;
use crate::kernels::{Activations, Isa, Packed, Product, matmul, vector};
use crate::ops::norm::{layer_norm_in_place, rms_norm, rms_norm_in_place};

/// Tokens that one call of [`Model::forward`] takes at most, where tokens see only those before them.
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

impl Model {
    pub(super) fn packed(&self, w: &BlockWeights, part: Part) -> Packed<'_> {
        self.weights.arena.packed(w.matrix(part))
    }

    /// out = x · weightsᵀ for `x` [tokens, cols] and every one of `weights`.
    pub(super) fn multiply<const N: usize>(
        &self,
        pool: &Pool,
        activations: &mut Activations,
        (x, cols): (&[f32], usize),
        weights: [Packed<'_>; N],
        out: [&mut [f32]; N],
    ) {
        activations.fill(self.isa, x, cols, &weights);
        let mut out = out.into_iter();
        let mut products = weights.map(|weights| Product {
            weights,
            out: out.next().expect("as many"),
        });
        matmul(self.isa, pool, activations, &mut products);
    }

    /// Norms every row of `x` in place; without a `weight` it stays as it is.
    pub(super) fn norm_in_place(&self, x: &mut [f32], weight: &[f32], bias: &[f32]) {
        if weight.is_empty() {
            return;
        }
        let eps = self.config.norm_eps;
        match self.config.norm {
            Norm::Rms => rms_norm_in_place(self.isa, x, weight, eps),
            Norm::Layer => layer_norm_in_place(self.isa, x, weight, bias, eps),
        }
    }

    /// The normed `x` → `out`; without a `weight` it is `x`.
    pub(super) fn norm(&self, x: &[f32], weight: &[f32], bias: &[f32], out: &mut [f32]) {
        if self.config.norm == Norm::Rms && !weight.is_empty() {
            rms_norm(self.isa, x, weight, self.config.norm_eps, out);
        } else {
            out.copy_from_slice(x);
            self.norm_in_place(out, weight, bias);
        }
    }

    /// x += bias for every row of `x`, where there is one.
    pub(super) fn add_bias(&self, x: &mut [f32], bias: &[f32]) {
        if !bias.is_empty() {
            x.chunks_exact_mut(bias.len())
                .for_each(|x| vector::add(self.isa, x, bias));
        }
    }

    /// Evaluates `tokens` (at most [`Scratch::slice`]) at the positions after those in `cache`. Allocates nothing.
    pub fn forward(&self, pool: &Pool, cache: &mut Cache, s: &mut Scratch, tokens: &[u32]) {
        let n = tokens.len();
        assert!((1..=s.slice).contains(&n) && cache.len() + n <= cache.context());
        s.tokens = n;
        self.embed(s, tokens);
        for rotation in &mut s.rotations {
            rotation.set(cache.len(), n);
        }
        for (layer, block) in self.config.blocks.iter().enumerate() {
            let w = &self.weights.blocks[block.weights];
            self.normed(s, w, Part::AttentionNorm);
            match &block.mixer {
                Mixer::Attention(a) => self.attend(pool, cache, s, layer, a, w),
            }
            self.add(s, w, Part::PostAttentionNorm);
            self.normed(s, w, Part::FeedForwardNorm);
            match block.feed_forward {
                FeedForward::Experts {
                    n_used, activation, ..
                } => self.route(pool, s, n_used, activation, w),
                FeedForward::Gated { activation, .. } | FeedForward::Plain { activation, .. } => {
                    self.feed(pool, s, layer, activation, w);
                }
            }
            self.add(s, w, Part::PostFeedForwardNorm);
        }
        cache.advance(n);
    }

    /// tokens → x.
    fn embed(&self, s: &mut Scratch, tokens: &[u32]) {
        let dim = self.config.dim;
        let table = self.weights.model.matrix(Part::TokenEmbedding);
        for (token, x) in tokens.iter().zip(s.x.chunks_exact_mut(dim)) {
            self.weights.arena.row(table, *token as usize, x);
        }
        let scale = self.config.embedding_scale;
        if scale != 1.0 {
            s.x[..tokens.len() * dim]
                .iter_mut()
                .for_each(|x| *x *= scale);
        }
    }

    /// x, normed where the model norms there → h.
    fn normed(&self, s: &mut Scratch, w: &BlockWeights, norm: Part) {
        let n = s.tokens * self.config.dim;
        self.norm(&s.x[..n], w.vector(norm), &[], &mut s.h[..n]);
    }

    /// x += h, normed before where the model norms there.
    fn add(&self, s: &mut Scratch, w: &BlockWeights, norm: Part) {
        let n = s.tokens * self.config.dim;
        let (x, h) = (&mut s.x[..n], &mut s.h[..n]);
        self.norm_in_place(h, w.vector(norm), &[]);
        let scale = self.config.residual_scale;
        if scale != 1.0 {
            h.iter_mut().for_each(|h| *h *= scale);
        }
        vector::add(self.isa, x, h);
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
        let w = &self.weights.model;
        let head = w.optional(Part::Output);
        let head = head.unwrap_or_else(|| w.matrix(Part::TokenEmbedding));
        self.norm(
            &s.x[range.start * dim..range.end * dim],
            w.vector(Part::OutputNorm),
            w.vector(Part::OutputNormBias),
            &mut s.h[..n * dim],
        );
        s.observe(Input::Output, n, dim);
        self.multiply(
            pool,
            &mut s.activations,
            (&s.h[..n * dim], dim),
            [self.weights.arena.packed(head)],
            [out],
        );
        let (scale, cap) = (self.config.logit_scale, self.config.logit_soft_cap);
        if scale != 1.0 {
            out.iter_mut().for_each(|l| *l *= scale);
        }
        if cap > 0.0 {
            out.iter_mut().for_each(|l| *l = cap * (*l / cap).tanh());
        }
    }
}
