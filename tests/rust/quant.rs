//! Every block format against golden vectors of the reference implementation (`tests/golden/quant/make.py`).
//!
//! No tolerance anywhere: values must have the same bits (or both be NaN), and made blocks the same bytes.

use smidgen::quant::{FORMATS, Format};
use std::path::PathBuf;

/// Values in a row of `inputs.bin`.
const COLS: usize = 256;

fn read(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden/quant")
        .join(name);
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes
        .chunks_exact(4)
        .map(|b| f32::from_le_bytes(b.try_into().unwrap()))
        .collect()
}

/// FORMAT.bin, taken apart; `make.py` describes it.
struct Golden {
    header: [u32; 4],
    blocks: Vec<u8>,
    values: Vec<f32>,
    /// `inputs.bin` in the format; empty where the reference cannot make it without weights.
    made: Vec<u8>,
}

fn golden(format: Format) -> Golden {
    let bytes = read(&format!("{}.bin", format.name()));
    let word = |i: usize| u32::from_le_bytes(bytes[4 * i..4 * i + 4].try_into().unwrap());
    let header = [word(0), word(1), word(2), word(3)];
    let (blocks, rest) = bytes[16..].split_at((header[2] * header[3]) as usize);
    let (values, made) = rest.split_at((4 * header[1] * header[3]) as usize);
    Golden {
        header,
        blocks: blocks.to_vec(),
        values: floats(values),
        made: made.to_vec(),
    }
}

/// f32 is its own reference; every other row of the table has golden vectors.
fn golden_formats() -> impl Iterator<Item = Format> {
    FORMATS.iter().copied().filter(|f| *f != Format::F32)
}

#[test]
fn sizes_and_numbers_are_those_of_the_reference() {
    for format in golden_formats() {
        let [ggml_type, block_len, block_bytes, _] = golden(format).header;
        assert_eq!(format.ggml_type(), ggml_type, "{}", format.name());
        assert_eq!(format.block_len(), block_len as usize, "{}", format.name());
        assert_eq!(
            format.block_bytes(),
            block_bytes as usize,
            "{}",
            format.name()
        );
    }
    assert_eq!((Format::F32.ggml_type(), Format::F32.block_bytes()), (0, 4));
}

#[test]
fn names_and_numbers_lead_back_to_the_format() {
    for format in FORMATS.iter().copied() {
        assert_eq!(Format::from_name(format.name()), Some(format));
        assert_eq!(Format::from_ggml_type(format.ggml_type()), Some(format));
        assert_eq!(
            format.row_bytes(3 * format.block_len()),
            Some(3 * format.block_bytes())
        );
        if format.block_len() > 1 {
            assert_eq!(format.row_bytes(format.block_len() + 1), None);
        }
    }
    assert_eq!(Format::from_ggml_type(4), None);
}

#[test]
fn dequantise_has_the_bits_of_the_reference() {
    for format in golden_formats() {
        let golden = golden(format);
        let mut out = vec![0.0; golden.values.len()];
        format.dequantise(&golden.blocks, &mut out);
        for (i, (found, expected)) in out.iter().zip(&golden.values).enumerate() {
            assert!(
                found.to_bits() == expected.to_bits() || found.is_nan() && expected.is_nan(),
                "{}: value {} of block {} is {found:e}, expected {expected:e}",
                format.name(),
                i % format.block_len(),
                i / format.block_len(),
            );
        }
    }
}

#[test]
fn quantise_makes_the_bytes_of_the_reference() {
    let inputs = floats(&read("inputs.bin"));
    for format in golden_formats() {
        let golden = golden(format);
        assert_eq!(
            format.can_quantise(),
            !golden.made.is_empty(),
            "{}",
            format.name()
        );
        if golden.made.is_empty() {
            continue;
        }
        let row_bytes = format.row_bytes(COLS).unwrap();
        for (row, (x, expected)) in inputs
            .chunks_exact(COLS)
            .zip(golden.made.chunks_exact(row_bytes))
            .enumerate()
        {
            let mut made = vec![0xAA; row_bytes];
            format.quantise(x, &mut made);
            let differ = made.iter().zip(expected).position(|(a, b)| a != b);
            assert_eq!(
                differ,
                None,
                "{}: row {row} differs at this byte",
                format.name()
            );
        }
    }
}

/// Weights of a damaged or hostile file: any result will do, a panic will not.
#[test]
fn quantise_takes_any_float() {
    let odd = [
        f32::NAN,
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::MAX,
        f32::MIN,
        1e-45,
        -0.0,
        1.0,
    ];
    for format in FORMATS.iter().copied().filter(|f| f.can_quantise()) {
        let n = format.block_len();
        let mut block = vec![0; format.block_bytes()];
        for seed in 0..64 {
            let x: Vec<f32> = (0..n)
                .map(|i| odd[(i * (2 * seed + 1) + seed) / 3 % 8])
                .collect();
            format.quantise(&x, &mut block);
            format.quantise(&vec![odd[seed % 8]; n], &mut block);
        }
    }
}

/// Any bytes are a block: all of them dequantise without a panic.
#[test]
fn dequantise_takes_any_bytes() {
    let mut state = 1u64;
    for format in FORMATS.iter().copied() {
        let mut out = vec![0.0; format.block_len()];
        for _ in 0..500 {
            let block: Vec<u8> = (0..format.block_bytes())
                .map(|_| {
                    state = state.wrapping_mul(6364136223846793005).wrapping_add(1);
                    (state >> 56) as u8
                })
                .collect();
            format.dequantise(&block, &mut out);
        }
    }
}

#[test]
fn dot_is_the_sum_of_products_of_the_dequantised_row() {
    let x: Vec<f32> = floats(&read("inputs.bin"))[..2 * COLS].to_vec();
    for format in FORMATS.iter().copied().filter(|f| f.can_quantise()) {
        let mut row = vec![0; format.row_bytes(2 * COLS).unwrap()];
        format.quantise(&x, &mut row);
        let mut w = vec![0.0; 2 * COLS];
        format.dequantise(&row, &mut w);
        let terms = || w.iter().zip(&x).map(|(w, x)| f64::from(*w) * f64::from(*x));
        let exact: f64 = terms().sum();
        // One rounding a term and one a sum, each of half an ulp of at most the sum of magnitudes.
        let allowed = terms().map(f64::abs).sum::<f64>() * 512.0 * f64::from(f32::EPSILON);
        let found = f64::from(format.dot(&row, &x));
        assert!(
            (found - exact).abs() <= allowed,
            "{}: {found}, expected {exact}",
            format.name()
        );
    }
}
