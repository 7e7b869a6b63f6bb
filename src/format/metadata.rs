//! The key–value part of a GGUF header, kept as the file's own bytes plus one small entry per key.
//!
//! A vocabulary is up to a quarter of a million strings, so arrays stay packed and are read by iterating.

use crate::error::{Error, Result};
use core::ops::Range;

/// The type numbers of GGUF values, as the specification lists them.
pub(super) mod kind {
    pub const U8: u32 = 0;
    pub const I8: u32 = 1;
    pub const U16: u32 = 2;
    pub const I16: u32 = 3;
    pub const U32: u32 = 4;
    pub const I32: u32 = 5;
    pub const F32: u32 = 6;
    pub const BOOL: u32 = 7;
    pub const STRING: u32 = 8;
    pub const ARRAY: u32 = 9;
    pub const U64: u32 = 10;
    pub const I64: u32 = 11;
    pub const F64: u32 = 12;
}

/// Bytes of one value of a fixed-size type.
pub(super) fn fixed_size(kind: u32) -> Option<u64> {
    match kind {
        kind::U8 | kind::I8 | kind::BOOL => Some(1),
        kind::U16 | kind::I16 => Some(2),
        kind::U32 | kind::I32 | kind::F32 => Some(4),
        kind::U64 | kind::I64 | kind::F64 => Some(8),
        _ => None,
    }
}

fn kind_name(kind: u32) -> &'static str {
    match kind {
        kind::U8 => "u8",
        kind::I8 => "i8",
        kind::U16 => "u16",
        kind::I16 => "i16",
        kind::U32 => "u32",
        kind::I32 => "i32",
        kind::F32 => "f32",
        kind::BOOL => "bool",
        kind::STRING => "string",
        kind::ARRAY => "array",
        kind::U64 => "u64",
        kind::I64 => "i64",
        kind::F64 => "f64",
        _ => "unknown",
    }
}

/// One key with the place of its value.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub key: Range<usize>,
    /// The value's type; `ARRAY` for arrays.
    pub kind: u32,
    /// The elements' type of an array, else the same as `kind`.
    pub element: u32,
    /// Elements: 1 unless an array.
    pub len: usize,
    /// Where the value (of an array: the first element) starts; a string starts with its u64 length.
    pub value: Range<usize>,
}

/// All keys of a header. Lookups are by exact key; a value of another type than asked for is `Error::BadKey`.
#[derive(Clone, Default)]
pub struct Metadata {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
    /// Indices of `entries`, ascending by key.
    by_key: Vec<u32>,
}

impl core::fmt::Debug for Metadata {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_map()
            .entries(self.keys().map(|key| (key, self.describe(key))))
            .finish()
    }
}

impl Metadata {
    /// `entries` hold ranges of `bytes` that the header reader has checked: in bounds, keys are UTF-8.
    pub(super) fn new(bytes: &[u8], entries: Vec<Entry>) -> Result<Metadata> {
        let key = |i: u32| &bytes[entries[i as usize].key.clone()];
        let mut by_key: Vec<u32> = (0..entries.len() as u32).collect();
        by_key.sort_by(|a, b| key(*a).cmp(key(*b)));
        if let Some(pair) = by_key.windows(2).find(|pair| key(pair[0]) == key(pair[1])) {
            return Err(Error::MalformedHeader {
                what: format!(
                    "the key {} stands twice",
                    String::from_utf8_lossy(key(pair[0]))
                ),
            });
        }
        Ok(Metadata {
            bytes: bytes.to_vec(),
            entries,
            by_key,
        })
    }

    /// The keys, in the order of the file.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| self.key_of(entry))
    }

    /// Each key with its whole encoding: key, type and value as they stand in the file.
    pub(super) fn encoded(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.entries.iter().map(|entry| {
            let start = entry.key.start - 8; // the key's length
            (self.key_of(entry), &self.bytes[start..entry.value.end])
        })
    }

    /// Whether there is such a key.
    pub fn contains(&self, key: &str) -> bool {
        self.find(key).is_some()
    }

    /// An unsigned integer of any width that fits.
    pub fn u32(&self, key: &str) -> Result<Option<u32>> {
        self.integer(key, "an unsigned 32-bit integer")
    }

    /// An unsigned integer of any width.
    pub fn u64(&self, key: &str) -> Result<Option<u64>> {
        self.integer(key, "an unsigned 64-bit integer")
    }

    /// A floating-point number of either width.
    pub fn f32(&self, key: &str) -> Result<Option<f32>> {
        let Some(entry) = self.find(key) else {
            return Ok(None);
        };
        match entry.kind {
            kind::F32 | kind::F64 => Ok(Some(float(entry.kind, &self.bytes[entry.value.clone()]))),
            _ => Err(self.bad(key, "a floating-point number")),
        }
    }

    /// A truth value.
    pub fn bool(&self, key: &str) -> Result<Option<bool>> {
        let Some(entry) = self.find(key) else {
            return Ok(None);
        };
        match (entry.kind, self.bytes[entry.value.start]) {
            (kind::BOOL, byte @ (0 | 1)) => Ok(Some(byte == 1)),
            _ => Err(self.bad(key, "a bool")),
        }
    }

    /// A string.
    pub fn str(&self, key: &str) -> Result<Option<&str>> {
        let Some(entry) = self.find(key) else {
            return Ok(None);
        };
        if entry.kind != kind::STRING {
            return Err(self.bad(key, "a string"));
        }
        match core::str::from_utf8(&self.bytes[entry.value.start + 8..entry.value.end]) {
            Ok(text) => Ok(Some(text)),
            Err(_) => Err(Error::BadKey {
                key: key.into(),
                found: "a string that is not UTF-8".into(),
                expected: "UTF-8".into(),
            }),
        }
    }

    /// An array of strings, each checked to be UTF-8.
    pub fn strings(&self, key: &str) -> Result<Option<Strings<'_>>> {
        let Some(strings) = self.byte_strings(key)? else {
            return Ok(None);
        };
        match strings
            .clone()
            .position(|s| core::str::from_utf8(s).is_err())
        {
            Some(index) => Err(not_utf8(key, index)),
            None => Ok(Some(Strings(strings))),
        }
    }

    /// An array of strings as bytes, of which nobody has seen whether they are UTF-8.
    pub fn byte_strings(&self, key: &str) -> Result<Option<ByteStrings<'_>>> {
        let Some(entry) = self.find(key) else {
            return Ok(None);
        };
        // An empty array has no reason to name the right element type.
        if entry.kind != kind::ARRAY || (entry.element != kind::STRING && entry.len > 0) {
            return Err(self.bad(key, "an array of strings"));
        }
        Ok(Some(ByteStrings {
            rest: &self.bytes[entry.value.clone()],
            left: entry.len,
        }))
    }

    /// An array of unsigned integers of any width that fit.
    pub fn u32s(&self, key: &str) -> Result<Option<Vec<u32>>> {
        self.integers(key, "an array of unsigned 32-bit integers")
    }

    /// An array of integers of any width that fit.
    pub fn i32s(&self, key: &str) -> Result<Option<Vec<i32>>> {
        self.integers(key, "an array of 32-bit integers")
    }

    /// An array of floating-point numbers of either width.
    pub fn f32s(&self, key: &str) -> Result<Option<Vec<f32>>> {
        let Some(entry) = self.find(key) else {
            return Ok(None);
        };
        match (entry.kind, entry.element, entry.len) {
            (kind::ARRAY, _, 0) => Ok(Some(Vec::new())),
            (kind::ARRAY, kind::F32 | kind::F64, _) => Ok(Some(
                self.elements(entry)
                    .map(|bytes| float(entry.element, bytes))
                    .collect(),
            )),
            _ => Err(self.bad(key, "an array of floating-point numbers")),
        }
    }

    /// An array of bytes, signed or not.
    pub fn bytes(&self, key: &str) -> Result<Option<&[u8]>> {
        let Some(entry) = self.find(key) else {
            return Ok(None);
        };
        match (entry.kind, entry.element, entry.len) {
            (kind::ARRAY, _, 0) => Ok(Some(&[])),
            (kind::ARRAY, kind::U8 | kind::I8, _) => Ok(Some(&self.bytes[entry.value.clone()])),
            _ => Err(self.bad(key, "an array of bytes")),
        }
    }

    /// An array of truth values.
    pub fn bools(&self, key: &str) -> Result<Option<Vec<bool>>> {
        let Some(entry) = self.find(key) else {
            return Ok(None);
        };
        let values = &self.bytes[entry.value.clone()];
        match (entry.kind, entry.element, entry.len) {
            (kind::ARRAY, _, 0) => Ok(Some(Vec::new())),
            (kind::ARRAY, kind::BOOL, _) if values.iter().all(|byte| *byte < 2) => {
                Ok(Some(values.iter().map(|byte| *byte == 1).collect()))
            }
            _ => Err(self.bad(key, "an array of bools")),
        }
    }

    /// `u32`, where a missing key is an error.
    pub fn require_u32(&self, key: &str) -> Result<u32> {
        self.u32(key)?.ok_or_else(|| missing(key))
    }

    /// `f32`, where a missing key is an error.
    pub fn require_f32(&self, key: &str) -> Result<f32> {
        self.f32(key)?.ok_or_else(|| missing(key))
    }

    /// `str`, where a missing key is an error.
    pub fn require_str(&self, key: &str) -> Result<&str> {
        self.str(key)?.ok_or_else(|| missing(key))
    }

    /// `strings`, where a missing key is an error.
    pub fn require_strings(&self, key: &str) -> Result<Strings<'_>> {
        self.strings(key)?.ok_or_else(|| missing(key))
    }

    /// As `byte_strings`, of a key that must be there.
    pub fn require_byte_strings(&self, key: &str) -> Result<ByteStrings<'_>> {
        self.byte_strings(key)?.ok_or_else(|| missing(key))
    }

    /// A short line for people: the value, or an array's length and first elements. Empty for an unknown key.
    pub fn describe(&self, key: &str) -> String {
        const SHOWN_ELEMENTS: usize = 8;
        const SHOWN_CHARS: usize = 100;
        let Some(entry) = self.find(key) else {
            return String::new();
        };
        let value = &self.bytes[entry.value.clone()];
        let text = match (entry.kind, entry.element) {
            (kind::STRING, _) => format!("{:?}", String::from_utf8_lossy(&value[8..])),
            (kind::ARRAY, element) => {
                let shown: Vec<String> = if element == kind::STRING {
                    let strings = ByteStrings {
                        rest: value,
                        left: entry.len,
                    };
                    strings
                        .take(SHOWN_ELEMENTS)
                        .map(|s| format!("{:?}", String::from_utf8_lossy(s)))
                        .collect()
                } else {
                    self.elements(entry)
                        .take(SHOWN_ELEMENTS)
                        .map(|bytes| scalar(element, bytes))
                        .collect()
                };
                let more = if entry.len > SHOWN_ELEMENTS {
                    ", …"
                } else {
                    ""
                };
                let name = kind_name(element);
                format!("{} × {name}: [{}{more}]", entry.len, shown.join(", "))
            }
            (kind, _) => scalar(kind, value),
        };
        match text.char_indices().nth(SHOWN_CHARS) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text,
        }
    }

    fn find(&self, key: &str) -> Option<&Entry> {
        let at = self
            .by_key
            .binary_search_by(|i| self.key_of(&self.entries[*i as usize]).cmp(key));
        at.ok().map(|at| &self.entries[self.by_key[at] as usize])
    }

    fn key_of(&self, entry: &Entry) -> &str {
        core::str::from_utf8(&self.bytes[entry.key.clone()]).unwrap_or_default()
    }

    fn elements(&self, entry: &Entry) -> core::slice::ChunksExact<'_, u8> {
        let size = fixed_size(entry.element).unwrap_or(1) as usize;
        self.bytes[entry.value.clone()].chunks_exact(size)
    }

    fn integer<T: TryFrom<i128>>(&self, key: &str, expected: &str) -> Result<Option<T>> {
        let Some(entry) = self.find(key) else {
            return Ok(None);
        };
        integer(entry.kind, &self.bytes[entry.value.clone()])
            .and_then(|value| T::try_from(value).ok())
            .map(Some)
            .ok_or_else(|| self.bad(key, expected))
    }

    fn integers<T: TryFrom<i128>>(&self, key: &str, expected: &str) -> Result<Option<Vec<T>>> {
        let Some(entry) = self.find(key) else {
            return Ok(None);
        };
        if entry.kind != kind::ARRAY {
            return Err(self.bad(key, expected));
        }
        if entry.len == 0 {
            return Ok(Some(Vec::new()));
        }
        if entry.element == kind::STRING {
            return Err(self.bad(key, expected));
        }
        self.elements(entry)
            .map(|bytes| integer(entry.element, bytes).and_then(|value| T::try_from(value).ok()))
            .collect::<Option<Vec<T>>>()
            .map(Some)
            .ok_or_else(|| self.bad(key, expected))
    }

    fn bad(&self, key: &str, expected: &str) -> Error {
        let kind = self.find(key).map_or("nothing", |e| kind_name(e.kind));
        Error::BadKey {
            key: key.into(),
            found: format!("{kind} {}", self.describe(key)),
            expected: expected.into(),
        }
    }
}

fn not_utf8(key: &str, index: usize) -> Error {
    Error::BadKey {
        key: key.into(),
        found: format!("an array whose element {index} is not UTF-8"),
        expected: "an array of UTF-8 strings".into(),
    }
}

fn missing(key: &str) -> Error {
    Error::MissingKey { key: key.into() }
}

fn integer(kind: u32, bytes: &[u8]) -> Option<i128> {
    if fixed_size(kind)? != bytes.len() as u64 {
        return None;
    }
    let mut wide = [0; 8];
    wide[..bytes.len()].copy_from_slice(bytes);
    let unsigned = u64::from_le_bytes(wide);
    let unused = 64 - 8 * bytes.len() as u32;
    let signed = (unsigned << unused) as i64 >> unused;
    match kind {
        kind::U8 | kind::U16 | kind::U32 | kind::U64 => Some(i128::from(unsigned)),
        kind::I8 | kind::I16 | kind::I32 | kind::I64 => Some(i128::from(signed)),
        _ => None,
    }
}

/// `kind` is F32 or F64, `bytes` of its size.
fn float(kind: u32, bytes: &[u8]) -> f32 {
    match (kind, bytes) {
        (kind::F32, &[a, b, c, d]) => f32::from_le_bytes([a, b, c, d]),
        (_, &[a, b, c, d, e, f, g, h]) => f64::from_le_bytes([a, b, c, d, e, f, g, h]) as f32,
        _ => f32::NAN,
    }
}

fn scalar(kind: u32, bytes: &[u8]) -> String {
    match kind {
        kind::F32 | kind::F64 => format!("{:?}", float(kind, bytes)),
        kind::BOOL => match bytes[0] {
            0 => "false".into(),
            1 => "true".into(),
            other => format!("bool {other}"),
        },
        _ => integer(kind, bytes).map_or_else(String::new, |value| value.to_string()),
    }
}

/// Iterator over an array of strings.
#[derive(Debug, Clone)]
pub struct Strings<'a>(ByteStrings<'a>);

impl<'a> Iterator for Strings<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let bytes = self.0.next()?;
        Some(core::str::from_utf8(bytes).unwrap_or_default())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl ExactSizeIterator for Strings<'_> {}

/// Iterator over an array of strings as bytes.
#[derive(Debug, Clone)]
pub struct ByteStrings<'a> {
    rest: &'a [u8],
    left: usize,
}

impl<'a> Iterator for ByteStrings<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        self.left = self.left.checked_sub(1)?;
        let (len, rest) = self.rest.split_first_chunk::<8>()?;
        let (string, rest) = rest.split_at_checked(u64::from_le_bytes(*len) as usize)?;
        self.rest = rest;
        Some(string)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for ByteStrings<'_> {}
