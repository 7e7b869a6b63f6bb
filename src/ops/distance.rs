//! What attention adds to scores by the distance between two positions, in buckets that widen with it (Raffel et al.
//! 2020, "T5"). It does not bound distances: all from `FURTHEST` on share a bucket.

use crate::kernels::attention::CHUNK;

/// Distances from this one on are in the last bucket.
const FURTHEST: usize = 128;

/// Distances of a row: beyond them a chunk lies where nothing differs any more.
const REACH: usize = FURTHEST + CHUNK;

/// The least buckets that what follows can be counted with.
pub const MIN_BUCKETS: usize = 4;

/// The most: with more, single distances would reach to the last bucket.
pub const MAX_BUCKETS: usize = FURTHEST;

/// Biases of every head of one attention.
pub struct Distances {
    /// [n_heads, 2 × REACH]: of a key REACH positions before its query, one position less, and so on.
    values: Vec<f32>,
}

impl Distances {
    /// `row(bucket, out)` gives the biases (n_heads) of a bucket; `ahead`: half of the buckets are of positions behind.
    pub fn new(
        n_heads: usize,
        n_buckets: usize,
        ahead: bool,
        mut row: impl FnMut(usize, &mut [f32]),
    ) -> Distances {
        let mut values = vec![0.0; n_heads * 2 * REACH];
        let mut of_bucket = vec![0.0; n_heads];
        for i in 0..2 * REACH {
            row(bucket(i, n_buckets, ahead), &mut of_bucket);
            for (head, bias) in of_bucket.iter().enumerate() {
                values[head * 2 * REACH + i] = *bias;
            }
        }
        Distances { values }
    }

    /// Bytes that [`Distances::new`] keeps.
    pub fn bytes(n_heads: usize) -> u64 {
        4 * n_heads as u64 * 2 * REACH as u64
    }

    /// See [`Distances::start`].
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// Where in the values those begin that head `head` of a query at `position` has for the keys of a chunk whose first
    /// position is `from`.
    pub fn start(&self, head: usize, position: usize, from: usize) -> usize {
        // Nothing differs where the whole chunk is further away than the last bucket begins.
        let place = (from + REACH).saturating_sub(position);
        head * 2 * REACH + place.min(2 * REACH - CHUNK)
    }
}

/// The bucket of a key at the place `i` of a row.
fn bucket(i: usize, n_buckets: usize, ahead: bool) -> usize {
    let distance = i.abs_diff(REACH);
    let (n, first) = match (ahead, i > REACH) {
        (true, true) => (n_buckets / 2, n_buckets / 2),
        (true, false) => (n_buckets / 2, 0),
        // Which nothing sees.
        (false, true) => return 0,
        (false, false) => (n_buckets, 0),
    };
    let exact = n / 2;
    if distance < exact {
        return first + distance;
    }
    let share = |n: usize| (n as f64 / exact as f64).ln();
    let wide = share(distance) / share(FURTHEST) * (n - exact) as f64;
    // Where a bucket begins at a whole number, what is lost of the logarithms must not put that number before it.
    first + (exact + (wide + 1e-9) as usize).min(n - 1)
}
