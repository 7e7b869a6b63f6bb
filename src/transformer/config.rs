//! What a model is made of: a list of blocks, each a mixer and a feed-forward, with switches named for the mathematics.

use crate::ops::attention::Shape;
use crate::ops::rope::Pairing;

/// A model's shape.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Values of a token's representation.
    pub dim: usize,
    /// Ids there are.
    pub vocab_size: usize,
    /// The longest context the model was made for.
    pub max_seq_len: usize,
    /// ε of the norms.
    pub norm_eps: f32,
    /// Position embedding of all attention blocks.
    pub rope: Rope,
    /// The blocks, first to last.
    pub blocks: Vec<Block>,
}

/// Rotary position embedding.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rope {
    /// Dimensions of a head that are turned.
    pub dims: usize,
    /// The base of the frequencies.
    pub theta: f32,
    /// Which dimensions form a pair.
    pub pairing: Pairing,
}

/// One layer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Block {
    /// What mixes positions.
    pub mixer: Mixer,
    /// What follows.
    pub feed_forward: FeedForward,
}

/// What lets a position see others.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Mixer {
    /// Softmax attention with a KV cache.
    Attention(Attention),
}

/// Softmax attention.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Attention {
    /// Heads, dimensions, window, soft cap.
    pub shape: Shape,
    /// What queries are multiplied by.
    pub scale: f32,
    /// Whether queries and keys are turned (some layers of some models are not).
    pub rope: bool,
}

/// The second half of a block.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum FeedForward {
    /// down(silu(gate(x)) · up(x)).
    GatedSilu {
        /// Outputs of gate and up.
        hidden_dim: usize,
    },
}

impl Config {
    /// The attention of each block that has one.
    pub fn attentions(&self) -> impl Iterator<Item = &Attention> {
        self.blocks.iter().map(|b| match &b.mixer {
            Mixer::Attention(a) => a,
        })
    }

    /// The widest input of any matrix.
    pub fn max_width(&self) -> usize {
        let blocks = self.blocks.iter().map(|b| {
            let Mixer::Attention(a) = b.mixer;
            let FeedForward::GatedSilu { hidden_dim } = b.feed_forward;
            hidden_dim.max(a.shape.n_heads * a.shape.head_dim)
        });
        blocks.max().unwrap_or(0).max(self.dim)
    }
}
