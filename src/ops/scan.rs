//! Selective state space (Dao and Gu 2024, "Transformers are SSMs"): every head's state decays and takes in an outer
//! product at each position.

/// Shapes of one scan.
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

/// What a token brings: all heads' values, and keys and queries of all groups, each [groups, state_dim].
#[derive(Clone, Copy)]
pub struct Token<'a> {
    /// [n_heads, head_dim].
    pub values: &'a [f32],
    /// What is written where.
    pub keys: &'a [f32],
    /// What is read.
    pub queries: &'a [f32],
    /// [n_heads]: step sizes, over 0.
    pub steps: &'a [f32],
}

impl Scan {
    /// Takes one token into `state` [n_heads, head_dim, state_dim] and reads → `out` [n_heads, head_dim]:
    /// state = exp(step · rate) · state + step · value ⊗ key; out = state · query + skip · value.
    /// `rates` (below 0) and `skips` [n_heads].
    pub fn step(
        &self,
        token: Token<'_>,
        rates: &[f32],
        skips: &[f32],
        state: &mut [f32],
        out: &mut [f32],
    ) {
        let (p, n) = (self.head_dim, self.state_dim);
        let heads_a_group = self.n_heads / self.n_groups;
        for h in 0..self.n_heads {
            let group = h / heads_a_group * n;
            let (key, query) = (
                &token.keys[group..group + n],
                &token.queries[group..group + n],
            );
            let step = token.steps[h];
            let decay = (step * rates[h]).exp();
            let rows = state[h * p * n..(h + 1) * p * n].chunks_exact_mut(n);
            let values = &token.values[h * p..(h + 1) * p];
            for ((state, value), out) in rows.zip(values).zip(&mut out[h * p..(h + 1) * p]) {
                let taken = step * value;
                // Four sums, so that lanes need not wait for each other.
                let mut sums = [0.0f32; 4];
                let mut four = state.chunks_exact_mut(4);
                let (mut keys, mut queries) = (key.chunks_exact(4), query.chunks_exact(4));
                for ((s, k), q) in (&mut four).zip(&mut keys).zip(&mut queries) {
                    for i in 0..4 {
                        s[i] = s[i] * decay + taken * k[i];
                        sums[i] += s[i] * q[i];
                    }
                }
                let mut sum = (sums[0] + sums[1]) + (sums[2] + sums[3]);
                let rest = four.into_remainder().iter_mut();
                for ((s, k), q) in rest.zip(keys.remainder()).zip(queries.remainder()) {
                    *s = *s * decay + taken * k;
                    sum += *s * q;
                }
                *out = sum + skips[h] * value;
            }
        }
    }
}

/// ln(1 + eˣ).
pub fn softplus(x: f32) -> f32 {
    // Past this the two are the same in f32.
    if x > 20.0 { x } else { x.exp().ln_1p() }
}
