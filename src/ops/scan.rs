//! Recurrences whose heads keep a matrix as their state: selective state spaces (Dao and Gu 2024, "Transformers are
//! SSMs") and the generalised delta rule (Peng et al. 2025, "RWKV-7"). Heads are independent of each other: threads take
//! them, each through all positions of a slice.
#![allow(unsafe_code)]

use crate::kernels::Isa;
use crate::kernels::pool::{Pool, Rows};
use crate::kernels::recurrence::{Decaying, Replacing, replace, scan};

/// Shapes of one selective state space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scan {
    /// Heads, each with a decay of its own.
    pub n_heads: usize,
    /// Values of a head.
    pub head_dim: usize,
    /// Keys and queries there are; each serves n_heads / n_groups heads.
    pub n_groups: usize,
    /// Values of a key, and so of the state for each value of a head.
    pub state_dim: usize,
}

impl Scan {
    /// Takes every token of `wide` [tokens, width] into `state` [n_heads, head_dim, state_dim] and reads → `out`
    /// [tokens, n_heads, head_dim]: state = exp(step · rate) · state + step · value ⊗ key; out = state · query + skip ·
    /// value. From `first` on, a token has its values [n_heads, head_dim], keys and queries [n_groups, state_dim], and
    /// steps \[n_heads\], over 0. `rates` (below 0) and `skips` \[n_heads\].
    #[allow(clippy::too_many_arguments)]
    pub fn run(
        &self,
        isa: Isa,
        pool: &Pool,
        (wide, width, first): (&[f32], usize, usize),
        rates: &[f32],
        skips: &[f32],
        state: &mut [f32],
        out: &mut [f32],
    ) {
        let (p, n) = (self.head_dim, self.state_dim);
        let inner = self.n_heads * p;
        let keys = first + inner;
        let queries = keys + self.n_groups * n;
        let steps = queries + self.n_groups * n;
        let heads_a_group = self.n_heads / self.n_groups;
        let (states, out) = (Rows::new(state), Rows::new(out));
        pool.run(self.n_heads, &|h| {
            let group = h / heads_a_group * n;
            // SAFETY: every head has a stretch of its own, in the state and in each token's output.
            let state = unsafe { states.part(h * p * n, p * n) };
            for (t, token) in wide.chunks_exact(width).enumerate() {
                let step = token[steps + h];
                let head = Decaying {
                    values: &token[first + h * p..][..p],
                    key: &token[keys + group..][..n],
                    query: &token[queries + group..][..n],
                    decay: (step * rates[h]).exp(),
                    step,
                    skip: skips[h],
                };
                // SAFETY: as above.
                scan(isa, &head, state, unsafe { out.part(t * inner + h * p, p) });
            }
        });
    }
}

/// What a slice of tokens brings to a generalised delta rule, each [tokens, heads, head_dim].
#[derive(Clone, Copy)]
pub struct Replaced<'a> {
    /// What is written.
    pub values: &'a [f32],
    /// What is left of the state, 0 to 1.
    pub decays: &'a [f32],
    /// What is read of the state before…
    pub removed: &'a [f32],
    /// …and where that is written back to.
    pub replaced: &'a [f32],
    /// Where values are written.
    pub keys: &'a [f32],
    /// What is read.
    pub queries: &'a [f32],
}

/// Takes every token into `state` [heads, head_dim, head_dim] and reads → `out` [tokens, heads, head_dim].
pub fn delta_rule(
    isa: Isa,
    pool: &Pool,
    (heads, head_dim): (usize, usize),
    x: &Replaced<'_>,
    state: &mut [f32],
    out: &mut [f32],
) {
    let (width, size) = (heads * head_dim, head_dim * head_dim);
    let tokens = out.len() / width;
    let (states, out) = (Rows::new(state), Rows::new(out));
    pool.run(heads, &|h| {
        // SAFETY: every head has a stretch of its own, in the state and in each token's output.
        let state = unsafe { states.part(h * size, size) };
        for at in (0..tokens).map(|t| t * width + h * head_dim) {
            let own = at..at + head_dim;
            let head = Replacing {
                values: &x.values[own.clone()],
                decays: &x.decays[own.clone()],
                removed: &x.removed[own.clone()],
                replaced: &x.replaced[own.clone()],
                key: &x.keys[own.clone()],
                query: &x.queries[own],
            };
            // SAFETY: as above.
            replace(isa, &head, state, unsafe { out.part(at, head_dim) });
        }
    });
}

/// ln(1 + eˣ).
pub fn softplus(x: f32) -> f32 {
    // Past this the two are the same in f32.
    if x > 20.0 { x } else { x.exp().ln_1p() }
}
