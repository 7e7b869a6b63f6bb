//! Penalties: lowers the logits of ids in the window, as llama.cpp's penalties stage does.

use super::Params;

/// Penalises `logits` (vocab_size) for the ids of `window`; `counts` (vocab_size) is zero before and after.
pub(super) fn apply(params: &Params, logits: &mut [f32], window: &[u32], counts: &mut [u32]) {
    for &id in window {
        if let Some(count) = counts.get_mut(id as usize) {
            *count += 1;
        }
    }
    for &id in window {
        let (Some(count), Some(logit)) = (counts.get_mut(id as usize), logits.get_mut(id as usize))
        else {
            continue;
        };
        // The first visit settles the id and zeroes its count; later visits find nothing to do.
        if *count == 0 {
            continue;
        }
        if *logit > 0.0 {
            *logit /= params.repetition_penalty;
        } else {
            *logit *= params.repetition_penalty;
        }
        *logit -= *count as f32 * params.frequency_penalty + params.presence_penalty;
        *count = 0;
    }
}
