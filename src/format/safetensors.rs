//! Streamed reader of safetensors headers: the file's first bytes → its tensors, total over hostile input.
//!
//! It reads no weights. Names, shapes and places come out as they stand; types that hold no weights are left out.

use super::gguf::TensorInfo;
use crate::error::{Error, Result};
use crate::quant::Format;
use safetensors::tensor::{Dtype, Metadata};

/// The format's own limit.
const MAX_HEADER_BYTES: u64 = 100_000_000;

/// A file's directory.
#[derive(Debug, Clone, PartialEq)]
pub struct Safetensors {
    /// Sorted by offset from the start of the file. Shapes in GGUF order: `shape[0]` counts contiguous values.
    pub tensors: Vec<TensorInfo>,
    /// Names of the tensors of other types than f32, f16 and bf16, with the type's name.
    pub others: Vec<(String, String)>,
    /// Where tensor data starts.
    pub data_start: u64,
    /// The end of the file.
    pub file_bytes: u64,
}

/// What [`read`] made of a prefix.
#[derive(Debug)]
pub enum Progress {
    /// The header reaches this many bytes into the file.
    NeedBytes(u64),
    /// The whole directory.
    Done(Safetensors),
}

/// Reads the header from the file's first bytes.
pub fn read(prefix: &[u8]) -> Result<Progress> {
    let Some(length) = prefix.first_chunk::<8>() else {
        return Ok(Progress::NeedBytes(8));
    };
    let length = u64::from_le_bytes(*length);
    if length > MAX_HEADER_BYTES {
        return Err(malformed(format!(
            "it claims a safetensors header of {length} bytes, at most {MAX_HEADER_BYTES} are allowed; check that the \
             address leads to the file itself"
        )));
    }
    let data_start = 8 + length;
    let Some(json) = prefix.get(8..data_start as usize) else {
        return Ok(Progress::NeedBytes(data_start));
    };
    let metadata: Metadata = serde_json::from_slice(json)
        .map_err(|e| malformed(format!("the safetensors header is unusable: {e}")))?;
    let mut tensors = Vec::new();
    let mut others = Vec::new();
    for (name, info) in metadata.tensors() {
        let format = match info.dtype {
            Dtype::F32 => Format::F32,
            Dtype::F16 => Format::F16,
            Dtype::BF16 => Format::BF16,
            other => {
                others.push((name, format!("{other:?}")));
                continue;
            }
        };
        let shape: Vec<u64> = match info.shape[..] {
            [] => vec![1],
            ref shape => shape.iter().rev().map(|n| *n as u64).collect(),
        };
        if shape.contains(&0) {
            return Err(malformed(format!(
                "tensor {name:?} has shape {:?}",
                info.shape
            )));
        }
        let (start, end) = info.data_offsets;
        tensors.push(TensorInfo {
            name,
            format,
            shape,
            offset: data_start + start as u64,
            bytes: (end - start) as u64,
        });
    }
    tensors.sort_by_key(|t| t.offset);
    others.sort();
    Ok(Progress::Done(Safetensors {
        tensors,
        others,
        data_start,
        file_bytes: data_start.saturating_add(metadata.data_len() as u64),
    }))
}

fn malformed(what: String) -> Error {
    Error::MalformedHeader { what }
}
