//! The 4-bit floats (E2M1) of mxfp4 and nvfp4, kept doubled so that they are integers; their scales are halved to match.

/// Twice the float of each code.
pub(super) const VALUES: [i8; 16] = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12];

/// `qs` (n) → `out` (2 n) with the halved scale `d`: byte j holds values j (low) and j + n (high).
pub(super) fn read(qs: &[u8], d: f32, out: &mut [f32]) {
    for (j, q) in qs.iter().enumerate() {
        out[j] = d * f32::from(VALUES[usize::from(q & 15)]);
        out[j + qs.len()] = d * f32::from(VALUES[usize::from(q >> 4)]);
    }
}

/// The codes nearest to `x` (2 n) under the halved scale `d` → `qs` (n).
pub(super) fn write(x: &[f32], d: f32, qs: &mut [u8]) {
    let n = qs.len();
    for (j, out) in qs.iter_mut().enumerate() {
        *out = nearest(x[j], d) | nearest(x[j + n], d) << 4;
    }
}

/// The code of least error, the lowest of several.
fn nearest(x: f32, d: f32) -> u8 {
    let mut best = (0, f32::INFINITY);
    for (i, value) in VALUES.iter().enumerate() {
        let error = (f32::from(*value) * d - x).abs();
        if error < best.1 {
            best = (i as u8, error);
        }
    }
    best.0
}
