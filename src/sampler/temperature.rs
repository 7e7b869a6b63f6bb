//! temperature: divides the logits, which sharpens (below 1) or flattens (above 1) the distribution.

use super::{Candidate, highest};

/// Scales `candidates` by 1 / `temperature` (above 0), with the best moved to 0.
pub(super) fn apply(temperature: f32, candidates: &mut [Candidate]) {
    // The best first goes to 0: a tiny temperature then sends the others to −∞ and not the best to +∞.
    let max = highest(candidates);
    for candidate in candidates {
        candidate.logit = (candidate.logit - max) / temperature;
    }
}
