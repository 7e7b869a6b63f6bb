//! The second half of a block: one feed-forward, or the likeliest of several experts'.

use super::importance::Input;
use super::{BlockWeights, Model, Part, Scratch};
use crate::kernels::pool::Pool;
use crate::kernels::vector;
use crate::ops::activation::Activation;
use crate::ops::route::choose;

impl Model {
    /// h → h: one feed-forward, gated where it has a gate.
    pub(super) fn feed(
        &self,
        pool: &Pool,
        s: &mut Scratch,
        layer: usize,
        activation: Activation,
        w: &BlockWeights,
    ) {
        let (n, dim) = (s.tokens, s.width);
        s.observe(Input::FeedForward(layer), n, dim);
        let up = self.packed(w, Part::Up);
        let hidden = up.rows;
        let x = (&s.h[..n * dim], dim);
        let gate = &mut s.gate[..n * hidden];
        if w.optional(Part::Gate).is_some() {
            self.multiply_gated(
                pool,
                &mut s.activations,
                x,
                [self.packed(w, Part::Gate), up],
                [gate, &mut s.up[..n * hidden]],
                activation,
            );
        } else {
            self.multiply(pool, &mut s.activations, x, [up], [&mut *gate]);
            self.add_bias(gate, w.vector(Part::UpBias));
            activation.apply(self.isa, gate);
        }
        s.observe(Input::Down(layer), n, hidden);
        self.multiply(
            pool,
            &mut s.activations,
            (&s.gate[..n * hidden], hidden),
            [self.packed(w, Part::Down)],
            [&mut s.h[..n * dim]],
        );
        self.add_bias(&mut s.h[..n * dim], w.vector(Part::DownBias));
        vector::scale(self.isa, &mut s.h[..n * dim], self.config.multipliers.down);
    }

    /// h → h: every token through its `n_used` likeliest experts. An expert is computed once a slice, for all tokens
    /// that chose it.
    pub(super) fn route(
        &self,
        pool: &Pool,
        s: &mut Scratch,
        n_used: usize,
        activation: Activation,
        w: &BlockWeights,
    ) {
        let (n, dim) = (s.tokens, self.config.dim);
        let router = self.packed(w, Part::Router);
        let n_experts = router.rows;
        let r = &mut s.routed;
        let scores = &mut r.scores[..n * n_experts];
        self.multiply(
            pool,
            &mut s.activations,
            (&s.h[..n * dim], dim),
            [router],
            [&mut *scores],
        );
        let chosen = &mut r.chosen[..n * n_used];
        for (scores, chosen) in scores
            .chunks_exact(n_experts)
            .zip(chosen.chunks_exact_mut(n_used))
        {
            choose(scores, chosen);
        }
        let sum = &mut r.sum[..n * dim];
        sum.fill(0.0);
        for e in 0..n_experts {
            let mut m = 0;
            for (t, chosen) in chosen.chunks_exact(n_used).enumerate() {
                if let Some((_, share)) = chosen.iter().find(|c| c.0 as usize == e) {
                    r.tokens[m] = (t as u32, *share);
                    r.x[m * dim..(m + 1) * dim].copy_from_slice(&s.h[t * dim..(t + 1) * dim]);
                    m += 1;
                }
            }
            if m == 0 {
                continue;
            }
            let [gate, up, down] = [Part::Gate, Part::Up, Part::Down]
                .map(|part| self.weights.arena.packed(w.expert(e, part)));
            let hidden = up.rows;
            let (hidden_gate, hidden_up) = (&mut s.gate[..m * hidden], &mut s.up[..m * hidden]);
            self.multiply_gated(
                pool,
                &mut s.activations,
                (&r.x[..m * dim], dim),
                [gate, up],
                [hidden_gate, hidden_up],
                activation,
            );
            let out = &mut r.x[..m * dim];
            self.multiply(
                pool,
                &mut s.activations,
                (&s.gate[..m * hidden], hidden),
                [down],
                [&mut *out],
            );
            for ((t, share), out) in r.tokens[..m].iter().zip(out.chunks_exact(dim)) {
                let sum = &mut sum[*t as usize * dim..][..dim];
                vector::add_scaled(self.isa, sum, *share, out);
            }
        }
        s.h[..n * dim].copy_from_slice(sum);
    }
}
