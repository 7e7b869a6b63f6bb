//! Packed weight layouts: tiles of 8 rows × 32 to 256 columns, made from file blocks while a model loads.
//!
//! A matrix [rows, cols] becomes ⌈rows/8⌉ groups of ⌈cols/COLS⌉ tiles. Rows and columns past the end are zero. A tile
//! starts with the eight rows' scales (`scales.rs`); then, for every 32 columns, stand their quants (`planes.rs`) so
//! that one 16-byte load holds the same columns of four rows: an integer dot then leaves one row in each 32-bit lane,
//! and no horizontal sum is needed. No weight is rounded: a tile decodes to the very values of its blocks. A new format
//! of integers is a row in the table below, of floats one in `floats.rs`.

mod floats;
mod planes;
mod scales;
mod words;

use super::activations::BLOCK;
use crate::quant::{Codes, Format, Integers, Parts};
pub use floats::{BF16, F16, F32};
pub use planes::{
    Bytes, FiveBits, Nibbles, OneBit, Planes, SixBits, Table, ThreeBits, TwoBits, byte_bias,
};
pub use scales::{Exponents, Halves, HalvesMins, PackedScaleMins, ScaleMins, Scales, SignedScales};

/// Rows in a tile.
pub const TILE_ROWS: usize = 8;

/// One packed layout.
pub trait Tile {
    /// The format it is packed from.
    const FORMAT: Format;
    /// Columns of one tile, a multiple of [`BLOCK`].
    const COLS: usize;
    /// Bytes of one tile.
    const BYTES: usize;

    /// `rows`: the file's bytes of these columns, one slice a row → `tile` (BYTES). `parts` is for use meanwhile.
    fn pack(rows: &[&[u8]; TILE_ROWS], tile: &mut [u8], parts: &mut Parts);

    /// The values of row `r` of `tile` (BYTES) in columns 32 · `block`…: the reference of every kernel.
    fn decode(tile: &[u8], block: usize, r: usize, out: &mut [f32; BLOCK]);
}

/// A format of integers with scales: one block of the file is one row of a tile.
pub trait Quantised {
    /// The format it is packed from.
    const FORMAT: Format;
    /// How its quants stand in a tile.
    type Planes: Planes;
    /// How its scales stand in a tile.
    type Scales: Scales;
    /// How its blocks are taken apart.
    const INTEGERS: Integers = match Self::FORMAT.integers() {
        Some(integers) => integers,
        None => panic!("formats of floats are in floats.rs"),
    };
}

/// The formats of integers: variant of [`Format`], how its quants and how its scales are stored.
macro_rules! quantised {
    ($then:ident) => {
        $then! {
            Q4_0: Nibbles, Halves<32, 32>;
            Q4_1: Nibbles, HalvesMins;
            Q5_0: FiveBits, Halves<32, 32>;
            Q5_1: FiveBits, HalvesMins;
            Q8_0: Bytes, Halves<32, 32>;
            Q2K: TwoBits, PackedScaleMins;
            Q3K: ThreeBits, SignedScales<16>;
            Q4K: Nibbles, ScaleMins;
            Q5K: FiveBits, ScaleMins;
            Q6K: SixBits, SignedScales<16>;
            Iq1S: Table, SignedScales<32>;
            Iq1M: Table, SignedScales<16>;
            Iq2Xxs: Table, SignedScales<32>;
            Iq2Xs: Table, SignedScales<16>;
            Iq2S: Table, SignedScales<16>;
            Iq3Xxs: Table, SignedScales<32>;
            Iq3S: Table, SignedScales<32>;
            Iq4Nl: Table, Halves<32, 32>;
            Iq4Xs: Table, SignedScales<32>;
            Tq1_0: TwoBits, Halves<256, 256>;
            Tq2_0: TwoBits, Halves<256, 256>;
            Mxfp4: Table, Exponents;
            Nvfp4: Table, Halves<64, 16>;
            Q1_0: OneBit, Halves<128, 128>;
        }
    };
}
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
pub(super) use quantised;

macro_rules! markers {
    ($($type:ident: $planes:ty, $scales:ty;)*) => {
        $(
            #[allow(missing_docs)]
            pub struct $type;
            impl Quantised for $type {
                const FORMAT: Format = Format::$type;
                type Planes = $planes;
                type Scales = $scales;
            }
        )*
    };
}
quantised!(markers);

macro_rules! dispatchers {
    ($($type:ident: $planes:ty, $scales:ty;)*) => { dispatchers! { @all F32 F16 BF16 $($type)* } };
    (@all $($type:ident)*) => {
        /// Columns of one tile of `format`.
        pub const fn tile_cols(format: Format) -> usize {
            match format { $(Format::$type => <$type as Tile>::COLS),* }
        }
        /// Bytes of one tile of `format`.
        pub const fn tile_bytes(format: Format) -> usize {
            match format { $(Format::$type => <$type as Tile>::BYTES),* }
        }
        /// Packs one tile of `format`, see [`Tile::pack`].
        fn pack_tile(format: Format, rows: &[&[u8]; TILE_ROWS], tile: &mut [u8], parts: &mut Parts) {
            match format { $(Format::$type => <$type as Tile>::pack(rows, tile, parts)),* }
        }
        /// Decodes 32 columns of a row of one tile of `format`, see [`Tile::decode`].
        pub fn decode_tile(format: Format, tile: &[u8], block: usize, r: usize, out: &mut [f32; BLOCK]) {
            match format { $(Format::$type => <$type as Tile>::decode(tile, block, r, out)),* }
        }
    };
}
quantised!(dispatchers);

impl<Q: Quantised> Tile for Q {
    const FORMAT: Format = Q::FORMAT;
    const COLS: usize = <Q::Scales as Scales>::COLS;
    const BYTES: usize =
        <Q::Scales as Scales>::BYTES + Self::COLS / BLOCK * <Q::Planes as Planes>::BYTES;

    // A function of its own for each format: an engine that compiles what is called often has little to compile.
    #[inline(never)]
    fn pack(rows: &[&[u8]; TILE_ROWS], tile: &mut [u8], parts: &mut Parts) {
        let (scales, quants) = tile.split_at_mut(<Q::Scales as Scales>::BYTES);
        for (r, row) in rows.iter().enumerate() {
            (Q::INTEGERS.split)(row, parts);
            Q::Scales::put(parts, r, scales);
            let quants = quants.chunks_exact_mut(<Q::Planes as Planes>::BYTES);
            for (codes, quants) in parts.codes.as_chunks::<BLOCK>().0.iter().zip(quants) {
                let eights = codes.as_chunks::<8>().0;
                let eights = core::array::from_fn(|i| u64::from_le_bytes(eights[i]));
                Q::Planes::put(eights, r, quants);
            }
        }
    }

    fn decode(tile: &[u8], block: usize, r: usize, out: &mut [f32; BLOCK]) {
        let (scales, quants) = tile.split_at(<Q::Scales as Scales>::BYTES);
        let quants = &quants[block * <Q::Planes as Planes>::BYTES..];
        let Integers { codes, unit, .. } = Q::INTEGERS;
        // No group is smaller than 16 columns.
        for (half, out) in out.chunks_exact_mut(16).enumerate() {
            let group = (BLOCK * block + 16 * half) / <Q::Scales as Scales>::GROUP;
            let scale = Q::Scales::scale(scales, r, group) * unit;
            let min = Q::Scales::min(scales, r, group);
            for (k, out) in out.iter_mut().enumerate() {
                let code = Q::Planes::get(quants, r, 16 * half + k);
                let q = match codes {
                    Codes::Offset(offset) => f32::from(code) - f32::from(offset),
                    Codes::Table(table) => f32::from(table[usize::from(code)]),
                };
                *out = scale * q;
                if let Some(min) = min {
                    *out += min;
                }
            }
        }
    }
}

/// What makes every q of a format an unsigned byte when it is added: the offset that its codes have already, or what
/// its table lacks.
pub const fn offset(codes: &Codes) -> u8 {
    match codes {
        Codes::Offset(offset) => *offset,
        Codes::Table(_) if is_wide(codes) => 128,
        Codes::Table(table) => {
            let (mut min, mut i) = (0, 0);
            while i < table.len() {
                min = if table[i] < min { table[i] } else { min };
                i += 1;
            }
            min.unsigned_abs()
        }
    }
}

/// Whether the unsigned bytes of a format may be over 127.
pub const fn is_wide(codes: &Codes) -> bool {
    match codes {
        Codes::Offset(offset) => *offset >= 128,
        Codes::Table(table) => {
            let (mut min, mut max, mut i) = (0i16, 0i16, 0);
            while i < table.len() {
                let q = table[i] as i16;
                min = if q < min { q } else { min };
                max = if q > max { q } else { max };
                i += 1;
            }
            max - min > 127
        }
    }
}

/// Bytes of a packed matrix [rows, cols].
pub const fn packed_bytes(format: Format, rows: usize, cols: usize) -> usize {
    rows.div_ceil(TILE_ROWS) * cols.div_ceil(tile_cols(format)) * tile_bytes(format)
}

/// Packs up to eight whole rows (`rows[r]`: the file's bytes of one row of `cols` values; missing rows are zero) into
/// one group of tiles.
pub fn pack_group(format: Format, rows: &[&[u8]], cols: usize, group: &mut [u8]) {
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    if let Ok(rows) = rows.try_into()
        && super::simd128::pack::group(format, rows, group)
    {
        return;
    }
    const LARGEST: usize = 4 * BLOCK;
    let (tile_cols, block_len) = (tile_cols(format), format.block_len());
    // A block of integers is one row of a tile; only floats may end within one.
    let span = tile_cols / block_len * format.block_bytes();
    let (zero, mut held) = ([0u8; 256], Parts::ZERO);
    for (t, tile) in group.chunks_exact_mut(tile_bytes(format)).enumerate() {
        let mut parts = [&zero[..span]; TILE_ROWS];
        if (t + 1) * tile_cols <= cols {
            for (part, row) in parts.iter_mut().zip(rows) {
                *part = &row[t * span..(t + 1) * span];
            }
            pack_tile(format, &parts, tile, &mut held);
        } else {
            let mut padded = [[0u8; LARGEST]; TILE_ROWS];
            for (padded, row) in padded.iter_mut().zip(rows) {
                let rest = &row[t * span..];
                padded[..rest.len()].copy_from_slice(rest);
            }
            for (part, padded) in parts.iter_mut().zip(&padded) {
                *part = &padded[..span];
            }
            pack_tile(format, &parts, tile, &mut held);
        }
    }
}

/// Values of row `row` of a packed matrix → `out` (cols).
pub fn unpack_row(format: Format, packed: &[u8], row: usize, out: &mut [f32]) {
    let (cols, bytes) = (tile_cols(format), tile_bytes(format));
    let tiles = out.len().div_ceil(cols);
    let group = &packed[row / TILE_ROWS * tiles * bytes..][..tiles * bytes];
    let mut values = [0.0; BLOCK];
    for (tile, out) in group.chunks_exact(bytes).zip(out.chunks_mut(cols)) {
        for (block, out) in out.chunks_mut(BLOCK).enumerate() {
            decode_tile(format, tile, block, row % TILE_ROWS, &mut values);
            out.copy_from_slice(&values[..out.len()]);
        }
    }
}
