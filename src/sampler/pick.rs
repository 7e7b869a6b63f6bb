//! pick: the choice itself, greedy over all logits or seeded over the candidates.

use super::Candidate;
use rand_pcg::Pcg32;
use rand_pcg::rand_core::Rng;

/// Lanes compared at a time; the compiler makes vectors of them.
const LANES: usize = 16;

/// The id of the highest logit, the lowest id among equals; NaN and −∞ are never highest; 0 with nothing else there.
pub(super) fn greedy(logits: &[f32]) -> u32 {
    // Two passes without a running index, each of which vectorises.
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let chunks = logits.chunks_exact(LANES);
    let rest = chunks.remainder();
    for chunk in chunks {
        for (lane, &logit) in lanes.iter_mut().zip(chunk) {
            *lane = if logit > *lane { logit } else { *lane };
        }
    }
    let max = lanes
        .iter()
        .chain(rest)
        .fold(f32::NEG_INFINITY, |max, &v| if v > max { v } else { max });
    if max == f32::NEG_INFINITY {
        return 0;
    }
    let holds = |chunk: &[f32]| chunk.iter().fold(false, |found, &v| found | (v == max));
    let start = logits.chunks(4 * LANES).position(holds).unwrap_or(0) * 4 * LANES;
    let id = logits[start..].iter().position(|&v| v == max).unwrap_or(0);
    (start + id) as u32
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
