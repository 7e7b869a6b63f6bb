//! Logits → id: a chain of stages, one file each. It knows neither time nor text: the seed and the recent ids come in.
//!
//! The stages run in the order of llama.cpp's default chain: penalties, top_k, top_p, min_p, temperature, pick.
//! So top_p and min_p judge the distribution before the temperature flattens it. A temperature of 0 is greedy: the
//! penalties run, and the highest logit is taken.
//!
//! | stage | file | works on |
//! |---|---|---|
//! | logit_bias, before the chain | `logit_bias.rs` | all logits |
//! | grammar mask, before the chain | `mask.rs` | all logits |
//! | repetition, frequency and presence penalty | `repetition_penalty.rs` | all logits |
//! | top_k | `top_k.rs` | all logits → candidates |
//! | top_p | `top_p.rs` | candidates |
//! | min_p | `min_p.rs` | candidates |
//! | temperature | `temperature.rs` | candidates |
//! | greedy or seeded choice | `pick.rs` | all logits, or candidates |
//!
//! The same seed, logits and recent ids give the same id on every platform: `exp` and `ln` come from `libm`, whose
//! results do not depend on the system, sums run in a fixed order, and equal logits are ordered by id.

pub mod logit_bias;
mod logprobs;
pub mod mask;
mod min_p;
mod params;
mod pick;
mod repetition_penalty;
mod temperature;
mod top_k;
mod top_p;

pub use logprobs::Logprobs;
pub use params::Params;

use crate::error::{Error, Result};
use core::cmp::Ordering;
use rand_pcg::Pcg32;
use rand_pcg::rand_core::SeedableRng;

/// Logits looked through at a time for one that is high enough.
const STRETCH: usize = 256;

/// A token that may still be chosen.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    id: u32,
    /// Never NaN or infinite up to the temperature stage, which may make it −∞.
    logit: f32,
}

impl Candidate {
    /// Highest logit first, lowest id first among equals: a total order, so no selection depends on its algorithm.
    fn by_rank(a: &Candidate, b: &Candidate) -> Ordering {
        b.logit
            .partial_cmp(&a.logit)
            .unwrap_or(Ordering::Equal)
            .then(a.id.cmp(&b.id))
    }
}

/// A chain of stages with its random generator and the memory it needs, planned once.
pub struct Sampler {
    params: Params,
    rng: Pcg32,
    /// Logits per call.
    vocab_size: usize,
    /// The candidates of one call; empty between calls.
    candidates: Vec<Candidate>,
    /// Occurrences of each id in the window (vocab_size, or empty without penalties); zero between calls.
    counts: Vec<u32>,
}

impl Sampler {
    /// Plans a chain for logits of `vocab_size` values.
    pub fn new(params: Params, vocab_size: usize) -> Result<Sampler> {
        params.validate()?;
        if vocab_size == 0 || u32::try_from(vocab_size).is_err() {
            return Err(Error::BadArgument {
                name: "vocab_size".into(),
                found: vocab_size.to_string(),
                expected: "between 1 and 4294967295".into(),
            });
        }
        let candidates = match params.temperature {
            0.0 => 0,
            _ => top_k::capacity(params.top_k, vocab_size),
        };
        let counts = if params.penalises() { vocab_size } else { 0 };
        Ok(Sampler {
            rng: Pcg32::seed_from_u64(params.seed),
            params,
            vocab_size,
            candidates: Vec::with_capacity(candidates),
            counts: vec![0; counts],
        })
    }

    /// The parameters the chain was made with.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// Chooses an id; `logits` (vocab_size) are changed by the penalties, `recent` holds the ids so far, newest last.
    ///
    /// NaN and −∞ are never chosen while another value is there; with nothing else there the id is 0. `recent` ids
    /// outside the vocabulary are ignored.
    pub fn sample(&mut self, logits: &mut [f32], recent: &[u32]) -> u32 {
        assert_eq!(
            logits.len(),
            self.vocab_size,
            "logits of another vocabulary"
        );
        let params = &self.params;
        if params.penalises() {
            let window = recent.len().min(params.repetition_window);
            let window = &recent[recent.len() - window..];
            repetition_penalty::apply(params, logits, window, &mut self.counts);
        }
        if params.temperature == 0.0 {
            return pick::greedy(logits);
        }
        let candidates = &mut self.candidates;
        candidates.clear();
        top_k::apply(params.top_k, logits, candidates);
        top_p::apply(params.top_p, candidates);
        min_p::apply(params.min_p, candidates);
        temperature::apply(params.temperature, candidates);
        pick::seeded(&mut self.rng, candidates).unwrap_or(0)
    }
}

/// The highest logit among the candidates; −∞ without any.
fn highest(candidates: &[Candidate]) -> f32 {
    candidates.iter().fold(
        f32::NEG_INFINITY,
        |max, c| if c.logit > max { c.logit } else { max },
    )
}
