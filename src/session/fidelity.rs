//! How far one computation's distributions are from another's: perplexity, KL divergence, agreement on the likeliest id.

use half::f16;
use serde::Serialize;

/// Sums over positions; divide by `tokens`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Fidelity {
    /// Positions compared.
    pub tokens: u64,
    /// −ln p of the text's next ids.
    pub nll: f64,
    /// The same under the reference.
    pub reference_nll: f64,
    /// Σ p ln(p / q), p the reference's distribution, q this one.
    pub kl: f64,
    /// Positions where both think the same id likeliest.
    pub agreed: u64,
    /// |ln p − ln q| of the text's next ids.
    pub difference: f64,
    /// The largest of those.
    pub max_difference: f64,
}

impl Fidelity {
    /// Adds one position: logits of both \[vocab_size\], and the text's next id.
    pub fn add(&mut self, logits: &[f32], reference: impl Iterator<Item = f32> + Clone, next: u32) {
        let (top, log_sum) = log_sum_exp(logits.iter().copied());
        let (reference_top, reference_log_sum) = log_sum_exp(reference.clone());
        let mut kl = 0.0;
        let mut reference_next = 0.0;
        for (id, (q, p)) in logits.iter().zip(reference).enumerate() {
            let (q, p) = (f64::from(*q) - log_sum, f64::from(p) - reference_log_sum);
            kl += p.exp() * (p - q);
            if id == next as usize {
                reference_next = p;
            }
        }
        let next = f64::from(logits[next as usize]) - log_sum;
        let difference = (next - reference_next).abs();
        self.tokens += 1;
        self.nll -= next;
        self.reference_nll -= reference_next;
        self.kl += kl;
        self.agreed += u64::from(top == reference_top);
        self.difference += difference;
        self.max_difference = self.max_difference.max(difference);
    }

    /// Adds the sums of other positions.
    pub fn merge(&mut self, other: &Fidelity) {
        self.tokens += other.tokens;
        self.nll += other.nll;
        self.reference_nll += other.reference_nll;
        self.kl += other.kl;
        self.agreed += other.agreed;
        self.difference += other.difference;
        self.max_difference = self.max_difference.max(other.max_difference);
    }
}

/// The first index of the largest logit, and ln Σ exp.
pub fn log_sum_exp(logits: impl Iterator<Item = f32> + Clone) -> (usize, f64) {
    let mut top = (0, f32::NEG_INFINITY);
    for (id, logit) in logits.clone().enumerate() {
        if logit > top.1 {
            top = (id, logit);
        }
    }
    let max = f64::from(top.1);
    let sum: f64 = logits.map(|l| (f64::from(l) - max).exp()).sum();
    (top.0, max + sum.ln())
}

/// Logits as f16 below their largest, little-endian: likely ids keep 11 bits of a small number, and only what has next
/// to no probability is coarse.
pub fn pack(logits: &[f32], out: &mut Vec<u8>) {
    let max = logits.iter().fold(f32::NEG_INFINITY, |a, b| a.max(*b));
    out.extend(
        logits
            .iter()
            .flat_map(|l| f16::from_f32(l - max).to_le_bytes()),
    );
}

/// What [`pack`] packed.
pub fn unpack(packed: &[u8]) -> impl Iterator<Item = f32> + Clone {
    packed
        .chunks_exact(2)
        .map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_known_distributions() {
        // p = (1/2, 1/4, 1/4), q = (1/4, 1/2, 1/4): KL = ½ ln 2 − ¼ ln 2.
        let (p, q) = ([4f32.ln(), 2f32.ln(), 2f32.ln()], [0.0, 2f32.ln(), 0.0]);
        let mut packed = Vec::new();
        pack(&p, &mut packed);
        let mut f = Fidelity::default();
        f.add(&q, unpack(&packed), 0);
        let ln2 = 2f64.ln();
        // f16 keeps −ln 2 to 2^-12.
        assert!((f.kl - ln2 / 4.0).abs() < 3e-4, "{f:?}");
        assert!(
            (f.nll - 2.0 * ln2).abs() < 1e-6 && (f.reference_nll - ln2).abs() < 3e-4,
            "{f:?}"
        );
        assert_eq!((f.tokens, f.agreed), (1, 0));
        f.add(&p, unpack(&packed), 2);
        assert_eq!((f.tokens, f.agreed), (2, 1));
    }
}
