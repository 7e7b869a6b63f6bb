//! Writer of GGUF headers (little-endian, version 3): metadata copied from another file, and a new tensor directory.
//!
//! It writes no weights: the caller writes each tensor's data after the header, in the order of the directory, padded
//! to the alignment.

use super::gguf;
use super::metadata::{Metadata, kind};
use crate::error::Result;
use crate::quant::Format;

/// A header under construction.
pub struct HeaderWriter {
    alignment: u64,
    n_keys: u64,
    keys: Vec<u8>,
    n_tensors: u64,
    tensors: Vec<u8>,
    /// Where the next tensor starts, counted from the first.
    offset: u64,
}

impl HeaderWriter {
    /// A header whose tensors start at multiples of `alignment`, a power of two. The key `general.alignment` is the
    /// caller's to copy.
    pub fn new(alignment: u32) -> HeaderWriter {
        assert!(alignment.is_power_of_two(), "an alignment of {alignment}");
        HeaderWriter {
            alignment: u64::from(alignment),
            n_keys: 0,
            keys: Vec::new(),
            n_tensors: 0,
            tensors: Vec::new(),
            offset: 0,
        }
    }

    /// Copies every key of `metadata` in order, with the u32 values of `replaced` in place of its own; those that it
    /// does not have come last.
    pub fn copy(&mut self, metadata: &Metadata, replaced: &[(&str, u32)]) {
        // What is written is one file, whatever the keys were read from.
        for (key, encoded) in metadata
            .encoded()
            .filter(|(key, _)| !key.starts_with("split."))
        {
            match replaced.iter().find(|(name, _)| *name == key) {
                Some((_, value)) => self.u32(key, *value),
                None => {
                    self.n_keys += 1;
                    self.keys.extend_from_slice(encoded);
                }
            }
        }
        for (key, value) in replaced.iter().filter(|(key, _)| !metadata.contains(key)) {
            self.u32(key, *value);
        }
    }

    fn key(&mut self, key: &str, kind: u32) {
        self.n_keys += 1;
        string(&mut self.keys, key);
        self.keys.extend(kind.to_le_bytes());
    }

    fn array(&mut self, key: &str, element: u32, len: usize) {
        self.key(key, kind::ARRAY);
        self.keys.extend(element.to_le_bytes());
        self.keys.extend((len as u64).to_le_bytes());
    }

    /// Adds a key with a number.
    pub fn u32(&mut self, key: &str, value: u32) {
        self.key(key, kind::U32);
        self.keys.extend(value.to_le_bytes());
    }

    /// Adds a key with a number.
    pub fn f32(&mut self, key: &str, value: f32) {
        self.key(key, kind::F32);
        self.keys.extend(value.to_le_bytes());
    }

    /// Adds a key with a truth value.
    pub fn bool(&mut self, key: &str, value: bool) {
        self.key(key, kind::BOOL);
        self.keys.push(u8::from(value));
    }

    /// Adds a key with truth values.
    pub fn bools(&mut self, key: &str, values: &[bool]) {
        self.array(key, kind::BOOL, values.len());
        self.keys.extend(values.iter().map(|v| u8::from(*v)));
    }

    /// Adds a key with a text.
    pub fn str(&mut self, key: &str, value: &str) {
        self.key(key, kind::STRING);
        string(&mut self.keys, value);
    }

    /// Adds a key with texts.
    pub fn strings(&mut self, key: &str, values: &[impl AsRef<str>]) {
        self.array(key, kind::STRING, values.len());
        values
            .iter()
            .for_each(|v| string(&mut self.keys, v.as_ref()));
    }

    /// Adds a key with bytes.
    pub fn u8s(&mut self, key: &str, values: &[u8]) {
        self.array(key, kind::U8, values.len());
        self.keys.extend(values);
    }

    /// Adds a key with numbers.
    pub fn i32s(&mut self, key: &str, values: &[i32]) {
        self.array(key, kind::I32, values.len());
        values
            .iter()
            .for_each(|v| self.keys.extend(v.to_le_bytes()));
    }

    /// Adds a key with numbers.
    pub fn f32s(&mut self, key: &str, values: &[f32]) {
        self.array(key, kind::F32, values.len());
        values
            .iter()
            .for_each(|v| self.keys.extend(v.to_le_bytes()));
    }

    /// The keys so far, read back as a file's would be.
    pub fn metadata(self) -> Result<Metadata> {
        match gguf::read(&self.finish())? {
            gguf::Progress::Done(gguf) => Ok(gguf.metadata),
            gguf::Progress::NeedBytes(_) => unreachable!("a header without tensors is whole"),
        }
    }

    /// Adds a tensor (`shape[0]` contiguous values, whole blocks) and returns how many bytes of data it has.
    pub fn tensor(&mut self, name: &str, shape: &[u64], format: Format) -> u64 {
        let rows: u64 = shape[1..].iter().product();
        let bytes = shape[0] / format.block_len() as u64 * format.block_bytes() as u64 * rows;
        self.n_tensors += 1;
        string(&mut self.tensors, name);
        self.tensors.extend((shape.len() as u32).to_le_bytes());
        shape
            .iter()
            .for_each(|d| self.tensors.extend(d.to_le_bytes()));
        self.tensors.extend(format.ggml_type().to_le_bytes());
        self.tensors.extend(self.offset.to_le_bytes());
        self.offset += bytes.next_multiple_of(self.alignment);
        bytes
    }

    /// The header's bytes, padded so that the first tensor follows at once.
    pub fn finish(self) -> Vec<u8> {
        let mut out = Vec::with_capacity(24 + self.keys.len() + self.tensors.len());
        out.extend(b"GGUF");
        out.extend(3u32.to_le_bytes());
        out.extend(self.n_tensors.to_le_bytes());
        out.extend(self.n_keys.to_le_bytes());
        out.extend(self.keys);
        out.extend(self.tensors);
        out.resize(out.len().next_multiple_of(self.alignment as usize), 0);
        out
    }
}

fn string(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}
