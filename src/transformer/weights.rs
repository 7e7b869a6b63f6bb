//! The weights of a model by their place in the mathematics, and how a stream of tensors fills them.

use std::collections::BTreeMap;

use super::Input;
use crate::error::{Error, Result};
use crate::kernels::packed::{TILE_ROWS, pack_group};
use crate::quant::Format;
use crate::tensor::{Arena, Layout, Matrix, matrix_bytes};

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

impl Slot {
    /// The input that the matrix in this place is multiplied with; `None` for vectors and for look-ups.
    pub fn input(self) -> Option<Input> {
        match self {
            Slot::Query(i) | Slot::Key(i) | Slot::Value(i) => Some(Input::Mixer(i)),
            Slot::AttentionOutput(i) => Some(Input::MixerOutput(i)),
            Slot::Gate(i) | Slot::Up(i) => Some(Input::FeedForward(i)),
            Slot::Down(i) => Some(Input::Down(i)),
            Slot::Output => Some(Input::Output),
            _ => None,
        }
    }
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

/// A tensor that is wanted, and what became of it.
struct Wanted {
    spec: TensorSpec,
    /// How the file stores it, once a file has it.
    format: Option<Format>,
    matrix: Option<Matrix>,
}

/// How a tensor comes and how it is to be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// The format in the file.
    pub format: Format,
    /// The format asked for, where that is another.
    pub target: Option<Format>,
}

/// Packs tensors into an arena as their bytes arrive.
pub struct WeightsBuilder {
    wanted: Vec<Wanted>,
    /// Where each name stands in `wanted`: headers and declarations may both be long.
    by_name: BTreeMap<String, usize>,
    layout: Layout,
    arena: Arena,
    /// Eight rows in the format they are kept in, where that is not the file's.
    converted: Vec<u8>,
    /// One row in f32, on its way there.
    row: Vec<f32>,
    vectors: Vec<Vec<f32>>,
}

impl WeightsBuilder {
    /// Nothing is there yet.
    pub fn new(specs: Vec<TensorSpec>) -> WeightsBuilder {
        let wanted: Vec<Wanted> = specs
            .into_iter()
            .map(|spec| Wanted {
                spec,
                format: None,
                matrix: None,
            })
            .collect();
        let vectors = wanted.iter().map(|_| Vec::new()).collect();
        let by_name = wanted
            .iter()
            .enumerate()
            .map(|(i, w)| (w.spec.name.clone(), i))
            .collect();
        WeightsBuilder {
            wanted,
            by_name,
            layout: Layout::default(),
            arena: Arena::default(),
            converted: Vec::new(),
            row: Vec::new(),
            vectors,
        }
    }

    /// Plans the tensors of one file. `found`: how it has a tensor, or `None` where it has not.
    pub fn place(&mut self, found: impl Fn(&TensorSpec) -> Result<Option<Found>>) -> Result<()> {
        self.layout.part();
        for w in &mut self.wanted {
            let Some(Found { format, target }) = found(&w.spec)? else {
                continue;
            };
            if w.format.is_some() {
                return Err(Error::MalformedHeader {
                    what: format!(
                        "the tensor {} is in more than one of the files",
                        w.spec.name
                    ),
                });
            }
            w.format = Some(format);
            if w.spec.rows > 0 {
                let kept = target.unwrap_or(format);
                w.matrix = Some(self.layout.matrix(kept, w.spec.rows, w.spec.cols));
            }
        }
        Ok(())
    }

    /// The name of a tensor that the model cannot do without and no file had yet.
    pub fn missing(&self) -> Option<&str> {
        self.wanted
            .iter()
            .find(|w| w.format.is_none() && w.spec.required)
            .map(|w| w.spec.name.as_str())
    }

    /// What is wanted, and whether it has been found.
    pub fn specs(&self) -> impl Iterator<Item = (&TensorSpec, bool)> {
        self.wanted.iter().map(|w| (&w.spec, w.format.is_some()))
    }

    /// Bytes of all matrices and vectors once loaded; what no file had yet counts as if stored in `expected`.
    pub fn bytes(&self, expected: Format) -> u64 {
        let others = self
            .wanted
            .iter()
            .filter(|w| w.matrix.is_none())
            .map(|w| match w.format {
                None if !w.spec.required => 0,
                None if w.spec.rows > 0 => {
                    let fits = expected.row_bytes(w.spec.cols).is_some();
                    matrix_bytes(
                        if fits { expected } else { Format::F16 },
                        w.spec.rows,
                        w.spec.cols,
                    )
                }
                _ => 4 * w.spec.cols as u64,
            });
        self.layout.bytes() + others.sum::<u64>()
    }

    /// Values in all wanted tensors.
    pub fn parameters(&self) -> u64 {
        let found = self.wanted.iter().filter(|w| w.format.is_some());
        found
            .map(|w| w.spec.rows.max(1) as u64 * w.spec.cols as u64)
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
            let format = match (w.format, &w.matrix) {
                // Floats that are kept in something smaller have been quantised on the way.
                (Some(Format::F32 | Format::F16 | Format::BF16), Some(matrix)) => matrix.format,
                (Some(format), _) => format,
                (None, _) => continue,
            };
            match sums.iter_mut().find(|(f, _)| *f == format) {
                Some((_, n)) => *n += w.spec.rows * w.spec.cols,
                None => sums.push((format, w.spec.rows * w.spec.cols)),
            }
        }
        sums.into_iter().max_by_key(|(_, n)| *n).map(|(f, _)| f)
    }

    /// Allocates what has been planned.
    pub fn allocate(&mut self) -> Result<()> {
        self.arena.grow(&self.layout)
    }

    /// The index of the wanted tensor called `name`.
    pub fn index(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// Bytes of the file that make one unit of [`WeightsBuilder::put`]: eight rows of a matrix, or a whole vector.
    pub fn unit_bytes(&self, index: usize) -> usize {
        let w = &self.wanted[index];
        let format = w.format.expect("a tensor is put after it was found");
        let row = w.spec.cols / format.block_len() * format.block_bytes();
        if w.matrix.is_some() {
            row * TILE_ROWS
        } else {
            row
        }
    }

    /// Takes unit `unit` of tensor `index` in; the last unit of a matrix may be shorter.
    pub fn put(&mut self, index: usize, unit: usize, bytes: &[u8]) {
        let w = &self.wanted[index];
        let format = w.format.expect("a tensor is put after it was found");
        match &w.matrix {
            Some(matrix) => {
                let row = w.spec.cols / format.block_len() * format.block_bytes();
                let stored = matrix.format;
                let (bytes, row) = if stored == format {
                    (bytes, row)
                } else {
                    convert(
                        format,
                        bytes,
                        row,
                        stored,
                        &mut self.row,
                        &mut self.converted,
                        w.spec.cols,
                    )
                };
                let mut rows = [&bytes[..0]; TILE_ROWS];
                let mut n = 0;
                for (slot, row) in rows.iter_mut().zip(bytes.chunks_exact(row)) {
                    *slot = row;
                    n += 1;
                }
                pack_group(
                    stored,
                    &rows[..n],
                    w.spec.cols,
                    self.arena.group_mut(matrix, unit),
                );
            }
            None => {
                let mut values = vec![0.0; w.spec.cols];
                format.dequantise(bytes, &mut values);
                self.vectors[index] = values;
            }
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
            arena: self.arena,
            token_embedding: embedding.expect("every declaration requires it"),
            output_norm,
            output,
            rope_factors,
            blocks,
        }
    }
}

/// Rows of `from` (`row_bytes` each) → rows of `to` in `converted`; returns them and their size.
fn convert<'a>(
    from: Format,
    bytes: &[u8],
    row_bytes: usize,
    to: Format,
    values: &mut Vec<f32>,
    converted: &'a mut Vec<u8>,
    cols: usize,
) -> (&'a [u8], usize) {
    let size = cols / to.block_len() * to.block_bytes();
    values.resize(cols, 0.0);
    converted.resize(bytes.len() / row_bytes * size, 0);
    for (row, out) in bytes
        .chunks_exact(row_bytes)
        .zip(converted.chunks_exact_mut(size))
    {
        from.dequantise(row, values);
        to.quantise(values, out);
    }
    (converted, size)
}
