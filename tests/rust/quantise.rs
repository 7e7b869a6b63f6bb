//! GGUF → GGUF: the files made here are byte for byte those that `gguf` writes and libggml rounds
//! (`tests/golden/quant/make_files.py`).

use smidgen::Error;
use smidgen::format::gguf::{Gguf, Progress, read};
use smidgen::format::mixture::{MIXTURES, Mixture};
use smidgen::format::quantise::{Report, quantise};
use smidgen::quant::Format;
use std::io::Cursor;
use std::path::PathBuf;

fn file(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden/quant")
        .join(name);
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn header(bytes: &[u8]) -> Gguf {
    match read(bytes) {
        Ok(Progress::Done(gguf)) => gguf,
        other => panic!("no header: {other:?}"),
    }
}

fn make(bytes: &[u8], mixture: Mixture) -> (Vec<u8>, Report) {
    let mut out = Vec::new();
    let mut heard = Vec::new();
    let report = quantise(
        &header(bytes),
        mixture,
        &mut Cursor::new(bytes),
        &mut out,
        |tensor| {
            heard.push(tensor.clone());
        },
    );
    let report = report.unwrap();
    assert_eq!(heard, report.tensors);
    (out, report)
}

/// Values of every tensor of a file, by name.
fn values(bytes: &[u8]) -> Vec<(String, Vec<f32>)> {
    let read = |t: &smidgen::format::gguf::TensorInfo| {
        let mut out = vec![0.0; t.shape.iter().product::<u64>() as usize];
        let data = &bytes[t.offset as usize..(t.offset + t.bytes) as usize];
        t.format.dequantise(data, &mut out);
        (t.name.clone(), out)
    };
    header(bytes).tensors.iter().map(read).collect()
}

#[test]
fn files_are_byte_for_byte_those_of_the_reference() {
    let source = file("mini.gguf");
    for name in ["q4_k_m", "q4_k_s", "q3_k_m", "q4_0"] {
        let (made, report) = make(&source, Mixture::from_name(name).unwrap());
        let expected = file(&format!("mini.{name}.gguf"));
        for (a, b) in header(&made).tensors.iter().zip(&header(&expected).tensors) {
            assert_eq!((a.format, &a.name), (b.format, &b.name), "{name}");
        }
        let differ = made.iter().zip(&expected).position(|(a, b)| a != b);
        assert_eq!(differ, None, "{name}: first byte that differs");
        assert_eq!(made.len(), expected.len(), "{name}");
        assert_eq!(report.file_bytes, made.len() as u64, "{name}");
    }
}

#[test]
fn every_mixture_makes_a_readable_file_and_reports_its_loss() {
    let source = file("mini.gguf");
    let before = values(&source);
    for (mixture, name, file_type, base) in MIXTURES.iter().copied() {
        assert_eq!(Mixture::from_name(name), Ok(mixture));
        let (made, report) = make(&source, mixture);
        let gguf = header(&made);
        assert_eq!(
            gguf.file_bytes.next_multiple_of(32),
            made.len() as u64,
            "{name}"
        );
        assert_eq!(
            gguf.metadata.u32("general.file_type"),
            Ok(Some(file_type)),
            "{name}"
        );
        assert_eq!(
            gguf.metadata.str("general.name"),
            Ok(Some("mini")),
            "{name}"
        );
        assert!(gguf.tensors.iter().any(|t| t.format == base), "{name}");
        for ((tensor, (_, before)), (_, after)) in
            report.tensors.iter().zip(&before).zip(&values(&made))
        {
            let square = |(a, b): (&f32, &f32)| f64::from(a - b).powi(2);
            let squares: f64 = before.iter().zip(after).map(square).sum();
            let rmse = (squares / before.len() as f64).sqrt();
            assert!(
                (tensor.rmse - rmse).abs() <= 1e-12,
                "{name} {}",
                tensor.name
            );
            let norm = tensor.name.contains("norm");
            assert_eq!(
                tensor.to == Format::F32,
                norm || mixture == Mixture::F32,
                "{name}"
            );
            assert_eq!(
                tensor.rmse == 0.0,
                before == after,
                "{name} {}",
                tensor.name
            );
            // Ternary weights are not meant for a model trained without them; all others stay close.
            let limit = if matches!(mixture, Mixture::Tq1_0 | Mixture::Tq2_0) {
                0.1
            } else {
                0.02
            };
            assert!(
                rmse < limit,
                "{name}: {} has an RMSE of {rmse}",
                tensor.name
            );
        }
    }
}

#[test]
fn a_file_in_its_own_formats_comes_back_with_the_same_tensors() {
    let source = file("mini.q4_k_m.gguf");
    let (made, report) = make(&source, Mixture::Q4KM);
    assert_eq!(made, source);
    assert!(report.tensors.iter().all(|t| t.rmse == 0.0));
}

#[test]
fn a_truncated_file_is_refused_before_anything_is_written() {
    let source = file("mini.gguf");
    let gguf = header(&source);
    let short = &source[..source.len() - 2000];
    let mut out = Vec::new();
    let result = quantise(
        &gguf,
        Mixture::Q8_0,
        &mut Cursor::new(short),
        &mut out,
        |_| (),
    );
    assert!(matches!(result, Err(Error::Truncated { .. })), "{result:?}");
    assert!(out.is_empty());
}

#[test]
fn a_target_that_fails_is_an_error() {
    struct Full;
    impl std::io::Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let source = file("mini.gguf");
    let mut cursor = Cursor::new(&source);
    let result = quantise(
        &header(&source),
        Mixture::Q8_0,
        &mut cursor,
        &mut Full,
        |_| (),
    );
    assert_eq!(result.map_err(|e| e.code()), Err("io"));
}

#[test]
fn an_unknown_mixture_is_answered_with_the_known_ones() {
    let message = Mixture::from_name("q9").unwrap_err().to_string();
    assert!(
        message.contains("q9") && message.contains("q4_k_m"),
        "{message}"
    );
}
