//! `config.json` read, and keys under an architecture's name written.

use serde_json::Value;

use crate::error::{Error, Result};
use crate::format::gguf_write::HeaderWriter;

/// An object of `config.json`, or the whole.
#[derive(Clone, Copy)]
pub(super) struct ConfigJson<'a>(pub &'a Value);

/// The error that `key` is missing.
pub(super) fn missing(key: &str) -> Error {
    Error::MissingKey {
        key: format!("{key} of config.json"),
    }
}

/// The error that `key` is `found`.
pub(super) fn bad(key: &str, found: &Value, expected: &str) -> Error {
    Error::BadKey {
        key: format!("{key} of config.json"),
        found: found.to_string(),
        expected: expected.into(),
    }
}

impl<'a> ConfigJson<'a> {
    /// A value that is not null.
    pub fn get(self, key: &str) -> Option<&'a Value> {
        self.0.get(key).filter(|v| !v.is_null())
    }

    /// An object.
    pub fn object(self, key: &str) -> Option<ConfigJson<'a>> {
        self.get(key).filter(|v| v.is_object()).map(ConfigJson)
    }

    /// A text.
    pub fn str(self, key: &str) -> Option<&'a str> {
        self.get(key)?.as_str()
    }

    /// Whether `architectures` has a name that ends so.
    pub fn names(self, end: &str) -> bool {
        let names = self.get("architectures").and_then(Value::as_array);
        names.is_some_and(|names| {
            let mut names = names.iter().filter_map(Value::as_str);
            names.any(|name| name.ends_with(end))
        })
    }

    /// An unsigned integer.
    #[inline(never)]
    pub fn integer(self, key: &str) -> Result<Option<u32>> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        match value.as_u64().and_then(|n| u32::try_from(n).ok()) {
            Some(n) => Ok(Some(n)),
            None => Err(bad(key, value, "an unsigned 32-bit integer")),
        }
    }

    /// An integer that has to be there.
    #[inline(never)]
    pub fn require(self, key: &str) -> Result<u32> {
        self.integer(key)?.ok_or_else(|| missing(key))
    }

    /// A number.
    #[inline(never)]
    pub fn number(self, key: &str) -> Result<Option<f64>> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        match value.as_f64() {
            Some(x) => Ok(Some(x)),
            None => Err(bad(key, value, "a number")),
        }
    }

    /// A number over 0 that has to be there.
    pub fn positive(self, key: &str) -> Result<f64> {
        self.number(key)?
            .filter(|n| *n > 0.0)
            .ok_or_else(|| missing(key))
    }

    /// A list of `n` numbers.
    pub fn numbers(self, key: &str, n: usize) -> Result<Vec<f32>> {
        let value = self.get(key).ok_or_else(|| missing(key))?;
        let list = value.as_array().filter(|l| l.len() == n);
        list.and_then(|l| l.iter().map(|v| Some(v.as_f64()? as f32)).collect())
            .ok_or_else(|| bad(key, value, &format!("a list of {n} numbers")))
    }

    /// A list with one entry for each layer.
    pub fn layers(self, key: &str) -> Result<Option<&'a [Value]>> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        let n = self.require("num_hidden_layers")? as usize;
        match value.as_array().filter(|l| l.len() == n) {
            Some(list) => Ok(Some(list)),
            None => Err(bad(key, value, &format!("a list of {n} layers"))),
        }
    }

    /// Refuses values that change the mathematics to something that is not computed.
    #[inline(never)]
    pub fn only(self, key: &str, accepted: &[&str]) -> Result<()> {
        match self.get(key) {
            Some(value) if !accepted.contains(&value.to_string().trim_matches('"')) => {
                Err(bad(key, value, &accepted.join(" or ")))
            }
            _ => Ok(()),
        }
    }
}

/// Writes keys under the name of one architecture.
pub(super) struct Writer {
    pub header: HeaderWriter,
    pub name: &'static str,
}

impl Writer {
    fn key(&self, key: &str) -> String {
        format!("{}.{key}", self.name)
    }

    /// Adds a number.
    #[inline(never)]
    pub fn u32(&mut self, key: &str, value: u32) {
        let key = self.key(key);
        self.header.u32(&key, value);
    }

    /// Adds a number.
    #[inline(never)]
    pub fn f32(&mut self, key: &str, value: f64) {
        let key = self.key(key);
        self.header.f32(&key, value as f32);
    }

    /// Adds a text.
    #[inline(never)]
    pub fn str(&mut self, key: &str, value: &str) {
        let key = self.key(key);
        self.header.str(&key, value);
    }

    /// Adds a list of texts.
    pub fn strings(&mut self, key: &str, values: &[String]) {
        let key = self.key(key);
        self.header.strings(&key, values);
    }

    /// Adds a list of numbers.
    pub fn i32s(&mut self, key: &str, values: &[i32]) {
        let key = self.key(key);
        self.header.i32s(&key, values);
    }

    /// Adds a truth value.
    pub fn bool(&mut self, key: &str, value: bool) {
        let key = self.key(key);
        self.header.bool(&key, value);
    }

    /// Adds a list of truth values.
    pub fn bools(&mut self, key: &str, values: &[bool]) {
        let key = self.key(key);
        self.header.bools(&key, values);
    }

    /// Adds the integer `from` of `config` under `key`, if it is there.
    pub fn copy_integer(&mut self, config: ConfigJson<'_>, from: &str, key: &str) -> Result<()> {
        if let Some(n) = config.integer(from)? {
            self.u32(key, n);
        }
        Ok(())
    }

    /// Adds the number `from` of `config` under `key`, if it is there.
    pub fn copy_number(&mut self, config: ConfigJson<'_>, from: &str, key: &str) -> Result<()> {
        if let Some(x) = config.number(from)? {
            self.f32(key, x);
        }
        Ok(())
    }
}
