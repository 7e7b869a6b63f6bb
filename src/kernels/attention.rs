//! Attention over the KV cache: its layout, the online softmax over chunks of positions, and the scalar reference.
//!
//! Keys stand in blocks of eight positions, dimension by dimension ([positions/8, head_dim, 8]), so that a load holds
//! eight positions and a score needs no horizontal sum; values stand position by position ([positions, head_dim]). The
//! query heads that share a KV head are computed together: a key is read once for all of them. In q8_0 the scales of a
//! block of keys follow it, and that of a value follows it, so that positions up to any are one stretch of bytes.
//!
//! In q16_0 dots multiply pairs of integers and add them up: keys are [positions/8, head_dim/2, 8, 2], values, chunk by
//! chunk, [head_dim/8, CHUNK/2, 8, 2], and the scales of a block or a chunk follow it. No sum can overflow: keys and
//! queries are scaled by their length, of which a dot has at most the product (Cauchy and Schwarz), and weights by
//! their sum.

use super::Isa;
use core::ops::Range;
use half::f16;

/// Positions that the softmax is advanced by at once. Fixed, so that results depend on nothing else.
pub const CHUNK: usize = 128;

/// Positions in one block of keys.
pub const KEY_BLOCK: usize = 8;

/// Dimensions of values that stand together in q16_0.
pub const VALUE_SPAN: usize = 8;

/// The most query heads that one call of the kernel takes; larger groups are split.
pub const MAX_GROUP: usize = 4;

/// The most dimensions a head may have.
pub const MAX_HEAD_DIM: usize = 256;

/// What keys and values are held in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String")]
pub enum CacheFormat {
    /// Sixteen bits, with an f32 scale for each head and position: as exact as halves, and computed as whole numbers.
    #[default]
    #[serde(rename = "q16_0")]
    Q16_0,
    /// Half precision.
    #[serde(rename = "f16")]
    F16,
    /// Eight bits, with an f32 scale for each head and position: it leaves the sums over a head as a factor.
    #[serde(rename = "q8_0")]
    Q8_0,
}

impl core::str::FromStr for CacheFormat {
    type Err = &'static str;

    fn from_str(name: &str) -> Result<CacheFormat, &'static str> {
        match name {
            "q16_0" => Ok(CacheFormat::Q16_0),
            "f16" => Ok(CacheFormat::F16),
            "q8_0" => Ok(CacheFormat::Q8_0),
            _ => Err("expected q16_0, f16 or q8_0"),
        }
    }
}

impl TryFrom<String> for CacheFormat {
    type Error = &'static str;

    fn try_from(name: String) -> Result<CacheFormat, &'static str> {
        name.parse()
    }
}

impl CacheFormat {
    /// Bytes of the scale that belongs to one key or value.
    const fn scale_bytes(self) -> usize {
        match self {
            CacheFormat::F16 => 0,
            CacheFormat::Q16_0 | CacheFormat::Q8_0 => 4,
        }
    }

    /// Bytes of one key, or of one value.
    pub const fn bytes(self, head_dim: usize) -> usize {
        match self {
            CacheFormat::Q16_0 => 2 * head_dim.next_multiple_of(2) + self.scale_bytes(),
            CacheFormat::F16 => 2 * head_dim,
            CacheFormat::Q8_0 => head_dim + self.scale_bytes(),
        }
    }

    /// Where the values of the first `positions` of a chunk are, in bytes.
    pub fn values(self, head_dim: usize, positions: usize) -> Vec<Range<usize>> {
        if self != CacheFormat::Q16_0 {
            return core::iter::once(0..positions * self.bytes(head_dim)).collect();
        }
        let held = positions.next_multiple_of(2);
        let behind = CHUNK * 2 * head_dim.next_multiple_of(2);
        let spans = (0..head_dim).step_by(VALUE_SPAN).map(|span| {
            let width = VALUE_SPAN.min(head_dim - span);
            let at = 2 * CHUNK * span;
            at..at + 2 * held * width
        });
        let scales = core::iter::once(behind..behind + 4 * held);
        spans.chain(scales).collect()
    }
}

/// The state of an online softmax for up to [`MAX_GROUP`] heads.
#[derive(Clone, Copy)]
pub struct Softmax {
    /// Largest score so far, a head.
    pub max: [f32; MAX_GROUP],
    /// Σ exp(score − max) so far, a head.
    pub sum: [f32; MAX_GROUP],
}

impl Softmax {
    /// Before the first position.
    pub const EMPTY: Softmax = Softmax {
        max: [f32::NEG_INFINITY; MAX_GROUP],
        sum: [0.0; MAX_GROUP],
    };
}

/// The part of one head's cache that one call reads: positions of one chunk.
#[derive(Clone, Copy)]
pub struct Chunk<'a> {
    /// What they are held in.
    pub format: CacheFormat,
    /// [⌈end/8⌉, (head_dim, 8), 8 scales], from the chunk's first position.
    pub keys: &'a [u8],
    /// [end, (head_dim), scale], or all of a chunk.
    pub values: &'a [u8],
    /// First position that counts, relative to the chunk (a sliding window may begin inside).
    pub begin: usize,
    /// Past the last position, relative to the chunk; at most [`CHUNK`].
    pub end: usize,
    /// What is added to the scores, where something is.
    pub bias: Option<Bias<'a>>,
}

/// What is added to scores before they are bounded: of the queries of one call, position `p` of the chunk gets
/// `values[starts[query] + p]`.
#[derive(Clone, Copy)]
pub struct Bias<'a> {
    /// Rows of numbers, which may lie across each other.
    pub values: &'a [f32],
    /// Where the row of each query begins.
    pub starts: [usize; MAX_GROUP],
}

/// The longest key in q16_0: it, the longest query and the rounding of up to [`MAX_HEAD_DIM`] numbers multiply to less
/// than 2³¹.
const KEY_LENGTH: f32 = 32_000.0;

/// The largest quant of a value in q16_0: it, the largest sum of a chunk's weights and the rounding multiply to less
/// than 2³¹ too. Weights lose no more by it than values do.
const LARGEST_VALUE: f32 = 8191.0;

/// The largest magnitude in `x`.
fn largest(x: &[f32]) -> f32 {
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    if x.len().is_multiple_of(8) {
        return super::simd128::store::largest(x);
    }
    let larger = |max: f32, x: &f32| if x.abs() > max { x.abs() } else { max };
    x.iter().fold(0.0, larger)
}

/// The root of the sum of squares of `x`.
fn length(x: &[f32]) -> f32 {
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    return super::simd128::store::length(x);
    #[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
    x.iter().map(|x| x * x).sum::<f32>().sqrt()
}

/// What `x` is divided by, as a factor.
fn inverse(scale: f32) -> f32 {
    if scale > 0.0 { 1.0 / scale } else { 0.0 }
}

/// The quants of `x` in q8_0.
fn quants(x: &[f32], scale: f32) -> impl Iterator<Item = u8> {
    let inverse = inverse(scale);
    x.iter()
        .map(move |x| (x * inverse).round_ties_even() as i8 as u8)
}

/// The quants of the key `k` in q16_0.
fn store_wide_key(block: &mut [u8], k: &[f32], place: usize, inverse: f32) {
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    if k.len().is_multiple_of(8) {
        return super::simd128::store::key(block, k, place, inverse);
    }
    for (i, q) in wide_quants(k, inverse).enumerate() {
        block[2 * wide_key(place, i)..][..2].copy_from_slice(&q.to_le_bytes());
    }
}

/// The quants of the value `v` in q16_0.
fn store_wide_value(chunk: &mut [u8], v: &[f32], position: usize, inverse: f32) {
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    if v.len().is_multiple_of(VALUE_SPAN) {
        return super::simd128::store::value(chunk, v, position, inverse);
    }
    for (i, q) in wide_quants(v, inverse).enumerate() {
        let at = 2 * wide_value(v.len(), position, i);
        chunk[at..at + 2].copy_from_slice(&q.to_le_bytes());
    }
}

/// The quants of `x` in q16_0, which is multiplied by `inverse`.
fn wide_quants(x: &[f32], inverse: f32) -> impl Iterator<Item = i16> {
    x.iter()
        .map(move |x| (x * inverse).round_ties_even() as i16)
}

/// Where q16_0 has dimension `i` of the key in `place` of its block, in numbers.
fn wide_key(place: usize, i: usize) -> usize {
    (i / 2 * KEY_BLOCK + place) * 2 + i % 2
}

/// Where q16_0 has dimension `i` of the value at `position` of a chunk, in numbers.
fn wide_value(head_dim: usize, position: usize, i: usize) -> usize {
    let span = i / VALUE_SPAN * VALUE_SPAN;
    let width = VALUE_SPAN.min(head_dim - span);
    span * CHUNK + (position / 2 * width + i - span) * 2 + position % 2
}

fn i16_at(bytes: &[u8], at: usize) -> f32 {
    f32::from(i16::from_le_bytes([bytes[at], bytes[at + 1]]))
}

fn f16_at(bytes: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([bytes[at], bytes[at + 1]]).to_f32()
}

fn f32_at(bytes: &[u8], at: usize) -> f32 {
    f32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// The block of eight keys in which that of `position` is, and its place there.
fn key_block(format: CacheFormat, head_dim: usize, position: usize) -> (usize, usize) {
    let block = position / KEY_BLOCK * KEY_BLOCK * format.bytes(head_dim);
    (block, position % KEY_BLOCK)
}

/// Writes the key `k` (head_dim) of `position` into one head's `keys`.
#[inline(never)]
pub fn store_key(format: CacheFormat, keys: &mut [u8], k: &[f32], position: usize) {
    let (block, place) = key_block(format, k.len(), position);
    let keys = &mut keys[block..];
    match format {
        CacheFormat::F16 => {
            for (i, k) in k.iter().enumerate() {
                let bytes = f16::from_f32(*k).to_le_bytes();
                keys[2 * (i * KEY_BLOCK + place)..][..2].copy_from_slice(&bytes);
            }
        }
        CacheFormat::Q16_0 => {
            let scale = length(k) / KEY_LENGTH;
            store_wide_key(keys, k, place, inverse(scale));
            let behind = 2 * k.len().next_multiple_of(2) * KEY_BLOCK;
            keys[behind + 4 * place..][..4].copy_from_slice(&scale.to_le_bytes());
        }
        CacheFormat::Q8_0 => {
            let scale = largest(k) / 127.0;
            for (i, q) in quants(k, scale).enumerate() {
                keys[i * KEY_BLOCK + place] = q;
            }
            keys[k.len() * KEY_BLOCK + 4 * place..][..4].copy_from_slice(&scale.to_le_bytes());
        }
    }
}

/// The key of `position` in one head's `keys` → `k` (head_dim).
#[inline(never)]
pub fn load_key(format: CacheFormat, keys: &[u8], position: usize, k: &mut [f32]) {
    let (block, place) = key_block(format, k.len(), position);
    let keys = &keys[block..];
    match format {
        CacheFormat::F16 => {
            for (i, k) in k.iter_mut().enumerate() {
                *k = f16_at(keys, 2 * (i * KEY_BLOCK + place));
            }
        }
        CacheFormat::Q16_0 => {
            let behind = 2 * k.len().next_multiple_of(2) * KEY_BLOCK;
            let scale = f32_at(keys, behind + 4 * place);
            for (i, k) in k.iter_mut().enumerate() {
                *k = i16_at(keys, 2 * wide_key(place, i)) * scale;
            }
        }
        CacheFormat::Q8_0 => {
            let scale = f32_at(keys, k.len() * KEY_BLOCK + 4 * place);
            for (i, k) in k.iter_mut().enumerate() {
                *k = f32::from(keys[i * KEY_BLOCK + place] as i8) * scale;
            }
        }
    }
}

/// Writes the value `v` (head_dim) of `position` into one head's `values` of a chunk.
#[inline(never)]
pub fn store_value(format: CacheFormat, values: &mut [u8], v: &[f32], position: usize) {
    let size = format.bytes(v.len());
    let at = position * size;
    match format {
        CacheFormat::Q16_0 => {
            let scale = largest(v) / LARGEST_VALUE;
            store_wide_value(values, v, position, inverse(scale));
            let at = (size - 4) * CHUNK + 4 * position;
            values[at..at + 4].copy_from_slice(&scale.to_le_bytes());
        }
        CacheFormat::F16 => {
            for (out, v) in values[at..at + size].chunks_exact_mut(2).zip(v) {
                out.copy_from_slice(&f16::from_f32(*v).to_le_bytes());
            }
        }
        CacheFormat::Q8_0 => {
            let scale = largest(v) / 127.0;
            let (out, behind) = values[at..at + size].split_at_mut(v.len());
            out.iter_mut()
                .zip(quants(v, scale))
                .for_each(|(out, q)| *out = q);
            behind.copy_from_slice(&scale.to_le_bytes());
        }
    }
}

/// The value of `position` in one head's `values` of a chunk → `v` (head_dim).
#[inline(never)]
pub fn load_value(format: CacheFormat, values: &[u8], position: usize, v: &mut [f32]) {
    let size = format.bytes(v.len());
    let at = position * size;
    match format {
        CacheFormat::Q16_0 => {
            let scale = f32_at(values, (size - 4) * CHUNK + 4 * position);
            let len = v.len();
            for (i, v) in v.iter_mut().enumerate() {
                *v = i16_at(values, 2 * wide_value(len, position, i)) * scale;
            }
        }
        CacheFormat::F16 => {
            for (i, v) in v.iter_mut().enumerate() {
                *v = f16_at(values, at + 2 * i);
            }
        }
        CacheFormat::Q8_0 => {
            let scale = f32_at(values, at + v.len());
            for (v, q) in v.iter_mut().zip(&values[at..]) {
                *v = f32::from(*q as i8) * scale;
            }
        }
    }
}

/// Query heads as the kernels read them, made once for all chunks.
pub struct Query<'a> {
    isa: Isa,
    /// [group, head_dim], already scaled.
    pub(super) heads: &'a [f32],
    pub(super) head_dim: usize,
    /// For q16_0.
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    pub(super) quants: super::simd128::attention::Quants,
}

impl Query<'_> {
    /// Of `heads` [group, head_dim], which are to see a cache in `format`.
    #[cfg_attr(not(target_arch = "wasm32"), allow(unused_variables))]
    pub fn new(isa: Isa, format: CacheFormat, heads: &[f32], head_dim: usize) -> Query<'_> {
        assert!(heads.len() <= MAX_GROUP * head_dim && head_dim <= MAX_HEAD_DIM);
        Query {
            isa,
            heads,
            head_dim,
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            quants: match (isa, format) {
                (Isa::Scalar, _) | (_, CacheFormat::F16 | CacheFormat::Q8_0) => Default::default(),
                _ => super::simd128::attention::Quants::of(heads, head_dim),
            },
        }
    }

    /// Heads.
    pub(super) fn group(&self) -> usize {
        self.heads.len() / self.head_dim
    }
}

/// One chunk of attention: `query` against `chunk`; `out` [group, head_dim] becomes Σ exp(score − max) · value of this
/// chunk alone, and the returned state its softmax. `soft_cap` > 0 bounds scores.
pub fn attend(query: &Query<'_>, chunk: &Chunk<'_>, soft_cap: f32, out: &mut [f32]) -> Softmax {
    let (isa, group) = (query.isa, query.group());
    let mut scores = [[f32::NEG_INFINITY; CHUNK]; MAX_GROUP];
    score(query, chunk, &mut scores);
    let mut state = Softmax::EMPTY;
    for (h, scores) in scores.iter_mut().take(group).enumerate() {
        let scores = &mut scores[chunk.begin..chunk.end];
        if let Some(bias) = &chunk.bias {
            let start = bias.starts[h];
            let row = &bias.values[start + chunk.begin..start + chunk.end];
            super::vector::add(isa, scores, row);
        }
        if soft_cap > 0.0 {
            scores
                .iter_mut()
                .for_each(|s| *s = soft_cap * (*s / soft_cap).tanh());
        }
        state.max[h] = super::vector::max(isa, scores);
        state.sum[h] = super::vector::exp_sum(isa, scores, state.max[h]);
    }
    mix(isa, &mut scores, query.head_dim, chunk, out);
    state
}

/// Merges the state and sum of a later chunk (`next`, `added`) into `state` and `out` ([group, head_dim]).
pub fn merge(
    isa: Isa,
    state: &mut Softmax,
    out: &mut [f32],
    next: &Softmax,
    added: &[f32],
    head_dim: usize,
) {
    for (h, (out, added)) in out
        .chunks_exact_mut(head_dim)
        .zip(added.chunks_exact(head_dim))
        .enumerate()
    {
        // One of the two keeps its size.
        let (before, later) = (state.max[h], next.max[h]);
        let (a, b) = match later > before {
            true => ((before - later).exp(), 1.0),
            false => (1.0, (later - before).exp()),
        };
        super::vector::scale(isa, out, a);
        super::vector::add_scaled(isa, out, b, added);
        state.sum[h] = state.sum[h] * a + next.sum[h] * b;
        state.max[h] = before.max(later);
    }
}

/// scores[h][p] = q[h] · key[p] for the chunk's positions, whole key blocks at a time.
fn score(query: &Query<'_>, chunk: &Chunk<'_>, scores: &mut [[f32; CHUNK]; MAX_GROUP]) {
    let (q, head_dim) = (query.heads, query.head_dim);
    match query.isa {
        Isa::Scalar => {
            let k = &mut [0.0; MAX_HEAD_DIM][..head_dim];
            for p in chunk.begin..chunk.end {
                load_key(chunk.format, chunk.keys, p, k);
                for (q, scores) in q.chunks_exact(head_dim).zip(&mut *scores) {
                    scores[p] = q.iter().zip(&*k).map(|(q, k)| q * k).sum();
                }
            }
        }
        #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
        _ => super::simd128::attention::score::<super::simd128::Fused>(query, chunk, scores),
    }
}

/// out[h] = Σ scores[h][p] · value[p] over the chunk's positions; other scores may be overwritten.
fn mix(
    isa: Isa,
    scores: &mut [[f32; CHUNK]; MAX_GROUP],
    head_dim: usize,
    chunk: &Chunk<'_>,
    out: &mut [f32],
) {
    match isa {
        Isa::Scalar => {
            out.fill(0.0);
            let v = &mut [0.0; MAX_HEAD_DIM][..head_dim];
            for p in chunk.begin..chunk.end {
                load_value(chunk.format, chunk.values, p, v);
                for (out, scores) in out.chunks_exact_mut(head_dim).zip(&*scores) {
                    for (out, v) in out.iter_mut().zip(&*v) {
                        *out += scores[p] * v;
                    }
                }
            }
        }
        #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
        _ => super::simd128::attention::mix::<super::simd128::Fused>(scores, head_dim, chunk, out),
    }
}
