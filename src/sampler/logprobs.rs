//! Log-probabilities of the model itself: the softmax over all logits, before any stage has changed them.

use super::Candidate;

/// The distribution of one position, kept until its token has been chosen.
pub struct Logprobs {
    /// The logits as the model made them (vocab_size).
    logits: Vec<f32>,
    /// ln Σ exp(logit).
    norm: f64,
    top: usize,
}

impl Logprobs {
    /// Room for logits of `vocab_size`; `top` of the most probable tokens are told.
    pub fn new(vocab_size: usize, top: usize) -> Logprobs {
        Logprobs {
            logits: Vec::with_capacity(vocab_size),
            norm: 0.0,
            top: top.min(vocab_size),
        }
    }

    /// Keeps `logits` (vocab_size).
    pub fn keep(&mut self, logits: &[f32]) {
        self.logits.clear();
        self.logits.extend_from_slice(logits);
        let max = logits.iter().fold(f32::NEG_INFINITY, |m, l| m.max(*l));
        let sum: f64 = logits.iter().map(|l| f64::from(libm::expf(*l - max))).sum();
        self.norm = f64::from(max) + libm::log(sum);
    }

    /// ln p of `id`.
    pub fn of(&self, id: u32) -> f32 {
        let logit = self.logits.get(id as usize).copied();
        (f64::from(logit.unwrap_or(f32::NEG_INFINITY)) - self.norm) as f32
    }

    /// The most probable tokens, best first, with their ln p.
    pub fn top(&self) -> Vec<(u32, f32)> {
        let mut best: Vec<Candidate> = Vec::with_capacity(self.top + 1);
        for (id, logit) in self.logits.iter().copied().enumerate() {
            let found = Candidate {
                id: id as u32,
                logit,
            };
            if best.len() == self.top
                && best
                    .last()
                    .is_none_or(|last| Candidate::by_rank(&found, last).is_ge())
            {
                continue;
            }
            let at = best.partition_point(|c| Candidate::by_rank(c, &found).is_lt());
            best.insert(at, found);
            best.truncate(self.top);
        }
        best.iter().map(|c| (c.id, self.of(c.id))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Logprobs;

    #[test]
    fn sums_to_one_and_ranks() {
        let logits = [1.0, 3.0, -2.0, 3.0, f32::NEG_INFINITY];
        let mut kept = Logprobs::new(5, 3);
        kept.keep(&logits);
        let sum: f32 = (0..5).map(|id| kept.of(id).exp()).sum();
        assert!((sum - 1.0).abs() < 1e-6, "{sum}");
        let ids: Vec<u32> = kept.top().iter().map(|(id, _)| *id).collect();
        assert_eq!(ids, [1, 3, 0]);
        assert_eq!(kept.top()[0].1, kept.of(1));
        assert!(Logprobs::new(5, 0).top().is_empty());
    }
}
