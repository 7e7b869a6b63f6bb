//! Which experts compute a token.

/// The highest of `scores` \[experts\], each with its share of the softmax over the chosen ones → `chosen` [experts used],
/// best first; of equal scores the first expert's comes first.
pub fn choose(scores: &[f32], chosen: &mut [(u32, f32)]) {
    for i in 0..chosen.len() {
        let taken = &chosen[..i];
        let mut best = None;
        for (e, score) in scores.iter().enumerate() {
            let free = !taken.iter().any(|t| t.0 as usize == e);
            if free && best.is_none_or(|(_, b)| *score > b) {
                best = Some((e as u32, *score));
            }
        }
        chosen[i] = best.expect("fewer experts are used than there are");
    }
    let max = chosen[0].1;
    let mut sum = 0.0;
    for (_, score) in &mut *chosen {
        *score = (*score - max).exp();
        sum += *score;
    }
    for (_, share) in chosen {
        *share /= sum;
    }
}
