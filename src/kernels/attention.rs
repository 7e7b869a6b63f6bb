//! Attention over the f16 KV cache: its layout, the online softmax over chunks of positions, and the scalar reference.
//!
//! Keys stand in blocks of eight positions, dimension by dimension ([positions/8, head_dim, 8]), so that a load holds
//! eight positions and a score needs no horizontal sum; values stand position by position ([positions, head_dim]). The
//! query heads that share a KV head are computed together: a key is converted from f16 once for all of them.

use super::Isa;
use half::f16;

/// Positions that the softmax is advanced by at once. Fixed, so that results depend on nothing else.
pub const CHUNK: usize = 128;

/// Positions in one block of keys.
pub const KEY_BLOCK: usize = 8;

/// The most query heads that one call of the kernel takes; larger groups are split.
pub const MAX_GROUP: usize = 4;

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
    /// [⌈end/8⌉, head_dim, 8] as f16 bits, from the chunk's first position.
    pub keys: &'a [u16],
    /// [end, head_dim] as f16 bits.
    pub values: &'a [u16],
    /// First position that counts, relative to the chunk (a sliding window may begin inside).
    pub begin: usize,
    /// Past the last position, relative to the chunk; at most [`CHUNK`].
    pub end: usize,
}

/// Writes the key `k` (head_dim) of `position` into one head's `keys`.
pub fn store_key(keys: &mut [u16], k: &[f32], position: usize) {
    let base = position / KEY_BLOCK * KEY_BLOCK * k.len() + position % KEY_BLOCK;
    for (i, k) in k.iter().enumerate() {
        keys[base + i * KEY_BLOCK] = f16::from_f32(*k).to_bits();
    }
}

/// Writes the value `v` (head_dim) of `position` into one head's `values`.
pub fn store_value(values: &mut [u16], v: &[f32], position: usize) {
    for (out, v) in values[position * v.len()..][..v.len()].iter_mut().zip(v) {
        *out = f16::from_f32(*v).to_bits();
    }
}

/// One chunk of attention: `q` [group, head_dim] (already scaled) against `chunk`; `out` [group, head_dim] becomes
/// Σ exp(score − max) · value of this chunk alone, and the returned state its softmax. `soft_cap` > 0 bounds scores.
pub fn attend(
    isa: Isa,
    q: &[f32],
    head_dim: usize,
    chunk: &Chunk<'_>,
    soft_cap: f32,
    out: &mut [f32],
) -> Softmax {
    let group = q.len() / head_dim;
    let mut scores = [[f32::NEG_INFINITY; CHUNK]; MAX_GROUP];
    score(isa, q, head_dim, chunk, &mut scores);
    let mut state = Softmax::EMPTY;
    for (h, scores) in scores.iter_mut().take(group).enumerate() {
        let scores = &mut scores[chunk.begin..chunk.end];
        if soft_cap > 0.0 {
            scores
                .iter_mut()
                .for_each(|s| *s = soft_cap * (*s / soft_cap).tanh());
        }
        state.max[h] = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        state.sum[h] = super::vector::exp_sum(isa, scores, state.max[h]);
    }
    mix(isa, &scores, head_dim, chunk, out);
    state
}

/// Merges the state and sum of a later chunk (`next`, `added`) into `state` and `out` ([group, head_dim]).
pub fn merge(state: &mut Softmax, out: &mut [f32], next: &Softmax, added: &[f32], head_dim: usize) {
    for (h, (out, added)) in out
        .chunks_exact_mut(head_dim)
        .zip(added.chunks_exact(head_dim))
        .enumerate()
    {
        let max = state.max[h].max(next.max[h]);
        let (a, b) = ((state.max[h] - max).exp(), (next.max[h] - max).exp());
        for (out, added) in out.iter_mut().zip(added) {
            *out = *out * a + added * b;
        }
        state.sum[h] = state.sum[h] * a + next.sum[h] * b;
        state.max[h] = max;
    }
}

/// scores[h][p] = q[h] · key[p] for the chunk's positions, whole key blocks at a time.
fn score(
    isa: Isa,
    q: &[f32],
    head_dim: usize,
    chunk: &Chunk<'_>,
    scores: &mut [[f32; CHUNK]; MAX_GROUP],
) {
    match isa {
        Isa::Scalar => {
            for (q, scores) in q.chunks_exact(head_dim).zip(scores) {
                let positions = chunk.begin..chunk.end;
                for (p, score) in positions.clone().zip(&mut scores[positions]) {
                    let base = p / KEY_BLOCK * KEY_BLOCK * head_dim + p % KEY_BLOCK;
                    *score = (0..head_dim)
                        .map(|i| q[i] * f16::from_bits(chunk.keys[base + i * KEY_BLOCK]).to_f32())
                        .sum();
                }
            }
        }
        #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
        Isa::Simd128 => {
            super::simd128::attention::score::<super::simd128::Plain>(q, head_dim, chunk, scores)
        }
        #[cfg(all(target_arch = "wasm32", target_feature = "relaxed-simd"))]
        Isa::Relaxed => {
            super::simd128::attention::score::<super::relaxed::Relaxed>(q, head_dim, chunk, scores)
        }
    }
}

/// out[h] = Σ scores[h][p] · value[p] over the chunk's positions.
fn mix(
    isa: Isa,
    scores: &[[f32; CHUNK]; MAX_GROUP],
    head_dim: usize,
    chunk: &Chunk<'_>,
    out: &mut [f32],
) {
    match isa {
        Isa::Scalar => {
            out.fill(0.0);
            for (out, scores) in out.chunks_exact_mut(head_dim).zip(scores) {
                let positions = chunk.begin..chunk.end;
                for (p, score) in positions.clone().zip(&scores[positions]) {
                    for (out, v) in out.iter_mut().zip(&chunk.values[p * head_dim..]) {
                        *out += score * f16::from_bits(*v).to_f32();
                    }
                }
            }
        }
        #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
        Isa::Simd128 => {
            super::simd128::attention::mix::<super::simd128::Plain>(scores, head_dim, chunk, out)
        }
        #[cfg(all(target_arch = "wasm32", target_feature = "relaxed-simd"))]
        Isa::Relaxed => {
            super::simd128::attention::mix::<super::relaxed::Relaxed>(scores, head_dim, chunk, out)
        }
    }
}
