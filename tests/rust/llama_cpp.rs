//! Against llama.cpp itself, where `cargo xtask llama-cpp` has it: its vocabularies give us the ids of their original
//! tokenizers, it reads the files that we write, and we those that it writes, with the same perplexity and reply.
//!
//! SMIDGEN_LLAMA_CPP is the folder of its programs, SMIDGEN_LLAMA_VOCABS that of its vocabularies. Without them these
//! tests say so and pass.

mod model_file;

use serde_json::Value as Json;
use smidgen::format::gguf::{Gguf, Progress, read};
use smidgen::tokenizer::{Special, Tokenizer};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Two engines round activations differently; llama.cpp to 8 bits.
const PERPLEXITY: f64 = 0.025;

fn folder(variable: &str) -> Option<PathBuf> {
    let folder = std::env::var_os(variable).map(PathBuf::from);
    if folder.is_none() {
        eprintln!("skipped: {variable} is not set; `cargo xtask llama-cpp` sets it");
    }
    folder
}

fn header(path: &Path) -> Gguf {
    let bytes = std::fs::read(path).unwrap();
    match read(&bytes).unwrap() {
        Progress::Done(gguf) => gguf,
        Progress::NeedBytes(n) => panic!("{}: {n} bytes are wanted", path.display()),
    }
}

#[test]
fn vocabularies_give_the_reference_ids() {
    let Some(folder) = folder("SMIDGEN_LLAMA_VOCABS") else {
        return;
    };
    let mut wrong = Vec::new();
    let mut texts = 0;
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "inp"))
        .collect();
    paths.sort();
    for inputs in &paths {
        let vocabulary = inputs.with_extension("");
        let tokenizer = Tokenizer::from_gguf(&header(&vocabulary).metadata).unwrap();
        let inputs_text = std::fs::read_to_string(inputs).unwrap();
        let ids = std::fs::read_to_string(inputs.with_extension("out")).unwrap();
        let inputs = inputs_text.split("\n__ggml_vocab_test__\n");
        for (text, expected) in inputs.zip(ids.lines()) {
            let expected: Vec<u32> = expected
                .split_whitespace()
                .map(|id| id.parse().unwrap())
                .collect();
            let found = tokenizer.encode(text, Special::Parse).unwrap();
            texts += 1;
            if found != expected {
                let name = vocabulary.file_name().unwrap_or_default();
                wrong.push(format!("{name:?} {text:?}: {found:?}, not {expected:?}"));
            }
        }
    }
    println!("{texts} texts, {} vocabularies", paths.len());
    assert!(texts > 500 && paths.len() >= 14, "{texts} {paths:?}");
    assert!(
        wrong.is_empty(),
        "{} of {texts}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// A folder of this process, gone afterwards.
struct Work(PathBuf);

impl Work {
    fn new(name: &str) -> Work {
        let path = std::env::temp_dir().join(format!("smidgen-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Work(path)
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What a program prints, on both ways; it has to succeed.
fn said(program: &Path, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    let both = [output.stdout, output.stderr].concat();
    let both = String::from_utf8_lossy(&both).into_owned();
    assert!(
        output.status.success(),
        "{} {arguments:?}: {both}",
        program.display()
    );
    both
}

fn smidgen(arguments: &[&str]) -> String {
    said(Path::new(env!("CARGO_BIN_EXE_smidgen")), arguments)
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// English enough, and always here.
fn text() -> String {
    format!("{}/src/README.md", env!("CARGO_MANIFEST_DIR"))
}

fn our_perplexity(model: &Path, context: &str) -> f64 {
    let words = ["--json", "--windows", "1", "--context", context];
    let said = smidgen(&[&["perplexity", path(model), &text()], &words[..]].concat());
    let line = said.lines().find(|line| line.starts_with('{')).unwrap();
    serde_json::from_str::<Json>(line).unwrap()["perplexity"]
        .as_f64()
        .unwrap()
}

fn their_perplexity(llama: &Path, model: &Path, context: &str) -> f64 {
    let words = [
        "--chunks",
        "1",
        "-t",
        "2",
        "--no-warmup",
        "-b",
        context,
        "-c",
        context,
    ];
    let text = text();
    let arguments = [&["-m", path(model), "-f", &text], &words[..]].concat();
    // It prints from a thread, and at its end not always all of it.
    for _ in 0..5 {
        let said = said(&llama.join("llama-perplexity"), &arguments);
        let found = said.split("Final estimate: PPL = ").nth(1);
        if let Some(found) = found.and_then(|rest| rest.split_whitespace().next()?.parse().ok()) {
            return found;
        }
    }
    panic!("llama-perplexity gives no estimate for {}", model.display());
}

/// Whether both engines expect a text alike from the same file.
fn agree(llama: &Path, model: &Path, name: &str, context: &str) {
    let (ours, theirs) = (
        our_perplexity(model, context),
        their_perplexity(llama, model, context),
    );
    println!("{name}: perplexity {ours:.4}, llama.cpp {theirs:.4}");
    assert!(
        (ours / theirs - 1.0).abs() < PERPLEXITY,
        "{name}: {ours} {theirs}"
    );
}

#[test]
fn files_that_we_write_are_read() {
    let Some(llama) = folder("SMIDGEN_LLAMA_CPP") else {
        return;
    };
    let work = Work::new("written");
    let demo = model_file::path();
    for kind in [
        "f16", "q8_0", "q5_1", "q4_0", "q4_k_m", "q2_k", "iq4_xs", "auto",
    ] {
        let file = work.0.join(format!("{kind}.gguf"));
        smidgen(&[
            "quantize",
            path(&demo),
            path(&file),
            "--quiet",
            "--type",
            kind,
        ]);
        agree(&llama, &file, kind, "512");
        // Rounded to 8 bits, its activations choose otherwise where two tokens are nearly as likely.
        if kind == "f16" {
            replies_agree(&llama, &file);
        }
    }
    // Cut by llama.cpp: to us it is the same file.
    let (whole, parts) = (work.0.join("q4_0.gguf"), work.0.join("parts"));
    let cut = [
        "--split",
        "--split-max-tensors",
        "100",
        path(&whole),
        path(&parts),
    ];
    said(&llama.join("llama-gguf-split"), &cut);
    let first = work.0.join("parts-00001-of-00003.gguf");
    assert_eq!(our_perplexity(&first, "512"), our_perplexity(&whole, "512"));
    assert!(std::fs::metadata(&first).unwrap().len() < std::fs::metadata(&whole).unwrap().len());
}

fn replies_agree(llama: &Path, model: &Path) {
    for prompt in [
        "The capital of France is",
        "Water boils at a temperature of",
        "def fibonacci(n):",
    ] {
        let words = [
            "-n",
            "12",
            "--temp",
            "0",
            "-no-cnv",
            "--no-display-prompt",
            "--no-warmup",
        ];
        let arguments = [&["-m", path(model), "-p", prompt, "-t", "2"], &words[..]].concat();
        let output = Command::new(llama.join("llama-completion"))
            .args(arguments)
            .stdin(std::process::Stdio::null())
            .output()
            .unwrap();
        let theirs = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        let output = Command::new(env!("CARGO_BIN_EXE_smidgen"))
            .args(["run", path(model), "--raw", "-p", prompt, "-n", "12"])
            .output()
            .unwrap();
        let ours = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        println!("{prompt}: {ours:?}");
        assert!(!ours.is_empty());
        assert_eq!(ours, theirs, "{prompt}");
    }
}

#[test]
fn folders_that_we_convert_are_read() {
    let Some(llama) = folder("SMIDGEN_LLAMA_CPP") else {
        return;
    };
    let work = Work::new("folders");
    for name in ["llama", "qwen2", "qwen3"] {
        let folder = format!("{}/tests/golden/hf/{name}", env!("CARGO_MANIFEST_DIR"));
        for kind in ["f32", "q8_0"] {
            let file = work.0.join(format!("{name}-{kind}.gguf"));
            smidgen(&["quantize", &folder, path(&file), "--quiet", "--type", kind]);
            agree(&llama, &file, &format!("{name} {kind}"), "128");
        }
    }
}

#[test]
fn files_that_it_writes_are_read() {
    let Some(llama) = folder("SMIDGEN_LLAMA_CPP") else {
        return;
    };
    let work = Work::new("read");
    let [half, importance] = ["f16.gguf", "importance.gguf"].map(|name| work.0.join(name));
    let demo = model_file::path();
    smidgen(&[
        "quantize",
        path(&demo),
        path(&half),
        "--quiet",
        "--type",
        "f16",
    ]);
    let words = [
        "imatrix",
        path(&demo),
        &text(),
        "-o",
        path(&importance),
        "--windows",
        "1",
    ];
    smidgen(&words);
    for kind in [
        "iq1_s", "iq1_m", "iq2_xxs", "iq2_xs", "iq2_s", "iq3_xxs", "iq3_s", "q3_k_s",
    ] {
        let file = work.0.join(format!("{kind}.gguf"));
        let arguments = [
            "--imatrix",
            path(&importance),
            path(&half),
            path(&file),
            kind,
            "2",
        ];
        said(&llama.join("llama-quantize"), &arguments);
        agree(&llama, &file, kind, "512");
    }
}
