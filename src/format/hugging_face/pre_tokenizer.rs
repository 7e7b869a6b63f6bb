//! The pre-tokenizer of a `tokenizer.json` → its name in `tokenizer.ggml.pre`, by what it does and not by whose it is;
//! where there is none, the patterns themselves.

use super::super::gguf_write::HeaderWriter;
use super::tokenizer::kind_of;
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
    (
        &[
            r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        ],
        "qwen35",
    ),
];

/// What a `ByteLevel` step splits by, unless it is told not to.
const BYTE_LEVEL: &str =
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
const PUNCTUATION: &str = r"[\p{P}!-/:-@\[-`{-~]";

/// Writes the keys for `steps`. `whole_words`: `ignore_merges` of the model, by which names differ too.
pub(super) fn write(steps: &[&Value], whole_words: bool, keys: &mut HeaderWriter) -> Result<()> {
    let bytes = steps.iter().position(|step| kind_of(step) == "ByteLevel");
    let Some(bytes) = bytes else {
        let all = steps.iter().copied().cloned().collect();
        return Err(unknown(&Value::Array(all)));
    };
    let prefix = flag(steps[bytes], "add_prefix_space") == Some(true);
    if prefix && bytes > 0 {
        // Each word would get its own.
        return Err(unknown(steps[bytes]));
    }
    keys.bool("tokenizer.ggml.add_space_prefix", prefix);
    keys.bool("smidgen.ignore_merges", whole_words);
    if let Some(name) = name(steps, whole_words) {
        keys.str("tokenizer.ggml.pre", name);
        return Ok(());
    }
    let patterns = |steps: &[&Value]| -> Result<Vec<String>> {
        let patterns = steps.iter().map(|step| pattern(step));
        patterns.filter_map(Result::transpose).collect()
    };
    // A name that no other reader knows: better refused there than read as something else.
    keys.str("tokenizer.ggml.pre", "patterns");
    keys.strings("smidgen.pre_tokenizer", &patterns(&steps[..=bytes])?);
    // These see bytes, written as characters.
    keys.strings(
        "smidgen.pre_tokenizer_bytes",
        &patterns(&steps[bytes + 1..])?,
    );
    Ok(())
}

fn flag(step: &Value, key: &str) -> Option<bool> {
    step.get(key).and_then(Value::as_bool)
}

pub(super) fn unknown(step: &Value) -> Error {
    Error::Tokenizer {
        what: format!(
            "the pre-tokenizer of tokenizer.json is not known: {}",
            step.to_string().chars().take(400).collect::<String>()
        ),
    }
}

/// The pattern by which a step cuts a text, if it does.
fn pattern(step: &Value) -> Result<Option<String>> {
    let behavior = step.get("behavior").and_then(Value::as_str);
    let known = match kind_of(step) {
        "ByteLevel" => {
            return Ok((flag(step, "use_regex") != Some(false)).then(|| BYTE_LEVEL.into()));
        }
        "Digits" => Some(match flag(step, "individual_digits") {
            Some(true) => r"\p{N}".into(),
            _ => r"\p{N}+".into(),
        }),
        "Punctuation" => match behavior {
            None | Some("Isolated") => Some(PUNCTUATION.into()),
            Some("Contiguous") => Some(format!("{PUNCTUATION}+")),
            _ => None,
        },
        // Removing what does not match leaves the same, where the pattern matches everything.
        "Split" => match (behavior, flag(step, "invert").unwrap_or(false)) {
            (Some("Isolated"), false) | (Some("Removed"), true) => {
                let pattern = step.get("pattern");
                let text = |kind: &str| pattern?.get(kind)?.as_str();
                text("Regex").map(str::to_owned).or_else(|| {
                    let literal = text("String")?.chars();
                    Some(
                        literal
                            .map(|c| format!("\\x{{{:x}}}", u32::from(c)))
                            .collect(),
                    )
                })
            }
            _ => None,
        },
        _ => None,
    };
    known.map(Some).ok_or_else(|| unknown(step))
}

fn name(steps: &[&Value], whole_words: bool) -> Option<&'static str> {
    let kinds: Vec<&str> = steps.iter().map(|step| kind_of(step)).collect();
    let own_pattern = flag(steps.last()?, "use_regex").unwrap_or(true);
    match kinds[..] {
        ["Punctuation", "ByteLevel", "Digits", "Split"]
            if pattern(steps[0]).is_ok_and(|p| p == Some(format!("{PUNCTUATION}+")))
                && flag(steps[1], "use_regex") != Some(false)
                && flag(steps[2], "individual_digits") != Some(true)
                && pattern(steps[3]).is_ok_and(|p| p.as_deref() == Some("[0-9][0-9][0-9]")) =>
        {
            return Some("falcon");
        }
        ["ByteLevel"] if own_pattern => return Some("gpt-2"),
        ["Digits", "ByteLevel"]
            if own_pattern && flag(steps[0], "individual_digits") == Some(true) =>
        {
            return Some("smollm");
        }
        [.., "ByteLevel"]
            if !own_pattern && kinds[..kinds.len() - 1].iter().all(|k| *k == "Split") => {}
        _ => return None,
    }
    let splits = &steps[..steps.len() - 1];
    let patterns: Vec<&str> = splits
        .iter()
        .filter_map(|step| step.get("pattern")?.get("Regex")?.as_str())
        .collect();
    let isolated = |step: &&Value| pattern(step).is_ok();
    if patterns.len() != splits.len() || !splits.iter().all(isolated) {
        return None;
    }
    if let Some(row) = PATTERNS.iter().find(|row| row.0 == patterns) {
        return Some(match row.1 {
            "llama-bpe" if !whole_words => "dbrx",
            name => name,
        });
    }
    // Its kana ranges are written with and without escapes.
    match patterns[..] {
        [numbers, han, _] if numbers == r"\p{N}{1,3}" && han.starts_with("[一-") => {
            Some("deepseek-v3")
        }
        _ => None,
    }
}
