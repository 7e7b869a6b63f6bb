//! GGUF → GGUF with other block formats: reads each tensor, rounds it, writes it, and measures the loss.
//!
//! A few bounded buffers, never a whole tensor; natively only, as it uses files and threads.

use super::gguf::{Gguf, TensorInfo};
use super::gguf_write::HeaderWriter;
use super::importance::Importance;
use super::mixture::Mixture;
use crate::error::{Error, Result};
use crate::quant::Format;
use std::io::{Read, Seek, SeekFrom, Write};

/// What became of one tensor.
#[derive(Debug, Clone, PartialEq)]
pub struct TensorReport {
    /// The name.
    pub name: String,
    /// `shape[0]` contiguous values.
    pub shape: Vec<u64>,
    /// The format it had.
    pub from: Format,
    /// The format it has.
    pub to: Format,
    /// Bytes of data written.
    pub bytes: u64,
    /// Bits written per value.
    pub bits_per_weight: f64,
    /// Root of the mean squared difference from the values read; 0 for a copy.
    pub rmse: f64,
}

/// What became of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// In the order of the file.
    pub tensors: Vec<TensorReport>,
    /// Bytes written in all.
    pub file_bytes: u64,
    /// Bits of tensor data per value.
    pub bits_per_weight: f64,
}

/// Values a thread rounds at a time: a multiple of every block's length, and small enough that sums stay in order.
const PIECE: usize = 1 << 16;

/// What is to be made of a file.
pub struct Choice<'a> {
    /// For each tensor.
    pub formats: Vec<Format>,
    /// The number for `general.file_type`.
    pub file_type: u32,
    /// How much the columns of matrices matter, where that is known.
    pub importance: Option<&'a Importance>,
}

/// Writes the model of `source`, whose header is `gguf`, to `target` in the formats of `mixture`.
///
/// `each` hears of every tensor as it is done. Values that `source` holds in a lossy format lose twice: start from f16
/// or better where there is a choice.
pub fn quantise(
    gguf: &Gguf,
    mixture: Mixture,
    source: &mut (impl Read + Seek),
    target: &mut impl Write,
    each: impl FnMut(&TensorReport),
) -> Result<Report> {
    let choice = Choice {
        formats: mixture.formats(gguf)?,
        file_type: mixture.file_type(),
        importance: None,
    };
    quantise_as(gguf, choice, source, target, each)
}

/// As `quantise`, with the format of each tensor chosen by the caller.
pub fn quantise_as(
    gguf: &Gguf,
    choice: Choice<'_>,
    source: &mut (impl Read + Seek),
    target: &mut impl Write,
    mut each: impl FnMut(&TensorReport),
) -> Result<Report> {
    let formats = choice.formats;
    let found = source.seek(SeekFrom::End(0)).map_err(reading)?;
    if found < gguf.file_bytes {
        return Err(Error::Truncated {
            what: "the tensor data".into(),
            expected: gguf.file_bytes,
            found,
        });
    }
    let alignment = gguf.metadata.u32("general.alignment")?.unwrap_or(32);
    let mut header = HeaderWriter::new(alignment);
    let replaced = [
        ("general.quantization_version", 2),
        ("general.file_type", choice.file_type),
    ];
    header.copy(&gguf.metadata, &replaced);
    let sizes: Vec<u64> = (gguf.tensors.iter().zip(&formats))
        .map(|(t, format)| header.tensor(&t.name, &t.shape, *format))
        .collect();
    let header = header.finish();
    target.write_all(&header).map_err(writing)?;

    let mut report = Report {
        tensors: Vec::with_capacity(sizes.len()),
        file_bytes: header.len() as u64,
        bits_per_weight: 0.0,
    };
    for ((tensor, to), bytes) in gguf.tensors.iter().zip(formats).zip(sizes) {
        let count: u64 = tensor.shape.iter().product();
        let columns = choice.importance.map_or(Ok(&[][..]), |i| i.of(tensor))?;
        let squares = convert(tensor, to, columns, source, target)?;
        let padded = bytes.next_multiple_of(u64::from(alignment));
        target
            .write_all(&vec![0; (padded - bytes) as usize])
            .map_err(writing)?;
        report.file_bytes += padded;
        report.tensors.push(TensorReport {
            name: tensor.name.clone(),
            shape: tensor.shape.clone(),
            from: tensor.format,
            to,
            bytes,
            bits_per_weight: bytes as f64 * 8.0 / count as f64,
            rmse: (squares / count as f64).sqrt(),
        });
        report.tensors.last().inspect(|tensor| each(tensor));
    }
    let values: u64 = gguf
        .tensors
        .iter()
        .map(|t| t.shape.iter().product::<u64>())
        .sum();
    let bytes: u64 = report.tensors.iter().map(|t| t.bytes).sum();
    report.bits_per_weight = bytes as f64 * 8.0 / (values as f64).max(1.0);
    Ok(report)
}

/// Writes `tensor` in the format `to`, its columns weighted where there are weights; the sum of squared differences.
fn convert(
    tensor: &TensorInfo,
    to: Format,
    columns: &[f32],
    source: &mut (impl Read + Seek),
    target: &mut impl Write,
) -> Result<f64> {
    let from = tensor.format;
    source
        .seek(SeekFrom::Start(tensor.offset))
        .map_err(reading)?;
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut pieces: Vec<Piece> = (0..threads).map(|_| Piece::default()).collect();
    let mut left: u64 = tensor.shape.iter().product();
    let mut squares = 0.0;
    while left > 0 {
        let mut used = 0;
        for piece in &mut pieces {
            let count = left.min(PIECE as u64) as usize;
            if count == 0 {
                break;
            }
            piece
                .input
                .resize(count / from.block_len() * from.block_bytes(), 0);
            source.read_exact(&mut piece.input).map_err(reading)?;
            let done: u64 = tensor.shape.iter().product::<u64>() - left;
            piece.weigh(columns, done, count);
            left -= count as u64;
            used += 1;
        }
        let pieces = &mut pieces[..used];
        if from == to {
            for piece in pieces {
                target.write_all(&piece.input).map_err(writing)?;
            }
            continue;
        }
        std::thread::scope(|scope| {
            for piece in pieces.iter_mut() {
                scope.spawn(|| piece.round(from, to));
            }
        });
        for piece in pieces {
            target.write_all(&piece.output).map_err(writing)?;
            squares += piece.squares;
        }
    }
    Ok(squares)
}

/// Buffers of one thread.
#[derive(Default)]
struct Piece {
    /// Blocks as read.
    input: Vec<u8>,
    /// Values as read (n).
    x: Vec<f32>,
    /// How much each matters (n), or empty.
    importance: Vec<f32>,
    /// Blocks to write.
    output: Vec<u8>,
    /// Values as written (n).
    y: Vec<f32>,
    /// Sum of (x − y)².
    squares: f64,
}

impl Piece {
    /// Repeats `columns` for `count` values after the first `done` of a tensor.
    fn weigh(&mut self, columns: &[f32], done: u64, count: usize) {
        self.importance.clear();
        if let Some(start) = done.checked_rem(columns.len() as u64) {
            self.importance
                .extend(columns.iter().cycle().skip(start as usize).take(count));
        }
    }

    fn round(&mut self, from: Format, to: Format) {
        let n = self.input.len() / from.block_bytes() * from.block_len();
        self.x.resize(n, 0.0);
        self.y.resize(n, 0.0);
        self.output.resize(n / to.block_len() * to.block_bytes(), 0);
        from.dequantise(&self.input, &mut self.x);
        to.quantise_weighted(&self.x, &self.importance, &mut self.output);
        to.dequantise(&self.output, &mut self.y);
        self.squares = self
            .x
            .iter()
            .zip(&self.y)
            .map(|(x, y)| f64::from(x - y).powi(2))
            .sum();
    }
}

fn reading(error: std::io::Error) -> Error {
    Error::Io {
        what: format!("the file cannot be read: {error}"),
    }
}

fn writing(error: std::io::Error) -> Error {
    Error::Io {
        what: format!("the new file cannot be written: {error}; is there enough space?"),
    }
}
