//! Packed weight layouts: tiles of 8 rows × 32 columns, made from file blocks while a model loads.
//!
//! A matrix [rows, cols] becomes ⌈rows/8⌉ groups of ⌈cols/32⌉ tiles. Rows and columns past the end are zero.
//! Within a tile the eight rows' scales stand first, then the quants so that one 16-byte load holds the same four
//! columns of four rows: an integer dot then leaves one row in each 32-bit lane, and no horizontal sum is needed.
//! The bytes of a weight are the same as in the file. A new format is an `impl Tile` and a row in `tiles!`.

use crate::quant::Format;

/// Rows in a tile.
pub const TILE_ROWS: usize = 8;
/// Columns in a tile.
pub const TILE_COLS: usize = 32;

/// One packed layout.
pub trait Tile {
    /// The format it is packed from.
    const FORMAT: Format;
    /// Bytes of one tile.
    const BYTES: usize;

    /// `rows`: the file's bytes of these 32 columns, one slice a row → `tile` (BYTES).
    fn pack(rows: &[&[u8]; TILE_ROWS], tile: &mut [u8]);

    /// `tile` (BYTES) → its values, `out[row][column]`. The scalar reference of every kernel.
    fn decode(tile: &[u8], out: &mut [[f32; TILE_COLS]; TILE_ROWS]);
}

macro_rules! tiles {
    ($($type:ident),*) => {
        /// The format that weights of `format` are kept in: their own where there is a packed layout for it, otherwise
        /// q8_0, into which they are rounded while they load.
        pub const fn stored_as(format: Format) -> Format {
            match format {
                $(Format::$type => Format::$type,)*
                _ => Format::Q8_0,
            }
        }
        /// Bytes of one tile of `format`.
        pub const fn tile_bytes(format: Format) -> usize {
            match format {
                $(Format::$type => <$type as Tile>::BYTES,)*
                _ => panic!("stored_as names formats with a tile only"),
            }
        }
        /// Packs one tile of `format`, see [`Tile::pack`].
        pub fn pack_tile(format: Format, rows: &[&[u8]; TILE_ROWS], tile: &mut [u8]) {
            match format {
                $(Format::$type => <$type as Tile>::pack(rows, tile),)*
                _ => unreachable!("stored_as names formats with a tile only"),
            }
        }
        /// Decodes one tile of `format`, see [`Tile::decode`].
        pub fn decode_tile(format: Format, tile: &[u8], out: &mut [[f32; TILE_COLS]; TILE_ROWS]) {
            match format {
                $(Format::$type => <$type as Tile>::decode(tile, out),)*
                _ => unreachable!("stored_as names formats with a tile only"),
            }
        }
    };
}
tiles!(F32, F16, BF16, Q4_0, Q4_1, Q8_0);

/// Bytes of a packed matrix [rows, cols].
pub const fn packed_bytes(format: Format, rows: usize, cols: usize) -> usize {
    rows.div_ceil(TILE_ROWS) * cols.div_ceil(TILE_COLS) * tile_bytes(format)
}

/// Packs up to eight whole rows (`rows[r]`: the file's bytes of one row of `cols` values; missing rows are zero) into
/// one group of tiles.
pub fn pack_group(format: Format, rows: &[&[u8]], cols: usize, group: &mut [u8]) {
    let zero = [0u8; 4 * TILE_COLS];
    let span = TILE_COLS / format.block_len().min(TILE_COLS) * format.block_bytes();
    for (t, tile) in group.chunks_exact_mut(tile_bytes(format)).enumerate() {
        let mut padded = [[0u8; 4 * TILE_COLS]; TILE_ROWS];
        let mut parts = [&zero[..span]; TILE_ROWS];
        let whole = (t + 1) * TILE_COLS <= cols;
        for (row, padded) in rows.iter().zip(&mut padded) {
            if !whole {
                let rest = &row[t * span..];
                padded[..rest.len()].copy_from_slice(rest);
            }
        }
        for (r, row) in rows.iter().enumerate() {
            parts[r] = if whole { &row[t * span..(t + 1) * span] } else { &padded[r][..span] };
        }
        pack_tile(format, &parts, tile);
    }
}

/// Values of row `row` of a packed matrix → `out` (cols).
pub fn unpack_row(format: Format, packed: &[u8], row: usize, out: &mut [f32]) {
    let tiles = out.len().div_ceil(TILE_COLS);
    let bytes = tile_bytes(format);
    let group = &packed[row / TILE_ROWS * tiles * bytes..][..tiles * bytes];
    let mut values = [[0.0; TILE_COLS]; TILE_ROWS];
    for (tile, out) in group.chunks_exact(bytes).zip(out.chunks_mut(TILE_COLS)) {
        decode_tile(format, tile, &mut values);
        out.copy_from_slice(&values[row % TILE_ROWS][..out.len()]);
    }
}

fn f16_at(bytes: &[u8], i: usize) -> f32 {
    half::f16::from_le_bytes([bytes[2 * i], bytes[2 * i + 1]]).to_f32()
}

/// q4_0: `[8 × f16 d][8 × 16 bytes]`; chunk c holds columns 8(c/2)…+8 of rows 4(c%2)…+4, low nibble first four columns.
pub struct Q4_0;
/// q4_1: `[8 × f16 d][8 × f16 m][8 × 16 bytes]`, quants as in q4_0.
pub struct Q4_1;
/// q8_0: `[8 × f16 d][16 × 16 bytes]`; chunk c holds columns 4(c/2)…+4 of rows 4(c%2)…+4, plus [`byte_bias`].
pub struct Q8_0;
/// f32: `[32 columns][8 rows]`.
pub struct F32;
/// f16: `[32 columns][8 rows]`.
pub struct F16;
/// bf16: `[32 columns][8 rows]`.
pub struct BF16;

/// `qs` of a file block (16 bytes: value j low, j + 16 high) of row `r` → nibble chunks.
fn pack_nibbles(qs: &[u8], r: usize, chunks: &mut [u8]) {
    let q = |k: usize| if k < 16 { qs[k] & 15 } else { qs[k - 16] >> 4 };
    for step in 0..4 {
        let at = 16 * (2 * step + r / 4) + 4 * (r % 4);
        for b in 0..4 {
            chunks[at + b] = q(8 * step + b) | q(8 * step + 4 + b) << 4;
        }
    }
}

/// The 4-bit quant of row `r`, column `k`.
fn nibble(chunks: &[u8], r: usize, k: usize) -> u8 {
    let byte = chunks[16 * (2 * (k / 8) + r / 4) + 4 * (r % 4) + k % 4];
    if k % 8 < 4 { byte & 15 } else { byte >> 4 }
}

impl Tile for Q4_0 {
    const FORMAT: Format = Format::Q4_0;
    const BYTES: usize = 16 + 128;

    fn pack(rows: &[&[u8]; TILE_ROWS], tile: &mut [u8]) {
        for (r, row) in rows.iter().enumerate() {
            tile[2 * r..2 * r + 2].copy_from_slice(&row[..2]);
            pack_nibbles(&row[2..], r, &mut tile[16..]);
        }
    }

    fn decode(tile: &[u8], out: &mut [[f32; TILE_COLS]; TILE_ROWS]) {
        for (r, out) in out.iter_mut().enumerate() {
            let d = f16_at(tile, r);
            for (k, out) in out.iter_mut().enumerate() {
                *out = (f32::from(nibble(&tile[16..], r, k)) - 8.0) * d;
            }
        }
    }
}

impl Tile for Q4_1 {
    const FORMAT: Format = Format::Q4_1;
    const BYTES: usize = 32 + 128;

    fn pack(rows: &[&[u8]; TILE_ROWS], tile: &mut [u8]) {
        for (r, row) in rows.iter().enumerate() {
            tile[2 * r..2 * r + 2].copy_from_slice(&row[..2]);
            tile[16 + 2 * r..16 + 2 * r + 2].copy_from_slice(&row[2..4]);
            pack_nibbles(&row[4..], r, &mut tile[32..]);
        }
    }

    fn decode(tile: &[u8], out: &mut [[f32; TILE_COLS]; TILE_ROWS]) {
        for (r, out) in out.iter_mut().enumerate() {
            let (d, m) = (f16_at(tile, r), f16_at(&tile[16..], r));
            for (k, out) in out.iter_mut().enumerate() {
                *out = f32::from(nibble(&tile[32..], r, k)) * d + m;
            }
        }
    }
}

/// What is added to each signed 8-bit weight when it is packed: 128 where the relaxed dot reads that operand as
/// unsigned bytes, otherwise 0. A constant of the process, fixed before the first weight is packed.
pub fn byte_bias() -> u8 {
    super::best_byte_bias()
}

impl Tile for Q8_0 {
    const FORMAT: Format = Format::Q8_0;
    const BYTES: usize = 16 + 256;

    fn pack(rows: &[&[u8]; TILE_ROWS], tile: &mut [u8]) {
        let bias = byte_bias();
        for (r, row) in rows.iter().enumerate() {
            tile[2 * r..2 * r + 2].copy_from_slice(&row[..2]);
            for step in 0..8 {
                let at = 16 + 16 * (2 * step + r / 4) + 4 * (r % 4);
                for b in 0..4 {
                    tile[at + b] = row[2 + 4 * step + b].wrapping_add(bias);
                }
            }
        }
    }

    fn decode(tile: &[u8], out: &mut [[f32; TILE_COLS]; TILE_ROWS]) {
        let bias = byte_bias();
        for (r, out) in out.iter_mut().enumerate() {
            let d = f16_at(tile, r);
            for (k, out) in out.iter_mut().enumerate() {
                let q = tile[16 + 16 * (2 * (k / 4) + r / 4) + 4 * (r % 4) + k % 4].wrapping_sub(bias);
                *out = f32::from(q as i8) * d;
            }
        }
    }
}

/// Columns of eight rows side by side, `size` bytes a value.
fn pack_columns(rows: &[&[u8]; TILE_ROWS], tile: &mut [u8], size: usize) {
    for (r, row) in rows.iter().enumerate() {
        for (k, value) in row.chunks_exact(size).enumerate() {
            tile[(k * TILE_ROWS + r) * size..][..size].copy_from_slice(value);
        }
    }
}

fn decode_columns(tile: &[u8], out: &mut [[f32; TILE_COLS]; TILE_ROWS], format: Format) {
    let mut values = [0.0; TILE_COLS * TILE_ROWS];
    format.dequantise(tile, &mut values);
    for (i, value) in values.iter().enumerate() {
        out[i % TILE_ROWS][i / TILE_ROWS] = *value;
    }
}

macro_rules! float_tile {
    ($type:ident, $size:literal) => {
        impl Tile for $type {
            const FORMAT: Format = Format::$type;
            const BYTES: usize = TILE_ROWS * TILE_COLS * $size;

            fn pack(rows: &[&[u8]; TILE_ROWS], tile: &mut [u8]) {
                pack_columns(rows, tile, $size);
            }

            fn decode(tile: &[u8], out: &mut [[f32; TILE_COLS]; TILE_ROWS]) {
                decode_columns(tile, out, Self::FORMAT);
            }
        }
    };
}
float_tile!(F32, 4);
float_tile!(F16, 2);
float_tile!(BF16, 2);
