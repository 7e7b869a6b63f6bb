//! The weights of one file, as its bytes arrive.

use crate::error::{Error, Result};
use crate::format::gguf::TensorInfo;
use crate::transformer::WeightsBuilder;

/// One file past its header.
pub(super) struct Shard {
    /// Sorted by offset, each with its index among the wanted ones.
    tensors: Vec<(TensorInfo, Option<usize>)>,
    start: u64,
    file_bytes: u64,
    /// Bytes of the file taken so far.
    position: u64,
    /// The tensor being read.
    current: usize,
    /// Units of it that have been put.
    unit: usize,
}

impl Shard {
    /// `tensors`: sorted by offset, without overlaps, each with its index in the builder.
    pub fn new(tensors: Vec<(TensorInfo, Option<usize>)>, start: u64, file_bytes: u64) -> Shard {
        Shard {
            tensors,
            start,
            file_bytes,
            position: start,
            current: 0,
            unit: 0,
        }
    }

    /// Where tensor data starts in the file.
    pub fn start(&self) -> u64 {
        self.start
    }

    /// Takes the bytes at `position`; `held` keeps the start of a unit until the rest has come.
    pub fn push(&mut self, builder: &mut WeightsBuilder, held: &mut Vec<u8>, mut bytes: &[u8]) {
        while let Some((tensor, index)) = self.tensors.get(self.current) {
            let end = tensor.offset + tensor.bytes;
            let Some(index) = *index else {
                if !skip(&mut self.position, &mut bytes, end) {
                    return;
                }
                self.current += 1;
                continue;
            };
            let unit_bytes = builder.unit_bytes(index) as u64;
            let start = tensor.offset + self.unit as u64 * unit_bytes;
            if start >= end {
                (self.current, self.unit) = (self.current + 1, 0);
                continue;
            }
            if held.is_empty() && !skip(&mut self.position, &mut bytes, start) {
                return;
            }
            let size = unit_bytes.min(end - start) as usize;
            if held.is_empty() && bytes.len() >= size {
                builder.put(index, self.unit, &bytes[..size]);
                bytes = &bytes[size..];
            } else {
                let n = (size - held.len()).min(bytes.len());
                held.extend_from_slice(&bytes[..n]);
                bytes = &bytes[n..];
                if held.len() < size {
                    return;
                }
                builder.put(index, self.unit, held);
                held.clear();
            }
            self.position += size as u64;
            self.unit += 1;
        }
    }

    /// The error that the file ended too early, if it did; `held` bytes wait for the rest of their unit.
    pub fn check_complete(&self, held: u64) -> Result<()> {
        // The last unit of a tensor leaves `current` there until the next byte.
        let mut rest = self.tensors[self.current..].iter();
        match rest.find(|(t, _)| t.offset + t.bytes > self.position) {
            Some((tensor, _)) => Err(Error::Truncated {
                what: format!("the file (tensor {})", tensor.name),
                expected: self.file_bytes,
                found: self.position + held,
            }),
            None => Ok(()),
        }
    }
}

/// Drops bytes until `position` is `to`; whether it is.
fn skip(position: &mut u64, bytes: &mut &[u8], to: u64) -> bool {
    let n = (to - *position).min(bytes.len() as u64);
    *bytes = &bytes[n as usize..];
    *position += n;
    *position == to
}
