//! `errors`: what each format loses of a model's matrices, before anything is computed with them.
//!
//! Weights that a coarse format has rounded already would flatter it and its kin, so only the matrices that a file
//! holds most finely are looked at.

use super::source;
use clap::Args;
use smidgen::format::gguf::TensorInfo;
use smidgen::quant::{FORMATS, Format};
use smidgen::{Error, Result};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// Values in a stretch of a matrix; blocks of every format divide it. Where rows end does not matter to them.
const STRETCH: u64 = 4096;
/// Stretches that are tried, from everywhere: enough for three digits.
const STRETCHES: u64 = 512;

/// Shows what each format loses of a model's matrices.
#[derive(Args)]
pub struct Errors {
    /// A GGUF file (of several, the first), or a Hugging Face folder.
    model: PathBuf,
    /// Print one JSON object a line.
    #[arg(long)]
    json: bool,
}

/// Sums over the rows of all matrices.
#[derive(Default)]
struct Sums {
    weight: f64,
    weight_error: f64,
    dot: f64,
    dot_error: f64,
}

impl Errors {
    /// See the module.
    pub fn run(self) -> Result<()> {
        let (gguf, mut source) = source::open(&self.model)?;
        let values = |t: &TensorInfo| t.shape.iter().product::<u64>();
        let bits = |f: Format| 8.0 * f.block_bytes() as f64 / f.block_len() as f64;
        let fits = |t: &&TensorInfo| t.shape.len() == 2 && values(t) >= STRETCH;
        let finest = gguf.tensors.iter().filter(fits).map(|t| bits(t.format));
        let finest = finest.fold(0.0, f64::max);
        let all = gguf.tensors.iter().filter(fits);
        let tensors: Vec<&TensorInfo> = all.filter(|t| bits(t.format) == finest).collect();
        let total: u64 = tensors.iter().map(|t| values(t) / STRETCH).sum();
        if total == 0 {
            return Err(Error::BadArgument {
                name: "model".into(),
                found: format!("no matrix of {STRETCH} values"),
                expected: "one at least".into(),
            });
        }
        let formats = FORMATS.iter().filter(|f| f.can_quantise());
        let mut sums: Vec<(Format, Sums)> = formats.map(|f| (*f, Sums::default())).collect();
        let mut noise = Noise(0x9e37_79b9_7f4a_7c15);
        let x: Vec<f32> = (0..STRETCH).map(|_| noise.normal()).collect();
        let (mut w, mut rounded) = (vec![0.0; x.len()], vec![0.0; x.len()]);
        let every = total.div_ceil(STRETCHES);
        for tensor in &tensors {
            for n in (0..values(tensor) / STRETCH).step_by(every as usize) {
                read(tensor, &mut source, n * STRETCH, &mut w)
                    .map_err(|e| super::model::io(Path::new(&tensor.name), &e))?;
                let products = w.iter().zip(&x).map(|(w, x)| f64::from(*w) * f64::from(*x));
                let exact: f64 = products.sum();
                for (format, sums) in &mut sums {
                    let mut bytes = vec![0; w.len() / format.block_len() * format.block_bytes()];
                    format.quantise(&w, &mut bytes);
                    format.dequantise(&bytes, &mut rounded);
                    for (w, rounded) in w.iter().zip(&rounded) {
                        sums.weight += f64::from(*w).powi(2);
                        sums.weight_error += f64::from(w - rounded).powi(2);
                    }
                    sums.dot += exact.powi(2);
                    sums.dot_error += (f64::from(format.dot(&bytes, &x)) - exact).powi(2);
                }
            }
        }
        if !self.json {
            println!(
                "{} matrices in {}, errors relative to the root mean square\n\
                 {:<8} {:>6} {:>12} {:>12}",
                tensors.len(),
                tensors[0].format.name(),
                "format",
                "bits",
                "round trip",
                "dot"
            );
        }
        for (format, sums) in &sums {
            let bits = bits(*format);
            let round_trip = (sums.weight_error / sums.weight).sqrt();
            let dot = (sums.dot_error / sums.dot).sqrt();
            if self.json {
                let object = serde_json::json!({
                    "format": format.name(), "bitsPerWeight": bits, "roundTrip": round_trip, "dot": dot,
                    "matrices": tensors.len(),
                });
                println!("{object}");
            } else {
                println!(
                    "{:<8} {bits:>6.3} {round_trip:>12.3e} {dot:>12.3e}",
                    format.name()
                );
            }
        }
        Ok(())
    }
}

/// Values of a matrix from `first` on, decoded; both ends lie between blocks.
fn read(
    tensor: &TensorInfo,
    source: &mut (impl Read + Seek),
    first: u64,
    out: &mut [f32],
) -> std::io::Result<()> {
    let format = tensor.format;
    let mut bytes = vec![0; out.len() / format.block_len() * format.block_bytes()];
    source.seek(SeekFrom::Start(
        tensor.offset + first / format.block_len() as u64 * format.block_bytes() as u64,
    ))?;
    source.read_exact(&mut bytes)?;
    format.dequantise(&bytes, out);
    Ok(())
}

/// Inputs as layers see them behind a norm: independent, of mean 0 and variance 1. The same on every run.
struct Noise(u64);

impl Noise {
    fn uniform(&mut self) -> f32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 40) as f32 / (1 << 24) as f32
    }

    /// The sum of twelve has variance 1.
    fn normal(&mut self) -> f32 {
        (0..12).map(|_| self.uniform()).sum::<f32>() - 6.0
    }
}
