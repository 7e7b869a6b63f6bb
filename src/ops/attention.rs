//! Attention of a slice of tokens over one layer's cache, split over the pool.
#![allow(unsafe_code)]

pub use crate::kernels::attention::MAX_HEAD_DIM;
use crate::kernels::attention::{
    Bias, CHUNK, CacheFormat, Chunk, MAX_GROUP, Query, Softmax, attend, merge,
};
use crate::kernels::pool::{Pool, Rows};
use crate::kernels::{Isa, vector};
use crate::ops::distance::Distances;

/// Shapes and switches of one attention.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shape {
    /// Query heads.
    pub n_heads: usize,
    /// KV heads; each serves n_heads / n_kv_heads query heads.
    pub n_kv_heads: usize,
    /// Dimensions of a head.
    pub head_dim: usize,
    /// Positions that are seen, itself included; `None` for all.
    pub window: Option<usize>,
    /// Positions after itself that are seen: none where text is made, all where it is read.
    pub ahead: usize,
    /// Scores are bounded by this, if it is over 0.
    pub soft_cap: f32,
}

impl Shape {
    /// Query heads of one KV head in parts that the kernel takes: (parts, heads a part).
    fn parts(&self) -> (usize, usize) {
        let group = self.n_heads / self.n_kv_heads;
        let heads = (1..=MAX_GROUP)
            .rev()
            .find(|n| group.is_multiple_of(*n))
            .unwrap_or(1);
        (group / heads, heads)
    }
}

/// One layer's keys and values, see `kernels::attention` for their order.
#[derive(Clone, Copy)]
pub struct KeyValues<'a> {
    /// What they are held in.
    pub format: CacheFormat,
    /// [blocks there are, n_kv_heads, CHUNK/8, (head_dim, 8), 8 scales].
    pub keys: &'a [u8],
    /// [blocks there are, n_kv_heads, CHUNK, (head_dim), scale].
    pub values: &'a [u8],
    /// Which of these blocks holds the first [`CHUNK`] positions, which the next, and so on.
    pub blocks: &'a [u32],
    /// Positions before this one are not seen: they belong to another text, or are gone.
    pub from: usize,
    /// Positions from this one on are not seen.
    pub end: usize,
    /// What is added to scores by distance, where something is.
    pub distances: Option<&'a Distances>,
}

/// Results of single chunks, for when a token's positions are spread over threads.
pub struct Partials {
    /// [n_heads, chunks, head_dim].
    sums: Vec<f32>,
    /// [n_heads / heads a part, chunks, 2 × MAX_GROUP].
    states: Vec<f32>,
}

impl Partials {
    /// Room for `capacity` positions.
    pub fn new(shape: &Shape, capacity: usize) -> Partials {
        let chunks = capacity.div_ceil(CHUNK);
        Partials {
            sums: vec![0.0; shape.n_heads * chunks * shape.head_dim],
            states: vec![0.0; shape.n_heads * chunks * 2 * MAX_GROUP],
        }
    }

    /// Bytes that [`Partials::new`] takes.
    pub fn bytes(shape: &Shape, capacity: usize) -> u64 {
        let a_chunk = shape.n_heads * (shape.head_dim + 2 * MAX_GROUP);
        4 * a_chunk as u64 * capacity.div_ceil(CHUNK) as u64
    }
}

/// `q` [tokens, n_heads, head_dim] (already scaled), of positions `first..`, over the cache, in which their own keys and
/// values already stand → `out` [tokens, n_heads, head_dim].
#[allow(clippy::too_many_arguments)]
pub fn attention(
    isa: Isa,
    pool: &Pool,
    shape: &Shape,
    q: &[f32],
    cache: KeyValues<'_>,
    first: usize,
    partials: &mut Partials,
    out: &mut [f32],
) {
    let (parts, heads) = shape.parts();
    let (hd, width) = (shape.head_dim, shape.n_heads * shape.head_dim);
    let tokens = q.len() / width;
    let tasks = shape.n_kv_heads * parts;
    let task = Task {
        isa,
        shape,
        cache,
        len: cache.end.min(first + tokens),
        parts,
        heads,
    };
    let chunks = task.chunks(first).len();
    let out = Rows::new(out);
    if tokens == 1 && pool.threads() > 1 && chunks > 1 {
        let from = task.chunks(first).start;
        let (sums, states) = (
            Rows::new(&mut partials.sums),
            Rows::new(&mut partials.states),
        );
        pool.run(tasks * chunks, &|i| {
            let (part, chunk) = (i / chunks, i % chunks);
            // SAFETY: each (part, chunk) writes its own stretch.
            let (sum, state) = unsafe {
                (
                    sums.part(i * heads * hd, heads * hd),
                    states.part(i * 2 * MAX_GROUP, 2 * MAX_GROUP),
                )
            };
            let query = task.query(&q[part * heads * hd..][..heads * hd]);
            let s = task.one(&query, part, first, from + chunk, sum);
            state[..MAX_GROUP].copy_from_slice(&s.max);
            state[MAX_GROUP..].copy_from_slice(&s.sum);
        });
        for part in 0..tasks {
            // SAFETY: the job is done; only this thread writes.
            let out = unsafe { out.part(part * heads * hd, heads * hd) };
            out.fill(0.0);
            let mut state = Softmax::EMPTY;
            for i in part * chunks..(part + 1) * chunks {
                let mut next = Softmax::EMPTY;
                next.max
                    .copy_from_slice(&partials.states[i * 2 * MAX_GROUP..][..MAX_GROUP]);
                next.sum.copy_from_slice(
                    &partials.states[i * 2 * MAX_GROUP + MAX_GROUP..][..MAX_GROUP],
                );
                merge(
                    isa,
                    &mut state,
                    out,
                    &next,
                    &partials.sums[i * heads * hd..][..heads * hd],
                    hd,
                );
            }
            divide(isa, &state, out, hd);
        }
        return;
    }
    let one = |i: usize| {
        let (t, part) = (i / tasks, i % tasks);
        let at = t * width + part * heads * hd;
        // SAFETY: each (token, part) writes its own stretch.
        let out = unsafe { out.part(at, heads * hd) };
        let mut sum = [0.0f32; MAX_GROUP * MAX_HEAD_DIM];
        let q = &q[at..at + heads * hd];
        task.all(q, part, first + t, &mut sum[..heads * hd], out);
    };
    // Tokens that see the same positions are taken together, as the heads of a group are.
    let alike = shape.window.is_none() && shape.ahead == usize::MAX;
    let together = (MAX_GROUP / heads).min(TOGETHER / (heads * hd));
    let several = |i: usize| {
        let (t, part) = (i / tasks * together, i % tasks);
        let n = together.min(tokens - t);
        let rows = (t..t + n).map(|t| t * width + part * heads * hd);
        let size = n * heads * hd;
        let [mut queries, mut total, mut sum] = [[0.0f32; TOGETHER]; 3];
        for (to, at) in queries.chunks_exact_mut(heads * hd).zip(rows.clone()) {
            to.copy_from_slice(&q[at..at + heads * hd]);
        }
        let (sum, total) = (&mut sum[..size], &mut total[..size]);
        task.all(&queries[..size], part, first + t, sum, total);
        for (from, at) in total.chunks_exact(heads * hd).zip(rows) {
            // SAFETY: each (token, part) writes its own stretch.
            unsafe { out.part(at, heads * hd) }.copy_from_slice(from);
        }
    };
    if tokens == 1 {
        (0..tasks).for_each(one);
    } else if alike && together > 1 {
        pool.run(tokens.div_ceil(together) * tasks, &several);
    } else {
        pool.run(tokens * tasks, &one);
    }
}

/// Values of all queries that are taken together.
const TOGETHER: usize = 512;

struct Task<'a> {
    isa: Isa,
    shape: &'a Shape,
    cache: KeyValues<'a>,
    /// Positions in the cache.
    len: usize,
    /// See [`Shape::parts`].
    parts: usize,
    heads: usize,
}

impl Task<'_> {
    /// First position that `position` sees.
    fn begin(&self, position: usize) -> usize {
        self.shape
            .window
            .map_or(0, |w| (position + 1).saturating_sub(w))
            .max(self.cache.from)
    }

    /// Past the last one.
    fn end(&self, position: usize) -> usize {
        (position + 1)
            .saturating_add(self.shape.ahead)
            .min(self.len)
    }

    fn chunks(&self, position: usize) -> core::ops::Range<usize> {
        self.begin(position) / CHUNK..self.end(position).div_ceil(CHUNK)
    }

    /// All that `position` sees, for the query heads `q` of part `part` (and those of the next positions, which see the
    /// same) → `out`; `sum` is as long and for use meanwhile.
    fn all(&self, q: &[f32], part: usize, position: usize, sum: &mut [f32], out: &mut [f32]) {
        let hd = self.shape.head_dim;
        out.fill(0.0);
        let mut state = Softmax::EMPTY;
        let query = self.query(q);
        for chunk in self.chunks(position) {
            let next = self.one(&query, part, position, chunk, sum);
            merge(self.isa, &mut state, out, &next, sum, hd);
        }
        divide(self.isa, &state, out, hd);
    }

    fn query<'q>(&self, q: &'q [f32]) -> Query<'q> {
        Query::new(self.isa, self.cache.format, q, self.shape.head_dim)
    }

    /// Chunk `chunk` of the query heads `q` of part `part` at `position`.
    fn one(
        &self,
        q: &Query<'_>,
        part: usize,
        position: usize,
        chunk: usize,
        sum: &mut [f32],
    ) -> Softmax {
        let (hd, from) = (self.shape.head_dim, chunk * CHUNK);
        let block = self.cache.blocks[chunk] as usize;
        let size = CHUNK * self.cache.format.bytes(hd);
        let at = (block * self.shape.n_kv_heads + part / self.parts) * size;
        let bias = self.cache.distances.map(|distances| {
            let start = |i| {
                let (head, position) = (
                    part * self.heads + i % self.heads,
                    position + i / self.heads,
                );
                distances.start(head, position, from)
            };
            Bias {
                values: distances.values(),
                starts: core::array::from_fn(start),
            }
        });
        let chunk = Chunk {
            format: self.cache.format,
            keys: &self.cache.keys[at..at + size],
            values: &self.cache.values[at..at + size],
            begin: self.begin(position).saturating_sub(from),
            end: CHUNK.min(self.end(position) - from),
            bias,
        };
        attend(q, &chunk, self.shape.soft_cap, sum)
    }
}

fn divide(isa: Isa, state: &Softmax, out: &mut [f32], head_dim: usize) {
    for (out, sum) in out.chunks_exact_mut(head_dim).zip(state.sum) {
        vector::scale(isa, out, 1.0 / sum);
    }
}
