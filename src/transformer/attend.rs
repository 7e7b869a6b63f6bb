//! The mixer that is softmax attention.

use core::ops::Range;

use super::importance::Input;
use super::{Attention, BlockWeights, Cache, Model, Part, Scratch, Span};
use crate::kernels::pool::Pool;
use crate::kernels::vector;
use crate::ops::attention::attention;
use crate::ops::norm::rms_norm_in_place;

impl Model {
    /// h → h: one attention.
    pub(super) fn attend(
        &self,
        pool: &Pool,
        cache: &mut Cache,
        s: &mut Scratch,
        spans: &[Span<'_>],
        (layer, a): (usize, &Attention),
        w: &BlockWeights,
    ) {
        let (mut n, dim) = (s.tokens, s.width);
        let (heads, kv_heads, hd) = (a.shape.n_heads, a.shape.n_kv_heads, a.shape.head_dim);
        let shared = self.config.blocks[layer].weights;
        s.observe(Input::Mixer(shared), n, dim);
        let (q, k, v) = (
            &mut s.q[..n * heads * hd],
            &mut s.k[..n * kv_heads * hd],
            &mut s.v[..n * kv_heads * hd],
        );
        let x = (&s.h[..n * dim], dim);
        let packed = |part| self.packed(w, part);
        if self.config.blocks[layer].narrow.is_some() {
            let weights = [Part::Query, Part::Key].map(packed);
            self.multiply(pool, &mut s.activations, x, weights, [&mut *q, &mut *k]);
        } else {
            let weights = [Part::Query, Part::Key, Part::Value].map(packed);
            self.multiply(
                pool,
                &mut s.activations,
                x,
                weights,
                [&mut *q, &mut *k, &mut *v],
            );
        }
        self.add_bias(q, w.vector(Part::QueryBias));
        self.add_bias(k, w.vector(Part::KeyBias));
        self.add_bias(v, w.vector(Part::ValueBias));
        for (x, norm) in [(&mut *q, Part::QueryNorm), (&mut *k, Part::KeyNorm)] {
            // As long as a head or as all of them: every such stretch is normed by itself.
            let norm = w.vector(norm);
            if !norm.is_empty() {
                rms_norm_in_place(self.isa, x, norm, self.config.norm_eps);
            }
        }
        if let Some(rope) = a.rope {
            s.rotations[rope].apply(q, heads, hd);
            s.rotations[rope].apply(k, kv_heads, hd);
        }
        vector::scale(self.isa, q, a.scale);
        let unwanted = core::mem::take(&mut s.unwanted);
        q.copy_within(unwanted * heads * hd.., 0);
        let first = self.config.encoder.map_or(0, |e| e.n_blocks);
        let first = if layer < first { 0 } else { first };
        let distances = [layer, first].into_iter();
        let distances = distances.filter(|_| self.config.distance_buckets > 0);
        let distances = distances.filter_map(|i| s.distances[i].as_ref()).next();
        let layer = self.config.holder(layer);
        let partials = s.partials.as_mut().expect("there is an attention");
        let mut token = 0;
        for span in spans {
            let sequence = &*span.sequence;
            let range = |rows: Range<usize>, width: usize| {
                (token + rows.start) * width..(token + rows.end) * width
            };
            let stored = range(0..span.tokens.len(), kv_heads * hd);
            cache.store(sequence, layer, &k[stored.clone()], &v[stored]);
            if unwanted == span.tokens.len() {
                break;
            }
            for (i, rows) in span.texts().enumerate() {
                let mut held = cache.layer(sequence, layer);
                held.distances = distances;
                if i > 0 {
                    held.from = rows.start;
                }
                let first = sequence.len() + rows.start + unwanted;
                let taken = range(rows.start..rows.end - unwanted, heads * hd);
                attention(
                    self.isa,
                    pool,
                    &a.shape,
                    &q[taken.clone()],
                    held,
                    first,
                    partials,
                    &mut s.mixed[taken],
                );
            }
            token += span.tokens.len();
        }
        s.forget(unwanted);
        n = s.tokens;
        if n == 0 {
            return;
        }
        self.mixer_output(pool, s, shared, (Part::AttentionOutput, heads * hd), w);
        self.add_bias(&mut s.h[..n * dim], w.vector(Part::AttentionOutputBias));
        vector::scale(
            self.isa,
            &mut s.h[..n * dim],
            self.config.multipliers.attention,
        );
    }
}
