//! The normalizer of a `tokenizer.json`: what is done to a text before anything else looks at it.

use super::tokenizer::kind_of;
use crate::error::{Error, Result};
use serde_json::Value;

/// What its steps come to.
#[derive(Default)]
pub(super) struct Normalizer {
    /// Names of whole-text rewritings, in order.
    pub rewrites: Vec<String>,
    /// The one that SentencePiece compiles.
    pub charsmap: Option<Vec<u8>>,
    /// Whether a space is put before a text.
    pub prepends: bool,
    /// Whether spaces are written as pieces write them.
    pub spells: bool,
    /// Whether runs of spaces become one.
    pub squeezes: bool,
    pub bert: Option<Bert>,
}

/// `BertNormalizer`, whose other steps are always taken.
pub(super) struct Bert {
    pub lowercase: bool,
    pub strip_accents: bool,
}

impl Normalizer {
    pub fn read(steps: &[&Value]) -> Result<Normalizer> {
        let mut normalizer = Normalizer::default();
        for step in steps {
            if !normalizer.step(step) {
                return Err(Error::Tokenizer {
                    what: format!(
                        "the normalizer of tokenizer.json is not known: {}",
                        step.to_string().chars().take(400).collect::<String>()
                    ),
                });
            }
        }
        Ok(normalizer)
    }

    /// Whether the step is known, and stands where it can be taken.
    fn step(&mut self, step: &Value) -> bool {
        let flag = |key: &str| step.get(key).and_then(Value::as_bool);
        let text = |key: &str| step.get(key).and_then(Value::as_str);
        let pattern = |kind: &str| step.get("pattern")?.get(kind)?.as_str();
        match kind_of(step) {
            // Whole-text rewritings are taken before all else.
            kind @ ("NFC" | "NFD" | "NFKC" | "NFKD" | "Lowercase" | "StripAccents") => {
                self.rewrites.push(kind.to_ascii_lowercase());
                self.charsmap.is_none() && !self.prepends && !self.squeezes
            }
            "Precompiled" => {
                self.charsmap = text("precompiled_charsmap").and_then(base64);
                self.charsmap.is_some()
            }
            "Prepend" => {
                self.prepends = true;
                text("prepend") == Some("▁")
            }
            "Replace" => match (pattern("String"), pattern("Regex"), text("content")) {
                (Some(" "), None, Some("▁")) => {
                    self.spells = true;
                    true
                }
                (None, Some(" {2,}"), Some(" " | "▁")) => {
                    self.squeezes = true;
                    true
                }
                _ => false,
            },
            "Strip" => {
                self.squeezes |= flag("strip_left") == Some(true);
                true
            }
            "BertNormalizer" => {
                let lowercase = flag("lowercase").unwrap_or(true);
                self.bert = Some(Bert {
                    lowercase,
                    strip_accents: flag("strip_accents").unwrap_or(lowercase),
                });
                flag("clean_text") != Some(false) && flag("handle_chinese_chars") != Some(false)
            }
            _ => false,
        }
    }
}

/// The bytes that a text of base 64 writes.
fn base64(text: &str) -> Option<Vec<u8>> {
    let text = text.trim_end_matches('=');
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 2);
    let (mut bits, mut held) = (0u32, 0);
    for digit in text.bytes() {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_64_is_read() {
        for (text, bytes) in [
            ("", &b""[..]),
            ("Zg==", b"f"),
            ("Zm8=", b"fo"),
            ("Zm9vYmFy", b"foobar"),
            ("+/8A", &[0xfb, 0xff, 0]),
        ] {
            assert_eq!(base64(text).as_deref(), Some(bytes), "{text}");
        }
        assert_eq!(base64("a b"), None);
    }
}
