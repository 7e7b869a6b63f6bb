//! Compiles and runs a template the way Hugging Face sets Jinja up, under limits.

use super::functions;
use super::meter::{self, Budget};
use crate::error::{Error, Result};
use minijinja::machinery::{CodeGenerator, eval, make_string_output, parse};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value};
use minijinja::{AutoEscape, Environment};
use serde_json::{Map, Value as Json};
use std::collections::BTreeMap;

const NAME: &str = "chat_template";
/// Instructions, whatever the conversation: a plain template takes some fifty for each message.
const BASE_FUEL: u64 = 200_000;
const FUEL_PER_MESSAGE: u64 = 5_000;
/// Nested macro calls, each with a stack frame of its own; the deepest real ones walk JSON schemas.
const MAX_RECURSION: usize = 60;

fn syntax() -> SyntaxConfig {
    SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .build()
        .unwrap_or_default()
}

fn failed(error: minijinja::Error) -> Error {
    let mut what = match error.detail() {
        Some(detail) => detail.to_owned(),
        None => error.kind().to_string(),
    };
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        what = format!("{what}: {cause}");
        source = cause.source();
    }
    if let Some(line) = error.line().filter(|line| *line > 0) {
        what = format!("{what} (line {line})");
    }
    Error::Template { what }
}

/// The source in minijinja's dialect, checked to compile.
pub(super) fn prepare(source: &str) -> Result<String> {
    let source = without_generation_tags(source);
    let syntax = syntax();
    meter::check_source(&source, &syntax).map_err(failed)?;
    parse(&source, NAME, syntax).map_err(failed)?;
    Ok(source)
}

/// `{% generation %}` marks the assistant's part for training; for a prompt it is a block like any other.
fn without_generation_tags(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(start) = rest.find("{%") {
        let (before, tag) = rest.split_at(start + 2);
        out.push_str(before);
        rest = tag;
        let Some(end) = tag.find("%}") else { break };
        let inner = &tag[..end];
        let name = inner.trim_matches(['-', '+', ' ', '\t', '\r', '\n']);
        let replacement = match name {
            "generation" => "if true",
            "endgeneration" => "endif",
            _ => continue,
        };
        out.push_str(&inner.replacen(name, replacement, 1));
        rest = &tag[end..];
    }
    out.push_str(rest);
    out
}

/// Runs a prepared source.
pub(super) fn render(
    source: &str,
    context: &Map<String, Json>,
    now: Option<i64>,
) -> Result<String> {
    let messages = context.get("messages").and_then(Json::as_array);
    let messages = messages.map_or(0, Vec::len) as u64;
    let input_bytes = context.values().map(size).sum();
    let mut env = Environment::new();
    env.set_fuel(Some(BASE_FUEL + messages * FUEL_PER_MESSAGE));
    env.set_recursion_limit(MAX_RECURSION);
    env.set_auto_escape_callback(|_| AutoEscape::None);
    functions::install(&mut env, &Budget::new(input_bytes), now);

    let tree = parse(source, NAME, syntax()).map_err(failed)?;
    let mut generator = CodeGenerator::new(NAME, source);
    generator.compile_stmt(&tree);
    let (program, blocks) = generator.finish();
    let program = meter::metered(&program);
    let blocks = blocks
        .iter()
        .map(|(name, block)| (*name, meter::metered(block)));
    let blocks = BTreeMap::from_iter(blocks);
    let mut text = String::new();
    let mut out = make_string_output(&mut text);
    let root = Value::from(Serde(context));
    eval(&env, &program, root, &blocks, &mut out, AutoEscape::None).map_err(failed)?;
    Ok(text)
}

/// Bytes of the texts in a value.
fn size(value: &Json) -> usize {
    match value {
        Json::String(text) => text.len(),
        Json::Array(values) => values.iter().map(size).sum(),
        Json::Object(map) => map.iter().map(|(key, value)| key.len() + size(value)).sum(),
        Json::Null | Json::Bool(_) | Json::Number(_) => 8,
    }
}
