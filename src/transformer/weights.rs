//! The weights of a model by their place in the mathematics, and how a stream of tensors fills them.

use crate::error::{Error, Result};
use crate::kernels::packed::{TILE_ROWS, pack_group};
use crate::quant::Format;
use crate::tensor::{Arena, Layout, Matrix};

/// A tensor's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Slot {
    TokenEmbedding,
    OutputNorm,
    /// The language-model head; without one the token embedding serves (tied embeddings).
    Output,
    /// Divisors of the rotary frequencies.
    RopeFactors,
    AttentionNorm(usize),
    Query(usize),
    Key(usize),
    Value(usize),
    QueryBias(usize),
    KeyBias(usize),
    ValueBias(usize),
    QueryNorm(usize),
    KeyNorm(usize),
    AttentionOutput(usize),
    FeedForwardNorm(usize),
    Gate(usize),
    Up(usize),
    Down(usize),
}

/// A tensor that an architecture reads.
#[derive(Debug, Clone)]
pub struct TensorSpec {
    /// Its name in a GGUF file.
    pub name: String,
    /// Where it goes.
    pub slot: Slot,
    /// Rows; 0 for a vector.
    pub rows: usize,
    /// Columns, or the vector's length.
    pub cols: usize,
    /// Whether the model cannot do without.
    pub required: bool,
}

/// The weights of one block.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs)]
pub struct BlockWeights {
    pub attention_norm: Vec<f32>,
    pub query: Option<Matrix>,
    pub key: Option<Matrix>,
    pub value: Option<Matrix>,
    pub query_bias: Vec<f32>,
    pub key_bias: Vec<f32>,
    pub value_bias: Vec<f32>,
    pub query_norm: Vec<f32>,
    pub key_norm: Vec<f32>,
    pub attention_output: Option<Matrix>,
    pub feed_forward_norm: Vec<f32>,
    pub gate: Option<Matrix>,
    pub up: Option<Matrix>,
    pub down: Option<Matrix>,
}

/// All weights of a model. Vectors that a model does not have are empty.
pub struct Weights {
    /// Every matrix's bytes.
    pub arena: Arena,
    /// [vocab_size, dim].
    pub token_embedding: Matrix,
    /// [dim].
    pub output_norm: Vec<f32>,
    /// [vocab_size, dim], if it is not the token embedding.
    pub output: Option<Matrix>,
    /// [rotated dims / 2], or empty.
    pub rope_factors: Vec<f32>,
    /// First to last.
    pub blocks: Vec<BlockWeights>,
}

/// A tensor of the file that is wanted.
struct Wanted {
    spec: TensorSpec,
    format: Format,
    matrix: Option<Matrix>,
}

/// Packs tensors into an arena as their bytes arrive.
pub struct WeightsBuilder {
    wanted: Vec<Wanted>,
    layout: Layout,
    arena: Option<Arena>,
    vectors: Vec<Vec<f32>>,
}

impl WeightsBuilder {
    /// Plans the weights. `found`: for each of `specs`, the format in the file, or `None` where it is not in there.
    pub fn new(
        specs: Vec<TensorSpec>,
        found: impl Fn(&TensorSpec) -> Result<Option<Format>>,
    ) -> Result<WeightsBuilder> {
        let mut layout = Layout::default();
        let mut wanted = Vec::new();
        for spec in specs {
            match found(&spec)? {
                Some(format) => {
                    let matrix =
                        (spec.rows > 0).then(|| layout.matrix(format, spec.rows, spec.cols));
                    wanted.push(Wanted {
                        spec,
                        format,
                        matrix,
                    });
                }
                None if spec.required => return Err(Error::MissingTensor { name: spec.name }),
                None => {}
            }
        }
        let vectors = wanted.iter().map(|_| Vec::new()).collect();
        Ok(WeightsBuilder {
            wanted,
            layout,
            arena: None,
            vectors,
        })
    }

    /// Bytes of all matrices and vectors once loaded.
    pub fn bytes(&self) -> usize {
        let vectors = self
            .wanted
            .iter()
            .filter(|w| w.matrix.is_none())
            .map(|w| 4 * w.spec.cols);
        self.layout.bytes() + vectors.sum::<usize>()
    }

    /// Values in all wanted tensors.
    pub fn parameters(&self) -> u64 {
        self.wanted
            .iter()
            .map(|w| (w.spec.rows.max(1) * w.spec.cols) as u64)
            .sum()
    }

    /// Bytes a format has among the matrices: the largest names the model's format.
    pub fn main_format(&self) -> Option<Format> {
        let mut sums: Vec<(Format, usize)> = Vec::new();
        for w in self
            .wanted
            .iter()
            .filter(|w| w.matrix.is_some() && w.spec.slot != Slot::TokenEmbedding)
        {
            match sums.iter_mut().find(|(f, _)| *f == w.format) {
                Some((_, n)) => *n += w.spec.rows * w.spec.cols,
                None => sums.push((w.format, w.spec.rows * w.spec.cols)),
            }
        }
        sums.into_iter().max_by_key(|(_, n)| *n).map(|(f, _)| f)
    }

    /// Allocates the arena.
    pub fn allocate(&mut self) -> Result<()> {
        self.arena = Some(Arena::new(&self.layout)?);
        Ok(())
    }

    /// The index of the wanted tensor called `name`.
    pub fn index(&self, name: &str) -> Option<usize> {
        self.wanted.iter().position(|w| w.spec.name == name)
    }

    /// Bytes of the file that make one unit of [`WeightsBuilder::put`]: eight rows of a matrix, or a whole vector.
    pub fn unit_bytes(&self, index: usize) -> usize {
        let w = &self.wanted[index];
        let row = w.spec.cols / w.format.block_len() * w.format.block_bytes();
        if w.matrix.is_some() {
            row * TILE_ROWS
        } else {
            row
        }
    }

    /// Takes unit `unit` of tensor `index` in; the last unit of a matrix may be shorter.
    pub fn put(&mut self, index: usize, unit: usize, bytes: &[u8]) {
        let w = &self.wanted[index];
        match (&w.matrix, &mut self.arena) {
            (Some(matrix), Some(arena)) => {
                let row = w.spec.cols / w.format.block_len() * w.format.block_bytes();
                let mut rows = [&bytes[..0]; TILE_ROWS];
                let mut n = 0;
                for (slot, row) in rows.iter_mut().zip(bytes.chunks_exact(row)) {
                    *slot = row;
                    n += 1;
                }
                pack_group(
                    w.format,
                    &rows[..n],
                    w.spec.cols,
                    arena.group_mut(matrix, unit),
                );
            }
            (None, _) => {
                let mut values = vec![0.0; w.spec.cols];
                w.format.dequantise(bytes, &mut values);
                self.vectors[index] = values;
            }
            (Some(_), None) => unreachable!("allocate comes before put"),
        }
    }

    /// The weights, once every tensor has been put.
    pub fn finish(self, n_blocks: usize) -> Weights {
        let mut blocks = vec![BlockWeights::default(); n_blocks];
        let (mut embedding, mut output) = (None, None);
        let (mut output_norm, mut rope_factors) = (Vec::new(), Vec::new());
        for (w, vector) in self.wanted.iter().zip(self.vectors) {
            match w.spec.slot {
                Slot::TokenEmbedding => embedding = w.matrix,
                Slot::Output => output = w.matrix,
                Slot::OutputNorm => output_norm = vector,
                Slot::RopeFactors => rope_factors = vector,
                Slot::AttentionNorm(i) => blocks[i].attention_norm = vector,
                Slot::Query(i) => blocks[i].query = w.matrix,
                Slot::Key(i) => blocks[i].key = w.matrix,
                Slot::Value(i) => blocks[i].value = w.matrix,
                Slot::QueryBias(i) => blocks[i].query_bias = vector,
                Slot::KeyBias(i) => blocks[i].key_bias = vector,
                Slot::ValueBias(i) => blocks[i].value_bias = vector,
                Slot::QueryNorm(i) => blocks[i].query_norm = vector,
                Slot::KeyNorm(i) => blocks[i].key_norm = vector,
                Slot::AttentionOutput(i) => blocks[i].attention_output = w.matrix,
                Slot::FeedForwardNorm(i) => blocks[i].feed_forward_norm = vector,
                Slot::Gate(i) => blocks[i].gate = w.matrix,
                Slot::Up(i) => blocks[i].up = w.matrix,
                Slot::Down(i) => blocks[i].down = w.matrix,
            }
        }
        Weights {
            arena: self.arena.expect("allocate comes before finish"),
            token_embedding: embedding.expect("every declaration requires it"),
            output_norm,
            output,
            rope_factors,
            blocks,
        }
    }
}
