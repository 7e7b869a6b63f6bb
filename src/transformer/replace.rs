//! The mixer that is a generalised delta rule (Peng et al. 2025, "RWKV-7").

use super::importance::Input;
use super::{BlockWeights, Cache, DeltaRule, Model, Part, Scratch, Sequence};
use crate::kernels::pool::Pool;
use crate::kernels::{Activations, vector};
use crate::ops::activation::Activation;
use crate::ops::blend::blend;
use crate::ops::norm::layer_norm_in_place;
use crate::ops::scan::{Replaced, delta_rule};

/// ε of the norm of each head's output, as it was trained with.
const HEAD_EPS: f32 = 64e-5;

/// e^(−1/2): what a column of a state is multiplied by is at least e to the power of −this.
const FASTEST: f32 = 0.606_530_7;

/// [tokens, dim] each, see [`Model::replace`].
const BUFFERS: usize = 9;

impl DeltaRule {
    /// Values of a token that `Model::replace` keeps beside its input.
    pub fn width(&self) -> usize {
        let rank = self.ranks.iter().copied().max().unwrap_or(0);
        BUFFERS * self.n_heads * self.head_dim + rank
    }
}

/// What a small product is made of: the blend of its input, two matrices, and what is added.
type Small = (Part, [Part; 2], Option<Part>);

const DECAY: Small = (
    Part::DecayBlend,
    [Part::DecayDown, Part::DecayUp],
    Some(Part::DecayBias),
);
const RATE: Small = (
    Part::RateBlend,
    [Part::RateDown, Part::RateUp],
    Some(Part::RateBias),
);
const RESIDUAL: Small = (
    Part::ValueBlend,
    [Part::ResidualDown, Part::ResidualUp],
    Some(Part::ResidualBias),
);
const GATE: Small = (Part::GateBlend, [Part::GateDown, Part::GateUp], None);

/// Inputs of a mixer's matrices: [tokens, dim], those of the position before the first, and room for a blend of them.
struct Inputs<'a> {
    h: &'a [f32],
    before: &'a [f32],
    blended: &'a mut [f32],
    /// [tokens, rank].
    narrow: &'a mut [f32],
    activations: &'a mut Activations,
}

impl Model {
    /// h → h: one delta rule, gated.
    pub(super) fn replace(
        &self,
        pool: &Pool,
        cache: &Cache,
        sequence: &mut Sequence,
        s: &mut Scratch,
        (layer, rule): (usize, &DeltaRule),
        w: &BlockWeights,
    ) {
        let (n, dim) = (s.tokens, self.config.dim);
        let size = n * dim;
        let (before, state) = cache.state(sequence, layer).split_at_mut(dim);
        let (wide, narrow) = s.wide.split_at_mut(BUFFERS * size);
        let mut buffers = wide.chunks_exact_mut(size);
        let [
            blended,
            queries,
            keys,
            values,
            decays,
            rates,
            gates,
            removed,
            replaced,
        ] = core::array::from_fn(|_| buffers.next().expect("as many"));
        let mut x = Inputs {
            h: &s.h[..size],
            before,
            blended,
            narrow,
            activations: &mut s.activations,
        };
        for (blend, matrix, out) in [
            (Part::QueryBlend, Part::BlendedQuery, &mut *queries),
            (Part::KeyBlend, Part::BlendedKey, &mut *keys),
            (Part::ValueBlend, Part::BlendedValue, &mut *values),
        ] {
            x.blend(w.vector(blend));
            let input = (&*x.blended, dim);
            self.multiply(pool, x.activations, input, [self.packed(w, matrix)], [out]);
        }
        self.small(pool, &mut x, w, DECAY, Some(Activation::Tanh), decays);
        Activation::Sigmoid.apply(self.isa, decays);
        decays.iter_mut().for_each(|d| *d = (-FASTEST * *d).exp());
        self.small(pool, &mut x, w, RATE, None, rates);
        Activation::Sigmoid.apply(self.isa, rates);
        if layer == 0 {
            s.side[..size].copy_from_slice(values);
        } else {
            self.small(pool, &mut x, w, RESIDUAL, None, gates);
            Activation::Sigmoid.apply(self.isa, gates);
            let firsts = s.side[..size].iter().zip(&*gates);
            for (value, (first, share)) in values.iter_mut().zip(firsts) {
                *value += share * (first - *value);
            }
        }
        self.small(pool, &mut x, w, GATE, Some(Activation::Sigmoid), gates);
        before.copy_from_slice(&s.h[size - dim..size]);
        self.split_keys(w, rule, rates, keys, removed, replaced);
        let mixed = &mut s.mixed[..size];
        let tokens = Replaced {
            values,
            decays,
            removed,
            replaced,
            keys,
            queries,
        };
        let heads = (rule.n_heads, rule.head_dim);
        delta_rule(self.isa, pool, heads, &tokens, &mut state[dim..], mixed);
        self.finish_heads(w, rule, &tokens, gates, mixed);
        let shared = self.config.blocks[layer].weights;
        s.observe(Input::MixerOutput(shared), n, dim);
        self.mixer_output(pool, s, shared, (Part::MixerOutput, dim), w);
    }

    /// One of the small products → `out`.
    fn small(
        &self,
        pool: &Pool,
        x: &mut Inputs<'_>,
        w: &BlockWeights,
        (blend, [down, up], bias): Small,
        between: Option<Activation>,
        out: &mut [f32],
    ) {
        x.blend(w.vector(blend));
        let dim = self.config.dim;
        let (down, up) = (self.packed(w, down), self.packed(w, up));
        let rank = down.rows;
        let narrow = &mut x.narrow[..out.len() / dim * rank];
        let input = (&*x.blended, dim);
        self.multiply(pool, x.activations, input, [down], [&mut *narrow]);
        if let Some(between) = between {
            between.apply(self.isa, narrow);
        }
        self.multiply(pool, x.activations, (narrow, rank), [up], [&mut *out]);
        if let Some(bias) = bias {
            self.add_bias(out, w.vector(bias));
        }
    }

    /// keys → what is removed (of length 1 in every head), what replaces it, and what is written.
    fn split_keys(
        &self,
        w: &BlockWeights,
        rule: &DeltaRule,
        rates: &[f32],
        keys: &mut [f32],
        removed: &mut [f32],
        replaced: &mut [f32],
    ) {
        let dim = self.config.dim;
        let (scale, share) = (w.vector(Part::KeyScale), w.vector(Part::KeyRate));
        for (i, (removed, key)) in removed.iter_mut().zip(&mut *keys).enumerate() {
            *removed = *key * scale[i % dim];
            *key *= 1.0 + (rates[i] - 1.0) * share[i % dim];
        }
        for removed in removed.chunks_exact_mut(rule.head_dim) {
            let length = vector::sum_of_squares(self.isa, removed).sqrt();
            vector::scale(self.isa, removed, -1.0 / length.max(1e-12));
        }
        for ((replaced, removed), rate) in replaced.iter_mut().zip(&*removed).zip(rates) {
            *replaced = -removed * rate;
        }
    }

    /// What heads read, normed, with what skips the state, and gated, in place.
    fn finish_heads(
        &self,
        w: &BlockWeights,
        rule: &DeltaRule,
        x: &Replaced<'_>,
        gates: &[f32],
        mixed: &mut [f32],
    ) {
        let (dim, hd) = (self.config.dim, rule.head_dim);
        let (norm, bias) = (w.vector(Part::MixerNorm), w.vector(Part::MixerNormBias));
        let bonus = w.vector(Part::Bonus);
        debug_assert_eq!(bonus.len(), dim);
        for (i, out) in mixed.chunks_exact_mut(hd).enumerate() {
            let (own, head) = (i * hd..(i + 1) * hd, i * hd % dim..i * hd % dim + hd);
            layer_norm_in_place(
                self.isa,
                out,
                &norm[head.clone()],
                &bias[head.clone()],
                HEAD_EPS,
            );
            let (q, k) = (&x.queries[own.clone()], &x.keys[own.clone()]);
            let products = q.iter().zip(k).zip(&bonus[head]);
            let skip: f32 = products.map(|((q, k), b)| q * k * b).sum();
            vector::add_scaled(self.isa, out, skip, &x.values[own.clone()]);
            for (out, gate) in out.iter_mut().zip(&gates[own]) {
                *out *= gate;
            }
        }
    }
}

impl Inputs<'_> {
    fn blend(&mut self, share: &[f32]) {
        blend(self.h, self.before, share, self.blended);
    }
}
