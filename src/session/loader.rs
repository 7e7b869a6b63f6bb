//! A model as a stream of its file's bytes: header, plan, then tensors packed as they arrive.

use serde::{Deserialize, Serialize};

use super::Engine;
use crate::chat::Template;
use crate::error::{Error, Result};
use crate::format::gguf::{self, Gguf, Progress, TensorInfo};
use crate::kernels::Isa;
use crate::models::{self, Architecture};
use crate::tokenizer::Tokenizer;
use crate::transformer::{Cache, Config, Model, Scratch, TensorSpec, WeightsBuilder};

/// The context that is planned for if the caller names none (or the model's, if it is shorter).
const DEFAULT_CONTEXT: usize = 2048;

/// What a caller may choose.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LoadOptions {
    /// Positions the KV cache is to hold.
    pub context_length: Option<usize>,
    /// Bytes that the plan may reach; by default what the address space holds.
    pub memory_limit: Option<u64>,
    /// Use the reference kernels.
    pub reference: bool,
}

/// Bytes by purpose, known as soon as the header has been read.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MemoryPlan {
    /// Packed weights.
    pub weights_bytes: usize,
    /// KV cache.
    pub cache_bytes: usize,
    /// Everything else a forward pass writes.
    pub scratch_bytes: usize,
    /// All of it.
    pub total_bytes: usize,
    /// Positions the KV cache holds.
    pub context_length: usize,
    /// Bytes of the file.
    pub file_bytes: u64,
}

/// What the header says.
struct Opened {
    gguf: Gguf,
    architecture: &'static Architecture,
    config: Config,
    builder: WeightsBuilder,
    plan: MemoryPlan,
    /// For each tensor of the file, in order: its index among the wanted ones.
    wanted: Vec<Option<usize>>,
    /// The tensor being read.
    current: usize,
    /// Units of it that have been put.
    unit: usize,
}

/// A model being loaded.
pub struct Loader {
    options: LoadOptions,
    /// The header so far; later the start of a unit that is not complete.
    held: Vec<u8>,
    /// Bytes of the file taken so far.
    position: u64,
    /// Bytes of header needed before reading it again is worth it.
    needed: u64,
    opened: Option<Opened>,
}

impl Loader {
    /// Ready for the first byte.
    pub fn new(options: LoadOptions) -> Loader {
        Loader {
            options,
            held: Vec::new(),
            position: 0,
            needed: 4,
            opened: None,
        }
    }

    /// Takes the next bytes of the file.
    pub fn push(&mut self, bytes: &[u8]) -> Result<()> {
        if let Some(opened) = &mut self.opened {
            return opened.push(&mut self.held, &mut self.position, bytes);
        }
        self.held.extend_from_slice(bytes);
        if (self.held.len() as u64) < self.needed {
            return Ok(());
        }
        match gguf::read(&self.held)? {
            // Doubling keeps the work linear where a header is long and comes in small pieces.
            Progress::NeedBytes(n) => {
                self.needed = n
                    .max((self.held.len() as u64).saturating_mul(2))
                    .min(n.max(1 << 20))
            }
            Progress::Done(gguf) => {
                let mut opened = open(gguf, &self.options)?;
                let header = core::mem::take(&mut self.held);
                let start = (opened.gguf.data_start.min(header.len() as u64)) as usize;
                self.position = start as u64;
                opened.push(&mut self.held, &mut self.position, &header[start..])?;
                self.opened = Some(opened);
            }
        }
        Ok(())
    }

    /// The plan, once the header has been read.
    pub fn plan(&self) -> Option<&MemoryPlan> {
        self.opened.as_ref().map(|o| &o.plan)
    }

    /// The header, once it has been read.
    pub fn header(&self) -> Option<&Gguf> {
        self.opened.as_ref().map(|o| &o.gguf)
    }

    /// The engine, once every byte has come.
    pub fn finish(mut self) -> Result<Engine> {
        if self.opened.is_none() && !self.held.is_empty() {
            // A header shorter than the last guess may be complete all the same.
            self.needed = 0;
            self.push(&[])?;
        }
        let Some(opened) = self.opened else {
            return Err(Error::Truncated {
                what: "the header".into(),
                expected: self.needed.max(self.held.len() as u64 + 1),
                found: self.held.len() as u64,
            });
        };
        if let Some(tensor) = opened.gguf.tensors.get(opened.current) {
            return Err(Error::Truncated {
                what: format!("the file (tensor {})", tensor.name),
                expected: opened.gguf.file_bytes,
                found: self.position + self.held.len() as u64,
            });
        }
        let meta = &opened.gguf.metadata;
        let tokenizer = Tokenizer::from_gguf(meta)?;
        if tokenizer.vocab_size() > opened.config.vocab_size {
            return Err(Error::Tokenizer {
                what: format!(
                    "it has {} pieces, but the model only {} ids",
                    tokenizer.vocab_size(),
                    opened.config.vocab_size
                ),
            });
        }
        let template = Template::from_gguf(meta, &tokenizer)?;
        let name = meta
            .str("general.name")?
            .unwrap_or(opened.architecture.name)
            .to_owned();
        let format = opened.builder.main_format().map_or("none", |f| f.name());
        let parameters = opened.builder.parameters();
        let weights = opened.builder.finish(opened.config.blocks.len());
        let isa = if self.options.reference {
            Isa::Scalar
        } else {
            Isa::best()
        };
        let model = Model {
            config: opened.config,
            weights,
            isa,
        };
        Engine::new(
            model,
            tokenizer,
            template,
            opened.plan,
            name,
            opened.architecture.name,
            format,
            parameters,
        )
    }
}

fn open(gguf: Gguf, options: &LoadOptions) -> Result<Opened> {
    let architecture = models::architecture(&gguf.metadata)?;
    let config = (architecture.config)(&gguf.metadata)?;
    let context_length = match options.context_length {
        Some(n) if n > config.max_seq_len => {
            return Err(Error::ContextTooLong {
                requested: n,
                max: config.max_seq_len,
            });
        }
        Some(0) => {
            return Err(Error::BadArgument {
                name: "contextLength".into(),
                found: "0".into(),
                expected: "at least 1".into(),
            });
        }
        Some(n) => n,
        None => DEFAULT_CONTEXT.min(config.max_seq_len),
    };
    let find = |name: &str| gguf.tensors.iter().find(|t| t.name == name);
    let mut builder = WeightsBuilder::new((architecture.tensors)(&config), |spec| {
        find(&spec.name)
            .map(|t| check_shape(spec, t).map(|()| t.format))
            .transpose()
    })?;
    let bytes = (
        builder.bytes() as u64,
        Cache::bytes(&config, context_length),
        Scratch::bytes(&config, context_length),
    );
    let total = bytes.0 + bytes.1 as u64 + bytes.2 as u64;
    let available = options
        .memory_limit
        .unwrap_or(if cfg!(target_pointer_width = "32") {
            4_000 << 20
        } else {
            u64::MAX
        });
    if total > available {
        return Err(Error::OutOfMemory {
            needed: total,
            available,
        });
    }
    let plan = MemoryPlan {
        weights_bytes: bytes.0 as usize,
        cache_bytes: bytes.1,
        scratch_bytes: bytes.2,
        total_bytes: total as usize,
        context_length,
        file_bytes: gguf.file_bytes,
    };
    builder.allocate()?;
    let wanted = gguf
        .tensors
        .iter()
        .map(|t| builder.index(&t.name))
        .collect();
    Ok(Opened {
        gguf,
        architecture,
        config,
        builder,
        plan,
        wanted,
        current: 0,
        unit: 0,
    })
}

fn check_shape(spec: &TensorSpec, found: &TensorInfo) -> Result<()> {
    let expected = if spec.rows > 0 {
        vec![spec.cols as u64, spec.rows as u64]
    } else {
        vec![spec.cols as u64]
    };
    let mut shape = found.shape.clone();
    while shape.len() > expected.len() && shape.last() == Some(&1) {
        shape.pop();
    }
    if shape == expected {
        Ok(())
    } else {
        Err(Error::BadShape {
            name: spec.name.clone(),
            found: found.shape.clone(),
            expected,
        })
    }
}

impl Opened {
    /// Takes the bytes at `position`; `held` keeps the start of a unit until the rest has come.
    fn push(&mut self, held: &mut Vec<u8>, position: &mut u64, mut bytes: &[u8]) -> Result<()> {
        while let Some(tensor) = self.gguf.tensors.get(self.current) {
            let Some(index) = self.wanted[self.current] else {
                if !skip(position, &mut bytes, tensor.offset + tensor.bytes) {
                    return Ok(());
                }
                self.current += 1;
                continue;
            };
            let unit_bytes = self.builder.unit_bytes(index) as u64;
            let start = tensor.offset + self.unit as u64 * unit_bytes;
            if start >= tensor.offset + tensor.bytes {
                (self.current, self.unit) = (self.current + 1, 0);
                continue;
            }
            if held.is_empty() && !skip(position, &mut bytes, start) {
                return Ok(());
            }
            let size = unit_bytes.min(tensor.offset + tensor.bytes - start) as usize;
            if held.is_empty() && bytes.len() >= size {
                self.builder.put(index, self.unit, &bytes[..size]);
                bytes = &bytes[size..];
            } else {
                let n = (size - held.len()).min(bytes.len());
                held.extend_from_slice(&bytes[..n]);
                bytes = &bytes[n..];
                if held.len() < size {
                    return Ok(());
                }
                self.builder.put(index, self.unit, held);
                held.clear();
            }
            *position += size as u64;
            self.unit += 1;
        }
        Ok(())
    }
}

/// Drops bytes until `position` is `to`; whether it is.
fn skip(position: &mut u64, bytes: &mut &[u8], to: u64) -> bool {
    let n = (to - *position).min(bytes.len() as u64);
    *bytes = &bytes[n as usize..];
    *position += n;
    *position == to
}
