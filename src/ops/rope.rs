//! Rotary position embedding: pairs of a head's dimensions are turned by an angle that grows with the position.

/// Which dimensions form a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pairing {
    /// 2i and 2i + 1.
    Interleaved,
    /// i and i + n/2.
    Halves,
}

/// The angles of every position's pairs, made for one slice of positions at a time and shared by all layers.
#[derive(Debug, Clone)]
pub struct Rotation {
    /// [pairs]: angle per position.
    frequencies: Vec<f64>,
    /// [tokens, pairs, 2]: cosine and sine.
    turns: Vec<f32>,
}

impl Rotation {
    /// For `dims` rotated dimensions a head, `theta` the base, and slices of at most `tokens` positions. `factors`
    /// ([dims / 2], or empty) divide the frequencies, as files with a scaled context bring them.
    pub fn new(dims: usize, theta: f32, factors: &[f32], tokens: usize) -> Rotation {
        let frequencies = (0..dims / 2)
            .map(|i| {
                let f = f64::from(theta).powf(-2.0 * i as f64 / dims as f64);
                f / f64::from(factors.get(i).copied().unwrap_or(1.0))
            })
            .collect();
        Rotation {
            frequencies,
            turns: vec![0.0; tokens * dims],
        }
    }

    /// Bytes that [`Rotation::new`] takes.
    pub fn bytes(dims: usize, tokens: usize) -> usize {
        4 * dims * (tokens + 1)
    }

    /// Computes the angles of positions `first..first + tokens`.
    pub fn set(&mut self, first: usize, tokens: usize) {
        let pairs = self.frequencies.len();
        for (t, turns) in self
            .turns
            .chunks_exact_mut(2 * pairs.max(1))
            .take(tokens)
            .enumerate()
        {
            for (turn, f) in turns.chunks_exact_mut(2).zip(&self.frequencies) {
                let (sin, cos) = ((first + t) as f64 * f).sin_cos();
                turn.copy_from_slice(&[cos as f32, sin as f32]);
            }
        }
    }

    /// Turns the heads of `x` ([tokens, heads, head_dim]) in place; dimensions past the rotated ones stay.
    pub fn apply(&self, pairing: Pairing, x: &mut [f32], heads: usize, head_dim: usize) {
        let pairs = self.frequencies.len();
        for (x, turns) in x
            .chunks_exact_mut(heads * head_dim)
            .zip(self.turns.chunks_exact(2 * pairs))
        {
            for head in x.chunks_exact_mut(head_dim) {
                match pairing {
                    Pairing::Interleaved => {
                        for (pair, turn) in head[..2 * pairs]
                            .chunks_exact_mut(2)
                            .zip(turns.chunks_exact(2))
                        {
                            let (a, b) = (pair[0], pair[1]);
                            pair[0] = a * turn[0] - b * turn[1];
                            pair[1] = a * turn[1] + b * turn[0];
                        }
                    }
                    Pairing::Halves => {
                        let (low, high) = head[..2 * pairs].split_at_mut(pairs);
                        for ((a, b), turn) in low.iter_mut().zip(high).zip(turns.chunks_exact(2)) {
                            (*a, *b) = (*a * turn[0] - *b * turn[1], *a * turn[1] + *b * turn[0]);
                        }
                    }
                }
            }
        }
    }
}
