//! The kernels where they ship: in a browser's worker, in every flavour, each instruction set against exact products.
#![cfg(target_arch = "wasm32")]

use smidgen::kernels::pool::Pool;
use smidgen::kernels::{Activations, Isa, Packed, Product, matmul, packed};
use smidgen::quant::{FORMATS, Format};
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_dedicated_worker);

/// Blocks that share one activation scale.
const BLOCK: usize = 32;

/// What f32 sums of a few hundred terms may lose, relative to the sum of their magnitudes.
const F32_SUM: f32 = 1e-5;

/// Numbers in -1..1 that are the same in every run (a linear congruential generator, Knuth's constants).
fn numbers(seed: u64, n: usize) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..n).map(|_| next()).collect()
}

/// A packed matrix [rows, cols] and the numbers it stands for, row by row.
struct Matrix {
    bytes: Vec<u8>,
    from: usize,
    values: Vec<Vec<f32>>,
}

impl Matrix {
    fn new(format: Format, rows: usize, cols: usize) -> Matrix {
        let row_bytes = format.row_bytes(cols).unwrap();
        let mut blocks = vec![0; rows * row_bytes];
        let mut values = vec![vec![0.0; cols]; rows];
        for (row, (bytes, values)) in blocks.chunks_mut(row_bytes).zip(&mut values).enumerate() {
            format.quantise(&numbers(row as u64 + 1, cols), bytes);
            format.dequantise(bytes, values);
        }
        let n = packed::packed_bytes(format, rows, cols);
        let group_bytes = n / rows.div_ceil(packed::TILE_ROWS);
        let mut bytes = vec![0; n + 16];
        let from = bytes.as_ptr().align_offset(16);
        let rows: Vec<&[u8]> = blocks.chunks(row_bytes).collect();
        let groups = bytes[from..from + n].chunks_mut(group_bytes);
        for (rows, group) in rows.chunks(packed::TILE_ROWS).zip(groups) {
            packed::pack_group(format, rows, cols, group);
        }
        Matrix {
            bytes,
            from,
            values,
        }
    }

    fn packed(&self, format: Format) -> Packed<'_> {
        let (rows, cols) = (self.values.len(), self.values[0].len());
        let n = packed::packed_bytes(format, rows, cols);
        Packed {
            format,
            rows,
            cols,
            bytes: &self.bytes[self.from..self.from + n],
        }
    }
}

/// The exact product, and how far a kernel may be from it: activations are rounded to 255 steps of their block's
/// largest magnitude, so each is off by at most half a step, times the weight that it meets.
fn expected(row: &[f32], x: &[f32]) -> (f32, f32) {
    let (mut sum, mut magnitude, mut rounding) = (0.0f64, 0.0f64, 0.0f64);
    for (row, x) in row.chunks(BLOCK).zip(x.chunks(BLOCK)) {
        let largest = x.iter().fold(0.0f32, |largest, x| largest.max(x.abs()));
        for (w, x) in row.iter().zip(x) {
            sum += f64::from(*w) * f64::from(*x);
            magnitude += f64::from((w * x).abs());
            rounding += f64::from(w.abs() * largest / 254.0);
        }
    }
    // Half a percent more: scales are kept in f16 in some layouts.
    (
        sum as f32,
        rounding as f32 * 1.005 + magnitude as f32 * (F32_SUM + 0.005),
    )
}

fn agrees(isa: Isa, format: Format, rows: usize, cols: usize, tokens: usize) {
    let matrix = Matrix::new(format, rows, cols);
    let x = numbers(99, tokens * cols);
    let weights = matrix.packed(format);
    let mut activations = Activations::new(tokens, cols);
    activations.fill(isa, &x, cols, &[weights]);
    let mut out = vec![f32::NAN; tokens * rows];
    matmul(
        isa,
        &Pool::new(),
        &activations,
        &mut [Product {
            weights,
            out: &mut out,
        }],
    );
    for (t, out) in out.chunks(rows).enumerate() {
        for (r, out) in out.iter().enumerate() {
            let (exact, tolerance) = expected(&matrix.values[r], &x[t * cols..(t + 1) * cols]);
            assert!(
                (out - exact).abs() <= tolerance,
                "{isa:?} {} [{rows}, {cols}], token {t} of {tokens}, row {r}: {out}, not {exact} ± {tolerance}",
                format.name(),
            );
        }
    }
}

#[wasm_bindgen_test]
fn products_agree_for_every_number_of_rows_and_tokens() {
    for &isa in Isa::ALL {
        for &format in FORMATS {
            let cols = format.block_len().max(BLOCK) * 3;
            for rows in 1..=17 {
                agrees(isa, format, rows, cols, 1);
                agrees(isa, format, rows, cols, 5);
            }
            for tokens in 1..=9 {
                agrees(isa, format, 11, cols, tokens);
            }
        }
    }
}

#[wasm_bindgen_test]
fn products_agree_for_every_number_of_blocks() {
    for &isa in Isa::ALL {
        for &format in FORMATS {
            for blocks in 1..=9 {
                agrees(isa, format, 9, format.block_len().max(BLOCK) * blocks, 2);
            }
        }
    }
}

#[wasm_bindgen_test]
fn the_flavour_uses_its_instructions() {
    let fastest = format!("{:?}", Isa::best());
    assert_eq!(
        fastest,
        if cfg!(target_feature = "relaxed-simd") {
            "Relaxed"
        } else {
            "Simd128"
        }
    );
    assert!(Isa::ALL.contains(&Isa::Scalar) && Isa::ALL.contains(&Isa::best()));
}
