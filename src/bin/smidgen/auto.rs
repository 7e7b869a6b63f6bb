//! `quantize --type auto`: the format of each tensor by what it costs and what it saves, within a number of bits.

use super::source::Tensors;
use smidgen::Error;
use smidgen::Result;
use smidgen::format::gguf::{Gguf, TensorInfo};
use smidgen::format::importance::Importance;
use smidgen::format::mixture::{Mixture, fitting};
use smidgen::quant::Format;
use std::io::{Read, Seek, SeekFrom};

/// From small to large.
const LADDER: &[Format] = &[
    Format::Q3K,
    Format::Q4K,
    Format::Q5K,
    Format::Q6K,
    Format::Q8_0,
];

/// Rows of a matrix that are tried: enough for a mean, and the largest matrix takes no longer than the smallest.
const SAMPLE_ROWS: u64 = 64;

/// One format tried on one tensor.
struct Step {
    format: Format,
    bytes: u64,
    error: f64,
}

/// The format of each tensor, so that the file takes at most `bits` for each value and the squared error of all
/// products, as far as importance data tell it, is small. Greedy: the step that saves most error for a byte comes first.
pub fn formats(
    gguf: &Gguf,
    source: &mut Tensors,
    importance: Option<&Importance>,
    bits: f64,
    mut each: impl FnMut(&TensorInfo),
) -> Result<Vec<Format>> {
    let mut formats = Mixture::Q4KM.formats(gguf)?;
    let mut ladders = Vec::new();
    let (mut bytes, mut values) = (0u64, 0u64);
    for (i, tensor) in gguf.tensors.iter().enumerate() {
        let count: u64 = tensor.shape.iter().product();
        values += count;
        if Mixture::concerns(tensor) {
            let steps = try_steps(tensor, source, importance)?;
            bytes += steps[0].bytes;
            ladders.push((i, 0, steps));
        } else {
            bytes += count / formats[i].block_len() as u64 * formats[i].block_bytes() as u64;
        }
        each(tensor);
    }
    let budget = (bits * values as f64 / 8.0) as u64;
    if bytes > budget {
        return Err(Error::BadArgument {
            name: "bits".into(),
            found: bits.to_string(),
            expected: format!("at least {:.2}", 8.0 * bytes as f64 / values as f64),
        });
    }
    loop {
        let gain = |(_, at, steps): &(usize, usize, Vec<Step>)| {
            let (now, next) = (&steps[*at], steps.get(at + 1)?);
            let cost = next.bytes - now.bytes;
            (bytes + cost <= budget).then(|| (now.error - next.error) / cost as f64)
        };
        let gains = ladders
            .iter()
            .enumerate()
            .filter_map(|(n, ladder)| Some((n, gain(ladder)?)));
        let Some((n, _)) = gains.max_by(|a, b| a.1.total_cmp(&b.1)) else {
            break;
        };
        let (_, at, steps) = &mut ladders[n];
        bytes += steps[*at + 1].bytes - steps[*at].bytes;
        *at += 1;
    }
    for (i, at, steps) in ladders {
        formats[i] = steps[at].format;
    }
    Ok(formats)
}

/// What each format would cost and lose on `tensor`, each larger and better than the one before.
fn try_steps(
    tensor: &TensorInfo,
    source: &mut Tensors,
    importance: Option<&Importance>,
) -> Result<Vec<Step>> {
    let cols = tensor.shape[0] as usize;
    let rows: u64 = tensor.shape[1..].iter().product();
    let columns = importance.map_or(Ok(&[][..]), |i| i.of(tensor))?;
    let row_bytes = cols / tensor.format.block_len() * tensor.format.block_bytes();
    let tried = rows.min(SAMPLE_ROWS);
    let (mut bytes, mut x) = (vec![0; row_bytes], vec![0.0; cols]);
    let mut steps: Vec<Step> = Vec::new();
    for format in LADDER.iter().map(|f| fitting(*f, tensor.shape[0])) {
        let size = rows * (cols / format.block_len() * format.block_bytes()) as u64;
        if steps.last().is_none_or(|last| last.bytes < size) {
            steps.push(Step {
                format,
                bytes: size,
                error: 0.0,
            });
        }
    }
    let mut y = vec![0.0; cols];
    for n in 0..tried {
        let row = n * rows / tried;
        source
            .seek(SeekFrom::Start(tensor.offset + row * row_bytes as u64))
            .and_then(|_| source.read_exact(&mut bytes))
            .map_err(|e| Error::Io {
                what: format!("{} cannot be read: {e}", tensor.name),
            })?;
        tensor.format.dequantise(&bytes, &mut x);
        for step in &mut steps {
            let mut rounded = vec![0; cols / step.format.block_len() * step.format.block_bytes()];
            step.format.quantise_weighted(&x, columns, &mut rounded);
            step.format.dequantise(&rounded, &mut y);
            for (i, (x, y)) in x.iter().zip(&y).enumerate() {
                let weight = columns.get(i).copied().unwrap_or(1.0);
                step.error +=
                    f64::from(weight) * f64::from(x - y).powi(2) * rows as f64 / tried as f64;
            }
        }
    }
    Ok(steps)
}
