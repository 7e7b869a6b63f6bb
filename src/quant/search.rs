//! The searches for the scale (and min) of a group of values that the K-quants share.
//!
//! Sums, products and divisions stand in the order of ggml-quants.c: in f32 another order gives other bytes.

/// Below this magnitude a group counts as zero (`GROUP_MAX_EPS`).
pub(super) const ZERO_GROUP: f32 = 1e-15;

/// Rounds to the nearest integer, ties to even; NaN is 0.
pub(super) fn nearest(x: f32) -> i32 {
    x.round_ties_even() as i32
}

/// Symmetric quants: `x` → scale d and `q` in −n..n, so that x ≈ d · q, with errors weighted by x².
///
/// A zero group has scale 0 and quants of −n, which are stored as 0.
/// Tries 19 scales around the one that maps the largest magnitude to −n, each refined by least squares (q6_k).
pub(super) fn symmetric(n: i32, x: &[f32], q: &mut [i8]) -> f32 {
    symmetric_by(n, x, |_, x| x * x, q)
}

/// As `symmetric`, with errors weighted by `weights`.
pub(super) fn symmetric_weighted(n: i32, x: &[f32], weights: &[f32], q: &mut [i8]) -> f32 {
    symmetric_by(n, x, |i, _| weights[i], q)
}

fn symmetric_by(n: i32, x: &[f32], weight: impl Fn(usize, f32) -> f32, q: &mut [i8]) -> f32 {
    let max = super::signed_max(x);
    if max.abs() < ZERO_GROUP {
        q.fill(-n as i8);
        return 0.0;
    }
    let quant = |x: f32, inverse: f32| nearest(inverse * x).clamp(-n, n - 1);
    let sums = |inverse: f32| {
        let (mut sum_lx, mut sum_l2) = (0.0f32, 0.0f32);
        for (i, &x) in x.iter().enumerate() {
            let l = quant(x, inverse) as f32;
            let w = weight(i, x);
            sum_lx += w * x * l;
            sum_l2 += w * l * l;
        }
        (sum_lx, sum_l2)
    };
    let mut chosen = -(n as f32) / max;
    let (sum_lx, sum_l2) = sums(chosen);
    let mut scale = if sum_l2 != 0.0 { sum_lx / sum_l2 } else { 0.0 };
    let mut best = scale * sum_lx;
    for step in (-9..=9).filter(|step| *step != 0) {
        let inverse = -(n as f32 + 0.1 * step as f32) / max;
        let (sum_lx, sum_l2) = sums(inverse);
        if sum_l2 > 0.0 && sum_lx * sum_lx > best * sum_l2 {
            chosen = inverse;
            scale = sum_lx / sum_l2;
            best = scale * sum_lx;
        }
    }
    for (q, &x) in q.iter_mut().zip(x) {
        *q = quant(x, chosen) as i8;
    }
    scale
}

/// Symmetric quants as `symmetric`, found by changing one quant at a time while that lowers the error (q3_k).
pub(super) fn symmetric_by_turns(n: i32, x: &[f32], q: &mut [i8]) -> f32 {
    let max = super::signed_max(x);
    if max.abs() < ZERO_GROUP {
        q.fill(-n as i8);
        return 0.0;
    }
    let inverse = -(n as f32) / max;
    let (mut sum_lx, mut sum_l2) = (0.0f32, 0.0f32);
    for (q, &x) in q.iter_mut().zip(x) {
        let l = nearest(inverse * x).clamp(-n, n - 1);
        *q = l as i8;
        let (l, w) = (l as f32, x * x);
        sum_lx += w * x * l;
        sum_l2 += w * l * l;
    }
    for _ in 0..5 {
        let mut changed = false;
        for (q, &x) in q.iter_mut().zip(x) {
            let (old, w) = (f32::from(*q), x * x);
            let mut other_lx = sum_lx - w * x * old;
            if other_lx <= 0.0 {
                continue;
            }
            let mut other_l2 = sum_l2 - w * old * old;
            let l = nearest(x * other_l2 / other_lx).clamp(-n, n - 1);
            if l == i32::from(*q) {
                continue;
            }
            let new = l as f32;
            other_lx += w * x * new;
            other_l2 += w * new * new;
            if other_l2 > 0.0 && other_lx * other_lx * sum_l2 > sum_lx * sum_lx * other_l2 {
                *q = l as i8;
                (sum_lx, sum_l2) = (other_lx, other_l2);
                changed = true;
            }
        }
        if !changed {
            break;
        }
    }
    if sum_l2 > 0.0 { sum_lx / sum_l2 } else { 0.0 }
}

/// How `affine` searches.
pub(super) struct Affine {
    /// The highest quant; the lowest is 0.
    pub max_quant: i32,
    /// Added to `max_quant` for the first scale tried.
    pub first: f32,
    /// Scales tried after the first, 0.1 apart.
    pub steps: i32,
    /// Whether the error is absolute and not squared.
    pub absolute: bool,
}

/// The longest group that `affine` takes.
const MAX_GROUP: usize = 32;

/// Affine quants: `x`, `weights` → (scale d, offset m ≥ 0) and `q` in 0..=max_quant, so that x ≈ d · q − m.
///
/// Tries several scales, solves each by weighted least squares, and keeps the one with the least error.
pub(super) fn affine(how: &Affine, x: &[f32], weights: &[f32], q: &mut [u8]) -> (f32, f32) {
    let (min, max) = super::range(x);
    let mut min = if min > 0.0 { 0.0 } else { min };
    if max == min {
        q.fill(0);
        return (0.0, -min);
    }
    let (mut sum_w, mut sum_x) = (weights[0], weights[0] * x[0]);
    for (&x, &w) in x.iter().zip(weights).skip(1) {
        sum_w += w;
        sum_x += w * x;
    }
    let n = how.max_quant as f32;
    let quant =
        |x: f32, inverse: f32, min: f32| nearest(inverse * (x - min)).clamp(0, how.max_quant) as u8;
    let error = |q: &[u8], scale: f32, min: f32| {
        let mut sum = 0.0f32;
        for ((&q, &x), &w) in q.iter().zip(x).zip(weights) {
            let diff = scale * f32::from(q) + min - x;
            sum += w * if how.absolute {
                diff.abs()
            } else {
                diff * diff
            };
        }
        sum
    };
    let inverse = n / (max - min);
    let mut scale = 1.0 / inverse;
    for (q, &x) in q.iter_mut().zip(x) {
        *q = quant(x, inverse, min);
    }
    let mut best = error(q, scale, min);
    let mut trial = [0u8; MAX_GROUP];
    let trial = &mut trial[..x.len()];
    for step in 0..=how.steps {
        let inverse = (how.first + 0.1 * step as f32 + n) / (max - min);
        let (mut sum_l, mut sum_l2, mut sum_xl) = (0.0f32, 0.0f32, 0.0f32);
        for ((q, &x), &w) in trial.iter_mut().zip(x).zip(weights) {
            *q = quant(x, inverse, min);
            let l = f32::from(*q);
            sum_l += w * l;
            sum_l2 += w * l * l;
            sum_xl += w * l * x;
        }
        let determinant = sum_w * sum_l2 - sum_l * sum_l;
        if determinant > 0.0 {
            let mut this_scale = (sum_w * sum_xl - sum_x * sum_l) / determinant;
            let mut this_min = (sum_l2 * sum_x - sum_l * sum_xl) / determinant;
            if this_min > 0.0 {
                this_min = 0.0;
                this_scale = sum_xl / sum_l2;
            }
            let this_error = error(trial, this_scale, this_min);
            if this_error < best {
                q.copy_from_slice(trial);
                (best, scale, min) = (this_error, this_scale, this_min);
            }
        }
    }
    (scale, -min)
}
