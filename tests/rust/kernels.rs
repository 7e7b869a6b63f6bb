//! Packed tiles against `Format::dequantise`, bit for bit, and every kernel against exact products.
//!
//! Natively the reference kernel runs; the same file runs in a browser's worker, in every flavour, with each instruction
//! set of the build. Blocks are random bytes, so that every code, scale and sign a file may hold is met.

use smidgen::kernels::pool::Pool;
use smidgen::kernels::recurrence::{self, Decaying, Replacing};
use smidgen::kernels::{Activations, Form, Isa, Packed, Product, matmul, packed, vector};
use smidgen::quant::{FORMATS, Format};

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;
#[cfg(target_arch = "wasm32")]
wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_dedicated_worker);

#[path = "kernel_attention.rs"]
mod kernel_attention;
#[path = "kernel_vectors.rs"]
mod kernel_vectors;

/// The largest matrix of a test.
const MAX_ROWS: usize = 17;
const MAX_TILES: usize = 3;
const MAX_TOKENS: usize = 9;

/// Activations that share a scale.
const BLOCK: usize = 32;

/// What f32 sums of a few hundred terms may lose, relative to the sum of their magnitudes.
const F32_SUM: f64 = 1e-5;

/// The same numbers in every run (a linear congruential generator, Knuth's constants).
struct Random(u64);

impl Random {
    fn byte(&mut self) -> u8 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005);
        self.0 = self.0.wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 56) as u8
    }

    /// −1 to 1.
    fn number(&mut self) -> f32 {
        let bits =
            u32::from(self.byte()) << 16 | u32::from(self.byte()) << 8 | u32::from(self.byte());
        bits as f32 / (1 << 23) as f32 - 1.0
    }

    /// A block of any bytes.
    fn block(&mut self, format: Format) -> Vec<u8> {
        (0..format.block_bytes()).map(|_| self.byte()).collect()
    }

    /// A block whose largest value is of a size as weights are, so that no block drowns the others in a sum.
    fn ordinary_block(&mut self, format: Format) -> Vec<u8> {
        let mut values = vec![0.0; format.block_len()];
        loop {
            let block = self.block(format);
            format.dequantise(&block, &mut values);
            let finite = values.iter().all(|v| v.is_finite());
            let largest = values.iter().fold(0.0f32, |max, v| max.max(v.abs()));
            if finite && (0.25..4.0).contains(&largest) {
                return block;
            }
        }
    }
}

/// A packed matrix [rows, cols], the blocks it was made of, row by row, and the values they stand for.
struct Matrix {
    format: Format,
    cols: usize,
    bytes: Vec<u128>,
    values: Vec<Vec<f32>>,
}

impl Matrix {
    /// `blocks`: those of each row.
    fn new(format: Format, cols: usize, blocks: &[&[u8]]) -> Matrix {
        let n = packed::packed_bytes(format, blocks.len(), cols);
        let group_bytes = packed::packed_bytes(format, packed::TILE_ROWS, cols);
        // Packing must not depend on what the memory held.
        let mut bytes = vec![0xA5; n];
        for (rows, group) in blocks
            .chunks(packed::TILE_ROWS)
            .zip(bytes.chunks_mut(group_bytes))
        {
            packed::pack_group(format, rows, cols, group);
        }
        bytes.resize(n.next_multiple_of(16), 0);
        let words = bytes
            .chunks_exact(16)
            .map(|b| u128::from_le_bytes(b.try_into().unwrap()));
        let values = |blocks: &&[u8]| {
            let mut values = vec![0.0; cols];
            format.dequantise(blocks, &mut values);
            values
        };
        Matrix {
            format,
            cols,
            bytes: words.collect(),
            values: blocks.iter().map(values).collect(),
        }
    }

    /// Of ordinary blocks.
    fn random(format: Format, rows: usize, tiles: usize) -> Matrix {
        let cols = tiles * packed::tile_cols(format);
        let mut random = Random(u64::from(format.ggml_type()));
        let row = |random: &mut Random| -> Vec<u8> {
            (0..cols / format.block_len())
                .flat_map(|_| random.ordinary_block(format))
                .collect()
        };
        let blocks: Vec<Vec<u8>> = (0..rows).map(|_| row(&mut random)).collect();
        Matrix::new(
            format,
            cols,
            &blocks.iter().map(|row| &row[..]).collect::<Vec<_>>(),
        )
    }

    fn packed(&self) -> Packed<'_> {
        let (format, rows, cols) = (self.format, self.values.len(), self.cols);
        // SAFETY: any bytes are u8, and `bytes` is at least as long.
        let bytes = unsafe {
            core::slice::from_raw_parts(
                self.bytes.as_ptr().cast(),
                packed::packed_bytes(format, rows, cols),
            )
        };
        Packed {
            format,
            rows,
            cols,
            bytes,
        }
    }

    fn assert_decodes(&self) {
        let mut out = vec![0.0; self.cols];
        for (r, values) in self.values.iter().enumerate() {
            packed::unpack_row(self.format, self.packed().bytes, r, &mut out);
            for (k, (got, wanted)) in out.iter().zip(values).enumerate() {
                let same = got.to_bits() == wanted.to_bits() || got.is_nan() && wanted.is_nan();
                assert!(
                    same,
                    "{} row {r}, column {k}: {got}, not {wanted}",
                    self.format.name()
                );
            }
        }
    }

    /// Multiplies `x` ([tokens, cols]) on `isa`, and compares with the exact product of the rounded input.
    fn assert_multiplies(&self, isa: Isa, x: &[f32]) {
        let (rows, tokens) = (self.values.len(), x.len() / self.cols);
        let mut activations = Activations::new(tokens, self.cols);
        activations.fill(isa, &Pool::new(), x, self.cols, &[self.packed()]);
        let mut out = vec![f32::NAN; tokens * rows];
        matmul(
            isa,
            &Pool::new(),
            &activations,
            &mut [Product {
                weights: self.packed(),
                out: &mut out,
            }],
        );
        self.assert_product(isa, &activations, &out);
    }

    fn assert_product(&self, isa: Isa, x: &Activations, out: &[f32]) {
        let (name, form, rows) = (self.format.name(), isa.form(self.format), self.values.len());
        for (t, out) in out.chunks(rows).enumerate() {
            for (r, (out, row)) in out.iter().zip(&self.values).enumerate() {
                let (mut exact, mut magnitude) = (0.0f64, 0.0f64);
                for (k, w) in row.iter().enumerate() {
                    let product = f64::from(*w) * f64::from(x.value(form, t, k));
                    exact += product;
                    magnitude += product.abs();
                }
                let (out, tolerance) = (f64::from(*out), magnitude * F32_SUM);
                assert!(
                    (out - exact).abs() <= tolerance,
                    "{isa:?} {name} [{rows}, {}], token {t}, row {r}: {out}, not {exact} ± {tolerance}",
                    self.cols,
                );
            }
        }
    }
}

/// Runs `test` as the engine would compute here, and where that is by 16-bit dots in a flavour that has dots of bytes,
/// with these too: weights are packed differently for them.
fn with_every_dot(test: impl Fn()) {
    #[cfg(all(target_arch = "wasm32", target_feature = "relaxed-simd"))]
    for bytes in [true, false] {
        use smidgen::kernels::relaxed::ALWAYS_BYTES;
        ALWAYS_BYTES.store(bytes, core::sync::atomic::Ordering::Relaxed);
        test();
    }
    #[cfg(not(all(target_arch = "wasm32", target_feature = "relaxed-simd")))]
    test();
}

fn input(cols: usize) -> Vec<f32> {
    let mut random = Random(99);
    // Not centred on zero, so that sums of quants matter.
    (0..MAX_TOKENS * cols)
        .map(|_| 4.0 * random.number() + 0.5)
        .collect()
}

#[test]
fn tiles_decode_to_the_values_of_their_blocks() {
    with_every_dot(|| {
        for &format in FORMATS {
            let mut random = Random(1);
            for (rows, tiles) in [(1, 3), (8, 1), (13, 2)] {
                let cols = tiles * packed::tile_cols(format);
                let row = |random: &mut Random| -> Vec<u8> {
                    (0..cols / format.block_len())
                        .flat_map(|_| random.block(format))
                        .collect()
                };
                let blocks: Vec<Vec<u8>> = (0..rows).map(|_| row(&mut random)).collect();
                Matrix::new(
                    format,
                    cols,
                    &blocks.iter().map(|row| &row[..]).collect::<Vec<_>>(),
                )
                .assert_decodes();
            }
        }
    });
}

/// Floats are the only weights whose rows may end within a tile.
#[test]
fn rows_that_end_within_a_tile_are_padded() {
    with_every_dot(|| {
        for format in [Format::F32, Format::F16, Format::BF16] {
            for cols in [1, 31, 33, 70] {
                let mut random = Random(cols as u64);
                let row = |random: &mut Random| -> Vec<u8> {
                    (0..cols)
                        .flat_map(|_| random.ordinary_block(format))
                        .collect()
                };
                let blocks: Vec<Vec<u8>> = (0..9).map(|_| row(&mut random)).collect();
                let matrix = Matrix::new(
                    format,
                    cols,
                    &blocks.iter().map(|row| &row[..]).collect::<Vec<_>>(),
                );
                matrix.assert_decodes();
                for &isa in Isa::ALL {
                    matrix.assert_multiplies(isa, &input(cols)[..2 * cols]);
                }
            }
        }
    });
}

/// Blocks of extreme and subnormal content, made by the reference implementation.
#[test]
#[cfg(not(target_arch = "wasm32"))]
fn golden_blocks_keep_their_values() {
    for &format in FORMATS.iter().filter(|f| **f != Format::F32) {
        let path = format!(
            "{}/tests/golden/quant/{}.bin",
            env!("CARGO_MANIFEST_DIR"),
            format.name()
        );
        let file = std::fs::read(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
        let count = u32::from_le_bytes(file[12..16].try_into().unwrap()) as usize;
        let blocks = &file[16..16 + count * format.block_bytes()];
        let cols = packed::tile_cols(format);
        let rows: Vec<&[u8]> = blocks
            .chunks_exact(format.row_bytes(cols).unwrap())
            .collect();
        assert!(!rows.is_empty(), "{path} has less than a row");
        Matrix::new(format, cols, &rows).assert_decodes();
    }
}

#[test]
fn products_are_exact_for_every_number_of_rows() {
    with_every_dot(|| {
        for &format in FORMATS {
            for rows in 1..=MAX_ROWS {
                let matrix = Matrix::random(format, rows, 1);
                let x = input(matrix.cols);
                for &isa in Isa::ALL {
                    matrix.assert_multiplies(isa, &x[..matrix.cols]);
                    matrix.assert_multiplies(isa, &x[..5 * matrix.cols]);
                }
            }
        }
    });
}

#[test]
fn products_are_exact_for_every_number_of_tokens_and_tiles() {
    with_every_dot(|| {
        for &format in FORMATS {
            for tiles in 1..=MAX_TILES {
                let matrix = Matrix::random(format, 11, tiles);
                let x = input(matrix.cols);
                for &isa in Isa::ALL {
                    for tokens in 1..=MAX_TOKENS {
                        matrix.assert_multiplies(isa, &x[..tokens * matrix.cols]);
                    }
                }
            }
        }
    });
}

/// More columns than are unpacked at once, and more tokens than one pass takes.
#[test]
fn long_products_are_exact() {
    with_every_dot(|| {
        for &format in FORMATS {
            let tiles = 1280 / packed::tile_cols(format);
            let matrix = Matrix::random(format, 9, tiles);
            let mut random = Random(5);
            let x: Vec<f32> = (0..131 * matrix.cols).map(|_| random.number()).collect();
            matrix.assert_multiplies(Isa::best(), &x[..matrix.cols]);
            matrix.assert_multiplies(Isa::best(), &x);
        }
    });
}

/// One input, read in every form there is.
#[test]
fn matrices_of_several_formats_share_an_input() {
    with_every_dot(|| {
        let formats = [Format::Q8_0, Format::Q4K, Format::F16, Format::Q6K];
        let matrices: Vec<Matrix> = formats
            .iter()
            .map(|f| Matrix::random(*f, 21, 512 / packed::tile_cols(*f)))
            .collect();
        let readers: Vec<Packed<'_>> = matrices.iter().map(Matrix::packed).collect();
        for &isa in Isa::ALL {
            for tokens in [1, 6] {
                let mut x = Activations::new(tokens, 512);
                x.fill(
                    isa,
                    &Pool::new(),
                    &input(512)[..tokens * 512],
                    512,
                    &readers,
                );
                let mut outs = vec![vec![f32::NAN; tokens * 21]; readers.len()];
                let products = readers.iter().zip(&mut outs);
                let mut products: Vec<Product<'_>> = products
                    .map(|(weights, out)| Product {
                        weights: *weights,
                        out,
                    })
                    .collect();
                matmul(isa, &Pool::new(), &x, &mut products);
                for (matrix, out) in matrices.iter().zip(&outs) {
                    matrix.assert_product(isa, &x, out);
                }
            }
        }
    });
}

/// Half a step of the quants, and a little for the division.
#[test]
fn inputs_are_rounded_to_the_nearest_quant() {
    with_every_dot(|| {
        let x = input(64);
        for &isa in Isa::ALL {
            for &format in FORMATS {
                let cols = packed::tile_cols(format);
                let x = &x[..cols.min(64)];
                let matrix = Matrix {
                    format,
                    cols,
                    bytes: Vec::new(),
                    values: Vec::new(),
                };
                let mut held = Activations::new(1, x.len());
                held.fill(isa, &Pool::new(), x, x.len(), &[matrix.packed()]);
                let form = isa.form(format);
                for (b, block) in x.chunks(BLOCK).enumerate() {
                    let largest = block.iter().fold(0.0f32, |max, x| max.max(x.abs()));
                    let half_step = match form {
                        Form::Float => 0.0,
                        Form::Planes => largest / 32512.0,
                        Form::I16 => largest / 65534.0,
                    };
                    for (i, x) in block.iter().enumerate() {
                        let value = held.value(form, 0, BLOCK * b + i);
                        assert!(
                            (value - x).abs() <= half_step * 1.01,
                            "{isa:?} {form:?}: {x} became {value}"
                        );
                    }
                }
            }
        }
    });
}

#[test]
fn the_fastest_instruction_set_is_that_of_the_flavour() {
    let fastest = match (
        cfg!(target_feature = "relaxed-simd"),
        cfg!(target_feature = "simd128"),
    ) {
        (true, _) => "Relaxed",
        (false, true) => "Simd128",
        (false, false) => "Scalar",
    };
    assert_eq!(format!("{:?}", Isa::best()), fastest);
    assert!(Isa::ALL.contains(&Isa::Scalar) && Isa::ALL.contains(&Isa::best()));
}

/// Compares what `found` came to with what the reference came to: sums of products, in another order.
fn assert_near(what: &str, isa: Isa, expected: &[f32], found: &[f32]) {
    let most = expected.iter().fold(1.0f32, |m, e| m.max(e.abs()));
    for (i, (e, f)) in expected.iter().zip(found).enumerate() {
        assert!(
            (e - f).abs() <= 1e-5 * most,
            "{what} {isa:?}: value {i} is {f}, expected {e}"
        );
    }
}

/// Several positions one after the other, so that states are carried, for every number of lanes left over.
#[test]
fn recurrences_are_those_of_the_reference() {
    let mut random = Random(7);
    let mut numbers = |n: usize| -> Vec<f32> { (0..n).map(|_| random.number()).collect() };
    for columns in 1..=21 {
        for (kernel, rows) in [(1, 1), (2, 5), (3, 4), (4, 7)] {
            let (taps, bias) = (numbers(kernel * columns), numbers(columns));
            let positions: Vec<Vec<f32>> = (0..6).map(|_| numbers(columns)).collect();
            let mut each: Vec<[Vec<f32>; 5]> = (0..6)
                .map(|_| core::array::from_fn(|_| numbers(columns)))
                .collect();
            // So that no state grows beyond the rest.
            for [.., removed, _] in &mut each {
                removed.iter_mut().for_each(|r| *r /= columns as f32);
            }
            let values = numbers(6 * rows);
            let run = |isa: Isa| {
                let mut all = Vec::new();
                for bias in [&bias[..], &[]] {
                    let mut state = vec![0.0; (kernel - 1) * columns];
                    for x in &positions {
                        let mut x = x.clone();
                        recurrence::convolve(isa, &mut x, &taps, bias, &mut state);
                        all.extend(x);
                    }
                    all.extend(state);
                }
                let (mut decaying, mut replacing) =
                    (vec![0.0; rows * columns], vec![0.0; rows * columns]);
                for (each, values) in each.iter().zip(values.chunks_exact(rows)) {
                    let [key, query, decays, removed, replaced] = each;
                    let mut out = vec![f32::NAN; rows];
                    let head = Decaying {
                        values,
                        key,
                        query,
                        decay: 0.75,
                        step: 0.5,
                        skip: 1.25,
                    };
                    recurrence::scan(isa, &head, &mut decaying, &mut out);
                    all.extend(&out);
                    let head = Replacing {
                        values,
                        decays,
                        removed,
                        replaced,
                        key,
                        query,
                    };
                    recurrence::replace(isa, &head, &mut replacing, &mut out);
                    all.extend(&out);
                }
                all.extend(decaying);
                all.extend(replacing);
                let mut sum = positions[0].clone();
                vector::add_scaled(isa, &mut sum, -0.3, &positions[1]);
                all.extend(sum);
                all
            };
            let expected = run(Isa::Scalar);
            assert!(expected.iter().any(|e| e.abs() > 1e-3));
            for &isa in Isa::ALL {
                let what = format!("{columns} columns, {rows} rows, {kernel} taps");
                assert_near(&what, isa, &expected, &run(isa));
            }
        }
    }
}
