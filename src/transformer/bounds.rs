//! What a shape may be: so small that sizes computed from it cannot overflow 32 bits before the plan has been made.

use super::{Config, FeedForward, Mixer};
use crate::error::{Error, Result};

/// Values of one token at any place of a block; real models stay below a hundredth.
const MAX_WIDTH: u64 = 1 << 24;
/// Rows of all experts together, and values of the state that a block keeps.
const MAX_TOGETHER: u64 = 1 << 27;

impl Config {
    /// Checks that products of the numbers in a file's metadata are sizes that can be counted.
    pub fn check(&self) -> Result<()> {
        if let Some(f) = self.factored
            && f.width() as u64 > MAX_WIDTH
        {
            let what = format!("{} values beside each other are embedded", f.width());
            return Err(Error::MalformedHeader { what });
        }
        for (number, block) in self.blocks.iter().enumerate() {
            let within = |what: &str, factors: &[usize], most: u64| {
                let product = factors
                    .iter()
                    .fold(1, |product: u64, n| product.saturating_mul(*n as u64));
                if product <= most {
                    return Ok(());
                }
                Err(Error::MalformedHeader {
                    what: format!("block {number} has {product} {what}, at most {most} are read"),
                })
            };
            if let Some(a) = block.attention() {
                let s = &a.shape;
                within("values of queries", &[s.n_heads, s.head_dim], MAX_WIDTH)?;
                within("values of keys", &[s.n_kv_heads, s.head_dim], MAX_WIDTH)?;
            }
            if let Mixer::ShortConvolution { kernel } = &block.mixer {
                within("values of state", &[*kernel, self.dim], MAX_TOGETHER)?;
            }
            if let Mixer::DeltaRule(rule) = &block.mixer {
                let shape = [rule.n_heads, rule.head_dim, rule.head_dim];
                within("values of state", &shape, MAX_TOGETHER)?;
            }
            if let Some(s) = block.space() {
                let scan = &s.scan;
                let inner = [scan.n_heads, scan.head_dim];
                within("values of heads", &inner, MAX_WIDTH)?;
                within(
                    "values of groups",
                    &[scan.n_groups, scan.state_dim],
                    MAX_WIDTH,
                )?;
                within(
                    "values of state",
                    &[inner[0], inner[1], scan.state_dim],
                    MAX_TOGETHER,
                )?;
                // Channels are below four widths, each bounded above.
                within("positions convolved", &[s.kernel], 1 << 5)?;
            }
            if let FeedForward::Experts {
                n_experts,
                hidden_dim,
                ..
            } = block.feed_forward
            {
                within("rows of experts", &[n_experts, hidden_dim], MAX_TOGETHER)?;
            }
        }
        Ok(())
    }
}
