//! The one forward pass: a slice of tokens through every block, then, where wanted, one position's logits.

use core::ops::Range;

use super::importance::Input;
use super::{
    BlockWeights, Cache, Config, FeedForward, Mixer, Norm, Part, Scratch, Sequence, Weights,
};
use crate::kernels::pool::Pool;
use crate::kernels::{Activations, Isa, Packed, Product, matmul, matmul_joined, vector};
use crate::ops::activation::Activation;
use crate::ops::blend::blend_in_place;
use crate::ops::norm::{affine_in_place, layer_norm_in_place, rms_norm, rms_norm_in_place};

/// Tokens that one call of [`Model::forward`] takes at most, where tokens see only those before them.
pub const SLICE: usize = 64;

/// The next tokens of one sequence. Several make a slice together.
pub struct Span<'a> {
    /// What stands before them, with room for them ([`Cache::reserve`]).
    pub sequence: &'a mut Sequence,
    /// At least one.
    pub tokens: &'a [u32],
    /// Where each of several texts among them ends that see nothing of each other; empty where they are one. Several
    /// begin an empty sequence, and nothing follows them there.
    pub ends: &'a [usize],
    /// Of how many of them, the last ones, results are wanted: the others only leave keys and values, so the last block
    /// computes no more of them. As many as there are, where spans are several.
    pub wanted: usize,
}

impl Span<'_> {
    /// The tokens of each text.
    pub(super) fn texts(&self) -> impl Iterator<Item = Range<usize>> {
        let text = |i: usize| {
            let start = if i == 0 { 0 } else { self.ends[i - 1] };
            start..self.ends.get(i).copied().unwrap_or(self.tokens.len())
        };
        (0..self.ends.len().max(1)).map(text)
    }
}

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
        activations.fill(self.isa, pool, x, cols, &weights);
        let mut out = out.into_iter();
        let mut products = weights.map(|weights| Product {
            weights,
            out: out.next().expect("as many"),
        });
        matmul(self.isa, pool, activations, &mut products);
    }

    /// gate = f(x · gateᵀ) · (x · upᵀ) for `x` [tokens, cols]; `up` is as long and for use meanwhile.
    pub(super) fn multiply_gated(
        &self,
        pool: &Pool,
        activations: &mut Activations,
        (x, cols): (&[f32], usize),
        weights: [Packed<'_>; 2],
        [gate, up]: [&mut [f32]; 2],
        activation: Activation,
    ) {
        activations.fill(self.isa, pool, x, cols, &weights);
        let mut out = [gate, up].into_iter();
        let products = weights.map(|weights| Product {
            weights,
            out: out.next().expect("as many"),
        });
        matmul_joined(self.isa, pool, activations, products, &|gate, up| {
            vector::scale(self.isa, gate, self.config.multipliers.gate);
            activation.gate(self.isa, gate, up);
        });
    }

    /// Norms every row of `x` in place; where the model has no such norm it stays as it is.
    #[inline(never)]
    pub(super) fn norm_in_place(&self, x: &mut [f32], norm: (&[f32], &[f32])) {
        self.norm_as(self.config.norm, x, norm);
    }

    /// The same by another norm than the model's.
    pub(super) fn norm_as(&self, norm: Norm, x: &mut [f32], (weight, bias): (&[f32], &[f32])) {
        if weight.is_empty() {
            return;
        }
        let eps = self.config.norm_eps;
        match norm {
            Norm::Rms => rms_norm_in_place(self.isa, x, weight, eps),
            Norm::Layer => layer_norm_in_place(self.isa, x, weight, bias, eps),
            Norm::Affine => affine_in_place(self.isa, x, weight, bias),
        }
    }

    /// The normed `x` → `out`; where the model has no such norm it is `x`.
    #[inline(never)]
    pub(super) fn norm(&self, x: &[f32], norm: (&[f32], &[f32]), out: &mut [f32]) {
        if self.config.norm == Norm::Rms && !norm.0.is_empty() {
            rms_norm(self.isa, x, norm.0, self.config.norm_eps, out);
        } else {
            out.copy_from_slice(x);
            self.norm_in_place(out, norm);
        }
    }

    /// x += bias for every row of `x`, where there is one.
    #[inline(never)]
    pub(super) fn add_bias(&self, x: &mut [f32], bias: &[f32]) {
        if !bias.is_empty() {
            x.chunks_exact_mut(bias.len())
                .for_each(|x| vector::add(self.isa, x, bias));
        }
    }

    /// Evaluates the tokens of all `spans` (at most [`Scratch::slice`]; of a model with states there is one span). Then
    /// those that are wanted are the last slice. Allocates nothing.
    pub fn forward(&self, pool: &Pool, cache: &mut Cache, s: &mut Scratch, spans: &mut [Span<'_>]) {
        s.tokens = 0;
        s.width = self.config.dim;
        for span in &*spans {
            let (first, n) = (span.sequence.len(), span.tokens.len());
            assert!(n > 0 && s.tokens + n <= s.slice && first + n <= cache.context());
            assert!(span.ends.last().is_none_or(|end| first == 0 && *end == n));
            for text in span.texts() {
                let tokens = &span.tokens[text];
                self.embed(pool, s, first, tokens);
                for rotation in &mut s.rotations {
                    rotation.set(s.tokens, first, tokens.len());
                }
                s.tokens += tokens.len();
            }
        }
        assert!(spans.len() == 1 || !cache.has_states() && self.config.encoder.is_none());
        let unwanted = |span: &Span<'_>| span.tokens.len() - span.wanted;
        assert!(spans.len() == 1 || spans.iter().all(|span| unwanted(span) == 0));
        let unwanted = unwanted(&spans[0]);
        let stack = self.stack(spans);
        let last = stack.end - 1;
        for layer in stack {
            let block = &self.config.blocks[layer];
            let w = &self.weights.blocks[block.weights];
            match block.narrow {
                Some(narrow) if narrow.first => self.narrow(pool, s, narrow.width, w),
                _ if block.mixer == Mixer::None => {}
                _ => self.normed(pool, s, w, Part::AttentionNorm),
            }
            match &block.mixer {
                Mixer::None => {}
                Mixer::Attention(a) => {
                    let ends = layer == last && self.config.encoder.is_none();
                    let plain = block.narrow.is_none() && spans[0].ends.is_empty();
                    s.unwanted = if ends && plain { unwanted } else { 0 };
                    self.attend(pool, cache, s, spans, (layer, a), w);
                    if s.tokens == 0 {
                        break;
                    }
                }
                Mixer::Across(a) => {
                    self.attend_across(pool, cache, s, &spans[0], (layer, a), w);
                }
                Mixer::ShortConvolution { .. } => {
                    self.convolve(pool, cache, spans[0].sequence, s, layer, w);
                }
                Mixer::StateSpace(space) => {
                    self.scan(pool, cache, spans[0].sequence, s, (layer, space), w);
                }
                Mixer::DeltaRule(rule) => {
                    self.replace(pool, cache, spans[0].sequence, s, (layer, rule), w);
                }
                Mixer::Both(a, space) => {
                    let n = s.tokens * self.config.dim;
                    self.attend(pool, cache, s, spans, (layer, a), w);
                    s.side[..n].copy_from_slice(&s.h[..n]);
                    self.normed(pool, s, w, Part::AttentionNorm);
                    self.scan(pool, cache, spans[0].sequence, s, (layer, space), w);
                    vector::add(self.isa, &mut s.h[..n], &s.side[..n]);
                }
            }
            if block.mixer != Mixer::None {
                self.add(
                    pool,
                    s,
                    w,
                    Part::PostAttentionNorm,
                    Part::AttentionOutputNorm,
                );
            }
            if block.feed_forward == FeedForward::None {
                continue;
            }
            self.normed(pool, s, w, Part::FeedForwardNorm);
            let share = w.vector(Part::FeedForwardBlend);
            if !share.is_empty() {
                let (n, dim) = (s.tokens, self.config.dim);
                let before = &mut cache.state(spans[0].sequence, layer)[dim..2 * dim];
                blend_in_place(&mut s.h[..n * dim], before, share);
            }
            match block.feed_forward {
                FeedForward::None => {}
                FeedForward::Experts {
                    n_used, activation, ..
                } => self.route(pool, s, n_used, activation, w),
                FeedForward::Gated { activation, .. } | FeedForward::Plain { activation, .. } => {
                    self.feed(pool, s, block.weights, activation, w);
                }
                FeedForward::Either { gated, plain, .. } => {
                    let activation = match w.optional(Part::Gate) {
                        Some(_) => gated,
                        None => plain,
                    };
                    self.feed(pool, s, block.weights, activation, w);
                }
            }
            self.add(pool, s, w, Part::PostFeedForwardNorm, Part::LayerOutputNorm);
            if block.narrow.is_some_and(|n| n.last) {
                self.widen(pool, s, w);
            }
        }
        self.finish_reading(pool, cache, s, spans);
        s.forget(
            s.tokens
                .saturating_sub(spans.iter().map(|span| span.wanted).sum()),
        );
        for span in spans {
            span.sequence.advance(span.tokens.len());
        }
    }

    /// tokens → x behind those of the slice so far; the first one stands at `position`.
    #[inline(never)]
    fn embed(&self, pool: &Pool, s: &mut Scratch, position: usize, tokens: &[u32]) {
        let dim = self.config.dim;
        let (arena, w) = (&self.weights.arena, &self.weights.model);
        if let Some(factored) = self.config.factored {
            self.embed_narrower(pool, s, factored, tokens);
        }
        let x = &mut s.x[s.tokens * dim..][..tokens.len() * dim];
        if self.config.factored.is_none() {
            let table = w.matrix(Part::TokenEmbedding);
            for (token, x) in tokens.iter().zip(x.chunks_exact_mut(dim)) {
                arena.row(table, *token as usize, x);
            }
        }
        vector::scale(self.isa, x, self.config.embedding_scale);
        for part in [Part::PositionEmbedding, Part::TokenTypes] {
            let Some(table) = w.optional(part) else {
                continue;
            };
            for (i, x) in x.chunks_exact_mut(dim).enumerate() {
                let row = match part {
                    Part::PositionEmbedding => position + i,
                    _ => usize::from(position + i >= s.second).min(table.rows - 1),
                };
                // Nothing else is in `h` yet.
                arena.row(table, row, &mut s.h[..dim]);
                vector::add(self.isa, x, &s.h[..dim]);
            }
        }
        self.norm_in_place(x, w.norm(Part::EmbeddingNorm));
    }

    /// x, normed where the model norms there → h.
    fn normed(&self, pool: &Pool, s: &mut Scratch, w: &BlockWeights, norm: Part) {
        let (width, n) = (s.width, s.tokens * s.width);
        let x = &s.x[..n];
        pool.rows(&mut s.h[..n], width, &|first, h| {
            self.norm(&x[first * width..][..h.len()], w.norm(norm), h);
        });
    }

    /// x += h; `before` and `behind` that, the model may norm.
    pub(super) fn add(
        &self,
        pool: &Pool,
        s: &mut Scratch,
        w: &BlockWeights,
        before: Part,
        behind: Part,
    ) {
        let (width, n) = (s.width, s.tokens * s.width);
        let (x, h) = (&mut s.x[..n], &mut s.h[..n]);
        let (norm, scale) = (w.norm(before), self.config.residual_scale);
        if !norm.0.is_empty() || scale != 1.0 {
            pool.rows(h, width, &|_, h| {
                self.norm_in_place(h, norm);
                vector::scale(self.isa, h, scale);
            });
        }
        pool.rows(x, width, &|first, x| {
            vector::add(self.isa, x, &h[first * width..][..x.len()]);
            self.norm_in_place(x, w.norm(behind));
        });
    }

    /// The logits after each token of `range` (at most [`Config::batch`]) of the last slice → [`Scratch::logits_mut`].
    pub fn logits(&self, pool: &Pool, s: &mut Scratch, range: Range<usize>) {
        let mut out = core::mem::take(&mut s.logits);
        let n = range.len() * self.config.vocab_size;
        self.logits_of(pool, s, range, &mut out[..n]);
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
            w.norm(Part::OutputNorm),
            &mut s.h[..n * dim],
        );
        self.unmask(pool, s, n);
        s.observe(Input::Output, n, dim);
        match w.optional(Part::OutputRest) {
            Some(rest) => self.add_up_logits(pool, s, (head, rest), out),
            None => self.multiply(
                pool,
                &mut s.activations,
                (&s.h[..n * dim], dim),
                [self.weights.arena.packed(head)],
                [&mut *out],
            ),
        }
        self.add_bias(out, w.vector(Part::OutputBias));
        vector::scale(self.isa, out, self.config.logit_scale);
        if w.optional(Part::Output).is_none() {
            vector::scale(self.isa, out, self.config.tied_scale);
        }
        let cap = self.config.logit_soft_cap;
        if cap > 0.0 {
            out.iter_mut().for_each(|l| *l = cap * (*l / cap).tanh());
        }
    }
}
