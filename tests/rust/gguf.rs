//! The GGUF header reader: what it reads, what it refuses, and that no input makes it panic or ask for nonsense.

mod gguf_file;

use gguf_file::{GgufFile, Value};
use smidgen::Error;
use smidgen::format::gguf::{Gguf, Progress, read};
use smidgen::quant::Format;

fn sample() -> GgufFile {
    GgufFile::new()
        .str("general.architecture", "llama")
        .key("a.u8", Value::U8(7))
        .key("a.i16", Value::I16(-3))
        .key("a.u32", Value::U32(u32::MAX))
        .key("a.u64", Value::U64(1 << 40))
        .key("a.f32", Value::F32(0.5))
        .key("a.f64", Value::F64(1e-5))
        .key("a.bool", Value::Bool(true))
        .key(
            "tokenizer.ggml.tokens",
            Value::Strs(vec!["<s>".into(), "".into(), "Ġé".into(), "b".into()]),
        )
        .key("a.i32s", Value::I32s(vec![1, -1, 3]))
        .key("a.u8s", Value::U8s(vec![1, 255]))
        .key("a.f32s", Value::F32s(vec![1.5, -2.0]))
        .tensor("b", &[64, 2], 8, 192)
        .tensor("a", &[32, 3, 1, 1], 0, 864)
        .tensor("c", &[32], 3, 0)
}

fn done(bytes: &[u8]) -> Gguf {
    match read(bytes) {
        Ok(Progress::Done(gguf)) => gguf,
        other => panic!("expected Done, got {other:?}"),
    }
}

fn error(file: GgufFile) -> Error {
    match read(&file.bytes()) {
        Err(error) => error,
        other => panic!("expected an error, got {other:?}"),
    }
}

#[test]
fn reads_metadata_of_every_type() {
    let gguf = done(&sample().bytes());
    let m = &gguf.metadata;
    assert_eq!(gguf.version, 3);
    assert_eq!(m.str("general.architecture"), Ok(Some("llama")));
    assert_eq!(m.u32("a.u8"), Ok(Some(7)));
    assert_eq!(m.u32("a.u32"), Ok(Some(u32::MAX)));
    assert_eq!(m.u64("a.u64"), Ok(Some(1 << 40)));
    assert_eq!(m.f32("a.f32"), Ok(Some(0.5)));
    assert_eq!(m.f32("a.f64"), Ok(Some(1e-5)));
    assert_eq!(m.bool("a.bool"), Ok(Some(true)));
    let tokens = m.strings("tokenizer.ggml.tokens").unwrap().unwrap();
    assert_eq!(tokens.len(), 4);
    assert_eq!(tokens.collect::<Vec<_>>(), ["<s>", "", "Ġé", "b"]);
    assert_eq!(m.i32s("a.i32s"), Ok(Some(vec![1, -1, 3])));
    assert_eq!(m.u32s("a.u8s"), Ok(Some(vec![1, 255])));
    assert_eq!(m.f32s("a.f32s"), Ok(Some(vec![1.5, -2.0])));
    assert_eq!(m.u32("absent"), Ok(None));
    assert_eq!(m.keys().count(), 12);
    assert_eq!(m.keys().next(), Some("general.architecture"));
    assert_eq!(m.describe("a.i16"), "-3");
    assert_eq!(m.describe("a.i32s"), "3 × i32: [1, -1, 3]");
}

#[test]
fn wrong_types_and_missing_keys_say_so() {
    let gguf = done(&sample().bytes());
    let m = &gguf.metadata;
    for result in [
        m.u32("a.i16").map(drop),
        m.u32("a.u64").map(drop),
        m.u32("a.f32").map(drop),
        m.f32("a.u32").map(drop),
        m.bool("a.u8").map(drop),
        m.str("a.u8").map(drop),
        m.strings("a.i32s").map(drop),
        m.u32s("a.i32s").map(drop),
        m.i32s("tokenizer.ggml.tokens").map(drop),
        m.f32s("a.i32s").map(drop),
    ] {
        let error = result.unwrap_err();
        assert_eq!(error.code(), "bad_key", "{error}");
    }
    assert_eq!(
        m.require_u32("llama.block_count"),
        Err(Error::MissingKey {
            key: "llama.block_count".into()
        })
    );
    assert!(m.require_str("a.b").is_err() && m.require_f32("a.b").is_err());
}

#[test]
fn places_tensors_by_offset() {
    let bytes = sample().bytes();
    let gguf = done(&bytes);
    assert_eq!(gguf.data_start, (bytes.len() as u64).next_multiple_of(32));
    let names: Vec<_> = gguf.tensors.iter().map(|t| t.name.as_str()).collect();
    assert_eq!(names, ["c", "b", "a"]);
    let b = &gguf.tensors[1];
    assert_eq!(b.format, Format::Q8_0);
    assert_eq!(b.shape, [64, 2]);
    assert_eq!(b.bytes, 4 * 34);
    assert_eq!(b.offset, gguf.data_start + 192);
    let a = &gguf.tensors[2];
    assert_eq!(gguf.file_bytes, a.offset + a.bytes);
    // Bytes behind the directory change nothing.
    let mut longer = bytes.clone();
    longer.extend([0xff; 100]);
    assert_eq!(done(&longer).tensors, gguf.tensors);
}

#[test]
fn every_truncation_asks_for_more_but_never_too_much() {
    let bytes = sample().bytes();
    for len in 0..bytes.len() {
        match read(&bytes[..len]) {
            Ok(Progress::NeedBytes(n)) => {
                assert!(n > len as u64, "at {len}: {n} is not more");
                assert!(n <= bytes.len() as u64, "at {len}: {n} is too much");
            }
            other => panic!("at {len}: {other:?}"),
        }
    }
}

#[test]
fn asking_converges_in_few_steps() {
    let tokens: Vec<String> = (0..50_000).map(|i| format!("piece{i}")).collect();
    let bytes = sample()
        .key("many", Value::Strs(tokens))
        .key("last", Value::U8(1))
        .bytes();
    let (mut len, mut steps, mut total) = (0, 0, 0);
    while let Ok(Progress::NeedBytes(n)) = read(&bytes[..len]) {
        len = n as usize;
        total += len;
        steps += 1;
    }
    assert!(steps < 100, "{steps} steps");
    assert!(total < 40 * bytes.len(), "{total} bytes looked at");
    done(&bytes[..len]);
}

#[test]
fn refuses_other_files_early() {
    for start in [&b"<"[..], b"<!DOCTYPE html>", b"GGUX", b"GGML\x01\0\0\0"] {
        assert_eq!(read(start).unwrap_err().code(), "not_gguf", "{start:?}");
    }
    for version in [0, 1, 4, 3 << 24] {
        let mut file = sample();
        file.version = version;
        assert_eq!(error(file), Error::UnsupportedVersion { version });
    }
}

#[test]
fn refuses_contradictions() {
    let twice = sample().key("a.u8", Value::U8(1));
    assert!(matches!(error(twice), Error::MalformedHeader { what } if what.contains("a.u8")));
    let cases = [
        ("stands twice", sample().tensor("c", &[32], 0, 4096)),
        ("overlap", sample().tensor("d", &[32], 0, 0)),
        ("overlap", sample().tensor("d", &[32], 0, 224)),
        ("alignment", sample().tensor("d", &[32], 0, 4097)),
        ("whole q4_1 blocks", sample().tensor("d", &[33], 3, 4096)),
        (
            "overflow",
            sample().tensor("d", &[1 << 32, 1 << 32], 0, 4096),
        ),
        ("overflow", sample().tensor("d", &[1 << 62, 1], 0, 4096)),
        ("2^64", sample().tensor("d", &[32], 0, u64::MAX - 31)),
        ("shape [32, 0]", sample().tensor("d", &[32, 0], 0, 4096)),
        ("5 dimensions", sample().tensor("d", &[1; 5], 0, 4096)),
        ("0 dimensions", sample().tensor("d", &[], 0, 4096)),
    ];
    for (expected, file) in cases {
        let error = error(file);
        assert_eq!(error.code(), "malformed_header");
        assert!(error.to_string().contains(expected), "{error}");
    }
    let unknown = sample().tensor("odd", &[32], 28, 4096);
    assert_eq!(
        error(unknown),
        Error::UnsupportedFormat {
            tensor: "odd".into(),
            format: "f64 (ggml type 28)".into()
        }
    );
    let alignment = sample().key("general.alignment", Value::U32(24));
    assert_eq!(error(alignment).code(), "bad_key");
}

#[test]
fn hostile_counts_end_at_once() {
    let start = |tensors: u64, keys: u64| {
        let mut bytes = b"GGUF\x03\0\0\0".to_vec();
        bytes.extend(tensors.to_le_bytes());
        bytes.extend(keys.to_le_bytes());
        bytes
    };
    for (tensors, keys) in [(u64::MAX, 0), (0, u64::MAX), (1 << 20, 1)] {
        assert_eq!(
            read(&start(tensors, keys)).unwrap_err().code(),
            "malformed_header"
        );
    }
    for element in [0u32, 4, 8, 12] {
        for len in [u64::MAX, 1 << 61, 1 << 40] {
            let mut bytes = start(0, 1);
            bytes.extend(1u64.to_le_bytes());
            bytes.push(b'k');
            bytes.extend(9u32.to_le_bytes());
            bytes.extend(element.to_le_bytes());
            bytes.extend(len.to_le_bytes());
            bytes.extend([0; 64]);
            let error = read(&bytes).unwrap_err();
            assert_eq!(error.code(), "malformed_header", "{element} × {len}");
        }
    }
}

#[test]
fn mutations_never_panic_and_answers_stay_sane() {
    let original = sample().bytes();
    let mut seed = 0x9e37_79b9_7f4a_7c15u64;
    let mut random = move |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed % below as u64) as usize
    };
    let (mut done, mut short, mut bad) = (0, 0, 0);
    for _ in 0..50_000 {
        let mut bytes = original.clone();
        for _ in 0..=random(3) {
            let at = random(bytes.len());
            match random(4) {
                0 => bytes[at] ^= 1 << random(8),
                1 => bytes[at] = random(256) as u8,
                2 => bytes.truncate(at.max(1)),
                _ => bytes.insert(at, random(256) as u8),
            }
        }
        match read(&bytes) {
            Ok(Progress::Done(gguf)) => {
                done += 1;
                for key in gguf.metadata.keys() {
                    gguf.metadata.describe(key);
                    let _ = gguf.metadata.strings(key).map(|s| s.map(Iterator::count));
                    let _ = gguf.metadata.u32s(key);
                    let _ = gguf.metadata.f32s(key);
                    let _ = gguf.metadata.str(key);
                    let _ = gguf.metadata.bool(key);
                }
                for pair in gguf.tensors.windows(2) {
                    assert!(pair[0].offset + pair[0].bytes <= pair[1].offset);
                }
            }
            Ok(Progress::NeedBytes(n)) => {
                short += 1;
                assert!(n > bytes.len() as u64);
            }
            Err(error) => {
                bad += 1;
                assert!(!error.to_string().is_empty());
            }
        }
    }
    // The loop must reach all three outcomes to prove anything.
    assert!(
        done > 1000 && short > 1000 && bad > 1000,
        "{done} {short} {bad}"
    );
}
