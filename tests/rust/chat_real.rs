//! Templates of real models, from the files they come with, write what `transformers` writes.

mod golden_texts;
mod model_file;

use golden_texts::fnv;
use serde_json::Value as Json;
use smidgen::Error;
use smidgen::chat::{Message, RenderOptions, Template};
use smidgen::tokenizer::Tokenizer;
use std::path::PathBuf;

/// The template of a model, where `cargo xtask test` keeps real files.
fn source(name: &str) -> String {
    let folder = std::env::var_os("SMIDGEN_TOKENIZERS").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(".cache/tokenizers"),
        PathBuf::from,
    );
    let path = folder.join(name).join("tokenizer_config.json");
    let config = std::fs::read(&path).unwrap_or_else(|e| {
        panic!(
            "{}: {e}; `cargo xtask test formats` gets it, or set SMIDGEN_TOKENIZERS",
            path.display()
        )
    });
    let config: Json = serde_json::from_slice(&config).unwrap();
    config["chat_template"].as_str().unwrap().to_owned()
}

#[test]
fn real_templates_write_what_transformers_writes() {
    let full = std::env::var_os("SMIDGEN_FULL").is_some();
    let tokenizer = Tokenizer::from_gguf(&model_file::metadata()).unwrap();
    let golden: Json = serde_json::from_str(include_str!("../golden/chat/real.json")).unwrap();
    let cases = include_str!("../golden/chat/cases.jsonl");
    let head: Json = serde_json::from_str(cases.lines().next().unwrap()).unwrap();
    let list = |key: &str| head[key].as_array().unwrap();
    let (mut texts, mut refusals, mut wrong) = (0, 0, Vec::new());
    for (name, hashes) in golden.as_object().unwrap() {
        // These come with large vocabularies, which are fetched with --full.
        if !full && ["gemma3", "deepseek_v3"].contains(&name.as_str()) {
            continue;
        }
        let template = Template::new(&source(name)).unwrap();
        let mut hashes = hashes.as_array().unwrap().iter();
        for messages in list("conversations") {
            let messages: Vec<Message> = serde_json::from_value(messages.clone()).unwrap();
            for given in list("options") {
                let options = RenderOptions {
                    add_generation_prompt: given["add_generation_prompt"].as_bool().unwrap(),
                    tools: given.get("tools").cloned(),
                    now: head["now"].as_i64(),
                    variables: given["variables"].as_object().cloned().unwrap_or_default(),
                };
                let got = template.render(&tokenizer, &messages, &options);
                let same = match (&got, hashes.next().unwrap().as_str()) {
                    (Ok(prompt), Some(hash)) => fnv(prompt.text.bytes()) == hash,
                    (Err(Error::Template { .. }), None) => true,
                    _ => false,
                };
                texts += usize::from(same && got.is_ok());
                refusals += usize::from(same && got.is_err());
                if !same {
                    wrong.push(format!("{name}: {messages:?} with {given}\n  {got:?}"));
                }
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} cases differ:\n{}",
        wrong.len(),
        wrong[..wrong.len().min(8)].join("\n")
    );
    assert!(
        texts >= 112 && (refusals > 10 || !full),
        "{texts} {refusals}"
    );
}
