//! Models with an encoder and a decoder against `transformers`, and what sessions make of them: the encoder reads a text
//! once, and what is written about it can be saved, forked and taken back.

use serde_json::{Value, json};
use smidgen::chat::{Message, RenderOptions};
use smidgen::format::gguf;
use smidgen::session::{Engine, LoadOptions, Loader, Prefilled, Request};
use smidgen::tokenizer::Special;
use smidgen::transformer::Pooling;
use std::path::PathBuf;
use std::process::Command;

#[allow(dead_code)]
#[path = "family_model.rs"]
mod family_model;
use family_model::{Family, File, families, load, load_with, numbers};

/// As in families.rs: of the largest expected value, what a difference may be.
const RELATIVE: f64 = 1e-3;

/// The token that all writing begins with.
const START: u32 = 0;

fn of(name: &str) -> Family {
    families().into_iter().find(|f| f.name == name).unwrap()
}

fn both() -> Vec<Family> {
    let mut all = families();
    all.retain(|f| f.golden.get("read").is_some());
    assert_eq!(all.len(), 3);
    all
}

/// Tokens of the golden text that the encoder reads.
fn read(family: &Family) -> usize {
    family.golden["read"].as_u64().unwrap() as usize
}

fn forms(family: &Family) -> [(&'static str, Vec<File>); 2] {
    [
        ("folder", family.folder()),
        ("GGUF", vec![family.gguf().unwrap()]),
    ]
}

/// Fails where `found` is further from the golden list than it may be, and names the step.
fn check(family: &Family, form: &str, step: &str, found: &[f32]) {
    let expected = numbers(&family.golden[step]);
    assert_eq!(expected.len(), found.len());
    let size = expected.iter().fold(0.0, |m: f64, e| m.max(e.abs()));
    for (e, f) in expected.iter().zip(found) {
        let far = (e - f64::from(*f)).abs();
        assert!(
            far <= RELATIVE * size,
            "{} {form}, {step}: {far} of {size}",
            family.name
        );
    }
}

fn request(ids: &[u32], most: usize) -> Request {
    Request {
        ids: Some(ids.to_vec()),
        max_tokens: Some(most),
        ignore_eos: true,
        ..Request::default()
    }
}

/// The tokens cached, and those made.
fn answer(engine: &mut Engine, ids: &[u32], most: usize) -> (usize, Vec<u32>) {
    let begun = engine.begin(&request(ids, most)).unwrap();
    while engine.prefill(begun.reply, 64).unwrap() == Prefilled::More {}
    let made = (0..most).map(|_| engine.decode(begun.reply).unwrap().id);
    let made = made.collect();
    (begun.cached_tokens, made)
}

#[test]
fn both_stacks_compute_what_the_reference_computes() {
    for family in both() {
        let (ids, read) = (family.ids(), read(&family));
        assert_eq!(ids[read], START);
        for (form, files) in forms(&family) {
            let mut engine = load(&files, ids.len());
            for (step, pooling) in [("mean", Pooling::Mean), ("first", Pooling::First)] {
                let found = engine.read(&ids[..read], usize::MAX, pooling).unwrap();
                check(&family, form, step, &found);
            }
            let mut all = Vec::new();
            engine
                .evaluate(&ids, 0, |i, logits| all.push((i, logits.to_vec())))
                .unwrap();
            let places: Vec<usize> = all.iter().map(|(i, _)| *i).collect();
            assert_eq!(places, (read..ids.len()).collect::<Vec<_>>());
            check(&family, form, "firstLogits", &all[0].1);
            check(&family, form, "lastLogits", &all[all.len() - 1].1);
        }
    }
}

#[test]
fn the_encoder_alone_computes_what_the_reference_computes() {
    let family = of("t5-encoder");
    let ids = family.ids();
    for (form, files) in forms(&family) {
        let mut engine = load(&files, ids.len());
        for (step, pooling) in [("mean", Pooling::Mean), ("first", Pooling::First)] {
            let found = engine.read(&ids, usize::MAX, pooling).unwrap();
            check(&family, form, step, &found);
        }
        let refused = engine.begin(&request(&ids, 1)).unwrap_err();
        assert_eq!(refused.code(), "wrong_state");
    }
}

#[test]
fn token_by_token_is_the_same_as_in_slices() {
    for family in both() {
        let (ids, read) = (family.ids(), read(&family));
        let mut engine = load(&family.folder(), ids.len() + 1);
        let scores = engine.score(&ids).unwrap();
        assert!(scores[..read].iter().all(|s| *s == (0.0, 0)));
        engine.reset();
        for n in read + 1..=ids.len() {
            let (cached, made) = answer(&mut engine, &ids[..n], 1);
            let expected = if n == read + 1 { 0 } else { n - 1 };
            assert_eq!(cached, expected, "{}", family.name);
            assert_eq!(made, [scores[n - 1].1], "{} after {n}", family.name);
        }
    }
}

#[test]
fn a_text_is_read_once_and_shared_only_whole() {
    for family in both() {
        let (ids, read) = (family.ids(), read(&family));
        let text = &ids[..read];
        let mut engine = load(&family.folder(), 400);
        let fresh = |ids: &[u32]| answer(&mut load(&family.folder(), 400), ids, 12).1;
        // Without the token that writing begins with, it is put there.
        let (cached, first) = answer(&mut engine, text, 12);
        assert_eq!(cached, 0);
        assert_eq!(first, fresh(&ids[..=read]));
        // The same text again, and the same with a beginning of the reply: taken back, and forked.
        assert_eq!(
            answer(&mut engine, &ids[..=read], 12),
            (read, first.clone())
        );
        let (cached, other) = answer(&mut engine, &ids[..read + 30], 12);
        assert_eq!((cached, &other), (read + 1, &fresh(&ids[..read + 30])));
        assert_eq!(answer(&mut engine, text, 12), (read, first.clone()));
        // Texts that begin alike share nothing, whichever is longer; and a text is not one that is written.
        for other in [
            text[..read - 1].to_vec(),
            [text, &[7]].concat(),
            [&text[..20], &[9], &text[21..]].concat(),
        ] {
            let (cached, made) = answer(&mut engine, &other, 12);
            assert_eq!((cached, made), (0, fresh(&other)));
        }
        assert_eq!(answer(&mut engine, text, 12).1, first);
    }
}

#[test]
fn saved_replies_go_on_the_same() {
    for family in both() {
        let (ids, read) = (family.ids(), read(&family));
        let mut engine = load(&family.folder(), 400);
        let (_, made) = answer(&mut engine, &ids[..read + 3], 20);
        let state = engine.save();
        let all = [&ids[..read + 3], &made].concat();
        let (_, expected) = answer(&mut engine, &all, 8);
        let mut other = load(&family.folder(), 400);
        let tokens = other.restore(&state).unwrap();
        assert_eq!(tokens, all.len() - 1);
        assert_eq!(answer(&mut other, &all, 8), (tokens, expected));
        // Taken back behind the text, and not into it.
        assert_eq!(answer(&mut other, &ids[..read + 3], 20).0, read + 2);
        assert_eq!(answer(&mut other, &ids[..read - 1], 1).0, 0);
        // Keys and values of the encoder's own blocks are of no use once it has read.
        let position = 2 * 2 * state_width(&family);
        let spare = 8 * position;
        assert!(state.len() <= all.len() * (position + 4) + spare + 64);
        // The number of tokens read is the last of the marks, which follow the ids.
        let at = 20 + 4 * tokens + 12;
        for wrong in [0u32, tokens as u32 + 1, u32::MAX] {
            let mut damaged = state.clone();
            damaged[at..at + 4].copy_from_slice(&wrong.to_le_bytes());
            assert_eq!(other.restore(&damaged).unwrap_err().code(), "bad_argument");
        }
    }
}

/// Values of the keys of all blocks that write, for a position.
fn state_width(family: &Family) -> usize {
    let config = &family.golden["config"];
    let number = |key: &str| config[key].as_u64().unwrap() as usize;
    number("num_decoder_layers") * number("num_heads") * number("d_kv")
}

#[test]
fn prompts_and_messages_are_what_the_encoder_reads() {
    let family = worded();
    let mut engine = load(&family.folder(), 128);
    let told = |engine: &mut Engine, request: Request| -> Result<Vec<u32>, String> {
        let begun = engine.begin(&request).map_err(|e| e.code().to_owned())?;
        while engine.prefill(begun.reply, 64).unwrap() == Prefilled::More {}
        let made = (0..6).map(|_| engine.decode(begun.reply).unwrap().id);
        let made = made.collect();
        engine.end(begun.reply);
        Ok(made)
    };
    let base = || Request {
        max_tokens: Some(7),
        ignore_eos: true,
        ..Request::default()
    };
    let text = "summarize: what is small";
    let ids = engine.tokenizer().encode(text, Special::Text).unwrap();
    let end = engine.tokenizer().id("</s>").unwrap();
    let ids = [&ids[..], &[end]].concat();
    assert_eq!(engine.tokenizer().frame(&ids[..ids.len() - 1]), ids);
    let by_ids = |ids: &[u32]| Request {
        ids: Some(ids.to_vec()),
        ..base()
    };
    let prompt = |prompt: &str| Request {
        prompt: Some(prompt.into()),
        ..base()
    };
    let messages = |messages: &[(&str, &str)]| Request {
        messages: Some(messages.iter().map(|(r, c)| Message::new(r, c)).collect()),
        ..base()
    };
    let expected = told(&mut engine, by_ids(&ids));
    // The end may be spelled out.
    let ended = format!("{text}</s>");
    let same = [prompt(text), prompt(&ended), messages(&[("user", text)])];
    for request in same {
        assert_eq!(told(&mut engine, request), expected);
    }
    // So may the beginning of what is written.
    let begins = "the model";
    let prefix = engine.tokenizer().encode(begins, Special::Text).unwrap();
    let expected = told(&mut engine, by_ids(&[&ids[..], &[START], &prefix].concat()));
    let begun = Request {
        prefix: Some(begins.into()),
        ..prompt(text)
    };
    let spelled = prompt(&format!("{ended}<pad>{begins}"));
    for request in [begun, spelled] {
        assert_eq!(told(&mut engine, request), expected);
    }
    // A user can spell neither.
    let begun = engine.begin(&messages(&[("user", "<pad></s>")])).unwrap();
    assert!(begun.prompt_tokens > 4);
    engine.end(begun.reply);
    let shown = engine.render(&[Message::new("user", text)], &RenderOptions::default());
    assert_eq!(shown.unwrap(), text);
    assert!(engine.info().template_warning.unwrap().contains("no turns"));
    for refused in [
        messages(&[]),
        messages(&[("system", "be brief"), ("user", text)]),
        messages(&[("assistant", text)]),
        Request {
            tools: Some(json!([])),
            ..messages(&[("user", text)])
        },
        Request {
            ids: Some(vec![START, 5]),
            ..base()
        },
    ] {
        assert_eq!(told(&mut engine, refused), Err("bad_argument".into()));
    }
    let shifted = Request {
        shift: true,
        ..messages(&[("user", text)])
    };
    assert_eq!(told(&mut engine, shifted), Err("wrong_state".into()));
    let long = Request {
        ids: Some(vec![5; 127]),
        ..base()
    };
    assert_eq!(told(&mut engine, long), Err("context_full".into()));
    // One reply at a time.
    engine.begin(&request(&[5, 6], 4)).unwrap();
    let second = engine.begin(&request(&[5, 7], 4)).unwrap_err();
    assert_eq!(second.code(), "wrong_state");
    // What is measured of a text needs something that is written about it.
    assert_eq!(engine.score(&[5, 6]).unwrap_err().code(), "bad_argument");
}

#[test]
fn texts_are_embedded_side_by_side_as_alone() {
    for family in [of("t5"), of("t5-encoder")] {
        let mut engine = load(&family.folder(), 200);
        let texts = ["small", "a longer text to read", "what"];
        let together = engine.embed(&texts, None, None).unwrap();
        for (text, found) in texts.iter().zip(&together) {
            let alone = engine.embed(&[text], None, None).unwrap();
            assert_eq!(&alone[0], found, "{} {text}", family.name);
        }
    }
}

#[test]
fn eight_bits_of_cache_stay_near() {
    let family = of("t5-gated");
    let ids = family.ids();
    let scores = |cache_format| {
        let options = LoadOptions {
            context_length: Some(ids.len()),
            cache_format,
            ..LoadOptions::default()
        };
        load_with(&family.folder(), options).score(&ids).unwrap()
    };
    let f16 = scores("f16".parse().unwrap());
    let q8_0 = scores("q8_0".parse().unwrap());
    let far = f16.iter().zip(&q8_0).map(|(a, b)| (a.0 - b.0).abs());
    let far = far.fold(0.0, f32::max);
    assert!(far > 0.0 && far < 0.2, "{far}");
}

#[test]
fn unlikely_headers_are_refused() {
    let family = of("t5");
    for (key, value, code) in [
        ("t5.attention.relative_buckets_count", 0, "bad_key"),
        ("t5.attention.relative_buckets_count", 3, "bad_key"),
        ("t5.attention.relative_buckets_count", 1 << 20, "bad_key"),
        ("t5.attention.relative_buckets_count", 16, "bad_shape"),
        ("t5.decoder_start_token_id", 304, "bad_key"),
        ("t5.decoder_block_count", 1 << 20, "bad_key"),
        ("t5.decoder_block_count", 0, "bad_key"),
        ("t5.decoder_block_count", 4, "missing_tensor"),
        ("t5.block_count", 1 << 20, "bad_key"),
        ("t5.attention.key_length", 1 << 20, "bad_key"),
        ("t5.feed_forward_length", 1 << 24, "out_of_memory"),
    ] {
        let mut family = of(&family.name);
        family.golden["gguf"]["keys"][key] = value.into();
        let mut loader = Loader::new(LoadOptions {
            memory_limit: Some(1 << 26),
            ..LoadOptions::default()
        });
        let loaded = loader.push(&family.gguf().unwrap().1);
        let error = loaded.and_then(|()| loader.finish().map(drop)).unwrap_err();
        assert_eq!(error.code(), code, "{key} {value}: {error}");
    }
}

/// The first version with a vocabulary of its kind: Unigram pieces, and EOS behind a text.
fn worded() -> Family {
    let mut family = of("t5");
    let words = include_bytes!("../golden/tokenizer/unigram.json");
    let mut words: Value = serde_json::from_slice(words).unwrap();
    words["post_processor"] = json!({
        "type": "TemplateProcessing",
        "single": [{"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "</s>", "type_id": 0}}],
    });
    let n = words["model"]["vocab"].as_array().unwrap().len();
    let golden = &mut family.golden;
    golden["tokenizer.json"] = words;
    golden["tokenizer_config.json"] =
        json!({"eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"});
    golden["config"]["vocab_size"] = n.into();
    golden["gguf"]["keys"]["t5.vocab_size"] = n.into();
    for row in golden["tensors"].as_array_mut().unwrap() {
        if row[0] == "shared.weight" {
            row[1][0] = n.into();
        }
    }
    family
}

/// Runs the program; its standard output.
fn smidgen(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_smidgen"))
        .args(arguments)
        .output()
        .unwrap();
    let [out, error] =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    assert!(output.status.success(), "{error}");
    out
}

#[test]
fn the_program_answers_and_writes_files_with_the_usual_names() {
    let family = worded();
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("encoder-decoder");
    std::fs::create_dir_all(&folder).unwrap();
    for (name, bytes) in family.folder() {
        std::fs::write(folder.join(name), bytes).unwrap();
    }
    let folder = folder.to_str().unwrap();
    let text = "translate: the model is small";
    let run = |model: &str, more: &[&str]| {
        let arguments = [&["run", model, "--prompt", text, "-n", "12"][..], more].concat();
        smidgen(&arguments)
    };
    let expected = run(folder, &[]);
    assert!(expected.len() > 12, "{expected:?}");
    assert_eq!(run(folder, &["--raw"]), expected);
    for kind in ["f32", "q4_k_m"] {
        let file = format!("{folder}/{kind}.gguf");
        smidgen(&["quantize", folder, &file, "--type", kind, "--quiet"]);
        let bytes = std::fs::read(&file).unwrap();
        let gguf::Progress::Done(header) = gguf::read(&bytes).unwrap() else {
            panic!("a whole file has a whole header");
        };
        let mut names: Vec<&str> = header.tensors.iter().map(|t| t.name.as_str()).collect();
        let rows = family.golden["gguf"]["tensors"].as_array().unwrap();
        let mut usual: Vec<&str> = rows.iter().map(|row| row[0].as_str().unwrap()).collect();
        names.sort_unstable();
        usual.sort_unstable();
        assert_eq!(names, usual);
        for tensor in &header.tensors {
            let small = tensor.name.ends_with("attn_rel_b.weight") || tensor.shape.len() == 1;
            let rounded = kind == "q4_k_m" && !small;
            assert_eq!(tensor.format.name() != "f32", rounded, "{}", tensor.name);
        }
        let mut loader = Loader::new(LoadOptions::default());
        loader.push(&bytes).unwrap();
        let mut engine = loader.finish().unwrap();
        assert_eq!(engine.info().architecture, "t5");
        let ids = engine.tokenizer().encode(text, Special::Text).unwrap();
        assert_eq!(engine.tokenizer().frame(&ids).last(), Some(&1));
        answer(&mut engine, &ids, 4);
        if kind == "f32" {
            assert_eq!(run(&file, &[]), expected);
        }
    }
}
