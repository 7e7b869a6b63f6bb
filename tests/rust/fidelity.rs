//! The command line on small models: folders → GGUF, split files, importance data, perplexity and KL.

use serde_json::Value;
use smidgen::format::gguf::{Gguf, Progress, read};
use smidgen::format::gguf_write::HeaderWriter;
use smidgen::format::importance::{Columns, Importance};
use smidgen::quant::Format;
use smidgen::session::{Engine, LoadOptions, Loader};
use smidgen::{Error, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The KV cache keeps f16; all else is f32 against f64.
const FLOAT: f64 = 4e-3;

fn root(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A file of this test's own.
fn temporary(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// Runs the program; its standard output, or its standard error if it fails.
fn smidgen(arguments: &[&str]) -> core::result::Result<String, String> {
    let output = Command::new(env!("CARGO_BIN_EXE_smidgen"))
        .args(arguments)
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    if output.status.success() {
        Ok(text(output.stdout))
    } else {
        Err(text(output.stderr))
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The folder `name` as a GGUF file of type `kind`.
fn quantised(name: &str, kind: &str, file: &str, more: &[&str]) -> PathBuf {
    let out = temporary(file);
    let folder = root("tests/golden/hf").join(name);
    let arguments = [
        &[
            "quantize",
            text(&folder),
            text(&out),
            "--type",
            kind,
            "--quiet",
        ],
        more,
    ]
    .concat();
    smidgen(&arguments).unwrap();
    out
}

fn load(files: &[Vec<u8>]) -> Result<Engine> {
    let mut loader = Loader::new(LoadOptions::default());
    for (i, bytes) in files.iter().enumerate() {
        loader.file(&format!("model-{:05}-of-{:05}.gguf", i + 1, files.len()))?;
        for part in bytes.chunks(1500) {
            loader.push(part)?;
        }
    }
    loader.finish()
}

fn header(bytes: &[u8]) -> Gguf {
    match read(bytes) {
        Ok(Progress::Done(gguf)) => gguf,
        other => panic!("no header: {other:?}"),
    }
}

fn difference(engine: &mut Engine, name: &str) -> f64 {
    let all: Value = serde_json::from_str(include_str!("../golden/hf/golden.json")).unwrap();
    let ids: Vec<u32> = all[name]["ids"]
        .as_array()
        .unwrap()
        .iter()
        .map(|v| v.as_u64().unwrap() as u32)
        .collect();
    let expected = all[name]["logProbabilities"].as_array().unwrap();
    let scores = engine.score(&ids).unwrap();
    expected
        .iter()
        .zip(&scores)
        .map(|(e, (p, _))| (e.as_f64().unwrap() - f64::from(*p)).abs())
        .fold(0.0, f64::max)
}

#[test]
fn a_folder_becomes_a_gguf_file_that_computes_the_same() {
    for name in ["llama", "qwen2", "qwen3"] {
        let path = quantised(name, "f32", &format!("{name}.f32.gguf"), &[]);
        let bytes = std::fs::read(path).unwrap();
        let mut engine = load(&[bytes]).unwrap();
        let difference = difference(&mut engine, name);
        assert!(difference < FLOAT, "{name}: {difference}");
        assert_eq!(engine.tokenizer().stop_tokens(), [0, 2], "{name}");
    }
}

/// `file` in `parts` files after one without tensors, as llama.cpp splits.
fn split(file: &[u8], parts: usize) -> Vec<Vec<u8>> {
    let gguf = header(file);
    let size = gguf.tensors.len().div_ceil(parts);
    let mut files = Vec::new();
    for number in 0..=parts {
        let mut writer = HeaderWriter::new(32);
        if number == 0 {
            writer.copy(&gguf.metadata, &[]);
        }
        writer.u32("split.no", number as u32);
        writer.u32("split.count", parts as u32 + 1);
        writer.u32("split.tensors.count", gguf.tensors.len() as u32);
        let tensors = match number {
            0 => &[][..],
            n => gguf.tensors.chunks(size).nth(n - 1).unwrap(),
        };
        for t in tensors {
            writer.tensor(&t.name, &t.shape, t.format);
        }
        let mut out = writer.finish();
        for t in tensors {
            out.extend(&file[t.offset as usize..(t.offset + t.bytes) as usize]);
            out.resize(out.len().next_multiple_of(32), 0);
        }
        files.push(out);
    }
    files
}

#[test]
fn a_split_file_loads_part_after_part() {
    let file = std::fs::read(quantised("qwen2", "q8_0", "split.gguf", &[])).unwrap();
    let expected = load(std::slice::from_ref(&file))
        .unwrap()
        .score(&[5, 17, 200, 33])
        .unwrap();
    let parts = split(&file, 3);
    assert_eq!(
        load(&parts).unwrap().score(&[5, 17, 200, 33]).unwrap(),
        expected
    );

    // On the way the plan counts what has not come yet.
    let mut loader = Loader::new(LoadOptions::default());
    loader.file("a-00001-of-00004.gguf").unwrap();
    loader.push(&parts[0]).unwrap();
    let (early, whole) = (
        loader.plan().unwrap().weights_bytes,
        load(&parts).unwrap().info().plan.weights_bytes,
    );
    assert!(early > whole / 2 && early < 2 * whole, "{early} of {whole}");

    let code = |parts: &[Vec<u8>]| load(parts).map(|_| ()).unwrap_err();
    assert_eq!(code(&parts[..3]).code(), "truncated");
    let order = code(&[
        parts[0].clone(),
        parts[2].clone(),
        parts[1].clone(),
        parts[3].clone(),
    ]);
    assert!(
        matches!(&order, Error::BadKey { key, .. } if key == "split.no"),
        "{order}"
    );
    let first = code(&parts[1..]);
    assert!(
        first.to_string().contains("split.no") || first.code() == "missing_key",
        "{first}"
    );
    let mut short = parts.clone();
    let length = short[1].len() - 100;
    short[1].truncate(length);
    assert_eq!(code(&short).code(), "truncated");
    let whole_and_more = code(&[file.clone(), file]);
    assert_eq!(whole_and_more.code(), "wrong_state");

    let mut limited = Loader::new(LoadOptions {
        memory_limit: Some(200_000),
        ..LoadOptions::default()
    });
    let refused = limited.push(&parts[0]).unwrap_err();
    assert!(
        matches!(refused, Error::OutOfMemory { needed, available: 200_000 } if needed > 200_000),
        "{refused}"
    );
}

#[test]
fn a_model_that_cannot_fit_is_refused_by_its_header() {
    let (dim, hidden, layers, vocab) = (4096u64, 11008u64, 32u32, 32000u64);
    let mut writer = HeaderWriter::new(32);
    writer.str("general.architecture", "llama");
    for (key, value) in [
        ("context_length", 4096),
        ("embedding_length", dim as u32),
        ("block_count", layers),
        ("feed_forward_length", hidden as u32),
        ("attention.head_count", 32),
        ("vocab_size", vocab as u32),
    ] {
        writer.u32(&format!("llama.{key}"), value);
    }
    writer.f32("llama.attention.layer_norm_rms_epsilon", 1e-5);
    writer.tensor("token_embd.weight", &[dim, vocab], Format::F16);
    writer.tensor("output.weight", &[dim, vocab], Format::F16);
    writer.tensor("output_norm.weight", &[dim], Format::F32);
    for i in 0..layers {
        let mut add = |name: &str, shape: &[u64], format| {
            writer.tensor(&format!("blk.{i}.{name}.weight"), shape, format);
        };
        for name in ["attn_q", "attn_k", "attn_v", "attn_output"] {
            add(name, &[dim, dim], Format::F16);
        }
        for name in ["ffn_gate", "ffn_up"] {
            add(name, &[dim, hidden], Format::F16);
        }
        add("ffn_down", &[hidden, dim], Format::F16);
        add("attn_norm", &[dim], Format::F32);
        add("ffn_norm", &[dim], Format::F32);
    }
    let header = writer.finish();
    let limit = 4_000 << 20;
    let load = |options: LoadOptions| Loader::new(options).push(&header);
    let options = LoadOptions {
        memory_limit: Some(limit),
        ..LoadOptions::default()
    };
    let refused = load(options).unwrap_err();
    // 6.74 billion values of two bytes, the cache for 2048 positions, and scratch.
    let Error::OutOfMemory { needed, available } = refused else {
        panic!("{refused}");
    };
    assert_eq!(available, limit);
    assert!(
        (14_500_000_000..14_700_000_000).contains(&needed),
        "{needed}"
    );
    // Rounded to four bits on the way it takes less than a third.
    let options = LoadOptions {
        quantise: Some("q4_0".into()),
        context_length: Some(256),
        memory_limit: Some(3_000 << 20),
        ..LoadOptions::default()
    };
    let refused = load(options).unwrap_err();
    let Error::OutOfMemory { needed, .. } = refused else {
        panic!("{refused}");
    };
    assert!((3_700_000_000..4_200_000_000).contains(&needed), "{needed}");
}

#[test]
fn a_split_file_is_one_for_the_command_line() {
    let file = std::fs::read(quantised("qwen3", "q8_0", "parts.gguf", &[])).unwrap();
    let parts = split(&file, 2);
    for (i, bytes) in parts.iter().enumerate() {
        std::fs::write(
            temporary(&format!("parts-{:05}-of-00003.gguf", i + 1)),
            bytes,
        )
        .unwrap();
    }
    let (first, joined) = (
        temporary("parts-00001-of-00003.gguf"),
        temporary("joined.gguf"),
    );
    smidgen(&[
        "quantize",
        text(&first),
        text(&joined),
        "--type",
        "q8_0",
        "--quiet",
    ])
    .unwrap();
    let (a, b) = (header(&file), header(&std::fs::read(&joined).unwrap()));
    assert_eq!(a.tensors.len(), b.tensors.len());
    assert!(!b.metadata.contains("split.count"));
    let second = temporary("parts-00002-of-00003.gguf");
    let error = smidgen(&["quantize", text(&second), text(&joined), "--type", "q8_0"]).unwrap_err();
    assert!(error.contains("parts-00001-of-00003"), "{error}");
}

#[test]
fn a_model_is_itself_and_rounding_shows() {
    let book = root("tests/golden/hf/make.py");
    let folder = root("tests/golden/hf/qwen2");
    let window = [
        "--context",
        "64",
        "--windows",
        "4",
        "--threads",
        "1",
        "--json",
    ];
    let run = |command: &[&str]| -> Value {
        serde_json::from_str(&smidgen(&[command, &window].concat()).unwrap()).unwrap()
    };
    let number = |v: &Value, key: &str| v[key].as_f64().unwrap_or_else(|| panic!("{key} in {v}"));
    let logits = temporary("qwen2.logits");
    let plain = run(&[
        "perplexity",
        text(&folder),
        text(&book),
        "--save-logits",
        text(&logits),
    ]);
    assert_eq!(plain["tokens"], 4 * 31);
    assert!((number(&plain, "nll").exp() - number(&plain, "perplexity")).abs() < 1e-9);

    let same = run(&["kl", text(&folder), text(&book), "--logits", text(&logits)]);
    assert!(
        number(&same, "kl").abs() < 1e-6 && number(&same, "top1") == 1.0,
        "{same}"
    );
    assert!(
        (number(&same, "perplexity") - number(&plain, "perplexity")).abs() < 1e-6,
        "{same}"
    );

    let q8 = quantised("qwen2", "q8_0", "kl.q8_0.gguf", &[]);
    let q4 = quantised("qwen2", "q4_0", "kl.q4_0.gguf", &[]);
    let of = |path: &Path| run(&["kl", text(path), text(&book), "--reference", text(&folder)]);
    let (eight, four) = (of(&q8), of(&q4));
    assert!(
        number(&eight, "kl") > 1e-6 && number(&four, "kl") > 4.0 * number(&eight, "kl"),
        "{eight} {four}"
    );
    assert!(
        number(&eight, "bitsPerWeight") < 12.0
            && number(&four, "bitsPerWeight") < number(&eight, "bitsPerWeight")
    );

    let error = smidgen(&["kl", text(&folder), text(&book), "--logits", text(&book)]).unwrap_err();
    assert!(error.contains("bad_argument"), "{error}");
}

#[test]
fn importance_data_go_through_a_file_and_help() {
    let book = root("tests/golden/hf/make.py");
    let folder = root("tests/golden/hf/qwen2");
    let data = temporary("qwen2.imatrix");
    let window = ["--context", "64", "--threads", "1"];
    smidgen(
        &[
            &["imatrix", text(&folder), text(&book), "-o", text(&data)][..],
            &window,
        ]
        .concat(),
    )
    .unwrap();
    let bytes = std::fs::read(&data).unwrap();
    let importance = Importance::read(&bytes).unwrap();
    let names: Vec<&str> = importance
        .matrices()
        .iter()
        .map(|m| m.tensor.as_str())
        .collect();
    assert_eq!(names.len(), 2 * 7 + 1, "{names:?}");
    assert!(
        names.contains(&"output.weight") && names.contains(&"blk.1.ffn_down.weight"),
        "{names:?}"
    );
    let gate = importance
        .matrices()
        .iter()
        .find(|m| m.tensor == "blk.0.ffn_gate.weight")
        .unwrap();
    assert!(gate.sums.len() == 32 && gate.sums.iter().all(|s| *s > 0.0) && gate.count >= 64.0);

    let of = |path: &Path| {
        let arguments = [
            "kl",
            text(path),
            text(&book),
            "--reference",
            text(&folder),
            "--json",
        ];
        let said = smidgen(&[&arguments[..], &window].concat()).unwrap();
        serde_json::from_str::<Value>(&said).unwrap()["kl"]
            .as_f64()
            .unwrap()
    };
    let plain = of(&quantised("qwen2", "q4_0", "plain.gguf", &[]));
    let weighted = of(&quantised(
        "qwen2",
        "q4_0",
        "weighted.gguf",
        &["--imatrix", text(&data)],
    ));
    assert!(
        weighted < plain,
        "KL {weighted} with importance data, {plain} without"
    );

    let auto = quantised(
        "qwen2",
        "auto",
        "auto.gguf",
        &["--imatrix", text(&data), "--bits", "6.5"],
    );
    let gguf = header(&std::fs::read(&auto).unwrap());
    let bytes: u64 = gguf.tensors.iter().map(|t| t.bytes).sum();
    let values: u64 = gguf
        .tensors
        .iter()
        .map(|t| t.shape.iter().product::<u64>())
        .sum();
    assert!(bytes as f64 * 8.0 / values as f64 <= 6.5);
    let formats: std::collections::HashSet<&str> =
        gguf.tensors.iter().map(|t| t.format.name()).collect();
    assert!(formats.len() > 2, "{formats:?}");
    assert!(of(&auto) < weighted);

    // Data of another model.
    let error = smidgen(&[
        "quantize",
        text(&root("tests/golden/hf/qwen3")),
        text(&temporary("x.gguf")),
        "--type",
        "q4_0",
        "--imatrix",
        text(&data),
    ]);
    assert!(error.unwrap_err().contains("bad_shape"));
    for end in 0..bytes_of(&data).len().min(600) {
        assert!(Importance::read(&bytes_of(&data)[..end]).is_err());
    }
}

fn bytes_of(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap()
}

#[test]
fn importance_data_are_written_as_they_are_read() {
    let columns = |tensor: &str, sums: &[f32]| Columns {
        tensor: tensor.into(),
        sums: sums.to_vec(),
        count: 4.0,
    };
    let made = Importance::new(vec![
        columns("b", &[1.0, 2.0, 3.0]),
        columns("a", &[0.5; 40]),
    ]);
    assert_eq!(Importance::read(&made.write("text", 2, 64)).unwrap(), made);
    let broken = Importance::new(vec![columns("b", &[f32::NAN])]);
    assert_eq!(
        Importance::read(&broken.write("text", 2, 64))
            .unwrap_err()
            .code(),
        "malformed_header"
    );
}

#[test]
fn weights_move_the_error_to_where_it_matters_less() {
    let mut state = 1u32;
    let mut random = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state as f32 / u32::MAX as f32 - 0.5
    };
    let x: Vec<f32> = (0..256 * 16)
        .map(|_| random() + random() + random())
        .collect();
    // A few columns carry most of what comes in, as in real models.
    let importance: Vec<f32> = (0..x.len())
        .map(|i| {
            if i % 16 == 3 {
                50.0
            } else {
                0.5 + random().abs()
            }
        })
        .collect();
    for name in ["q4_0", "q4_1", "q5_0", "q5_1", "q4_k", "q5_k", "q6_k"] {
        let format = Format::from_name(name).unwrap();
        let error = |weights: &[f32]| {
            let mut bytes = vec![0; x.len() / format.block_len() * format.block_bytes()];
            let mut y = vec![0.0; x.len()];
            format.quantise_weighted(&x, weights, &mut bytes);
            format.dequantise(&bytes, &mut y);
            let parts = x.iter().zip(&y).zip(&importance);
            parts
                .map(|((x, y), i)| f64::from(i * (x - y) * (x - y)))
                .sum::<f64>()
        };
        let (plain, weighted) = (error(&[]), error(&importance));
        assert!(
            weighted < 0.95 * plain,
            "{name}: {weighted} with weights, {plain} without"
        );
        // Nothing came in anywhere: rounding still works.
        assert!(error(&vec![0.0; x.len()]) < 2.0 * plain, "{name}");
    }
}
