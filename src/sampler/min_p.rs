//! min_p: keeps candidates at least `min_p` times as probable as the best one.

use super::{Candidate, highest};

/// Drops candidates below the threshold, keeping the order; the best stays.
pub(super) fn apply(min_p: f32, candidates: &mut Vec<Candidate>) {
    if min_p <= 0.0 {
        return;
    }
    // p ≥ min_p · p_max is the same in logits without a softmax.
    let threshold = highest(candidates) + libm::logf(min_p);
    candidates.retain(|c| c.logit >= threshold);
}
