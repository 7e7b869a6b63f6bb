//! Matrix products, attention and vector mathematics as fast as the target allows; `scalar` is the reference of each.
//!
//! What a format needs of its input (its *form*) follows from the instruction set: plain simd128 multiplies 16-bit
//! pairs, so activations keep 16 bits there at no cost; the relaxed dot multiplies bytes.

#![allow(unsafe_code)]

pub mod activations;
pub mod attention;
pub mod packed;
pub mod pool;
pub mod recurrence;
pub mod scalar;
pub mod vector;

#[cfg(all(target_arch = "wasm32", target_feature = "relaxed-simd"))]
pub mod relaxed;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
pub mod simd128;

use crate::quant::Format;
pub use activations::Activations;
use activations::BLOCK;
use packed::{TILE_ROWS, tile_bytes, tile_cols};
use pool::Pool;

/// An instruction set, chosen once when a model is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isa {
    /// Portable loops in f32 over decoded tiles, activations not rounded: the reference.
    Scalar,
    /// WebAssembly SIMD128.
    #[cfg(all(
        target_arch = "wasm32",
        target_feature = "simd128",
        not(target_feature = "relaxed-simd")
    ))]
    Simd128,
    /// WebAssembly SIMD128 with relaxed SIMD.
    #[cfg(all(target_arch = "wasm32", target_feature = "relaxed-simd"))]
    Relaxed,
}

/// What a kernel reads its input as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// f32, unrounded.
    Float,
    /// 15-bit quants in two planes of bytes, as the relaxed dot takes them.
    Planes,
    /// 16-bit quants, in pairs as `i32x4.dot_i16x8` takes them.
    I16,
}

impl Isa {
    /// The fastest instruction set of this build.
    pub const fn best() -> Isa {
        #[cfg(all(target_arch = "wasm32", target_feature = "relaxed-simd"))]
        return Isa::Relaxed;
        #[cfg(all(
            target_arch = "wasm32",
            target_feature = "simd128",
            not(target_feature = "relaxed-simd")
        ))]
        return Isa::Simd128;
        #[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
        return Isa::Scalar;
    }

    /// Every instruction set of this build, the reference first.
    pub const ALL: &[Isa] = &[
        Isa::Scalar,
        #[cfg(all(
            target_arch = "wasm32",
            target_feature = "simd128",
            not(target_feature = "relaxed-simd")
        ))]
        Isa::Simd128,
        #[cfg(all(target_arch = "wasm32", target_feature = "relaxed-simd"))]
        Isa::Relaxed,
    ];

    /// The form in which weights of `format` read their input.
    pub fn form(self, format: Format) -> Form {
        match format {
            Format::F32 | Format::F16 | Format::BF16 => Form::Float,
            _ => match self {
                Isa::Scalar => Form::Float,
                #[cfg(all(
                    target_arch = "wasm32",
                    target_feature = "simd128",
                    not(target_feature = "relaxed-simd")
                ))]
                Isa::Simd128 => Form::I16,
                #[cfg(all(target_arch = "wasm32", target_feature = "relaxed-simd"))]
                Isa::Relaxed => relaxed::form(format),
            },
        }
    }
}

/// What [`packed::byte_bias`] is in this process.
pub fn best_byte_bias() -> u8 {
    #[cfg(all(target_arch = "wasm32", target_feature = "relaxed-simd"))]
    return relaxed::byte_bias();
    #[cfg(not(all(target_arch = "wasm32", target_feature = "relaxed-simd")))]
    128
}

/// Whether codes of five and six bits are packed for 16-bit dots in this process, see `packed::words`.
pub fn best_words() -> bool {
    #[cfg(all(target_arch = "wasm32", target_feature = "relaxed-simd"))]
    return relaxed::form(Format::Q5_0) == Form::I16;
    #[cfg(not(all(target_arch = "wasm32", target_feature = "relaxed-simd")))]
    true
}

/// A packed matrix [rows, cols].
#[derive(Debug, Clone, Copy)]
pub struct Packed<'a> {
    /// The format it was packed from.
    pub format: Format,
    /// Outputs.
    pub rows: usize,
    /// Inputs.
    pub cols: usize,
    /// `packed::packed_bytes(format, rows, cols)` bytes, 16-byte aligned.
    pub bytes: &'a [u8],
}

/// One product of a fused call: `out` [tokens, weights.rows] = x · weightsᵀ.
pub struct Product<'a> {
    /// The matrix.
    pub weights: Packed<'a>,
    /// Where its result goes.
    pub out: &'a mut [f32],
}

/// A product as the pool's threads see it: they write disjoint rows of `out`.
#[derive(Clone, Copy)]
struct Shared<'a> {
    weights: Packed<'a>,
    groups: usize,
    out: pool::Rows,
}

impl<'a> Shared<'a> {
    fn new(x: &Activations, product: &mut Product<'a>) -> Shared<'a> {
        let weights = product.weights;
        assert_eq!(product.out.len(), x.tokens() * weights.rows);
        assert_eq!(weights.cols.div_ceil(BLOCK), x.blocks());
        Shared {
            weights,
            groups: weights.rows.div_ceil(TILE_ROWS),
            out: pool::Rows::new(product.out),
        }
    }
}

/// The most products one call fuses.
pub const MAX_FUSED: usize = 4;

/// The most row groups that a thread takes at a time.
const CHUNK_GROUPS: usize = 24;

/// Chunks for each thread: so many that threads of unequal speed end at about the same time, few enough that taking one
/// costs little beside computing it (a microsecond in a small model's products).
const CHUNKS_A_THREAD: usize = 4;

/// Row groups in a chunk, where there are `groups` in all.
fn chunk_groups(pool: &Pool, groups: usize) -> usize {
    groups
        .div_ceil(pool.threads() * CHUNKS_A_THREAD)
        .clamp(1, CHUNK_GROUPS)
}

/// Computes every product over the same `x`, as one job of the pool. `x` must have been filled for the forms needed.
pub fn matmul(isa: Isa, pool: &Pool, x: &Activations, products: &mut [Product<'_>]) {
    let mut shared: [Option<Shared<'_>>; MAX_FUSED] = [None; MAX_FUSED];
    let mut groups = 0;
    for (product, slot) in products.iter_mut().zip(&mut shared) {
        let product = Shared::new(x, product);
        groups += product.groups;
        *slot = Some(product);
    }
    let size = chunk_groups(pool, groups);
    pool.run(groups.div_ceil(size), &|chunk| {
        let (mut from, mut to) = (chunk * size, (chunk + 1) * size);
        for s in shared.iter().flatten() {
            if from < s.groups {
                multiply(isa, x, s, from, to.min(s.groups));
            }
            (from, to) = (from.saturating_sub(s.groups), to.saturating_sub(s.groups));
            if to == 0 {
                break;
            }
        }
    });
}

/// [`matmul`] of two matrices with as many rows; then `join` takes the results of the same rows, a stretch at a time, in
/// the same job: of `first`, which it changes, and of `second`.
pub fn matmul_joined(
    isa: Isa,
    pool: &Pool,
    x: &Activations,
    [mut first, mut second]: [Product<'_>; 2],
    join: &(dyn Fn(&mut [f32], &[f32]) + Sync),
) {
    let [a, b] = [Shared::new(x, &mut first), Shared::new(x, &mut second)];
    let rows = a.weights.rows;
    assert_eq!(rows, b.weights.rows);
    let size = chunk_groups(pool, 2 * a.groups).div_ceil(2);
    pool.run(a.groups.div_ceil(size), &|chunk| {
        let (from, to) = (chunk * size, a.groups.min((chunk + 1) * size));
        multiply(isa, x, &a, from, to);
        multiply(isa, x, &b, from, to);
        let (from, to) = (from * TILE_ROWS, rows.min(to * TILE_ROWS));
        for t in 0..x.tokens() {
            // SAFETY: rows of one group belong to one chunk of the job.
            let [a, b] = [a, b].map(|s| unsafe { s.out.part(t * rows + from, to - from) });
            join(a, b);
        }
    });
}

/// Groups `from..to` of one product.
fn multiply(isa: Isa, x: &Activations, s: &Shared<'_>, from: usize, to: usize) {
    let tiles = s.weights.cols.div_ceil(tile_cols(s.weights.format));
    let bytes = tiles * tile_bytes(s.weights.format);
    let groups = &s.weights.bytes[from * bytes..to * bytes];
    let rows = from * TILE_ROWS..(to * TILE_ROWS).min(s.weights.rows);
    match isa {
        Isa::Scalar => scalar::multiply(s.weights.format, groups, rows, x, s.out, s.weights.rows),
        #[cfg(all(
            target_arch = "wasm32",
            target_feature = "simd128",
            not(target_feature = "relaxed-simd")
        ))]
        Isa::Simd128 => simd128::multiply(s.weights.format, groups, rows, x, s.out, s.weights.rows),
        #[cfg(all(target_arch = "wasm32", target_feature = "relaxed-simd"))]
        Isa::Relaxed => relaxed::multiply(s.weights.format, groups, rows, x, s.out, s.weights.rows),
    }
}
