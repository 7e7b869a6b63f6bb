//! logit_bias: adds what the caller gives to the logits of single ids.

/// Adds each bias to its id's logit; ids outside `logits` (vocab_size) are ignored.
pub fn apply(biases: &[(u32, f32)], logits: &mut [f32]) {
    for (id, bias) in biases {
        if let Some(logit) = logits.get_mut(*id as usize) {
            *logit += bias;
        }
    }
}
