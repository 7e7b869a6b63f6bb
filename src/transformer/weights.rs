//! The weights of a model by their place in the mathematics, and how a stream of tensors fills them.

use std::collections::BTreeMap;

use super::{Config, Input};
use crate::error::{Error, Result};
use crate::kernels::packed::{TILE_ROWS, pack_group};
use crate::quant::Format;
use crate::tensor::{Arena, Layout, Matrix, matrix_bytes};

/// What a tensor is for, in its block or in the model as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Part {
    // Of the model.
    TokenEmbedding,
    /// What makes representations of narrower embeddings.
    EmbeddingProjection,
    EmbeddingProjectionBias,
    PositionEmbedding,
    /// One row for each of the texts that are read together.
    TokenTypes,
    EmbeddingNorm,
    EmbeddingNormBias,
    OutputNorm,
    OutputNormBias,
    /// The norm of what an encoder made of its text.
    EncoderNorm,
    /// The language-model head; without one the token embedding serves (tied embeddings).
    Output,
    OutputBias,
    /// Of a tied head whose embeddings are narrower: a row of logits for each further value.
    OutputRest,
    /// What stands before the head where masked tokens are filled.
    Unmask,
    UnmaskBias,
    UnmaskNorm,
    UnmaskNormBias,
    /// What stands before the classifier, and the classifier.
    Pooler,
    PoolerBias,
    PoolerNorm,
    Classifier,
    ClassifierBias,
    /// Divisors of the rotary frequencies, and those for long contexts.
    RopeFactors,
    LongRopeFactors,
    // Of a block. A norm stands before the matrices, or after them, or after their output has been added.
    AttentionNorm,
    AttentionNormBias,
    PostAttentionNorm,
    AttentionOutputNorm,
    AttentionOutputNormBias,
    Query,
    Key,
    Value,
    QueryBias,
    KeyBias,
    ValueBias,
    QueryNorm,
    KeyNorm,
    AttentionOutput,
    AttentionOutputBias,
    /// [buckets, n_heads]: what scores have added by distance.
    DistanceBias,
    /// Keys and values of what an encoder made of its text.
    AcrossKey,
    AcrossValue,
    /// Of a mixer that keeps a state: its first and its last matrix, the taps of its convolution, the norm of its output,
    /// and for each head of a state space the rate of its decay, what skips the state, and what is added to its steps.
    MixerInput,
    MixerOutput,
    Convolution,
    ConvolutionBias,
    MixerNorm,
    Rates,
    Skips,
    StepBias,
    /// Of a delta rule: what its inputs are blended with those before by, its queries, keys and values, its small products
    /// (see `replace.rs`), and the bias of its output's norm.
    QueryBlend,
    KeyBlend,
    ValueBlend,
    DecayBlend,
    RateBlend,
    GateBlend,
    BlendedQuery,
    BlendedKey,
    BlendedValue,
    DecayDown,
    DecayUp,
    DecayBias,
    RateDown,
    RateUp,
    RateBias,
    ResidualDown,
    ResidualUp,
    ResidualBias,
    GateDown,
    GateUp,
    KeyScale,
    KeyRate,
    Bonus,
    MixerNormBias,
    /// What a feed-forward's input is blended with that before by.
    FeedForwardBlend,
    FeedForwardNorm,
    FeedForwardNormBias,
    PostFeedForwardNorm,
    LayerOutputNorm,
    LayerOutputNormBias,
    /// Around a stretch of narrower representations: what makes them, what makes the first queries and keys' input, and
    /// what makes them wide again.
    Narrow,
    NarrowBias,
    NarrowNorm,
    NarrowNormBias,
    NarrowInput,
    NarrowInputBias,
    NarrowInputNorm,
    NarrowInputNormBias,
    Widen,
    WidenBias,
    WidenNorm,
    WidenNormBias,
    /// Scores of the experts.
    Router,
    Gate,
    Up,
    Down,
    UpBias,
    DownBias,
}

impl Part {
    /// The bias that goes with the weight of a norm, where norms of this kind may have one.
    pub fn bias(self) -> Option<Part> {
        Some(match self {
            Part::EmbeddingNorm => Part::EmbeddingNormBias,
            Part::OutputNorm => Part::OutputNormBias,
            Part::UnmaskNorm => Part::UnmaskNormBias,
            Part::AttentionNorm => Part::AttentionNormBias,
            Part::AttentionOutputNorm => Part::AttentionOutputNormBias,
            Part::FeedForwardNorm => Part::FeedForwardNormBias,
            Part::LayerOutputNorm => Part::LayerOutputNormBias,
            Part::NarrowNorm => Part::NarrowNormBias,
            Part::NarrowInputNorm => Part::NarrowInputNormBias,
            Part::WidenNorm => Part::WidenNormBias,
            _ => return None,
        })
    }
}

/// Variants of [`Part`].
const PARTS: usize = Part::DownBias as usize + 1;

/// A tensor's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    /// The block, or `None` for tensors of the whole model.
    pub block: Option<usize>,
    /// The expert, where each has one.
    pub expert: Option<usize>,
    /// What it is for.
    pub part: Part,
}

impl Slot {
    /// The input that the matrix in this place is multiplied with; `None` for vectors, for look-ups and for experts.
    pub fn input(self) -> Option<Input> {
        let Some(i) = self.block else {
            return (self.part == Part::Output).then_some(Input::Output);
        };
        match self.part {
            _ if self.expert.is_some() => None,
            Part::Query | Part::Key | Part::Value | Part::MixerInput => Some(Input::Mixer(i)),
            Part::AttentionOutput | Part::MixerOutput => Some(Input::MixerOutput(i)),
            Part::Gate | Part::Up => Some(Input::FeedForward(i)),
            Part::Down => Some(Input::Down(i)),
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
    /// Where files keep several as one: the name of the whole, and the first of its rows (of a vector's values) that
    /// is this one's.
    pub inside: Option<(String, usize)>,
}

/// The weights of one block, or of the model as a whole, by [`Part`].
#[derive(Debug, Clone)]
pub struct BlockWeights {
    matrices: [Option<Matrix>; PARTS],
    vectors: [Vec<f32>; PARTS],
    /// [experts]: gate, up and down.
    experts: Vec<[Option<Matrix>; 3]>,
}

impl Default for BlockWeights {
    fn default() -> BlockWeights {
        BlockWeights {
            matrices: [None; PARTS],
            vectors: [const { Vec::new() }; PARTS],
            experts: Vec::new(),
        }
    }
}

impl BlockWeights {
    /// A matrix that the file may lack.
    pub fn optional(&self, part: Part) -> Option<&Matrix> {
        self.matrices[part as usize].as_ref()
    }

    /// A matrix that the declaration of this kind of block requires.
    pub fn matrix(&self, part: Part) -> &Matrix {
        self.optional(part).expect("the declaration requires it")
    }

    /// A matrix of one expert.
    pub fn expert(&self, expert: usize, part: Part) -> &Matrix {
        let matrix = self.experts[expert][part as usize - Part::Gate as usize].as_ref();
        matrix.expect("the declaration requires it")
    }

    /// A vector; empty where the model has none.
    pub fn vector(&self, part: Part) -> &[f32] {
        &self.vectors[part as usize]
    }

    /// The weight of a norm and its bias, each empty where the model has none.
    pub fn norm(&self, part: Part) -> (&[f32], &[f32]) {
        let bias = part.bias().map_or(&[][..], |bias| self.vector(bias));
        (self.vector(part), bias)
    }

    fn put(&mut self, slot: Slot, matrix: Option<Matrix>, vector: Vec<f32>) {
        let part = slot.part as usize;
        match slot.expert {
            Some(e) => {
                if self.experts.len() <= e {
                    self.experts.resize(e + 1, [None; 3]);
                }
                self.experts[e][part - Part::Gate as usize] = matrix;
            }
            None => {
                self.matrices[part] = matrix;
                self.vectors[part] = vector;
            }
        }
    }
}

/// All weights of a model.
pub struct Weights {
    /// Every matrix's bytes.
    pub arena: Arena,
    /// What belongs to no block.
    pub model: BlockWeights,
    /// First to last.
    pub blocks: Vec<BlockWeights>,
}

/// A tensor that is wanted, and what became of it.
struct Wanted {
    spec: TensorSpec,
    /// What is done to a vector's values.
    change: Change,
    /// How the file stores it, once a file has it.
    format: Option<Format>,
    matrix: Option<Matrix>,
}

/// What is done to a vector's values where a file keeps them otherwise than they are computed with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Change {
    /// Nothing.
    None,
    /// This is added.
    Add(f32),
    /// x becomes −eˣ.
    NegativeExp,
}

impl Change {
    /// The value that is computed with.
    pub fn of(self, x: f32) -> f32 {
        match self {
            Change::None => x,
            Change::Add(offset) => x + offset,
            Change::NegativeExp => -x.exp(),
        }
    }
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
                change: Change::None,
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

    /// Says what is done to the values of each vector.
    pub fn change(&mut self, of: impl Fn(Part) -> Change) {
        for w in &mut self.wanted {
            w.change = of(w.spec.slot.part);
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
            .filter(|w| w.matrix.is_some() && w.spec.slot.part != Part::TokenEmbedding)
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
                // What chats download never rounds.
                let (bytes, row) = if stored == format || cfg!(not(feature = "folders")) {
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
                values.iter_mut().for_each(|v| *v = w.change.of(*v));
                self.vectors[index] = values;
            }
        }
    }

    /// The weights, once every tensor has been put.
    pub fn finish(self, config: &Config) -> Weights {
        let mut blocks = vec![BlockWeights::default(); config.n_weights()];
        let mut model = BlockWeights::default();
        for (w, vector) in self.wanted.iter().zip(self.vectors) {
            let slot = w.spec.slot;
            let weights = match slot.block {
                Some(i) => &mut blocks[i],
                None => &mut model,
            };
            weights.put(slot, w.matrix, vector);
        }
        for (i, block) in config.weight_blocks() {
            if let Some(kernel) = block.kernel() {
                // Files keep the taps of a channel together; the convolution takes several channels at once.
                let taps = &mut blocks[i].vectors[Part::Convolution as usize];
                let channels = taps.len() / kernel;
                let by_position = |at: usize| taps[at % channels * kernel + at / channels];
                *taps = (0..taps.len()).map(by_position).collect();
            }
        }
        Weights {
            arena: self.arena,
            model,
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
