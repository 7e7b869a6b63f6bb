//! Speed of every kernel row by itself: a matrix of one format times one or several inputs, and packing. A library that
//! `cargo xtask bench --kernels` drives in the browser.

use smidgen::kernels::packed::{TILE_ROWS, pack_group, packed_bytes};
use smidgen::kernels::pool::Pool;
use smidgen::kernels::{Activations, Isa, Packed, Product, matmul};
use smidgen::quant::{FORMATS, Format};
use smidgen::tensor::{Line, zeroed};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen::prelude::wasm_bindgen;

/// One matrix [rows, cols] and `tokens` inputs for it.
#[cfg_attr(target_arch = "wasm32", wasm_bindgen)]
pub struct Kernel {
    isa: Isa,
    format: Format,
    rows: usize,
    cols: usize,
    /// One group's rows as they stand in a file.
    source: Vec<u8>,
    packed: Vec<Line>,
    x: Activations,
    out: Vec<f32>,
}

#[cfg_attr(target_arch = "wasm32", wasm_bindgen)]
impl Kernel {
    /// Filled with something; undefined for a format that is not known.
    pub fn of(name: &str, rows: usize, cols: usize, tokens: usize) -> Option<Kernel> {
        let format = FORMATS.iter().copied().find(|f| f.name() == name)?;
        let isa = Isa::best();
        let row = cols / format.block_len() * format.block_bytes();
        // Bytes of which every pair is an ordinary half, whatever they mean.
        let source: Vec<u8> = (0..row * TILE_ROWS)
            .map(|i| 0x20 | (i * 37 % 31) as u8)
            .collect();
        let parts: Vec<&[u8]> = source.chunks_exact(row).collect();
        let group_bytes = packed_bytes(format, TILE_ROWS, cols);
        let bytes = packed_bytes(format, rows, cols);
        let mut packed = zeroed::<Line>(bytes.div_ceil(64)).ok()?;
        for group in Line::bytes_mut(&mut packed)[..bytes].chunks_exact_mut(group_bytes) {
            pack_group(format, &parts, cols, group);
        }
        let mut kernel = Kernel {
            isa,
            format,
            rows,
            cols,
            source,
            packed,
            x: Activations::new(tokens, cols),
            out: vec![0.0; tokens * rows],
        };
        let input: Vec<f32> = (0..tokens * cols).map(|i| (i as f32).sin()).collect();
        let weights = Packed {
            format,
            rows,
            cols,
            bytes: &Line::bytes(&kernel.packed)[..bytes],
        };
        kernel.x.fill(isa, &Pool::new(), &input, cols, &[weights]);
        Some(kernel)
    }

    /// Bytes of the packed matrix.
    pub fn bytes(&self) -> usize {
        packed_bytes(self.format, self.rows, self.cols)
    }

    /// Multiplies so many times.
    pub fn multiply(&mut self, times: usize) {
        for _ in 0..times {
            let weights = Packed {
                format: self.format,
                rows: self.rows,
                cols: self.cols,
                bytes: &Line::bytes(&self.packed)[..self.bytes()],
            };
            let out = &mut self.out;
            matmul(
                self.isa,
                &Pool::new(),
                &self.x,
                &mut [Product { weights, out }],
            );
        }
    }

    /// Packs the whole matrix so many times.
    pub fn pack(&mut self, times: usize) {
        let row = self.source.len() / TILE_ROWS;
        let group_bytes = packed_bytes(self.format, TILE_ROWS, self.cols);
        for _ in 0..times {
            let parts: Vec<&[u8]> = self.source.chunks_exact(row).collect();
            let bytes = self.bytes();
            for group in Line::bytes_mut(&mut self.packed)[..bytes].chunks_exact_mut(group_bytes) {
                pack_group(self.format, &parts, self.cols, group);
            }
        }
    }
}

/// Names of all formats, separated by spaces.
#[cfg_attr(target_arch = "wasm32", wasm_bindgen)]
pub fn formats() -> String {
    let names: Vec<&str> = FORMATS.iter().map(|f| f.name()).collect();
    names.join(" ")
}
