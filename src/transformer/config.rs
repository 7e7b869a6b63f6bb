//! What a model is made of: a list of blocks, each a mixer and a feed-forward, with switches named for the mathematics.
//!
//! What a model may have or lack without changing the order of steps (a bias, a norm at some place) has no switch: it is
//! computed where its weights are there.

use crate::ops::activation::Activation;
use crate::ops::attention::Shape;
use crate::ops::rope::Rope;
use crate::ops::scan::Scan;

/// Sequences of one slice: as many logits are held, and the products' loops take four inputs at a time.
const BATCH: usize = 8;

/// A model's shape.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Values of a token's representation.
    pub dim: usize,
    /// Ids there are.
    pub vocab_size: usize,
    /// The longest context the model was made for.
    pub max_seq_len: usize,
    /// What the norms of whole representations do; those of queries and keys are always RMS.
    pub norm: Norm,
    /// ε of the norms.
    pub norm_eps: f32,
    /// Where embeddings are narrower than representations.
    pub factored: Option<Factored>,
    /// What a token's embedding is multiplied by.
    pub embedding_scale: f32,
    /// What a block's outputs are multiplied by before they are added.
    pub residual_scale: f32,
    /// What is multiplied inside of blocks.
    pub multipliers: Multipliers,
    /// What logits are multiplied by.
    pub logit_scale: f32,
    /// What they are multiplied by besides, where the embedding is the head.
    pub tied_scale: f32,
    /// Logits are bounded by this, if it is over 0.
    pub logit_soft_cap: f32,
    /// Rotary position embeddings; an attention names one by its place here.
    pub ropes: Vec<Rope>,
    /// Buckets of distances that scores have biases for; 0 where they have none. Blocks whose weights have none have those
    /// of the first of their stack.
    pub distance_buckets: usize,
    /// Where the first blocks read a text that the others write about.
    pub encoder: Option<Encoder>,
    /// The blocks, first to last.
    pub blocks: Vec<Block>,
    /// What a model that reads texts makes of them.
    pub reader: Reader,
}

/// A stack of blocks of its own, for a text that another stack writes about. What is written follows the text in the
/// sequence: its positions begin where the text ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Encoder {
    /// Its blocks.
    pub n_blocks: usize,
    /// What all that is written begins with.
    pub start: u32,
}

/// Embeddings that a matrix makes representations of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Factored {
    /// Values of an embedding.
    pub dim: usize,
    /// Embeddings side by side that the matrix reads: the token's own, or those of the next, of itself, and of the one
    /// before.
    pub grams: usize,
}

impl Factored {
    /// Inputs of the matrix.
    pub fn width(&self) -> usize {
        self.dim * self.grams
    }
}

/// Factors of what matrices come to, where files do not have them in their weights.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Multipliers {
    /// Of attention's output.
    pub attention: f32,
    /// Of a state space's output.
    pub space: f32,
    /// Of what it gets: gates, values, keys, queries, steps.
    pub wide: [f32; 5],
    /// Of gates.
    pub gate: f32,
    /// Of a feed-forward's output.
    pub down: f32,
}

impl Multipliers {
    /// All are 1.
    pub const NONE: Multipliers = Multipliers {
        attention: 1.0,
        space: 1.0,
        wide: [1.0; 5],
        gate: 1.0,
        down: 1.0,
    };
}

/// What is made of a text that has been read, beyond representations of its tokens. All of it has its defaults in models
/// that write.
#[derive(Debug, Clone, PartialEq)]
pub struct Reader {
    /// How its tokens' representations become one.
    pub pooling: Pooling,
    /// Whether that gets the length 1.
    pub normalises: bool,
    /// The same for what the classifier reads.
    pub classified: Pooling,
    /// Whether a matrix stands before the classifier, where the file has one.
    pub pooler: bool,
    /// What the pooler's outputs go through, and those of the matrix before the head of masked tokens.
    pub activations: [Activation; 2],
    /// Kinds of tokens: where there are two, they tell two texts apart.
    pub n_types: usize,
    /// Names of the classes.
    pub labels: Vec<String>,
}

/// How the representations of a text's tokens become that of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pooling {
    /// Their mean.
    Mean,
    /// The first token's.
    First,
    /// The last token's.
    Last,
}

impl Reader {
    /// Of a model without an own way to read.
    pub const PLAIN: Reader = Reader {
        pooling: Pooling::Last,
        normalises: true,
        classified: Pooling::Last,
        pooler: true,
        activations: [Activation::Tanh, Activation::Gelu],
        n_types: 0,
        labels: Vec::new(),
    };
}

/// How a representation is brought to a common size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Norm {
    /// x / √mean(x²) · weight.
    Rms,
    /// (x − mean(x)) / √variance(x) · weight + bias.
    Layer,
    /// x · weight + bias: no norm, in its place.
    Affine,
}

/// One layer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Block {
    /// Whose weights it computes with: blocks may share them.
    pub weights: usize,
    /// What mixes positions.
    pub mixer: Mixer,
    /// What follows.
    pub feed_forward: FeedForward,
    /// Where it computes over narrower representations.
    pub narrow: Option<Narrow>,
}

/// A stretch of blocks over representations that have been made narrower; what comes of them is made wide again and added
/// to what was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Narrow {
    /// Values of such a representation.
    pub width: usize,
    /// Whether the stretch begins with this block. Its values come of the wide representations, its queries and keys of
    /// further narrow ones.
    pub first: bool,
    /// Whether it ends with it.
    pub last: bool,
}

/// What lets a position see others.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Mixer {
    /// Nothing: the feed-forward is the whole block.
    None,
    /// Softmax attention with a KV cache.
    Attention(Attention),
    /// The same over what the encoder made of its text. The block before it attends over what is written, with as many
    /// heads; their keys and values stand in the same memory, as their positions do not meet.
    Across(Attention),
    /// Two gates around a convolution of the last few positions.
    ShortConvolution {
        /// Positions it sees, its own included.
        kernel: usize,
    },
    /// Selective state space.
    StateSpace(StateSpace),
    /// Both over the same input, added up.
    Both(Attention, StateSpace),
    /// Generalised delta rule over inputs blended with those before. Its feed-forward reads such a blend too.
    DeltaRule(DeltaRule),
}

/// Generalised delta rule: every head's state, a matrix, decays by columns, and some of it is replaced.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DeltaRule {
    /// Heads; together they are as wide as a representation.
    pub n_heads: usize,
    /// Rows and columns of a head's state.
    pub head_dim: usize,
    /// Ranks of the products that decays, rates, shares of the first layer's values, and gates come from.
    pub ranks: [usize; 4],
}

/// Selective state space: a short convolution, a scan, a gate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StateSpace {
    /// Heads and the state of each.
    pub scan: Scan,
    /// Positions that the convolution sees.
    pub kernel: usize,
    /// Parts that its output is normed in.
    pub norm_groups: usize,
}

impl StateSpace {
    /// Values of all heads.
    pub fn inner(&self) -> usize {
        self.scan.n_heads * self.scan.head_dim
    }

    /// Channels that are convolved: values, keys and queries.
    pub fn channels(&self) -> usize {
        self.inner() + 2 * self.scan.n_groups * self.scan.state_dim
    }

    /// Outputs of its first matrix: the gate, the channels, and a step for each head.
    pub fn width(&self) -> usize {
        self.inner() + self.channels() + self.scan.n_heads
    }
}

/// Softmax attention.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Attention {
    /// Heads, dimensions, window, soft cap.
    pub shape: Shape,
    /// What queries are multiplied by.
    pub scale: f32,
    /// Which of the model's rotary embeddings turns queries and keys; some layers of some models have none.
    pub rope: Option<usize>,
}

/// The second half of a block.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum FeedForward {
    /// Nothing: the mixer is the whole block.
    None,
    /// down(activation(gate(x)) · up(x)).
    Gated {
        /// Outputs of gate and up.
        hidden_dim: usize,
        /// What the gate goes through.
        activation: Activation,
    },
    /// As weights are there: down(gated(gate(x)) · up(x)), or down(plain(up(x))).
    Either {
        /// Outputs of gate and up.
        hidden_dim: usize,
        /// What a gate goes through.
        gated: Activation,
        /// What an up without a gate goes through.
        plain: Activation,
    },
    /// down(activation(up(x))).
    Plain {
        /// Outputs of up.
        hidden_dim: usize,
        /// What they go through.
        activation: Activation,
    },
    /// Σ p(e) · gated(e)(x) over the likeliest experts, their probabilities scaled to sum up to 1.
    Experts {
        /// Experts there are.
        n_experts: usize,
        /// Experts that compute each token.
        n_used: usize,
        /// Outputs of one expert's gate and up.
        hidden_dim: usize,
        /// What the gates go through.
        activation: Activation,
    },
}

impl FeedForward {
    /// Outputs of one gate or up.
    pub fn hidden_dim(&self) -> usize {
        match self {
            FeedForward::None => 0,
            FeedForward::Gated { hidden_dim, .. }
            | FeedForward::Either { hidden_dim, .. }
            | FeedForward::Plain { hidden_dim, .. }
            | FeedForward::Experts { hidden_dim, .. } => *hidden_dim,
        }
    }
}

impl Block {
    /// Its attention, if it has one.
    pub fn attention(&self) -> Option<&Attention> {
        match &self.mixer {
            Mixer::Attention(a) | Mixer::Across(a) | Mixer::Both(a, _) => Some(a),
            _ => None,
        }
    }

    /// Its state space, if it has one.
    pub fn space(&self) -> Option<&StateSpace> {
        match &self.mixer {
            Mixer::StateSpace(s) | Mixer::Both(_, s) => Some(s),
            _ => None,
        }
    }

    /// Positions that its convolution sees, if it has one.
    pub fn kernel(&self) -> Option<usize> {
        match &self.mixer {
            Mixer::ShortConvolution { kernel } => Some(*kernel),
            Mixer::StateSpace(s) | Mixer::Both(_, s) => Some(s.kernel),
            _ => None,
        }
    }

    /// Values of the state that it keeps besides keys and values.
    pub fn state_len(&self, dim: usize) -> usize {
        match &self.mixer {
            Mixer::None | Mixer::Attention(_) | Mixer::Across(_) => 0,
            Mixer::ShortConvolution { kernel } => (kernel - 1) * dim,
            Mixer::DeltaRule(rule) => 2 * dim + rule.n_heads * rule.head_dim * rule.head_dim,
            Mixer::StateSpace(s) | Mixer::Both(_, s) => {
                (s.kernel - 1) * s.channels() + s.inner() * s.scan.state_dim
            }
        }
    }
}

impl Config {
    /// Nothing, by RMS norms, and with nothing besides.
    pub const PLAIN: Config = Config {
        dim: 0,
        vocab_size: 0,
        max_seq_len: 0,
        norm: Norm::Rms,
        norm_eps: 0.0,
        factored: None,
        embedding_scale: 1.0,
        residual_scale: 1.0,
        multipliers: Multipliers::NONE,
        logit_scale: 1.0,
        tied_scale: 1.0,
        logit_soft_cap: 0.0,
        ropes: Vec::new(),
        distance_buckets: 0,
        encoder: None,
        blocks: Vec::new(),
        reader: Reader::PLAIN,
    };

    /// The attention of each block that has one.
    pub fn attentions(&self) -> impl Iterator<Item = &Attention> {
        self.blocks.iter().filter_map(Block::attention)
    }

    /// Whether it can go on with a text, or write about one.
    pub fn writes(&self) -> bool {
        self.is_causal() || self.encoder.is_some()
    }

    /// The block in whose place in the cache those that `block` attends over are. Of the encoder's blocks only one at a
    /// time has keys and values, as it reads a text as a whole.
    pub fn holder(&self, block: usize) -> usize {
        match (&self.encoder, &self.blocks[block].mixer) {
            (Some(encoder), _) if block < encoder.n_blocks => 0,
            (_, Mixer::Across(_)) => block - 1,
            _ => block,
        }
    }

    /// Whether tokens see only those before them.
    pub fn is_causal(&self) -> bool {
        self.attentions().all(|a| a.shape.ahead == 0)
    }

    /// Sequences that one slice may go on with; states are computed for one at a time.
    pub fn batch(&self) -> usize {
        let has_states = self.blocks.iter().any(|b| b.state_len(self.dim) > 0);
        if has_states || !self.is_causal() {
            1
        } else {
            BATCH
        }
    }

    /// Blocks with weights of their own.
    pub fn n_weights(&self) -> usize {
        self.blocks.iter().map(|b| b.weights + 1).max().unwrap_or(0)
    }

    /// The first block that computes with each set of weights.
    pub fn weight_blocks(&self) -> impl Iterator<Item = (usize, &Block)> {
        // Blocks that share weights stand side by side.
        let is_first = |i: usize| i == 0 || self.blocks[i].weights != self.blocks[i - 1].weights;
        let blocks = self.blocks.iter().enumerate();
        blocks
            .filter(move |(i, _)| is_first(*i))
            .map(|(_, b)| (b.weights, b))
    }

    /// Outputs of all query heads of the widest attention.
    pub fn query_width(&self) -> usize {
        let widths = self
            .attentions()
            .map(|a| a.shape.n_heads * a.shape.head_dim);
        widths.max().unwrap_or(0)
    }

    /// Outputs of all key heads of the widest attention.
    pub fn key_width(&self) -> usize {
        let widths = self
            .attentions()
            .map(|a| a.shape.n_kv_heads * a.shape.head_dim);
        widths.max().unwrap_or(0)
    }

    /// Outputs of the widest gate or up.
    pub fn hidden_dim(&self) -> usize {
        let widths = self.blocks.iter().map(|b| b.feed_forward.hidden_dim());
        widths.max().unwrap_or(0)
    }

    /// Outputs of the widest mixer before its last matrix.
    pub fn mixed_width(&self) -> usize {
        let widths = self.blocks.iter().map(|b| match &b.mixer {
            Mixer::None => 0,
            Mixer::Attention(a) | Mixer::Across(a) => a.shape.n_heads * a.shape.head_dim,
            Mixer::ShortConvolution { .. } | Mixer::DeltaRule(_) => self.dim,
            Mixer::StateSpace(s) => s.inner(),
            Mixer::Both(a, s) => s.inner().max(a.shape.n_heads * a.shape.head_dim),
        });
        widths.max().unwrap_or(0)
    }

    /// Outputs of the widest first matrix of a mixer other than attention.
    pub fn wide_width(&self) -> usize {
        let widths = self.blocks.iter().map(|b| match &b.mixer {
            Mixer::None | Mixer::Attention(_) | Mixer::Across(_) => 0,
            Mixer::ShortConvolution { .. } => 3 * self.dim,
            Mixer::DeltaRule(rule) => rule.width(),
            Mixer::StateSpace(s) | Mixer::Both(_, s) => s.width(),
        });
        widths.max().unwrap_or(0)
    }

    /// What is kept of a token beside its representation: a mixer's output while another computes, the first layer's
    /// values, or what is narrower.
    pub fn side_width(&self) -> usize {
        let keeps = |b: &Block| matches!(b.mixer, Mixer::Both(..) | Mixer::DeltaRule(_));
        if self.blocks.iter().any(keeps) {
            self.dim
        } else {
            let narrow = self.blocks.iter().filter_map(|b| b.narrow);
            narrow.map(|n| n.width).max().unwrap_or(0)
        }
    }

    /// Inputs of the matrix that makes representations of embeddings.
    pub fn embedding_width(&self) -> usize {
        self.factored.map_or(0, |f| f.width())
    }

    /// The widest input of any matrix.
    pub fn max_width(&self) -> usize {
        let ranks = self.blocks.iter().map(|b| match &b.mixer {
            Mixer::DeltaRule(rule) => rule.ranks.into_iter().max().unwrap_or(0),
            _ => 0,
        });
        let rank = ranks.max().unwrap_or(0);
        let width = self.dim.max(self.mixed_width()).max(self.hidden_dim());
        width.max(rank).max(self.embedding_width())
    }

    /// Most experts of a block, and most that compute a token.
    pub fn experts(&self) -> (usize, usize) {
        let counts = self.blocks.iter().map(|b| match b.feed_forward {
            FeedForward::Experts {
                n_experts, n_used, ..
            } => (n_experts, n_used),
            _ => (0, 0),
        });
        counts.fold((0, 0), |a, b| (a.0.max(b.0), a.1.max(b.1)))
    }
}
