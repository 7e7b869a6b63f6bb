//! What an encoder's stack has to do with the one that writes: keys and values of what was read, made once for each text,
//! and attention over them.

use core::ops::Range;

use super::importance::Input;
use super::{Attention, BlockWeights, Cache, Mixer, Model, Part, Scratch, Span};
use crate::kernels::pool::Pool;
use crate::kernels::vector;
use crate::ops::attention::attention;

impl Model {
    /// The blocks that `spans` go through: where there is an encoder, it reads what begins a sequence.
    pub(super) fn stack(&self, spans: &[Span<'_>]) -> Range<usize> {
        let all = self.config.blocks.len();
        match self.config.encoder {
            Some(encoder) if spans[0].sequence.is_empty() => 0..encoder.n_blocks,
            Some(encoder) => encoder.n_blocks..all,
            None => 0..all,
        }
    }

    /// Where an encoder has read a text: x, normed → x; and of it the keys and values of every block that attends across,
    /// unless it was several texts, about which nothing is written.
    pub(super) fn finish_reading(
        &self,
        pool: &Pool,
        cache: &mut Cache,
        s: &mut Scratch,
        spans: &mut [Span<'_>],
    ) {
        let Some(encoder) = self.config.encoder else {
            return;
        };
        let span = &mut spans[0];
        if !span.sequence.is_empty() {
            return;
        }
        let (n, dim) = (s.tokens, self.config.dim);
        let norm = self.weights.model.norm(Part::EncoderNorm);
        self.norm_in_place(&mut s.x[..n * dim], norm);
        let writers = encoder.n_blocks..self.config.blocks.len();
        for layer in writers.filter(|_| span.ends.is_empty()) {
            let block = &self.config.blocks[layer];
            let Mixer::Across(a) = &block.mixer else {
                continue;
            };
            let w = &self.weights.blocks[block.weights];
            let size = n * a.shape.n_kv_heads * a.shape.head_dim;
            let (k, v) = (&mut s.k[..size], &mut s.v[..size]);
            self.multiply(
                pool,
                &mut s.activations,
                (&s.x[..n * dim], dim),
                [Part::AcrossKey, Part::AcrossValue].map(|part| self.packed(w, part)),
                [&mut *k, &mut *v],
            );
            cache.store(span.sequence, self.config.holder(layer), k, v);
        }
        span.sequence.read = n;
    }

    /// h → h: one attention over what the encoder has read.
    pub(super) fn attend_across(
        &self,
        pool: &Pool,
        cache: &Cache,
        s: &mut Scratch,
        span: &Span<'_>,
        (layer, a): (usize, &Attention),
        w: &BlockWeights,
    ) {
        let (n, dim) = (s.tokens, self.config.dim);
        let shared = self.config.blocks[layer].weights;
        let width = a.shape.n_heads * a.shape.head_dim;
        s.observe(Input::Mixer(shared), n, dim);
        let q = &mut s.q[..n * width];
        self.multiply(
            pool,
            &mut s.activations,
            (&s.h[..n * dim], dim),
            [self.packed(w, Part::Query)],
            [&mut *q],
        );
        vector::scale(self.isa, q, a.scale);
        let mut held = cache.layer(span.sequence, self.config.holder(layer));
        held.from = 0;
        held.end = span.sequence.read;
        attention(
            self.isa,
            pool,
            &a.shape,
            q,
            held,
            span.sequence.len(),
            s.partials.as_mut().expect("there is an attention"),
            &mut s.mixed[..n * width],
        );
        self.mixer_output(pool, s, shared, (Part::AttentionOutput, width), w);
    }
}
