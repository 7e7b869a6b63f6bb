//! mamba2: blocks of selective state space alone, each behind one norm.

use super::Architecture;
use super::decoder::{MAX_LAYERS, MAX_WIDTH, vocab_size};
use super::keys::Keys;
use super::tensors::Tensors;
use crate::error::Result;
use crate::ops::scan::Scan;
use crate::transformer::{Block, Config, FeedForward, Mixer, Part, StateSpace};

const NAME: &str = "mamba2";

/// Positions that a convolution may see.
const MAX_KERNEL: usize = 64;

pub(super) const ARCHITECTURE: Architecture = Architecture {
    name: NAME,
    config: |meta| {
        let keys = Keys { meta, name: NAME };
        let space = state_space(keys)?;
        let n_layers = keys.require("block_count")?;
        if n_layers > MAX_LAYERS {
            return keys.bad("block_count", n_layers, format!("at most {MAX_LAYERS}"));
        }
        let block = |weights| Block {
            weights,
            mixer: Mixer::StateSpace(space),
            feed_forward: FeedForward::None,
            narrow: None,
        };
        Ok(Config {
            dim: keys.require("embedding_length")?,
            vocab_size: vocab_size(keys)?,
            max_seq_len: keys.require("context_length")?,
            norm_eps: meta.require_f32(&keys.key("attention.layer_norm_rms_epsilon"))?,
            blocks: (0..n_layers).map(block).collect(),
            reader: keys.reader()?,
            ..Config::PLAIN
        })
    },
    tensors: |c| {
        let mut t = Tensors::new(c);
        t.matrix(
            Part::TokenEmbedding,
            "token_embd.weight",
            c.vocab_size,
            c.dim,
        )
        .matrix(Part::Output, "output.weight", c.vocab_size, c.dim)
        .optional()
        .vector(Part::OutputNorm, "output_norm.weight", c.dim)
        .norms(Part::AttentionNorm, "attn_norm.weight");
        state_space_tensors(&mut t);
        t.all
    },
};

/// The state space that the keys describe.
pub(super) fn state_space(keys: Keys<'_>) -> Result<StateSpace> {
    let inner = keys.require("ssm.inner_size")?;
    let n_heads = keys.require("ssm.time_step_rank")?;
    let n_groups = keys.count("ssm.group_count")?.unwrap_or(1);
    let state_dim = keys.require("ssm.state_size")?;
    let kernel = keys.require("ssm.conv_kernel")?;
    if inner % n_heads != 0 {
        return keys.bad(
            "ssm.time_step_rank",
            n_heads,
            format!("a divisor of inner_size {inner}"),
        );
    }
    if n_heads % n_groups != 0 {
        return keys.bad(
            "ssm.group_count",
            n_groups,
            format!("a divisor of time_step_rank {n_heads}"),
        );
    }
    if kernel > MAX_KERNEL {
        return keys.bad("ssm.conv_kernel", kernel, format!("at most {MAX_KERNEL}"));
    }
    if state_dim > MAX_WIDTH / inner.max(n_groups) {
        return keys.bad(
            "ssm.state_size",
            state_dim,
            format!("at most {MAX_WIDTH} values in a layer's state"),
        );
    }
    Ok(StateSpace {
        scan: Scan {
            n_heads,
            head_dim: inner / n_heads,
            n_groups,
            state_dim,
        },
        kernel,
        norm_groups: n_groups,
    })
}

/// The tensors of every block that has one.
pub(super) fn state_space_tensors(t: &mut Tensors<'_>) {
    let dim = t.config.dim;
    let space = |b: &Block| b.space().copied();
    let heads = |b: &Block| space(b).map(|s| s.scan.n_heads);
    t.matrices(Part::MixerInput, "ssm_in.weight", |b| {
        space(b).map(|s| (s.width(), dim))
    })
    .matrices(Part::MixerOutput, "ssm_out.weight", |b| {
        space(b).map(|s| (dim, s.inner()))
    })
    .vectors(Part::Convolution, "ssm_conv1d.weight", |b| {
        space(b).map(|s| s.channels() * s.kernel)
    })
    .vectors(Part::ConvolutionBias, "ssm_conv1d.bias", |b| {
        space(b).map(|s| s.channels())
    })
    .vectors(Part::MixerNorm, "ssm_norm.weight", |b| {
        space(b).map(|s| s.inner())
    })
    .vectors(Part::Rates, "ssm_a", heads)
    .vectors(Part::Skips, "ssm_d", heads)
    .vectors(Part::StepBias, "ssm_dt.bias", heads)
    .may_lack(Part::ConvolutionBias);
}
