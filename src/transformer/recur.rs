//! The mixers that keep a state of constant size: short convolution, and selective state space.

use super::importance::Input;
use super::{BlockWeights, Cache, Model, Multipliers, Part, Scratch, Sequence, StateSpace};
use crate::kernels::pool::Pool;
use crate::kernels::vector;
use crate::ops::convolution::short_convolution;
use crate::ops::norm::rms_norm_in_place;
use crate::ops::scan::softplus;

impl Model {
    /// h → h: two gates around a convolution of a few positions.
    pub(super) fn convolve(
        &self,
        pool: &Pool,
        cache: &Cache,
        sequence: &mut Sequence,
        s: &mut Scratch,
        layer: usize,
        w: &BlockWeights,
    ) {
        let (n, dim) = (s.tokens, self.config.dim);
        let shared = self.config.blocks[layer].weights;
        s.observe(Input::Mixer(shared), n, dim);
        // [tokens, 3, dim]: the gate before, the gate behind, and what goes through.
        let wide = &mut s.wide[..n * 3 * dim];
        self.multiply(
            pool,
            &mut s.activations,
            (&s.h[..n * dim], dim),
            [self.packed(w, Part::MixerInput)],
            [&mut *wide],
        );
        let mixed = &mut s.mixed[..n * dim];
        for (wide, mixed) in wide.chunks_exact(3 * dim).zip(mixed.chunks_exact_mut(dim)) {
            for (i, x) in mixed.iter_mut().enumerate() {
                *x = wide[i] * wide[2 * dim + i];
            }
        }
        short_convolution(
            self.isa,
            (mixed, dim, 0),
            w.vector(Part::Convolution),
            w.vector(Part::ConvolutionBias),
            cache.state(sequence, layer),
        );
        for (wide, mixed) in wide.chunks_exact(3 * dim).zip(mixed.chunks_exact_mut(dim)) {
            for (x, gate) in mixed.iter_mut().zip(&wide[dim..2 * dim]) {
                *x *= gate;
            }
        }
        self.mixer_output(pool, s, shared, (Part::MixerOutput, dim), w);
    }

    /// h → h: one selective state space, gated.
    pub(super) fn scan(
        &self,
        pool: &Pool,
        cache: &Cache,
        sequence: &mut Sequence,
        s: &mut Scratch,
        (layer, space): (usize, &StateSpace),
        w: &BlockWeights,
    ) {
        let (n, dim) = (s.tokens, self.config.dim);
        let shared = self.config.blocks[layer].weights;
        s.observe(Input::Mixer(shared), n, dim);
        let (inner, channels) = (space.inner(), space.channels());
        // [tokens, inner + channels + heads]: the gate, what is convolved (values, keys, queries), the steps.
        let width = space.width();
        let wide = &mut s.wide[..n * width];
        self.multiply(
            pool,
            &mut s.activations,
            (&s.h[..n * dim], dim),
            [self.packed(w, Part::MixerInput)],
            [&mut *wide],
        );
        let multipliers = &self.config.multipliers;
        if multipliers.wide != Multipliers::NONE.wide {
            let group = space.scan.n_groups * space.scan.state_dim;
            let widths = [inner, inner, group, group, space.scan.n_heads];
            for mut row in wide.chunks_exact_mut(width) {
                for (width, factor) in widths.into_iter().zip(multipliers.wide) {
                    let (part, rest) = row.split_at_mut(width);
                    vector::scale(self.isa, part, factor);
                    row = rest;
                }
            }
        }
        let (convolved, states) = cache
            .state(sequence, layer)
            .split_at_mut((space.kernel - 1) * channels);
        short_convolution(
            self.isa,
            (wide, width, inner),
            w.vector(Part::Convolution),
            w.vector(Part::ConvolutionBias),
            convolved,
        );
        for wide in wide.chunks_exact_mut(width) {
            let (x, steps) = wide[inner..].split_at_mut(channels);
            vector::silu(self.isa, x);
            for (step, bias) in steps.iter_mut().zip(w.vector(Part::StepBias)) {
                *step = softplus(*step + bias);
            }
        }
        let mixed = &mut s.mixed[..n * inner];
        space.scan.run(
            self.isa,
            pool,
            (wide, width, inner),
            w.vector(Part::Rates),
            w.vector(Part::Skips),
            states,
            mixed,
        );
        let norm = w.vector(Part::MixerNorm);
        for (wide, out) in wide
            .chunks_exact_mut(width)
            .zip(mixed.chunks_exact_mut(inner))
        {
            let gate = &mut wide[..inner];
            vector::silu(self.isa, gate);
            for (x, gate) in out.iter_mut().zip(gate) {
                *x *= *gate;
            }
            if !norm.is_empty() {
                let each = inner / space.norm_groups;
                let weights = norm.chunks_exact(each);
                for (x, weight) in out.chunks_exact_mut(each).zip(weights) {
                    rms_norm_in_place(self.isa, x, weight, self.config.norm_eps);
                }
            }
        }
        self.mixer_output(pool, s, shared, (Part::MixerOutput, inner), w);
        vector::scale(
            self.isa,
            &mut s.h[..n * self.config.dim],
            self.config.multipliers.space,
        );
    }

    /// mixed [tokens, cols] → h, by the matrix `part`.
    pub(super) fn mixer_output(
        &self,
        pool: &Pool,
        s: &mut Scratch,
        shared: usize,
        (part, cols): (Part, usize),
        w: &BlockWeights,
    ) {
        let (n, dim) = (s.tokens, s.width);
        s.observe(Input::MixerOutput(shared), n, cols);
        self.multiply(
            pool,
            &mut s.activations,
            (&s.mixed[..n * cols], cols),
            [self.packed(w, part)],
            [&mut s.h[..n * dim]],
        );
    }
}
