//! Block formats of weights, one file each: layout, dequantise, quantise and a scalar reference dot.
//!
//! The registry is the `formats!` table below: a new format is a new file and one row. Nothing here is fast;
//! `kernels` overrides these loops and is tested against them.

mod bf16;
mod e2m1;
mod f16;
mod f32;
mod fifth_bits;
mod grid;
mod iq1_m;
mod iq1_s;
mod iq2_s;
mod iq2_xs;
mod iq2_xxs;
mod iq3_s;
mod iq3_xxs;
mod iq4_nl;
mod iq4_xs;
mod mxfp4;
mod nvfp4;
mod parts;
mod q1_0;
mod q2_k;
mod q3_k;
mod q4_0;
mod q4_1;
mod q4_k;
mod q5_0;
mod q5_1;
mod q5_k;
mod q6_k;
mod q8_0;
mod scale_min;
mod search;
mod signs;
mod tq1_0;
mod tq2_0;
mod two_bits;
mod weighted;

pub use mxfp4::half_scale as half_power;
pub use parts::{Codes, Integers, Parts};

/// Rounds one block: `x` (BLOCK_LEN) → `block` (BLOCK_BYTES), as the reference implementation does without weights.
pub type Quantise = fn(x: &[f32], block: &mut [u8]);

/// One block format. Layouts follow `ggml-common.h` of llama.cpp; sizes are in bytes.
pub trait BlockFormat {
    /// Values in one block.
    const BLOCK_LEN: usize;
    /// Bytes of one block.
    const BLOCK_BYTES: usize;
    /// How a block is made; `None` for a format that is only read.
    const QUANTISE: Option<Quantise> = None;
    /// How a block is taken apart; `None` for formats of floats.
    const INTEGERS: Option<Integers> = None;

    /// `block` (BLOCK_BYTES) → `out` (BLOCK_LEN), bit-exact to the reference implementation.
    fn dequantise(block: &[u8], out: &mut [f32]);
}

macro_rules! formats {
    ($($variant:ident = $ggml:literal, $name:literal, $module:ident::$type:ident;)*) => {
        /// A registered format of weights.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[allow(missing_docs)]
        pub enum Format { $($variant),* }

        /// Every registered format, in the order of the table.
        pub const FORMATS: &[Format] = &[$(Format::$variant),*];

        impl Format {
            /// The lower-case name used everywhere (`q4_0`).
            pub const fn name(self) -> &'static str {
                match self { $(Format::$variant => $name),* }
            }
            /// The number GGUF files use.
            pub const fn ggml_type(self) -> u32 {
                match self { $(Format::$variant => $ggml),* }
            }
            /// Values in one block.
            pub const fn block_len(self) -> usize {
                match self { $(Format::$variant => <$module::$type as BlockFormat>::BLOCK_LEN),* }
            }
            /// Bytes of one block.
            pub const fn block_bytes(self) -> usize {
                match self { $(Format::$variant => <$module::$type as BlockFormat>::BLOCK_BYTES),* }
            }
            /// Dequantises whole blocks: `bytes` (n × block_bytes) → `out` (n × block_len).
            pub fn dequantise(self, bytes: &[u8], out: &mut [f32]) {
                match self { $(Format::$variant => dequantise_blocks::<$module::$type>(bytes, out)),* }
            }
            /// Whether blocks of this format can be made here, and not only read.
            pub const fn can_quantise(self) -> bool {
                match self { $(Format::$variant => $module::$type::QUANTISE.is_some()),* }
            }
            /// How blocks are taken apart; `None` for formats of floats.
            pub const fn integers(self) -> Option<Integers> {
                match self { $(Format::$variant => $module::$type::INTEGERS),* }
            }
            /// Quantises whole blocks: `x` (n × block_len) → `bytes` (n × block_bytes). Panics where `can_quantise`
            /// is false.
            pub fn quantise(self, x: &[f32], bytes: &mut [u8]) {
                match self { $(Format::$variant => quantise_blocks::<$module::$type>(x, bytes)),* }
            }
        }
    };
}

formats! {
    F32 = 0, "f32", f32::F32;
    F16 = 1, "f16", f16::F16;
    Q4_0 = 2, "q4_0", q4_0::Q4_0;
    Q4_1 = 3, "q4_1", q4_1::Q4_1;
    Q5_0 = 6, "q5_0", q5_0::Q5_0;
    Q5_1 = 7, "q5_1", q5_1::Q5_1;
    Q8_0 = 8, "q8_0", q8_0::Q8_0;
    Q2K = 10, "q2_k", q2_k::Q2K;
    Q3K = 11, "q3_k", q3_k::Q3K;
    Q4K = 12, "q4_k", q4_k::Q4K;
    Q5K = 13, "q5_k", q5_k::Q5K;
    Q6K = 14, "q6_k", q6_k::Q6K;
    Iq2Xxs = 16, "iq2_xxs", iq2_xxs::Iq2Xxs;
    Iq2Xs = 17, "iq2_xs", iq2_xs::Iq2Xs;
    Iq3Xxs = 18, "iq3_xxs", iq3_xxs::Iq3Xxs;
    Iq1S = 19, "iq1_s", iq1_s::Iq1S;
    Iq4Nl = 20, "iq4_nl", iq4_nl::Iq4Nl;
    Iq3S = 21, "iq3_s", iq3_s::Iq3S;
    Iq2S = 22, "iq2_s", iq2_s::Iq2S;
    Iq4Xs = 23, "iq4_xs", iq4_xs::Iq4Xs;
    Iq1M = 29, "iq1_m", iq1_m::Iq1M;
    BF16 = 30, "bf16", bf16::BF16;
    Tq1_0 = 34, "tq1_0", tq1_0::Tq1_0;
    Tq2_0 = 35, "tq2_0", tq2_0::Tq2_0;
    Mxfp4 = 39, "mxfp4", mxfp4::Mxfp4;
    Nvfp4 = 40, "nvfp4", nvfp4::Nvfp4;
    Q1_0 = 41, "q1_0", q1_0::Q1_0;
}

impl Format {
    /// The format that GGUF calls `ggml_type`, if it is registered.
    pub fn from_ggml_type(ggml_type: u32) -> Option<Format> {
        FORMATS.iter().copied().find(|f| f.ggml_type() == ggml_type)
    }

    /// The format called `name`, if it is registered.
    pub fn from_name(name: &str) -> Option<Format> {
        FORMATS.iter().copied().find(|f| f.name() == name)
    }

    /// Bytes of a row of `cols` values; `None` where the row is not whole blocks.
    pub fn row_bytes(self, cols: usize) -> Option<usize> {
        cols.is_multiple_of(self.block_len())
            .then(|| cols / self.block_len() * self.block_bytes())
    }

    /// Quantises whole blocks as `quantise` does, with errors weighted by `importance` (as long as `x`, or empty): the
    /// mean square of what each value is multiplied with.
    pub fn quantise_weighted(self, x: &[f32], importance: &[f32], bytes: &mut [u8]) {
        if importance.is_empty() {
            return self.quantise(x, bytes);
        }
        weighted::quantise(self, x, importance, bytes);
    }

    /// Scalar reference dot of one row with `x`, in f32 and in order.
    pub fn dot(self, row: &[u8], x: &[f32]) -> f32 {
        let mut w = vec![0.0; self.block_len()];
        let mut sum = 0.0;
        for (block, x) in row
            .chunks_exact(self.block_bytes())
            .zip(x.chunks_exact(self.block_len()))
        {
            self.dequantise(block, &mut w);
            sum += w.iter().zip(x).map(|(w, x)| w * x).sum::<f32>();
        }
        sum
    }
}

fn dequantise_blocks<F: BlockFormat>(bytes: &[u8], out: &mut [f32]) {
    assert_eq!(bytes.len() / F::BLOCK_BYTES, out.len() / F::BLOCK_LEN);
    for (block, out) in bytes
        .chunks_exact(F::BLOCK_BYTES)
        .zip(out.chunks_exact_mut(F::BLOCK_LEN))
    {
        F::dequantise(block, out);
    }
}

fn quantise_blocks<F: BlockFormat>(x: &[f32], bytes: &mut [u8]) {
    let quantise = F::QUANTISE.expect("the format is only read");
    assert_eq!(bytes.len() / F::BLOCK_BYTES, x.len() / F::BLOCK_LEN);
    for (x, block) in x
        .chunks_exact(F::BLOCK_LEN)
        .zip(bytes.chunks_exact_mut(F::BLOCK_BYTES))
    {
        quantise(x, block);
    }
}

/// Reads the f16 at `at` of `block`.
fn read_f16(block: &[u8], at: usize) -> f32 {
    half::f16::from_le_bytes([block[at], block[at + 1]]).to_f32()
}

/// Writes `x` as f16 at `at` of `block`.
fn write_f16(block: &mut [u8], at: usize, x: f32) {
    block[at..at + 2].copy_from_slice(&half::f16::from_f32(x).to_le_bytes());
}

/// Reads the u16 at `at` of `block`.
fn read_u16(block: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([block[at], block[at + 1]])
}

/// Reads the u32 at `at` of `block`.
fn read_u32(block: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([block[at], block[at + 1], block[at + 2], block[at + 3]])
}

/// The value of largest magnitude, with its sign; the first of several, and NaN is skipped.
fn signed_max(x: &[f32]) -> f32 {
    x.iter().fold(
        0.0,
        |max: f32, x| if x.abs() > max.abs() { *x } else { max },
    )
}

/// The least and the largest value of `x`, which is not empty.
fn range(x: &[f32]) -> (f32, f32) {
    x.iter().fold((x[0], x[0]), |(min, max), &x| {
        (if x < min { x } else { min }, if x > max { x } else { max })
    })
}
