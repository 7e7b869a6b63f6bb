//! Embeddings narrower than representations, and stretches of blocks that compute over narrower ones.

use super::{BlockWeights, Factored, Model, Part, Scratch};
use crate::kernels::pool::Pool;
use crate::kernels::vector;
use crate::tensor::Matrix;

impl Model {
    /// tokens → x behind those of the slice so far, through the matrix that makes representations of embeddings.
    pub(super) fn embed_narrower(&self, pool: &Pool, s: &mut Scratch, f: Factored, tokens: &[u32]) {
        let (n, dim, width) = (tokens.len(), self.config.dim, f.width());
        let (arena, w) = (&self.weights.arena, &self.weights.model);
        let table = w.matrix(Part::TokenEmbedding);
        for (i, row) in s.h[..n * width].chunks_exact_mut(width).enumerate() {
            for (gram, out) in row.chunks_exact_mut(f.dim).enumerate() {
                // The next token's first. There is nothing beyond the ends of a text.
                let at = (i + f.grams / 2).checked_sub(gram);
                match at.and_then(|at| tokens.get(at)) {
                    Some(token) => arena.row(table, *token as usize, out),
                    None => out.fill(0.0),
                }
            }
        }
        let x = &mut s.x[s.tokens * dim..][..n * dim];
        self.multiply(
            pool,
            &mut s.activations,
            (&s.h[..n * width], width),
            [self.packed(w, Part::EmbeddingProjection)],
            [&mut *x],
        );
        self.add_bias(x, w.vector(Part::EmbeddingProjectionBias));
    }

    /// x → narrower, while what it was waits in `side`. h ← what queries and keys are made of; v ← values, which are made
    /// of the wide one.
    pub(super) fn narrow(&self, pool: &Pool, s: &mut Scratch, width: usize, w: &BlockWeights) {
        let (n, dim) = (s.tokens, self.config.dim);
        let value = self.packed(w, Part::Value);
        let (side, h) = (&mut s.side[..n * width], &mut s.h[..n * width]);
        self.multiply(
            pool,
            &mut s.activations,
            (&s.x[..n * dim], dim),
            [
                self.packed(w, Part::Narrow),
                self.packed(w, Part::NarrowInput),
                value,
            ],
            [&mut *side, &mut *h, &mut s.v[..n * value.rows]],
        );
        self.add_bias(side, w.vector(Part::NarrowBias));
        self.norm_in_place(side, w.norm(Part::NarrowNorm));
        self.add_bias(h, w.vector(Part::NarrowInputBias));
        self.norm_in_place(h, w.norm(Part::NarrowInputNorm));
        core::mem::swap(&mut s.x, &mut s.side);
        s.width = width;
    }

    /// x ← what it was before it was made narrower, and what the narrow one is as a wide one.
    pub(super) fn widen(&self, pool: &Pool, s: &mut Scratch, w: &BlockWeights) {
        let (n, dim, width) = (s.tokens, self.config.dim, s.width);
        let h = &mut s.h[..n * dim];
        self.multiply(
            pool,
            &mut s.activations,
            (&s.x[..n * width], width),
            [self.packed(w, Part::Widen)],
            [&mut *h],
        );
        self.add_bias(h, w.vector(Part::WidenBias));
        core::mem::swap(&mut s.x, &mut s.side);
        s.width = dim;
        self.add(pool, s, w, Part::PostFeedForwardNorm, Part::WidenNorm);
    }

    /// The logits of the rows of h → `out`, where `head` has a column for each of their first values and `rest` a row for
    /// each further one.
    pub(super) fn add_up_logits(
        &self,
        pool: &Pool,
        s: &mut Scratch,
        (head, rest): (&Matrix, &Matrix),
        out: &mut [f32],
    ) {
        let (dim, vocab_size, narrow) = (self.config.dim, head.rows, head.cols);
        for (h, out) in s.h.chunks_exact(dim).zip(out.chunks_exact_mut(vocab_size)) {
            let head = self.weights.arena.packed(head);
            let h = (&h[..narrow], narrow);
            self.multiply(pool, &mut s.activations, h, [head], [out]);
        }
        for i in 0..rest.rows {
            let row = &mut s.row[..vocab_size];
            self.weights.arena.row(rest, i, row);
            for (h, out) in s.h.chunks_exact(dim).zip(out.chunks_exact_mut(vocab_size)) {
                vector::add_scaled(self.isa, out, h[narrow + i], row);
            }
        }
    }
}
