//! The normalisation that SentencePiece compiles into a model: a double-array trie from byte strings to replacements.
//!
//! Layout (`tokenizer.ggml.precompiled_charsmap`): the trie's length in bytes as u32, the trie's units as u32, then
//! the replacements, each ending in a zero byte. A unit is read as the library "darts-clone" documents it.

use crate::error::{Error, Result};

/// The longest in Unicode's own compatibility forms has 33 bytes; hostile ones would blow a text up.
const MAX_REPLACEMENT: usize = 64;

pub(super) struct Charsmap {
    units: Vec<u32>,
    replacements: Vec<u8>,
}

impl Charsmap {
    pub fn new(blob: &[u8]) -> Result<Charsmap> {
        let bad = |what: &str| Error::BadKey {
            key: "tokenizer.ggml.precompiled_charsmap".into(),
            found: format!("{} bytes, {what}", blob.len()),
            expected: "a trie's length, the trie and its replacements".into(),
        };
        let (len, rest) = blob
            .split_first_chunk::<4>()
            .ok_or_else(|| bad("too short for a length"))?;
        let len = u32::from_le_bytes(*len) as usize;
        if !len.is_multiple_of(4) {
            return Err(bad("whose trie is not made of whole units"));
        }
        let (trie, replacements) = rest
            .split_at_checked(len)
            .ok_or_else(|| bad("shorter than its trie"))?;
        let lengths = replacements.split(|byte| *byte == 0).map(<[u8]>::len);
        if lengths.max().unwrap_or(0) > MAX_REPLACEMENT {
            return Err(bad("with a replacement of more than 64 bytes"));
        }
        let units = trie.as_chunks::<4>().0;
        Ok(Charsmap {
            units: units.iter().map(|unit| u32::from_le_bytes(*unit)).collect(),
            replacements: replacements.to_vec(),
        })
    }

    /// The replacement of the longest known start of `text`, and how many bytes it replaces.
    pub fn longest(&self, text: &str) -> Option<(&str, usize)> {
        let unit = |at: u32| self.units.get(at as usize).copied();
        let offset = |unit: u32| (unit >> 10) << ((unit & (1 << 9)) >> 6);
        let mut found = None;
        let mut at = offset(unit(0)?);
        for (index, byte) in text.bytes().enumerate() {
            if byte == 0 {
                break;
            }
            at ^= u32::from(byte);
            let Some(node) = unit(at).filter(|node| node & 0x8000_00ff == u32::from(byte)) else {
                break;
            };
            at ^= offset(node);
            if node & (1 << 8) != 0 {
                found = unit(at).map(|leaf| (leaf & 0x7fff_ffff, index + 1));
            }
        }
        let (start, len) = found?;
        let rest = self.replacements.get(start as usize..)?;
        let end = rest.iter().position(|byte| *byte == 0)?;
        // A hostile trie may end a match, or start a replacement, within a character.
        let replacement = core::str::from_utf8(&rest[..end]).ok()?;
        text.is_char_boundary(len).then_some((replacement, len))
    }
}
