//! Rotary position embedding: pairs of a head's dimensions are turned by an angle that grows with the position.

/// Which dimensions form a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pairing {
    /// 2i and 2i + 1.
    Interleaved,
    /// i and i + n/2.
    Halves,
}

/// One rotary embedding: what its frequencies follow from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rope {
    /// Dimensions of a head that are turned.
    pub dims: usize,
    /// The base of the frequencies.
    pub theta: f64,
    /// Which dimensions form a pair.
    pub pairing: Pairing,
    /// How it is stretched to contexts longer than those it was trained on.
    pub scaling: Scaling,
    /// What sine and cosine are multiplied by.
    pub magnitude: f32,
}

/// How frequencies are stretched. Divisors for each of them may come with the weights besides.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Scaling {
    /// Not at all.
    None,
    /// All alike, by a factor.
    Linear(f64),
    /// The base grows with the planned context (NTK-aware), once that is over `original`.
    Dynamic {
        /// How much of the growth the base follows.
        factor: f64,
        /// Positions trained on.
        original: f64,
    },
    /// YaRN: slow frequencies by a factor, fast ones not, those between in part.
    Yarn {
        /// By how much.
        factor: f64,
        /// Positions trained on.
        original: f64,
        /// Turns within `original` from which on a frequency is left as it is.
        fast: f64,
        /// Turns up to which it is stretched wholly.
        slow: f64,
    },
    /// One of two sets of divisors: the second for contexts over `original`.
    Long {
        /// Positions that the first set is for.
        original: usize,
    },
}

impl Rope {
    /// The angle that each pair turns by from one position to the next, for contexts of up to `context` positions.
    fn frequencies(&self, context: usize) -> Vec<f64> {
        let dims = self.dims as f64;
        let mut theta = self.theta;
        if let Scaling::Dynamic { factor, original } = self.scaling
            && context as f64 > original
        {
            let growth = factor * context as f64 / original - (factor - 1.0);
            theta *= growth.powf(dims / (dims - 2.0));
        }
        let plain = |i: usize| theta.powf(-2.0 * i as f64 / dims);
        let pairs = 0..self.dims / 2;
        match self.scaling {
            Scaling::Linear(factor) => pairs.map(|i| plain(i) / factor).collect(),
            Scaling::Yarn {
                factor,
                original,
                fast,
                slow,
            } => {
                // The pair that turns so often within the original context (Peng et al. 2023, section 3.2).
                let pair = |turns: f64| {
                    dims * (original / (turns * core::f64::consts::TAU)).ln() / (2.0 * theta.ln())
                };
                let low = pair(fast).floor().max(0.0);
                let high = pair(slow).ceil().min(dims - 1.0);
                pairs
                    .map(|i| {
                        let ramp = ((i as f64 - low) / (high - low).max(0.001)).clamp(0.0, 1.0);
                        plain(i) * (ramp / factor + 1.0 - ramp)
                    })
                    .collect()
            }
            _ => pairs.map(plain).collect(),
        }
    }
}

/// The angles of every position's pairs, made for one slice of positions at a time and shared by all layers.
#[derive(Debug, Clone)]
pub struct Rotation {
    pairing: Pairing,
    magnitude: f32,
    /// [pairs]: angle per position.
    frequencies: Vec<f64>,
    /// [tokens, pairs, 2]: cosine and sine.
    turns: Vec<f32>,
}

impl Rotation {
    /// For contexts of up to `context` positions and slices of at most `tokens`. `divisors` ([dims / 2] or empty, for
    /// usual and for long contexts) divide the frequencies.
    pub fn new(rope: &Rope, divisors: [&[f32]; 2], context: usize, tokens: usize) -> Rotation {
        let [short, long] = divisors;
        let divisors = match rope.scaling {
            Scaling::Long { original } if context > original => long,
            _ => short,
        };
        let mut frequencies = rope.frequencies(context);
        for (f, d) in frequencies.iter_mut().zip(divisors) {
            *f /= f64::from(*d);
        }
        Rotation {
            pairing: rope.pairing,
            magnitude: rope.magnitude,
            frequencies,
            turns: vec![0.0; tokens * rope.dims],
        }
    }

    /// What turns `positions` positions back, whatever it was that turned there: its angles are set for one token.
    pub fn back(&self, positions: usize) -> Rotation {
        let mut back = Rotation {
            pairing: self.pairing,
            magnitude: 1.0,
            frequencies: self.frequencies.iter().map(|f| -f).collect(),
            turns: vec![0.0; 2 * self.frequencies.len()],
        };
        back.set(0, positions, 1);
        back
    }

    /// Bytes that [`Rotation::new`] takes.
    pub fn bytes(dims: usize, tokens: usize) -> u64 {
        4 * dims as u64 * (tokens as u64 + 1)
    }

    /// Computes the angles of positions `first..first + tokens`, which are those of the slice from `token` on.
    pub fn set(&mut self, token: usize, first: usize, tokens: usize) {
        let pairs = self.frequencies.len();
        for (t, turns) in self
            .turns
            .chunks_exact_mut(2 * pairs.max(1))
            .skip(token)
            .take(tokens)
            .enumerate()
        {
            for (turn, f) in turns.chunks_exact_mut(2).zip(&self.frequencies) {
                let (sin, cos) = ((first + t) as f64 * f).sin_cos();
                turn.copy_from_slice(&[cos as f32 * self.magnitude, sin as f32 * self.magnitude]);
            }
        }
    }

    /// Turns the heads of `x` ([tokens, heads, head_dim]) in place; dimensions past the rotated ones stay.
    pub fn apply(&self, x: &mut [f32], heads: usize, head_dim: usize) {
        let pairs = self.frequencies.len();
        for (x, turns) in x
            .chunks_exact_mut(heads * head_dim)
            .zip(self.turns.chunks_exact(2 * pairs))
        {
            for head in x.chunks_exact_mut(head_dim) {
                match self.pairing {
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
