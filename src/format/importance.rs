//! Importance data ("imatrix"): for each matrix the mean square of each column's input over a text. Read and written as
//! GGUF, the way llama.cpp keeps it since 2025.

use super::gguf::{self, Gguf, Progress, TensorInfo};
use super::gguf_write::HeaderWriter;
use crate::error::{Error, Result};
use crate::quant::Format;

const SUMS: &str = ".in_sum2";
const COUNTS: &str = ".counts";

/// A file of importance data is refused above this size: those of the largest models are below 100 MB.
pub const MAX_FILE_BYTES: u64 = 1 << 30;

/// One matrix.
#[derive(Debug, Clone, PartialEq)]
pub struct Columns {
    /// Its name.
    pub tensor: String,
    /// Sums of squares \[cols\].
    pub sums: Vec<f32>,
    /// Tokens that were added up.
    pub count: f32,
}

/// Every matrix that is known of.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Importance {
    matrices: Vec<Columns>,
    /// Mean squares, in the order of `matrices`.
    means: Vec<Vec<f32>>,
}

impl Importance {
    /// From sums.
    pub fn new(mut matrices: Vec<Columns>) -> Importance {
        matrices.sort_by(|a, b| a.tensor.cmp(&b.tensor));
        let means = matrices
            .iter()
            .map(|m| m.sums.iter().map(|s| s / m.count.max(1.0)).collect())
            .collect();
        Importance { matrices, means }
    }

    /// The matrices, by name.
    pub fn matrices(&self) -> &[Columns] {
        &self.matrices
    }

    /// The mean squares of the columns of `tensor`; empty where nothing is known of it.
    pub fn of(&self, tensor: &TensorInfo) -> Result<&[f32]> {
        let Ok(at) = self
            .matrices
            .binary_search_by(|m| m.tensor.as_str().cmp(&tensor.name))
        else {
            return Ok(&[]);
        };
        let means = &self.means[at];
        if means.len() as u64 != tensor.shape[0] {
            return Err(Error::BadShape {
                name: format!("{}{SUMS}", tensor.name),
                found: vec![means.len() as u64],
                expected: vec![tensor.shape[0]],
            });
        }
        Ok(means)
    }

    /// The file's bytes. `dataset`: the text's name; `chunks` windows of `chunk_size` tokens were read.
    pub fn write(&self, dataset: &str, chunks: u32, chunk_size: u32) -> Vec<u8> {
        let mut header = HeaderWriter::new(32);
        header.str("general.type", "imatrix");
        header.strings("imatrix.datasets", &[dataset]);
        header.u32("imatrix.chunk_count", chunks);
        header.u32("imatrix.chunk_size", chunk_size);
        for m in &self.matrices {
            header.tensor(
                &format!("{}{SUMS}", m.tensor),
                &[m.sums.len() as u64, 1],
                Format::F32,
            );
            header.tensor(&format!("{}{COUNTS}", m.tensor), &[1, 1], Format::F32);
        }
        let mut out = header.finish();
        for m in &self.matrices {
            for values in [&m.sums[..], &[m.count]] {
                values.iter().for_each(|v| out.extend(v.to_le_bytes()));
                out.resize(out.len().next_multiple_of(32), 0);
            }
        }
        out
    }

    /// Reads a file that `write`, or llama.cpp, has written.
    pub fn read(bytes: &[u8]) -> Result<Importance> {
        let gguf = match gguf::read(bytes)? {
            Progress::Done(gguf) => gguf,
            Progress::NeedBytes(expected) => {
                let what = "the importance data".into();
                return Err(Error::Truncated {
                    what,
                    expected,
                    found: bytes.len() as u64,
                });
            }
        };
        let kind = gguf.metadata.str("general.type")?;
        if kind != Some("imatrix") {
            return Err(Error::BadKey {
                key: "general.type".into(),
                found: format!("{kind:?}"),
                expected: "\"imatrix\"".into(),
            });
        }
        let mut matrices = Vec::new();
        for tensor in &gguf.tensors {
            let Some(name) = tensor.name.strip_suffix(SUMS) else {
                continue;
            };
            let counts = format!("{name}{COUNTS}");
            let sums = values(&gguf, &tensor.name, bytes)?;
            let counts = values(&gguf, &counts, bytes)?;
            // Several matrices in one tensor (experts) are added up.
            let cols = tensor.shape[0] as usize;
            let mut columns = vec![0.0; cols];
            for part in sums.chunks_exact(cols) {
                columns.iter_mut().zip(part).for_each(|(c, s)| *c += s);
            }
            let count: f32 = counts.iter().sum();
            if count <= 0.0 || columns.iter().any(|s| !s.is_finite() || *s < 0.0) {
                return Err(Error::MalformedHeader {
                    what: format!("the importance data of {name} are no sums of squares"),
                });
            }
            matrices.push(Columns {
                tensor: name.to_owned(),
                sums: columns,
                count,
            });
        }
        Ok(Importance::new(matrices))
    }
}

/// The values of the tensor called `name`.
fn values(gguf: &Gguf, name: &str, bytes: &[u8]) -> Result<Vec<f32>> {
    let tensor = gguf.tensors.iter().find(|t| t.name == name);
    let tensor = tensor.ok_or_else(|| Error::MissingTensor {
        name: name.to_owned(),
    })?;
    if tensor.format != Format::F32 {
        return Err(Error::UnsupportedFormat {
            tensor: name.to_owned(),
            format: tensor.format.name().into(),
        });
    }
    let end = tensor.offset + tensor.bytes;
    let data = usize::try_from(end)
        .ok()
        .and_then(|end| bytes.get(tensor.offset as usize..end));
    let data = data.ok_or_else(|| Error::Truncated {
        what: name.to_owned(),
        expected: end,
        found: bytes.len() as u64,
    })?;
    Ok(data
        .chunks_exact(4)
        .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
        .collect())
}
