//! top_k: all logits → the k highest as candidates, best first; with k = 0 every usable logit, in the order of ids.

use super::{Candidate, STRETCH};
use crate::kernels::Isa;
use crate::kernels::vector::max;

/// Candidates held at once while k of many are chosen: a few times k, so that cutting back is rare.
fn buffer(k: usize) -> usize {
    k.saturating_mul(2).max(256)
}

/// Candidates to plan for.
pub(super) fn capacity(k: usize, vocab_size: usize) -> usize {
    if k == 0 {
        vocab_size
    } else {
        buffer(k).min(vocab_size)
    }
}

/// Fills `candidates` (empty) from `logits`. NaN and −∞ are left out, +∞ becomes the largest finite value.
pub(super) fn apply(k: usize, logits: &[f32], candidates: &mut Vec<Candidate>) {
    let limit = if k == 0 { usize::MAX } else { buffer(k) };
    // Ids come in rising order, so a later logit equal to the k-th best ranks below it: strictly above suffices.
    let mut threshold = f32::NEG_INFINITY;
    for (stretch, first) in logits.chunks(STRETCH).zip((0..).step_by(STRETCH)) {
        // Most stretches have nothing above the threshold.
        if threshold > f32::NEG_INFINITY && max(Isa::best(), stretch) <= threshold {
            continue;
        }
        for (&logit, id) in stretch.iter().zip(first..) {
            if logit > threshold {
                candidates.push(Candidate {
                    id,
                    logit: logit.min(f32::MAX),
                });
                if candidates.len() == limit {
                    threshold = cut(k, candidates);
                }
            }
        }
    }
    if k != 0 {
        cut(k, candidates);
        candidates.sort_unstable_by(Candidate::by_rank);
    }
}

/// Keeps the k best of `candidates`, in any order; the k-th best logit.
fn cut(k: usize, candidates: &mut Vec<Candidate>) -> f32 {
    if candidates.len() <= k {
        return f32::NEG_INFINITY;
    }
    let (_, last, _) = candidates.select_nth_unstable_by(k - 1, Candidate::by_rank);
    let threshold = last.logit;
    candidates.truncate(k);
    threshold
}
