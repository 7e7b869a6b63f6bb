//! The pre-tokenizer of a `tokenizer.json` → its name in `tokenizer.ggml.pre`, by what it does and not by whose it is.

use crate::error::{Error, Result};
use serde_json::Value;

/// Patterns of `Split` steps before a `ByteLevel` without its own pattern, and their names.
const PATTERNS: &[(&[&str], &str)] = &[
    (
        &[
            r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        ],
        "llama-bpe",
    ),
    (
        &[
            r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        ],
        "qwen2",
    ),
    (
        &[
            r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        ],
        "gpt-4o",
    ),
    (
        &[
            r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        ],
        "tekken",
    ),
];

/// The name for `steps`. `whole_words`: `ignore_merges` of the model, by which two of the names differ.
pub(super) fn name(steps: &[&Value], whole_words: bool) -> Result<&'static str> {
    let kind = |step: &Value| {
        step.get("type")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let flag = |step: &Value, key: &str| step.get(key).and_then(Value::as_bool);
    let kinds: Vec<String> = steps.iter().map(|step| kind(step)).collect();
    let kinds: Vec<&str> = kinds.iter().map(String::as_str).collect();
    let own_pattern = steps
        .last()
        .and_then(|step| flag(step, "use_regex"))
        .unwrap_or(true);
    match kinds[..] {
        ["ByteLevel"] if own_pattern => return Ok("gpt-2"),
        ["Digits", "ByteLevel"]
            if own_pattern && flag(steps[0], "individual_digits") == Some(true) =>
        {
            return Ok("smollm");
        }
        [.., "ByteLevel"]
            if !own_pattern && kinds[..kinds.len() - 1].iter().all(|k| *k == "Split") =>
        {
            let patterns: Vec<&str> = steps[..steps.len() - 1]
                .iter()
                .filter_map(|step| step.get("pattern")?.get("Regex")?.as_str())
                .collect();
            if let Some(row) = PATTERNS.iter().find(|row| row.0 == patterns) {
                return Ok(if row.1 == "llama-bpe" && !whole_words {
                    "dbrx"
                } else {
                    row.1
                });
            }
            // Its kana ranges are written with and without escapes.
            if let [numbers, han, _] = patterns[..]
                && numbers == r"\p{N}{1,3}"
                && han.starts_with("[一-")
            {
                return Ok("deepseek-v3");
            }
        }
        _ => {}
    }
    let shown: String = steps
        .iter()
        .map(|step| step.to_string())
        .collect::<Vec<_>>()
        .join(" ");
    Err(Error::Tokenizer {
        what: format!(
            "the pre-tokenizer of tokenizer.json is not known: {}",
            shown.chars().take(400).collect::<String>()
        ),
    })
}
