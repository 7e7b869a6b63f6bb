//! What is made of a text that has been read: one representation of it, classes, or the tokens that are masked in it.

use core::ops::Range;

use super::{Model, Norm, Part, Pooling, Scratch};
use crate::kernels::pool::Pool;
use crate::ops::activation::Activation;

/// Sums over the tokens of a text that comes in one slice or in several.
pub struct Pooled {
    pooling: Pooling,
    /// [dim].
    sum: Vec<f32>,
    tokens: usize,
}

impl Pooled {
    /// Nothing has been read.
    pub fn new(pooling: Pooling, dim: usize) -> Pooled {
        Pooled {
            pooling,
            sum: vec![0.0; dim],
            tokens: 0,
        }
    }

    /// The representation of the text.
    pub fn finish(mut self) -> Vec<f32> {
        if self.pooling == Pooling::Mean {
            let n = self.tokens.max(1) as f32;
            self.sum.iter_mut().for_each(|x| *x /= n);
        }
        self.sum
    }
}

impl Model {
    /// Takes the tokens `rows` of the last slice in.
    pub fn pool(&self, s: &mut Scratch, rows: Range<usize>, pooled: &mut Pooled) {
        let dim = self.config.dim;
        let n = rows.len();
        let tokens = match pooled.pooling {
            Pooling::Mean => rows,
            Pooling::First if pooled.tokens > 0 => 0..0,
            Pooling::First => rows.start..rows.start + 1,
            Pooling::Last => rows.end - 1..rows.end,
        };
        let h = &mut s.h[..tokens.len() * dim];
        let norm = match self.config.encoder {
            // It has been normed.
            Some(_) => (&[][..], &[][..]),
            None => self.weights.model.norm(Part::OutputNorm),
        };
        self.norm(&s.x[tokens.start * dim..tokens.end * dim], norm, h);
        match pooled.pooling {
            Pooling::Mean => {
                for h in h.chunks_exact(dim) {
                    crate::kernels::vector::add(self.isa, &mut pooled.sum, h);
                }
            }
            _ if h.is_empty() => {}
            _ => pooled.sum.copy_from_slice(h),
        }
        pooled.tokens += n;
    }

    /// Classes that [`Model::classify`] scores; 0 if the model has no classifier.
    pub fn n_classes(&self) -> usize {
        let classifier = self.weights.model.optional(Part::Classifier);
        classifier.map_or(0, |m| m.rows)
    }

    /// Whether the model has a head for masked tokens.
    pub fn fills_masks(&self) -> bool {
        let w = &self.weights.model;
        let whole = self.config.factored.is_none() || w.optional(Part::OutputRest).is_some();
        !self.config.is_causal()
            && whole
            && (w.optional(Part::Unmask).is_some() || !w.vector(Part::OutputBias).is_empty())
    }

    /// Scores of the classes for a text of representation `x` → `out`.
    pub fn classify(&self, pool: &Pool, s: &mut Scratch, x: &[f32], out: &mut [f32]) {
        let dim = self.config.dim;
        let w = &self.weights.model;
        s.h[..dim].copy_from_slice(x);
        if self.config.reader.pooler && w.optional(Part::Pooler).is_some() {
            let [activation, _] = self.config.reader.activations;
            let bias = w.vector(Part::PoolerBias);
            self.dense(pool, s, 1, (Part::Pooler, bias), activation);
            self.norm_in_place(&mut s.h[..dim], w.norm(Part::PoolerNorm));
        }
        self.multiply(
            pool,
            &mut s.activations,
            (&s.h[..dim], dim),
            [self.packed(w, Part::Classifier)],
            [&mut *out],
        );
        self.add_bias(out, w.vector(Part::ClassifierBias));
    }

    /// h → h for its first `n` rows: what stands before the head of a model that fills masks.
    pub(super) fn unmask(&self, pool: &Pool, s: &mut Scratch, n: usize) {
        let w = &self.weights.model;
        if self.config.is_causal() {
            return;
        }
        let [_, activation] = self.config.reader.activations;
        let h = n * self.config.dim;
        if w.optional(Part::Unmask).is_some() {
            self.dense(
                pool,
                s,
                n,
                (Part::Unmask, w.vector(Part::UnmaskBias)),
                activation,
            );
            let norm = match self.config.norm {
                Norm::Rms => Norm::Rms,
                // Also where blocks have none.
                Norm::Layer | Norm::Affine => Norm::Layer,
            };
            self.norm_as(norm, &mut s.h[..h], w.norm(Part::UnmaskNorm));
        } else if w.optional(Part::Pooler).is_some() && self.fills_masks() {
            // Some families call it as others call what stands before the classifier.
            self.dense(
                pool,
                s,
                n,
                (Part::Pooler, w.vector(Part::PoolerBias)),
                activation,
            );
            self.norm_in_place(&mut s.h[..h], w.norm(Part::PoolerNorm));
        }
    }

    /// h → activation(weights · h + bias) for its first `n` rows.
    fn dense(
        &self,
        pool: &Pool,
        s: &mut Scratch,
        n: usize,
        (part, bias): (Part, &[f32]),
        activation: Activation,
    ) {
        let dim = self.config.dim;
        let weights = self.packed(&self.weights.model, part);
        s.activations
            .fill(self.isa, pool, &s.h[..n * dim], dim, &[weights]);
        let h = &mut s.h[..n * dim];
        let mut products = [crate::kernels::Product {
            weights,
            out: &mut *h,
        }];
        crate::kernels::matmul(self.isa, pool, &s.activations, &mut products);
        self.add_bias(h, bias);
        activation.apply(self.isa, h);
    }
}
