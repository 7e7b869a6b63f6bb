//! mask: leaves only the tokens that a grammar allows.

/// Makes the logits (vocab_size) of all ids −∞ whose bit is not set in `allowed`: 32 ids a word, lowest bit first.
/// Ids beyond the last word are not allowed. Whether any id is left.
pub fn apply(allowed: &[u32], logits: &mut [f32]) -> bool {
    let mut left = false;
    for (n, logits) in logits.chunks_mut(32).enumerate() {
        let word = allowed.get(n).copied().unwrap_or(0);
        for (bit, logit) in logits.iter_mut().enumerate() {
            if word >> bit & 1 == 0 {
                *logit = f32::NEG_INFINITY;
            }
        }
        left |= logits.iter().any(|logit| *logit > f32::NEG_INFINITY);
    }
    left
}

#[cfg(test)]
mod tests {
    use super::apply;

    #[test]
    fn leaves_what_is_allowed() {
        let mut logits = [1.0; 40];
        assert!(apply(&[1 << 31, 1 << 2], &mut logits));
        let left: Vec<usize> = (0..40).filter(|i| logits[*i] == 1.0).collect();
        assert_eq!(left, [31, 34]);
        // What lies beyond the mask is not allowed, and an empty mask leaves nothing.
        assert!(!apply(&[1 << 31], &mut [1.0; 31]));
        assert!(!apply(&[], &mut logits));
    }
}
