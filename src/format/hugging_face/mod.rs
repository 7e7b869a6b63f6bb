//! The small files of a Hugging Face folder, and the GGUF keys that say the same of the text side. What the keys of
//! `config.json` mean for an architecture is said in `models`.

mod normalizer;
mod pre_tokenizer;
mod sentences;
mod tokenizer;

use super::gguf_write::HeaderWriter;
use crate::error::{Error, Result};
use serde_json::Value;
use std::borrow::Cow;
use tokenizer::TokenizerJson;

/// Files that are read; all others of a folder but its weights are left aside.
pub const FILES: &[&str] = &[
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
    "model.safetensors.index.json",
    "modules.json",
    sentences::POOLING,
];

/// The longest such file that is taken (the tokenizer.json of a vocabulary of 260,000 pieces has 33 MB).
pub const MAX_FILE_BYTES: u64 = 64 << 20;

/// What the small files of a folder say.
#[derive(Debug, Default)]
pub struct Folder {
    /// `config.json`.
    pub config: Value,
    generation: Value,
    tokenizer_config: Value,
    template: Option<String>,
    tokenizer: Option<TokenizerJson>,
    /// Steps of an embedding, and how its tokens become one vector.
    steps: Option<Vec<String>>,
    pooling: Value,
    /// Names of all tensors, where the folder has an index.
    pub listed: Option<Vec<String>>,
}

impl Folder {
    /// The one of [`FILES`] that lies at `path`, whatever stands before it. A file in a folder of a step of an embedding
    /// (`2_Dense/config.json`) is none of the model's own.
    pub fn wanted(path: &str) -> Option<&'static str> {
        let mut parts = path.rsplit(['/', '\\']);
        let (name, folder) = (parts.next()?, parts.next().unwrap_or_default());
        if let Some((number, step)) = folder.split_once('_')
            && number.parse::<u16>().is_ok()
        {
            let pools = step == "Pooling" && name == "config.json";
            return pools.then_some(sentences::POOLING);
        }
        FILES.iter().copied().find(|file| *file == name)
    }

    /// Takes the whole of one file.
    pub fn take(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        match name {
            "config.json" => self.config = json(name, bytes)?,
            "generation_config.json" => self.generation = json(name, bytes)?,
            "tokenizer_config.json" => self.tokenizer_config = json(name, bytes)?,
            "tokenizer.json" => {
                let tokenizer = serde_json::from_slice(bytes).map_err(|e| Error::Tokenizer {
                    what: format!("tokenizer.json cannot be read: {e}"),
                })?;
                self.tokenizer = Some(tokenizer);
            }
            "chat_template.jinja" => {
                self.template = Some(String::from_utf8_lossy(bytes).into_owned());
            }
            "model.safetensors.index.json" => {
                let index = json(name, bytes)?;
                let names = index.get("weight_map").and_then(Value::as_object);
                let names = names.ok_or_else(|| Error::MissingKey {
                    key: format!("weight_map of {name}"),
                })?;
                self.listed = Some(names.keys().cloned().collect());
            }
            "modules.json" => {
                let modules: Value = parsed(name, bytes)?;
                self.steps = Some(sentences::steps(&modules)?);
            }
            sentences::POOLING => self.pooling = json(name, bytes)?,
            _ => {}
        }
        Ok(())
    }

    /// `pooling_type` of GGUF, and whether embeddings get the length 1, as far as the folder says.
    pub fn embedding(&self) -> Result<(Option<u32>, Option<bool>)> {
        sentences::read(self.steps.as_deref(), &self.pooling)
    }

    /// Writes the keys `tokenizer.*` for a vocabulary of `vocab_size`.
    pub fn write_text_keys(&self, vocab_size: usize, keys: &mut HeaderWriter) -> Result<()> {
        let tokenizer = self.tokenizer.as_ref().ok_or_else(|| Error::Tokenizer {
            what: "the folder has no tokenizer.json, or it came after the weights".into(),
        })?;
        tokenizer.write(vocab_size, keys)?;
        for (key, name) in [
            ("bos_token", "tokenizer.ggml.bos_token_id"),
            ("unk_token", "tokenizer.ggml.unknown_token_id"),
            ("pad_token", "tokenizer.ggml.padding_token_id"),
            ("cls_token", "tokenizer.ggml.cls_token_id"),
            // Misspelt in the specification.
            ("sep_token", "tokenizer.ggml.seperator_token_id"),
            ("mask_token", "tokenizer.ggml.mask_token_id"),
        ] {
            if key == "unk_token" && tokenizer.unknown_written() {
                continue;
            }
            if let Some(id) = self.special(tokenizer, key) {
                keys.u32(name, id);
            }
        }
        let eos = self.special(tokenizer, "eos_token");
        let named = [&self.config, &self.generation].map(|c| ids(c.get("eos_token_id")));
        let mut ends: Vec<u32> = eos.into_iter().collect();
        for id in named.into_iter().flatten() {
            if (id as usize) < vocab_size && !ends.contains(&id) {
                ends.push(id);
            }
        }
        let places = [
            "tokenizer.ggml.eos_token_id",
            "tokenizer.ggml.eot_token_id",
            "tokenizer.ggml.eom_token_id",
        ];
        for (key, id) in places.into_iter().zip(ends) {
            keys.u32(key, id);
        }
        let flag = |key: &str| self.tokenizer_config.get(key).and_then(Value::as_bool);
        let (before, behind) = tokenizer.frames();
        for (key, name, otherwise) in [
            ("add_bos_token", "tokenizer.ggml.add_bos_token", before),
            ("add_eos_token", "tokenizer.ggml.add_eos_token", behind),
        ] {
            keys.bool(name, flag(key).unwrap_or(otherwise));
        }
        if let Some(template) = self.template() {
            keys.str("tokenizer.chat_template", template);
        }
        Ok(())
    }

    /// The id of a token that `tokenizer_config.json` names, as text or as an object, else of `config.json`.
    fn special(&self, tokenizer: &TokenizerJson, key: &str) -> Option<u32> {
        let token = self.tokenizer_config.get(key);
        let text = token.and_then(|t| t.as_str().or_else(|| t.get("content")?.as_str()));
        let named = || {
            let id = format!("{key}_id");
            [&self.config, &self.generation]
                .into_iter()
                .find_map(|c| ids(c.get(&id)).first().copied())
        };
        text.and_then(|t| tokenizer.id(t)).or_else(named)
    }

    fn template(&self) -> Option<&str> {
        if let Some(template) = &self.template {
            return Some(template);
        }
        match self.tokenizer_config.get("chat_template")? {
            Value::String(template) => Some(template),
            Value::Array(several) => {
                let default = |t: &&Value| t.get("name").and_then(Value::as_str) == Some("default");
                several.iter().find(default)?.get("template")?.as_str()
            }
            _ => None,
        }
    }
}

fn parsed(name: &str, bytes: &[u8]) -> Result<Value> {
    serde_json::from_slice(&standard(bytes)).map_err(|e| Error::MalformedHeader {
        what: format!("{name} is no JSON: {e}"),
    })
}

fn json(name: &str, bytes: &[u8]) -> Result<Value> {
    let value = parsed(name, bytes)?;
    if value.is_object() {
        return Ok(value);
    }
    Err(Error::MalformedHeader {
        what: format!("{name} holds no JSON object"),
    })
}

/// `bytes` with the numbers that Python writes and JSON does not know as `null`.
fn standard(bytes: &[u8]) -> Cow<'_, [u8]> {
    let (mut out, mut at) = (Vec::new(), 0);
    let (mut quoted, mut i) = (false, 0);
    while i < bytes.len() {
        let words: [&[u8]; 3] = [b"-Infinity", b"Infinity", b"NaN"];
        let word = words.into_iter().find(|w| bytes[i..].starts_with(w));
        match (bytes[i], word) {
            (b'\\', _) if quoted => i += 1,
            (b'"', _) => quoted = !quoted,
            (_, Some(word)) if !quoted => {
                out.extend_from_slice(&bytes[at..i]);
                out.extend_from_slice(b"null");
                i += word.len() - 1;
                at = i + 1;
            }
            _ => {}
        }
        i += 1;
    }
    if at == 0 {
        return Cow::Borrowed(bytes);
    }
    out.extend_from_slice(&bytes[at..]);
    Cow::Owned(out)
}

/// One id or several.
fn ids(value: Option<&Value>) -> Vec<u32> {
    let one = |v: &Value| v.as_u64().and_then(|n| u32::try_from(n).ok());
    match value {
        Some(Value::Array(several)) => several.iter().filter_map(one).collect(),
        Some(value) => one(value).into_iter().collect(),
        None => Vec::new(),
    }
}
