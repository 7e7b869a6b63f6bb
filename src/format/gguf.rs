//! Streamed reader of GGUF headers (little-endian, versions 2 and 3), total over hostile input.
//!
//! Give it the file's first bytes; it answers with the whole directory or with how many bytes it needs at least.
//! It reads no weights and looks at no byte behind the tensor directory.

use super::metadata::{Entry, Metadata, fixed_size, kind};
use crate::error::{Error, Result};
use crate::quant::Format;

/// A header longer than this is hostile: the largest real ones (vocabularies of 260,000 pieces) are below 32 MiB.
const MAX_HEADER_BYTES: u64 = 256 << 20;
const MAX_KEYS: u64 = 1 << 16;
const MAX_TENSORS: u64 = 1 << 16;
const MAX_KEY_BYTES: u64 = 65_535;
const MAX_TENSOR_NAME_BYTES: u64 = 1024;
const MAX_DIMENSIONS: u32 = 4;
const DEFAULT_ALIGNMENT: u32 = 32;

/// Smallest possible encodings, by which `NeedBytes` stays a true lower bound: key = length, type, one byte.
const MIN_KEY_BYTES: u64 = 8 + 4 + 1;
/// Name length, number of dimensions, one dimension, type, offset.
const MIN_TENSOR_BYTES: u64 = 8 + 4 + 8 + 4 + 8;

/// A file's directory.
#[derive(Debug, Clone)]
pub struct Gguf {
    /// The version of the file format.
    pub version: u32,
    /// The key–value part.
    pub metadata: Metadata,
    /// Sorted by offset.
    pub tensors: Vec<TensorInfo>,
    /// Where tensor data starts, from the start of the file.
    pub data_start: u64,
    /// The end of the last tensor: a shorter file is truncated.
    pub file_bytes: u64,
}

/// One tensor of the directory.
#[derive(Debug, Clone, PartialEq)]
pub struct TensorInfo {
    /// The name, verbatim.
    pub name: String,
    /// The block format.
    pub format: Format,
    /// Dimensions in GGUF order: `shape[0]` counts contiguous values (columns).
    pub shape: Vec<u64>,
    /// From the start of the file.
    pub offset: u64,
    /// Bytes of data.
    pub bytes: u64,
}

/// What `read` made of a prefix.
#[derive(Debug)]
pub enum Progress {
    /// The header surely reaches at least this many bytes into the file; always more than were given.
    NeedBytes(u64),
    /// The whole directory.
    Done(Gguf),
}

/// Reads the header from the file's first bytes.
pub fn read(prefix: &[u8]) -> Result<Progress> {
    let mut cursor = Cursor {
        bytes: prefix,
        at: 0,
        reserved: 0,
    };
    match header(&mut cursor) {
        Ok(gguf) => Ok(Progress::Done(gguf)),
        Err(Stop::Short(needed)) => {
            if needed > MAX_HEADER_BYTES {
                return Err(too_long());
            }
            Ok(Progress::NeedBytes(needed))
        }
        Err(Stop::Bad(error)) => Err(error),
    }
}

/// A result inside the reader, where running out of bytes is one way to stop.
type Read<T> = core::result::Result<T, Stop>;

enum Stop {
    Short(u64),
    Bad(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Stop {
        Stop::Bad(error)
    }
}

fn malformed(what: String) -> Stop {
    Stop::Bad(Error::MalformedHeader { what })
}

fn too_long() -> Error {
    Error::MalformedHeader {
        what: format!("it claims to be longer than {MAX_HEADER_BYTES} bytes"),
    }
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Bytes that must follow the field being read, whatever they say.
    reserved: u64,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, len: u64) -> Read<&'a [u8]> {
        let end = (self.at as u64).saturating_add(len);
        if end > self.bytes.len() as u64 {
            return Err(Stop::Short(end.saturating_add(self.reserved)));
        }
        if end > MAX_HEADER_BYTES {
            return Err(Stop::Bad(too_long()));
        }
        let taken = &self.bytes[self.at..end as usize];
        self.at = end as usize;
        Ok(taken)
    }

    fn u32(&mut self) -> Read<u32> {
        let mut le = [0; 4];
        le.copy_from_slice(self.take(4)?);
        Ok(u32::from_le_bytes(le))
    }

    fn u64(&mut self) -> Read<u64> {
        let mut le = [0; 8];
        le.copy_from_slice(self.take(8)?);
        Ok(u64::from_le_bytes(le))
    }

    /// A length-prefixed string of at most `max` bytes.
    fn string(&mut self, max: u64, what: &str) -> Read<&'a str> {
        let start = self.at;
        let len = self.u64()?;
        if len > max {
            return Err(malformed(format!(
                "{what} at byte {start} claims {len} bytes, at most {max} are allowed"
            )));
        }
        let bytes = self.take(len)?;
        core::str::from_utf8(bytes)
            .map_err(|_| malformed(format!("{what} at byte {start} is not UTF-8")))
    }
}

fn header(cursor: &mut Cursor<'_>) -> Read<Gguf> {
    let magic = &cursor.bytes[..cursor.bytes.len().min(4)];
    if !b"GGUF".starts_with(magic) {
        return Err(Stop::Bad(Error::NotGguf {
            found: magic.to_vec(),
        }));
    }
    cursor.reserved = 4 + 8 + 8;
    cursor.take(4)?;
    cursor.reserved = 8 + 8;
    let version = cursor.u32()?;
    if !(2..=3).contains(&version) {
        return Err(Stop::Bad(Error::UnsupportedVersion { version }));
    }
    cursor.reserved = 8;
    let n_tensors = cursor.u64()?;
    cursor.reserved = 0;
    let n_keys = cursor.u64()?;
    for (what, count, max) in [
        ("tensors", n_tensors, MAX_TENSORS),
        ("keys", n_keys, MAX_KEYS),
    ] {
        if count > max {
            return Err(malformed(format!(
                "it claims {count} {what}, at most {max} are allowed"
            )));
        }
    }

    let mut entries = Vec::new();
    for left in (0..n_keys).rev() {
        let reserved = left * MIN_KEY_BYTES + n_tensors * MIN_TENSOR_BYTES;
        entries.push(entry(cursor, reserved)?);
    }
    let metadata_end = cursor.at;

    let mut directory = Vec::new();
    for left in (0..n_tensors).rev() {
        directory.push(tensor(cursor, left * MIN_TENSOR_BYTES)?);
    }

    // Only now, with every byte there, is anything large copied.
    let metadata = Metadata::new(&cursor.bytes[..metadata_end], entries)?;
    let alignment = metadata
        .u32("general.alignment")?
        .unwrap_or(DEFAULT_ALIGNMENT);
    if !alignment.is_power_of_two() {
        return Err(Stop::Bad(Error::BadKey {
            key: "general.alignment".into(),
            found: alignment.to_string(),
            expected: "a power of two".into(),
        }));
    }
    let data_start = (cursor.at as u64).next_multiple_of(u64::from(alignment));
    let tensors = place(directory, data_start, u64::from(alignment))?;
    let file_bytes = tensors
        .iter()
        .map(|t| t.offset + t.bytes)
        .max()
        .unwrap_or(cursor.at as u64);
    Ok(Gguf {
        version,
        metadata,
        tensors,
        data_start,
        file_bytes,
    })
}

/// One key with its value; `after` bytes at least follow it.
fn entry(cursor: &mut Cursor<'_>, after: u64) -> Read<Entry> {
    cursor.reserved = after + 4 + 1;
    let key_start = cursor.at + 8;
    let name = cursor.string(MAX_KEY_BYTES, "the key")?;
    let key = key_start..cursor.at;
    cursor.reserved = after + 1;
    let kind = cursor.u32()?;
    cursor.reserved = after;

    let (element, len) = if kind == kind::ARRAY {
        cursor.reserved = after + 8;
        let element = cursor.u32()?;
        cursor.reserved = after;
        (element, cursor.u64()?)
    } else {
        (kind, 1)
    };
    let start = cursor.at;
    match (element, fixed_size(element)) {
        (_, Some(size)) => {
            let bytes = len.checked_mul(size).ok_or_else(|| Stop::Bad(too_long()))?;
            cursor.take(bytes)?;
        }
        (kind::STRING, _) => {
            // Each string is at least its length field, so a hostile count ends here and not in a long loop.
            let least = len.saturating_mul(8);
            if least > MAX_HEADER_BYTES {
                return Err(Stop::Bad(too_long()));
            }
            for left in (0..len).rev() {
                cursor.reserved = after + left * 8;
                let bytes = cursor.u64()?;
                cursor.take(bytes)?;
            }
        }
        (kind::ARRAY, _) => {
            return Err(malformed(format!(
                "the key {name:?} is an array of arrays, which no GGUF key uses"
            )));
        }
        (unknown, _) => {
            return Err(malformed(format!(
                "the key {name:?} has the unknown value type {unknown}"
            )));
        }
    }
    Ok(Entry {
        key,
        kind,
        element,
        len: len as usize,
        value: start..cursor.at,
    })
}

/// One row of the tensor directory, its offset still counted from `data_start`; `after` bytes at least follow it.
fn tensor(cursor: &mut Cursor<'_>, after: u64) -> Read<TensorInfo> {
    cursor.reserved = after + MIN_TENSOR_BYTES - 8;
    let name = cursor.string(MAX_TENSOR_NAME_BYTES, "the tensor name")?;
    cursor.reserved = after + 8 + 4 + 8;
    let n_dims = cursor.u32()?;
    if !(1..=MAX_DIMENSIONS).contains(&n_dims) {
        return Err(malformed(format!(
            "tensor {name:?} has {n_dims} dimensions, 1 to {MAX_DIMENSIONS} are allowed"
        )));
    }
    let mut shape = Vec::with_capacity(n_dims as usize);
    for left in (0..n_dims).rev() {
        cursor.reserved = after + u64::from(left) * 8 + 4 + 8;
        shape.push(cursor.u64()?);
    }
    cursor.reserved = after + 8;
    let ggml_type = cursor.u32()?;
    cursor.reserved = after;
    let offset = cursor.u64()?;

    let Some(format) = Format::from_ggml_type(ggml_type) else {
        return Err(Stop::Bad(Error::UnsupportedFormat {
            tensor: name.into(),
            format: match ggml_name(ggml_type) {
                Some(known) => format!("{known} (ggml type {ggml_type})"),
                None => format!("ggml type {ggml_type}"),
            },
        }));
    };
    if shape.contains(&0) {
        return Err(malformed(format!("tensor {name:?} has shape {shape:?}")));
    }
    let block_len = format.block_len() as u64;
    if !shape[0].is_multiple_of(block_len) {
        return Err(malformed(format!(
            "tensor {name:?} has rows of {} values, which are not whole {} blocks of {block_len}",
            shape[0],
            format.name()
        )));
    }
    let bytes = shape[1..]
        .iter()
        .try_fold(shape[0] / block_len, |product, d| product.checked_mul(*d))
        .and_then(|blocks| blocks.checked_mul(format.block_bytes() as u64))
        .ok_or_else(|| {
            malformed(format!(
                "tensor {name:?} has shape {shape:?}, whose size overflows"
            ))
        })?;
    Ok(TensorInfo {
        name: name.into(),
        format,
        shape,
        offset,
        bytes,
    })
}

/// Sorts by offset, makes offsets absolute and refuses duplicates, misalignment and overlaps.
fn place(mut tensors: Vec<TensorInfo>, data_start: u64, alignment: u64) -> Read<Vec<TensorInfo>> {
    let mut names: Vec<&str> = tensors.iter().map(|t| t.name.as_str()).collect();
    names.sort_unstable();
    if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(malformed(format!("tensor {:?} stands twice", pair[0])));
    }
    for t in &mut tensors {
        if !t.offset.is_multiple_of(alignment) {
            return Err(malformed(format!(
                "tensor {:?} starts at {}, which is no multiple of the alignment {alignment}",
                t.name, t.offset
            )));
        }
        t.offset = data_start
            .checked_add(t.offset)
            .filter(|start| start.checked_add(t.bytes).is_some())
            .ok_or_else(|| malformed(format!("tensor {:?} ends behind 2^64", t.name)))?;
    }
    tensors.sort_by_key(|t| t.offset);
    if let Some(pair) = tensors
        .windows(2)
        .find(|pair| pair[0].offset + pair[0].bytes > pair[1].offset)
    {
        return Err(malformed(format!(
            "tensors {:?} and {:?} overlap",
            pair[0].name, pair[1].name
        )));
    }
    Ok(tensors)
}

/// Names of the types that ggml defines (`enum ggml_type`), so that a message can say more than a number.
fn ggml_name(ggml_type: u32) -> Option<&'static str> {
    Some(match ggml_type {
        0 => "f32",
        1 => "f16",
        2 => "q4_0",
        3 => "q4_1",
        6 => "q5_0",
        7 => "q5_1",
        8 => "q8_0",
        9 => "q8_1",
        10 => "q2_k",
        11 => "q3_k",
        12 => "q4_k",
        13 => "q5_k",
        14 => "q6_k",
        15 => "q8_k",
        16 => "iq2_xxs",
        17 => "iq2_xs",
        18 => "iq3_xxs",
        19 => "iq1_s",
        20 => "iq4_nl",
        21 => "iq3_s",
        22 => "iq2_s",
        23 => "iq4_xs",
        24 => "i8",
        25 => "i16",
        26 => "i32",
        27 => "i64",
        28 => "f64",
        29 => "iq1_m",
        30 => "bf16",
        34 => "tq1_0",
        35 => "tq2_0",
        39 => "mxfp4",
        _ => return None,
    })
}
