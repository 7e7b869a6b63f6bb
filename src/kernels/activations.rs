//! Activations as the kernels want them: quantised once per input, in blocks of 32, shared by every matrix that reads it.

use super::pool::Pool;
use super::{Form, Isa, Packed};

/// Activations that share a scale.
pub const BLOCK: usize = 32;

/// 32 activations in one quantised form. Everything about them stands together: kernels walk over it with one pointer.
#[derive(Clone, Copy)]
#[repr(C, align(16))]
#[cfg_attr(
    not(all(target_arch = "wasm32", target_feature = "simd128")),
    allow(dead_code)
)]
pub(super) struct Quants {
    pub(super) q: [u8; 64],
    /// value = d · quant.
    pub(super) d: f32,
    /// d · Σ quants, for weights with an offset or a min.
    pub(super) s: f32,
    /// d · Σ quants of each half, for weights whose scales are shared by 16 columns.
    pub(super) s16: [f32; 2],
}

impl Quants {
    const ZERO: Quants = Quants {
        q: [0; 64],
        d: 0.0,
        s: 0.0,
        s16: [0.0; 2],
    };
}

/// The inputs of a matrix product: `tokens` vectors of `cols` values.
///
/// Buffers are planned once for the largest input; `fill` never allocates.
#[cfg_attr(
    not(all(target_arch = "wasm32", target_feature = "simd128")),
    allow(dead_code)
)]
pub struct Activations {
    tokens: usize,
    blocks: usize,
    /// [tokens, blocks, 32], the last block padded with zeros; of another input where quants alone are read.
    pub(super) x: Vec<f32>,
    /// [tokens, blocks].
    pub(super) planes: Vec<Quants>,
    /// [tokens, blocks].
    pub(super) i16: Vec<Quants>,
}

impl Activations {
    /// Space for `tokens` vectors of up to `max_cols` values.
    pub fn new(tokens: usize, max_cols: usize) -> Activations {
        let blocks = tokens * max_cols.div_ceil(BLOCK);
        let quants = if Isa::best() == Isa::Scalar {
            0
        } else {
            blocks
        };
        Activations {
            tokens: 0,
            blocks: 0,
            x: vec![0.0; blocks * BLOCK],
            planes: vec![Quants::ZERO; quants],
            i16: vec![Quants::ZERO; quants],
        }
    }

    /// Bytes that [`Activations::new`] takes.
    pub fn bytes(tokens: usize, max_cols: usize) -> u64 {
        let (tokens, max_cols) = (tokens as u64, max_cols as u64);
        tokens
            * max_cols.div_ceil(BLOCK as u64)
            * (4 * BLOCK as u64 + 2 * size_of::<Quants>() as u64)
    }

    /// Vectors held.
    pub fn tokens(&self) -> usize {
        self.tokens
    }

    /// Blocks of 32 in each vector.
    pub fn blocks(&self) -> usize {
        self.blocks
    }

    /// Takes `x` ([n, cols], n = x.len() / cols) in, in every form that `readers` need on `isa`.
    pub fn fill(&mut self, isa: Isa, pool: &Pool, x: &[f32], cols: usize, readers: &[Packed<'_>]) {
        self.tokens = x.len() / cols;
        self.blocks = cols.div_ceil(BLOCK);
        let (blocks, span) = (self.blocks, self.blocks * BLOCK);
        let reads = |form| readers.iter().any(|w| isa.form(w.format) == form);
        let padded = cols != span;
        if padded || reads(Form::Float) {
            let held = &mut self.x[..self.tokens * span];
            pool.rows(held, span, &|first, held| {
                let x = x[first * cols..].chunks_exact(cols);
                for (x, held) in x.zip(held.chunks_exact_mut(span)) {
                    held[..cols].copy_from_slice(x);
                    held[cols..].fill(0.0);
                }
            });
        }
        let x = if padded { &self.x } else { x };
        let forms = [(Form::Planes, &mut self.planes), (Form::I16, &mut self.i16)];
        for (form, quants) in forms.into_iter().filter(|(form, _)| reads(*form)) {
            let quants = &mut quants[..self.tokens * blocks];
            pool.rows(quants, blocks, &|first, quants| {
                quantise(form, &x[first * span..], quants);
            });
        }
    }

    /// Value `i` of token `t` as kernels of `form` see it: rounded to its quant.
    pub fn value(&self, form: Form, t: usize, i: usize) -> f32 {
        let block = t * self.blocks + i / BLOCK;
        #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
        return match form {
            Form::Float => self.x[block * BLOCK + i % BLOCK],
            Form::Planes => super::simd128::planes_value(&self.planes[block], i % BLOCK),
            Form::I16 => super::simd128::i16_value(&self.i16[block], i % BLOCK),
        };
        #[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
        {
            assert_eq!(form, Form::Float, "quants are read by SIMD kernels only");
            self.x[block * BLOCK + i % BLOCK]
        }
    }
}

/// The first blocks of `x` ([blocks, 32]) → as many blocks of quants.
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
fn quantise(form: Form, x: &[f32], to: &mut [Quants]) {
    match form {
        Form::Float => {}
        Form::Planes => super::simd128::quantise_planes(x, to),
        Form::I16 => super::simd128::quantise_i16(x, to),
    }
}

#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
fn quantise(form: Form, _: &[f32], _: &mut [Quants]) {
    unreachable!("{form:?} is read by SIMD kernels only");
}
