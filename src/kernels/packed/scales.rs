//! Scales and mins of eight rows, as they stand at the start of a tile: one value a row side by side.

use super::super::activations::BLOCK;
use super::TILE_ROWS;
use crate::quant::Parts;

/// One way to store scales.
pub trait Scales {
    /// Columns of a tile.
    const COLS: usize;
    /// Columns that share a scale: 16, or a multiple of 32.
    const GROUP: usize;
    /// Whether there are mins.
    const MINS: bool;
    /// Bytes of all scales and mins of a tile.
    const BYTES: usize;

    /// Scales and mins of row `r` → `bytes` (BYTES).
    fn put(parts: &Parts, r: usize, bytes: &mut [u8]);

    /// The scale of row `r`, group `group`.
    fn scale(bytes: &[u8], r: usize, group: usize) -> f32;

    /// What is added to the values of row `r`, group `group`.
    fn min(_bytes: &[u8], _r: usize, _group: usize) -> Option<f32> {
        None
    }
}

/// `[groups][8 × f16 d]`.
pub struct Halves<const COLS: usize, const GROUP: usize>;
/// `[8 × f16 d][8 × f16 m]`, one group of 32.
pub struct HalvesMins;
/// `[8 × e]`: scale 2^(e − 128), one group of 32.
pub struct Exponents;
/// `[8 × f16 d][groups][8 × i8 scale]`: scale d · scale, 256 columns.
pub struct SignedScales<const GROUP: usize>;
/// `[8 × f16 d][8 × f16 dmin][8 groups][8 × u8 scale, 8 × u8 min]`: scale d · scale, min −dmin · min.
pub struct ScaleMins;
/// `[8 × f16 d][8 × f16 dmin][16 groups][8 × scale | min << 4]`: as [`ScaleMins`], with 4 bits each.
pub struct PackedScaleMins;

fn put_half(bits: u16, bytes: &mut [u8], i: usize) {
    bytes[2 * i..2 * i + 2].copy_from_slice(&bits.to_le_bytes());
}

fn half_at(bytes: &[u8], i: usize) -> f32 {
    half::f16::from_le_bytes([bytes[2 * i], bytes[2 * i + 1]]).to_f32()
}

impl<const COLS: usize, const GROUP: usize> Scales for Halves<COLS, GROUP> {
    const COLS: usize = COLS;
    const GROUP: usize = GROUP;
    const MINS: bool = false;
    const BYTES: usize = COLS / GROUP * TILE_ROWS * 2;

    fn put(parts: &Parts, r: usize, bytes: &mut [u8]) {
        for (g, d) in parts.d[..COLS / GROUP].iter().enumerate() {
            put_half(*d, bytes, TILE_ROWS * g + r);
        }
    }

    fn scale(bytes: &[u8], r: usize, group: usize) -> f32 {
        half_at(bytes, TILE_ROWS * group + r)
    }
}

impl Scales for HalvesMins {
    const COLS: usize = BLOCK;
    const GROUP: usize = BLOCK;
    const MINS: bool = true;
    const BYTES: usize = 32;

    fn put(parts: &Parts, r: usize, bytes: &mut [u8]) {
        put_half(parts.d[0], bytes, r);
        put_half(parts.m, bytes, TILE_ROWS + r);
    }

    fn scale(bytes: &[u8], r: usize, _: usize) -> f32 {
        half_at(bytes, r)
    }

    fn min(bytes: &[u8], r: usize, _: usize) -> Option<f32> {
        Some(half_at(bytes, TILE_ROWS + r))
    }
}

impl Scales for Exponents {
    const COLS: usize = BLOCK;
    const GROUP: usize = BLOCK;
    const MINS: bool = false;
    const BYTES: usize = TILE_ROWS;

    fn put(parts: &Parts, r: usize, bytes: &mut [u8]) {
        bytes[r] = parts.scales[0];
    }

    fn scale(bytes: &[u8], r: usize, _: usize) -> f32 {
        crate::quant::half_power(bytes[r])
    }
}

impl<const GROUP: usize> Scales for SignedScales<GROUP> {
    const COLS: usize = 256;
    const GROUP: usize = GROUP;
    const MINS: bool = false;
    const BYTES: usize = 16 + 256 / GROUP * TILE_ROWS;

    fn put(parts: &Parts, r: usize, bytes: &mut [u8]) {
        put_half(parts.d[0], bytes, r);
        for (g, scale) in parts.scales[..256 / GROUP].iter().enumerate() {
            bytes[16 + TILE_ROWS * g + r] = *scale;
        }
    }

    fn scale(bytes: &[u8], r: usize, group: usize) -> f32 {
        half_at(bytes, r) * f32::from(bytes[16 + TILE_ROWS * group + r] as i8)
    }
}

impl Scales for ScaleMins {
    const COLS: usize = 256;
    const GROUP: usize = 32;
    const MINS: bool = true;
    const BYTES: usize = 32 + 8 * 2 * TILE_ROWS;

    fn put(parts: &Parts, r: usize, bytes: &mut [u8]) {
        put_half(parts.d[0], bytes, r);
        put_half(parts.m, bytes, TILE_ROWS + r);
        for g in 0..8 {
            let at = 32 + 2 * TILE_ROWS * g + r;
            (bytes[at], bytes[at + TILE_ROWS]) = (parts.scales[g], parts.mins[g]);
        }
    }

    fn scale(bytes: &[u8], r: usize, group: usize) -> f32 {
        half_at(bytes, r) * f32::from(bytes[32 + 2 * TILE_ROWS * group + r])
    }

    fn min(bytes: &[u8], r: usize, group: usize) -> Option<f32> {
        Some(
            -(half_at(bytes, TILE_ROWS + r)
                * f32::from(bytes[32 + TILE_ROWS * (2 * group + 1) + r])),
        )
    }
}

impl Scales for PackedScaleMins {
    const COLS: usize = 256;
    const GROUP: usize = 16;
    const MINS: bool = true;
    const BYTES: usize = 32 + 16 * TILE_ROWS;

    fn put(parts: &Parts, r: usize, bytes: &mut [u8]) {
        put_half(parts.d[0], bytes, r);
        put_half(parts.m, bytes, TILE_ROWS + r);
        for g in 0..16 {
            bytes[32 + TILE_ROWS * g + r] = parts.scales[g] | parts.mins[g] << 4;
        }
    }

    fn scale(bytes: &[u8], r: usize, group: usize) -> f32 {
        half_at(bytes, r) * f32::from(bytes[32 + TILE_ROWS * group + r] & 15)
    }

    fn min(bytes: &[u8], r: usize, group: usize) -> Option<f32> {
        Some(-(half_at(bytes, TILE_ROWS + r) * f32::from(bytes[32 + TILE_ROWS * group + r] >> 4)))
    }
}
