//! pick: the choice itself, greedy over all logits or seeded over the candidates.

use super::{Candidate, STRETCH};
use crate::kernels::Isa;
use crate::kernels::vector::max;
use rand_pcg::Pcg32;
use rand_pcg::rand_core::Rng;

/// The id of the highest logit, the lowest id among equals; NaN and −∞ are never highest; 0 with nothing else there.
pub(super) fn greedy(logits: &[f32]) -> u32 {
    let mut best = (f32::NEG_INFINITY, &logits[..0], 0);
    for (stretch, first) in logits.chunks(STRETCH).zip((0..).step_by(STRETCH)) {
        let highest = max(Isa::best(), stretch);
        if highest > best.0 {
            best = (highest, stretch, first);
        }
    }
    let (highest, stretch, first) = best;
    let within = stretch.iter().position(|logit| *logit == highest);
    first + within.unwrap_or(0) as u32
}

/// An id drawn by weight exp(logit), where the best logit is 0; `None` without candidates. Leaves weights as logits.
pub(super) fn seeded(rng: &mut Pcg32, candidates: &mut [Candidate]) -> Option<u32> {
    let mut total = 0.0;
    for candidate in candidates.iter_mut() {
        candidate.logit = libm::expf(candidate.logit);
        total += f64::from(candidate.logit);
    }
    // 53 random bits: the spacing of f64 below 1.
    let uniform = (rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
    let target = uniform * total;
    let mut sum = 0.0;
    for candidate in candidates.iter() {
        sum += f64::from(candidate.logit);
        if sum > target {
            return Some(candidate.id);
        }
    }
    // Rounding may make the target equal the sum; a weight of 0 must not be drawn even then.
    candidates
        .iter()
        .rev()
        .find(|c| c.logit > 0.0)
        .map(|c| c.id)
}
