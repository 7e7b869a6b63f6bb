//! Each token's input blended with that of the token before.

/// out\[t\] = x\[t\] + share · (x[t − 1] − x\[t\]) for `x` [tokens, dim]; `before` \[dim\] stands before the first. `share` \[dim\].
pub fn blend(x: &[f32], before: &[f32], share: &[f32], out: &mut [f32]) {
    let dim = share.len();
    let earlier = core::iter::once(before).chain(x.chunks_exact(dim));
    let rows = x.chunks_exact(dim).zip(earlier);
    for ((x, before), out) in rows.zip(out.chunks_exact_mut(dim)) {
        for (i, out) in out.iter_mut().enumerate() {
            *out = x[i] + share[i] * (before[i] - x[i]);
        }
    }
}

/// The same in place; `before` becomes the last token's own input.
pub fn blend_in_place(x: &mut [f32], before: &mut [f32], share: &[f32]) {
    for x in x.chunks_exact_mut(share.len()) {
        for ((x, before), share) in x.iter_mut().zip(&mut *before).zip(share) {
            let own = *x;
            *x += share * (*before - own);
            *before = own;
        }
    }
}
