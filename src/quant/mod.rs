//! Block formats of weights, one file each: layout, dequantise, quantise and a scalar reference dot.
//!
//! The registry is the `formats!` table below: a new format is a new file and one row. Nothing here is fast;
//! `kernels` overrides these loops and is tested against them.

mod bf16;
mod f16;
mod f32;
mod q4_0;
mod q4_1;
mod q8_0;

/// One block format. Layouts follow `ggml-common.h` of llama.cpp; sizes are in bytes.
pub trait BlockFormat {
    /// Values in one block.
    const BLOCK_LEN: usize;
    /// Bytes of one block.
    const BLOCK_BYTES: usize;

    /// `block` (BLOCK_BYTES) → `out` (BLOCK_LEN), bit-exact to the reference implementation.
    fn dequantise(block: &[u8], out: &mut [f32]);

    /// `x` (BLOCK_LEN) → `block` (BLOCK_BYTES), rounding as the reference implementation does.
    fn quantise(x: &[f32], block: &mut [u8]);
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
            /// Quantises whole blocks: `x` (n × block_len) → `bytes` (n × block_bytes).
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
    Q8_0 = 8, "q8_0", q8_0::Q8_0;
    BF16 = 30, "bf16", bf16::BF16;
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
    assert_eq!(bytes.len() / F::BLOCK_BYTES, x.len() / F::BLOCK_LEN);
    for (x, block) in x
        .chunks_exact(F::BLOCK_LEN)
        .zip(bytes.chunks_exact_mut(F::BLOCK_BYTES))
    {
        F::quantise(x, block);
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
