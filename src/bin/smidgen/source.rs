//! A model's tensors as one GGUF header and one stream, whatever files they stand in: a GGUF, several, or a Hugging
//! Face folder, whose rows come in the order that GGUF wants.

use super::model::{self, io};
use smidgen::format::gguf::{self, Gguf};
use smidgen::format::hugging_face::Folder;
use smidgen::format::safetensors::{self, Safetensors};
use smidgen::models::{self, Declaration, Described};
use smidgen::quant::Format;
use smidgen::transformer::Change;
use smidgen::{Error, Result};
use std::fs::File;
use std::io::{Cursor, Read, Result as IoResult, Seek, SeekFrom};
use std::path::Path;

trait Bytes: Read + Seek {}
impl<T: Read + Seek> Bytes for T {}

/// A tensor whose rows come in another order than they stand.
struct Reordered {
    start: u64,
    end: u64,
    row_bytes: u64,
    /// Rows of one head: its row 2i is row i in the file, and its row 2i + 1 is row i + n/2.
    head_dim: u64,
}

/// All files after each other.
pub struct Tensors {
    /// Where each file begins, and the file.
    files: Vec<(u64, Box<dyn Bytes>)>,
    end: u64,
    at: u64,
    reordered: Vec<Reordered>,
}

/// The header and the tensors of the model at `path`.
pub fn open(path: &Path) -> Result<(Gguf, Tensors)> {
    let mut tensors = Tensors {
        files: Vec::new(),
        end: 0,
        at: 0,
        reordered: Vec::new(),
    };
    if path.is_dir() {
        let gguf = tensors.folder(path)?;
        return Ok((gguf, tensors));
    }
    let mut all: Option<Gguf> = None;
    for path in model::files(path)? {
        let mut file = File::open(&path).map_err(|e| io(&path, &e))?;
        let mut gguf = header(&path, &mut file, |bytes| {
            Ok(match gguf::read(bytes)? {
                gguf::Progress::NeedBytes(n) => Err(n),
                gguf::Progress::Done(gguf) => Ok(gguf),
            })
        })?;
        let length = file.metadata().map_err(|e| io(&path, &e))?.len();
        if length < gguf.file_bytes {
            return Err(Error::Truncated {
                what: path.display().to_string(),
                expected: gguf.file_bytes,
                found: length,
            });
        }
        let start = tensors.add(length, Box::new(file));
        gguf.tensors.iter_mut().for_each(|t| t.offset += start);
        match &mut all {
            None => all = Some(gguf),
            Some(all) => all.tensors.extend(gguf.tensors),
        }
    }
    let mut all = all.expect("a model has at least one file");
    all.file_bytes = tensors.end;
    Ok((all, tensors))
}

/// Reads a header, as much of the file as it takes.
fn header<T>(
    path: &Path,
    file: &mut File,
    parse: impl Fn(&[u8]) -> Result<core::result::Result<T, u64>>,
) -> Result<T> {
    let mut bytes = Vec::new();
    loop {
        match parse(&bytes)? {
            Ok(header) => return Ok(header),
            Err(needed) => {
                let more = needed - bytes.len() as u64;
                let got = file
                    .by_ref()
                    .take(more)
                    .read_to_end(&mut bytes)
                    .map_err(|e| io(path, &e))?;
                if (got as u64) < more {
                    return Err(Error::Truncated {
                        what: format!("the header of {}", path.display()),
                        expected: needed,
                        found: bytes.len() as u64,
                    });
                }
            }
        }
    }
}

impl Tensors {
    fn add(&mut self, length: u64, file: Box<dyn Bytes>) -> u64 {
        let start = self.end;
        self.files.push((start, file));
        self.end += length;
        start
    }

    fn folder(&mut self, path: &Path) -> Result<Gguf> {
        let mut folder = Folder::default();
        let (weights, small): (Vec<_>, Vec<_>) = model::files(path)?
            .into_iter()
            .partition(|p| p.extension().is_some_and(|e| e == "safetensors"));
        for path in small {
            let bytes = std::fs::read(&path).map_err(|e| io(&path, &e))?;
            if let Some(name) = Folder::wanted(&path.to_string_lossy()) {
                folder.take(name, &bytes)?;
            }
        }
        let Described {
            declaration,
            metadata,
            listed,
            tied,
        } = models::describe(&folder)?;
        let architecture = models::architecture(&metadata)?;
        let specs = (architecture.tensors)(&(architecture.config)(&metadata)?);
        // GGUF keeps all experts of a layer as one tensor, and gates apart from ups.
        if declaration.arranges() || specs.iter().any(|s| s.slot.expert.is_some()) {
            return Err(Error::BadArgument {
                name: "model".into(),
                found: format!(
                    "a folder of {}, whose tensors GGUF cuts otherwise",
                    architecture.name
                ),
                expected: "a GGUF file, or rounding while the folder is loaded (--quantise)".into(),
            });
        }
        let changed: Vec<(String, Change)> = specs
            .into_iter()
            .map(|spec| (spec.name, declaration.change(spec.slot.part)))
            .filter(|(_, change)| *change != Change::None)
            .collect();
        // Encoders turn nothing and have no such key; 1 is what nobody reads.
        let head_dim = match declaration.interleaved_in_gguf {
            true => head_dim(&metadata)?,
            false => 1,
        };
        let mut gguf = Gguf {
            version: 3,
            metadata,
            tensors: Vec::new(),
            data_start: 0,
            file_bytes: 0,
        };
        for path in weights {
            let mut file = File::open(&path).map_err(|e| io(&path, &e))?;
            let header = header(&path, &mut file, |bytes| {
                Ok(match safetensors::read(bytes)? {
                    safetensors::Progress::NeedBytes(n) => Err(n),
                    safetensors::Progress::Done(header) => Ok(header),
                })
            })?;
            let length = file.metadata().map_err(|e| io(&path, &e))?.len();
            if length < header.file_bytes {
                let expected = header.file_bytes;
                return Err(Error::Truncated {
                    what: path.display().to_string(),
                    expected,
                    found: length,
                });
            }
            let start = self.add(length, Box::new(file));
            self.take_tensors(&mut gguf, declaration, tied, head_dim, header, start)?;
        }
        for (name, values) in listed {
            self.add_vector(&mut gguf, name.to_owned(), &values);
        }
        self.change(&mut gguf, &changed)?;
        gguf.file_bytes = self.end;
        Ok(gguf)
    }

    /// A vector that no file holds as it is.
    fn add_vector(&mut self, gguf: &mut Gguf, name: String, values: &[f32]) {
        let bytes: Vec<u8> = values.iter().flat_map(|f| f.to_le_bytes()).collect();
        gguf.tensors.push(gguf::TensorInfo {
            name,
            format: Format::F32,
            shape: vec![values.len() as u64],
            offset: self.end,
            bytes: bytes.len() as u64,
        });
        self.add(bytes.len() as u64, Box::new(Cursor::new(bytes)));
    }

    /// Changes the values of some vectors, by name.
    fn change(&mut self, gguf: &mut Gguf, changes: &[(String, Change)]) -> Result<()> {
        let of = |name: &str| changes.iter().find(|c| c.0 == name).map(|c| c.1);
        let (changed, kept): (Vec<_>, Vec<_>) = core::mem::take(&mut gguf.tensors)
            .into_iter()
            .partition(|t| of(&t.name).is_some());
        gguf.tensors = kept;
        for tensor in changed {
            let change = of(&tensor.name).unwrap_or(Change::None);
            let mut bytes = vec![0; tensor.bytes as usize];
            self.seek(SeekFrom::Start(tensor.offset))
                .and_then(|_| self.read_exact(&mut bytes))
                .map_err(|e| io(Path::new(&tensor.name), &e))?;
            let mut values = vec![0.0; tensor.shape.iter().product::<u64>() as usize];
            tensor.format.dequantise(&bytes, &mut values);
            values.iter_mut().for_each(|v| *v = change.of(*v));
            self.add_vector(gguf, tensor.name, &values);
        }
        Ok(())
    }

    fn take_tensors(
        &mut self,
        gguf: &mut Gguf,
        declaration: &Declaration,
        tied: bool,
        head_dim: u64,
        header: Safetensors,
        start: u64,
    ) -> Result<()> {
        for (name, kind) in &header.others {
            if let Some(tensor) = declaration.gguf_name(name) {
                return Err(Error::UnsupportedFormat {
                    tensor,
                    format: kind.to_lowercase(),
                });
            }
        }
        for mut tensor in header.tensors {
            if !declaration.rename(&mut tensor) {
                continue;
            }
            let name = tensor.name.clone();
            if tied && name == "output.weight" {
                continue;
            }
            tensor.offset += start;
            let rows: u64 = tensor.shape[1..].iter().product();
            let turned = [".attn_q.", ".attn_k."]
                .iter()
                .any(|part| name.contains(part));
            // A bias has one row of as many values: each of them moves.
            let rows = if name.ends_with(".bias") {
                tensor.shape[0]
            } else {
                rows
            };
            if declaration.interleaved_in_gguf && turned {
                if !rows.is_multiple_of(head_dim) {
                    return Err(Error::BadShape {
                        name,
                        found: tensor.shape,
                        expected: vec![rows.next_multiple_of(head_dim)],
                    });
                }
                self.reordered.push(Reordered {
                    start: tensor.offset,
                    end: tensor.offset + tensor.bytes,
                    row_bytes: tensor.bytes / rows,
                    head_dim,
                });
            }
            gguf.tensors.push(tensor);
        }
        Ok(())
    }
}

/// Values of a head that are turned, which is all of them where rows are reordered. Models without rotary positions have
/// no such key.
fn head_dim(metadata: &smidgen::format::Metadata) -> Result<u64> {
    let name = metadata.require_str("general.architecture")?;
    let dims = u64::from(metadata.require_u32(&format!("{name}.rope.dimension_count"))?);
    if dims == 0 || !dims.is_multiple_of(2) {
        return Err(Error::BadKey {
            key: "head_dim of config.json".into(),
            found: dims.to_string(),
            expected: "an even number".into(),
        });
    }
    Ok(dims)
}

impl Read for Tensors {
    fn read(&mut self, out: &mut [u8]) -> IoResult<usize> {
        let (mut from, mut most) = (self.at, out.len() as u64);
        if let Some(r) = self
            .reordered
            .iter()
            .find(|r| (r.start..r.end).contains(&self.at))
        {
            let (row, inside) = (
                (self.at - r.start) / r.row_bytes,
                (self.at - r.start) % r.row_bytes,
            );
            let (head, i) = (row / r.head_dim, row % r.head_dim);
            let row = head * r.head_dim + i / 2 + i % 2 * (r.head_dim / 2);
            from = r.start + row * r.row_bytes + inside;
            most = most.min(r.row_bytes - inside);
        }
        let Some((start, file)) = self.files.iter_mut().rev().find(|f| f.0 <= from) else {
            return Ok(0);
        };
        file.seek(SeekFrom::Start(from - *start))?;
        let n = file.take(most).read(out)?;
        self.at += n as u64;
        Ok(n)
    }
}

impl Seek for Tensors {
    fn seek(&mut self, to: SeekFrom) -> IoResult<u64> {
        self.at = match to {
            SeekFrom::Start(n) => n,
            SeekFrom::End(n) => self.end.saturating_add_signed(n),
            SeekFrom::Current(n) => self.at.saturating_add_signed(n),
        };
        Ok(self.at)
    }
}
