//! The seven-bit sign codes of iq2_xxs, iq2_xs and iq3_xxs: eight signs of which an even number is negative.

/// The eight sign bits (1: negative) of code `code` (its low seven bits): the eighth makes the number of ones even.
pub(super) fn even(code: u32) -> u8 {
    let seven = (code & 127) as u8;
    seven | ((seven.count_ones() & 1) as u8) << 7
}

/// `x` with the sign bit `bit` of `signs` applied.
pub(super) fn apply(x: f32, signs: u8, bit: usize) -> f32 {
    if signs >> bit & 1 == 0 { x } else { -x }
}
