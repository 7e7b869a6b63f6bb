//! top_p: keeps the fewest candidates, best first, whose probabilities reach `top_p`.

use super::{Candidate, highest};

/// Candidates ranked at a time: the nucleus is small, the vocabulary is not.
const CHUNK: usize = 128;

/// Cuts `candidates` to the nucleus, best first; at least one stays.
pub(super) fn apply(top_p: f32, candidates: &mut Vec<Candidate>) {
    if top_p >= 1.0 || candidates.len() <= 1 {
        return;
    }
    let max = highest(candidates);
    let weight = |c: &Candidate| f64::from(libm::expf(c.logit - max));
    let target = candidates.iter().map(weight).sum::<f64>() * f64::from(top_p);
    let mut sum = 0.0;
    let mut kept = 0;
    while kept < candidates.len() {
        let rest = &mut candidates[kept..];
        // Doubling keeps a flat distribution, whose nucleus is most of the vocabulary, at n log n.
        let chunk = kept.max(CHUNK).min(rest.len());
        if chunk < rest.len() {
            rest.select_nth_unstable_by(chunk - 1, Candidate::by_rank);
        }
        rest[..chunk].sort_unstable_by(Candidate::by_rank);
        for candidate in &rest[..chunk] {
            sum += weight(candidate);
            kept += 1;
            if sum >= target {
                candidates.truncate(kept);
                return;
            }
        }
    }
}
