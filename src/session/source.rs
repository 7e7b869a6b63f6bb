//! What the headers of a model's files say: one GGUF, a split one, or a Hugging Face folder.

use std::collections::{BTreeMap, BTreeSet};

use super::loader::{FOLDERS, LoadOptions, MemoryPlan};
use super::shard::Shard;
use crate::error::{Error, Result};
use crate::format::gguf::{Gguf, TensorInfo};
use crate::format::hugging_face::Folder;
use crate::format::mixture::Mixture;
use crate::format::safetensors::Safetensors;
use crate::models::{self, Architecture, Declaration};
use crate::ops::rope::Pairing;
use crate::quant::Format;
use crate::transformer::{Cache, Config, Found, Scratch, TensorSpec, WeightsBuilder};

/// The context that is planned for if the caller names none (or the model's, if it is shorter).
const DEFAULT_CONTEXT: usize = 2048;

/// Which part of a split model has been seen.
pub(super) struct Splits {
    pub count: u16,
    pub seen: u16,
    tensors: u64,
}

/// A model whose first header has been read.
pub(super) struct Opened {
    pub gguf: Gguf,
    pub architecture: &'static Architecture,
    pub config: Config,
    pub builder: WeightsBuilder,
    pub plan: MemoryPlan,
    pub splits: Option<Splits>,
    /// Of a Hugging Face folder.
    declaration: Option<&'static Declaration>,
    tied: bool,
    /// The format asked for, by GGUF name.
    targets: BTreeMap<String, Format>,
}

/// A GGUF file, or the first of several.
pub(super) fn open_gguf(gguf: Gguf, options: &LoadOptions) -> Result<(Opened, Shard)> {
    let architecture = models::architecture(&gguf.metadata)?;
    let config = (architecture.config)(&gguf.metadata)?;
    config.check()?;
    let splits = match gguf.metadata.u32("split.count")? {
        None | Some(0 | 1) => None,
        Some(count) => {
            let number = gguf.metadata.u32("split.no")?.unwrap_or(0);
            if number != 0 {
                return Err(Error::BadKey {
                    key: "split.no".into(),
                    found: number.to_string(),
                    expected:
                        "0: the parts of a split model are read in order, the first one first"
                            .into(),
                });
            }
            let count = u16::try_from(count).map_err(|_| Error::BadKey {
                key: "split.count".into(),
                found: count.to_string(),
                expected: "at most 65535".into(),
            })?;
            Some(Splits {
                count,
                seen: 0,
                tensors: 0,
            })
        }
    };
    let targets = match (&options.quantise, &splits) {
        (None, _) => BTreeMap::new(),
        (Some(_), _) if !FOLDERS => {
            return Err(Error::WrongState {
                what: "this build of the engine keeps weights as they are".into(),
            });
        }
        (Some(name), None) => targets(&gguf, name)?,
        (Some(_), Some(_)) => {
            return Err(Error::BadArgument {
                name: "quantise".into(),
                found: "a split GGUF".into(),
                expected: "one GGUF file or a Hugging Face folder".into(),
            });
        }
    };
    let builder = WeightsBuilder::new((architecture.tensors)(&config));
    let tensors = gguf.tensors.clone();
    let (start, bytes) = (gguf.data_start, gguf.file_bytes);
    let mut opened = Opened {
        plan: unplanned(&config, options)?,
        gguf: Gguf {
            tensors: Vec::new(),
            file_bytes: 0,
            ..gguf
        },
        architecture,
        config,
        builder,
        splits,
        declaration: None,
        tied: false,
        targets,
    };
    let shard = opened.add(tensors, start, bytes, options)?;
    Ok((opened, shard))
}

/// A Hugging Face folder; `header`: of its first file with weights.
pub(super) fn open_folder(
    folder: &Folder,
    header: &Safetensors,
    options: &LoadOptions,
) -> Result<Opened> {
    let described = models::describe(folder)?;
    let architecture = models::architecture(&described.metadata)?;
    let mut config = (architecture.config)(&described.metadata)?;
    config.check()?;
    for rope in &mut config.ropes {
        rope.pairing = Pairing::Halves;
    }
    let declaration = described.declaration;
    let specs = declaration.arranged((architecture.tensors)(&config));
    let mut builder = WeightsBuilder::new(specs);
    builder.change(|part| declaration.change(part));
    let listed: BTreeSet<String> = match &folder.listed {
        Some(names) => names
            .iter()
            .filter_map(|n| described.declaration.gguf_name(n))
            .collect(),
        None => header
            .tensors
            .iter()
            .filter_map(|t| described.declaration.gguf_name(&t.name))
            .collect(),
    };
    let has = |name: &str| listed.contains(name) && !(described.tied && name == "output.weight");
    let listed_there = |name: &str| described.listed.iter().any(|(n, _)| *n == name);
    let mut gguf = Gguf {
        version: 3,
        metadata: described.metadata,
        tensors: Vec::new(),
        data_start: 0,
        file_bytes: 0,
    };
    let mut all = Vec::new();
    for (spec, _) in builder.specs() {
        let whole = spec.inside.as_ref().is_some_and(|(name, _)| has(name));
        if !has(&spec.name) && !whole && !listed_there(&spec.name) {
            if spec.required {
                return Err(Error::MissingTensor {
                    name: spec.name.clone(),
                });
            }
            continue;
        }
        all.push(TensorInfo {
            name: spec.name.clone(),
            format: Format::F32,
            shape: shape(spec),
            offset: 0,
            bytes: 0,
        });
    }
    let targets = match &options.quantise {
        Some(name) => {
            gguf.tensors = all;
            targets(&gguf, name)?
        }
        None => BTreeMap::new(),
    };
    gguf.tensors = Vec::new();
    for (name, values) in &described.listed {
        builder.place(|spec| {
            Ok((spec.name == *name).then_some(Found {
                format: Format::F32,
                target: None,
            }))
        })?;
        if let Some(index) = builder.index(name) {
            let bytes: Vec<u8> = values.iter().flat_map(|f| f.to_le_bytes()).collect();
            builder.put(index, 0, &bytes);
        }
    }
    Ok(Opened {
        plan: unplanned(&config, options)?,
        gguf,
        architecture,
        config,
        builder,
        splits: None,
        declaration: Some(declaration),
        tied: described.tied,
        targets,
    })
}

impl Opened {
    /// A further file of a split GGUF.
    pub fn add_split(&mut self, gguf: Gguf, options: &LoadOptions) -> Result<Shard> {
        let Some(splits) = &self.splits else {
            return Err(Error::WrongState {
                what: "the model is one GGUF file, and a second one came".into(),
            });
        };
        let number = gguf.metadata.require_u32("split.no")?;
        if number != u32::from(splits.seen) || splits.seen == splits.count {
            return Err(Error::BadKey {
                key: "split.no".into(),
                found: number.to_string(),
                expected: format!("{} (of {} files, in order)", splits.seen, splits.count),
            });
        }
        let count = gguf.metadata.require_u32("split.count")?;
        if count != u32::from(splits.count) {
            return Err(Error::BadKey {
                key: "split.count".into(),
                found: count.to_string(),
                expected: format!("{}, as the first file says", splits.count),
            });
        }
        self.add(gguf.tensors, gguf.data_start, gguf.file_bytes, options)
    }

    /// A file of a Hugging Face folder.
    pub fn add_safetensors(&mut self, header: Safetensors, options: &LoadOptions) -> Result<Shard> {
        let Some(declaration) = self.declaration else {
            return Err(Error::WrongState {
                what: "the model is a GGUF file, and a .safetensors file came".into(),
            });
        };
        for (name, kind) in &header.others {
            if let Some(tensor) = declaration.gguf_name(name) {
                return Err(Error::UnsupportedFormat {
                    tensor,
                    format: kind.to_lowercase(),
                });
            }
        }
        let mut tensors = header.tensors;
        for tensor in &mut tensors {
            let old = tensor.name.clone();
            if declaration.rename(tensor) && self.tied && tensor.name == "output.weight" {
                tensor.name = old;
            }
        }
        self.add(tensors, header.data_start, header.file_bytes, options)
    }

    /// Plans and allocates the tensors of one file.
    fn add(
        &mut self,
        tensors: Vec<TensorInfo>,
        start: u64,
        file_bytes: u64,
        options: &LoadOptions,
    ) -> Result<Shard> {
        let whole = tensors.clone();
        let tensors = apart(&self.builder, tensors)?;
        let (targets, names) = (&self.targets, tensors.iter().map(|t| (t.name.as_str(), t)));
        let names: BTreeMap<&str, &TensorInfo> = names.collect();
        self.builder.place(|spec| {
            let Some(tensor) = names.get(spec.name.as_str()) else {
                return Ok(None);
            };
            check_shape(spec, tensor)?;
            let of_whole = || targets.get(&spec.inside.as_ref()?.0);
            let target = targets.get(&spec.name).or_else(of_whole).copied();
            Ok(Some(Found {
                format: tensor.format,
                target: target.filter(|t| *t != tensor.format),
            }))
        })?;
        if let Some(splits) = &mut self.splits {
            splits.seen += 1;
            splits.tensors += whole.len() as u64;
            let expected = self.gguf.metadata.u64("split.tensors.count")?;
            if splits.seen == splits.count
                && let Some(expected) = expected.filter(|n| *n != splits.tensors)
            {
                return Err(Error::BadKey {
                    key: "split.tensors.count".into(),
                    found: expected.to_string(),
                    expected: format!("{}, which the files hold", splits.tensors),
                });
            }
        } else if self.declaration.is_none()
            && let Some(name) = self.builder.missing()
        {
            return Err(Error::MissingTensor {
                name: name.to_owned(),
            });
        }
        self.gguf.file_bytes += file_bytes;
        self.plan(options)?;
        self.builder.allocate()?;
        let shard = tensors
            .iter()
            .map(|t| (t.clone(), self.builder.index(&t.name)))
            .collect();
        self.gguf.tensors.extend(whole);
        Ok(Shard::new(shard, start, file_bytes))
    }

    /// Counts all bytes and refuses what cannot fit.
    fn plan(&mut self, options: &LoadOptions) -> Result<()> {
        let expected = self.expected()?;
        let weights = self.builder.bytes(expected);
        let total = weights
            .saturating_add(self.plan.cache_bytes as u64)
            .saturating_add(self.plan.scratch_bytes as u64);
        let available = available(options);
        if total > available {
            return Err(Error::OutOfMemory {
                needed: total,
                available,
            });
        }
        self.plan.weights_bytes = weights as usize;
        self.plan.total_bytes = total as usize;
        self.plan.file_bytes = self.gguf.file_bytes;
        Ok(())
    }

    /// The format to count with for tensors whose file has not come.
    fn expected(&self) -> Result<Format> {
        if let Some(format) = self.builder.main_format() {
            return Ok(format);
        }
        let kind = self.gguf.metadata.u32("general.file_type")?;
        Ok(kind
            .and_then(Mixture::from_file_type)
            .map_or(Format::F16, Mixture::base))
    }
}

/// Bytes that a plan may reach.
fn available(options: &LoadOptions) -> u64 {
    let space = if cfg!(target_pointer_width = "32") {
        4_000 << 20
    } else {
        u64::MAX
    };
    options.memory_limit.unwrap_or(space).min(space)
}

/// A plan that knows of the cache and the scratch alone.
fn unplanned(config: &Config, options: &LoadOptions) -> Result<MemoryPlan> {
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
    // Past this bound the sizes below overflow, and no memory is as large.
    let cache_length = options.cache_length.unwrap_or(0).min(1 << 28);
    let cache_length = cache_length.max(context_length);
    let format = options.cache_format;
    let cache = Cache::bytes(config, format, context_length, cache_length);
    let scratch = Scratch::bytes(config, context_length);
    let (needed, available) = (cache.saturating_add(scratch), available(options));
    if needed > available {
        return Err(Error::OutOfMemory { needed, available });
    }
    Ok(MemoryPlan {
        weights_bytes: 0,
        cache_bytes: cache as usize,
        scratch_bytes: scratch as usize,
        total_bytes: 0,
        context_length,
        cache_length,
        cache_format: format,
        file_bytes: 0,
    })
}

/// The format of each tensor of `gguf` in the mixture called `name`.
fn targets(gguf: &Gguf, name: &str) -> Result<BTreeMap<String, Format>> {
    let formats = Mixture::from_name(name)?.formats(gguf)?;
    Ok(gguf
        .tensors
        .iter()
        .map(|t| t.name.clone())
        .zip(formats)
        .collect())
}

/// `tensors` with those taken apart, row by row, that hold several of the wanted ones.
fn apart(builder: &WeightsBuilder, tensors: Vec<TensorInfo>) -> Result<Vec<TensorInfo>> {
    let mut wholes: BTreeMap<&str, Vec<(usize, &TensorSpec)>> = BTreeMap::new();
    for (spec, _) in builder.specs() {
        if let Some((whole, first)) = &spec.inside {
            wholes.entry(whole).or_default().push((*first, spec));
        }
    }
    let mut all = Vec::with_capacity(tensors.len());
    for tensor in tensors {
        let Some(parts) = wholes.get_mut(tensor.name.as_str()) else {
            all.push(tensor);
            continue;
        };
        parts.sort_by_key(|p| p.0);
        // A vector is as many rows of one value.
        let vector = parts[0].1.rows == 0;
        let length = |spec: &TensorSpec| if vector { spec.cols } else { spec.rows };
        let rows: usize = parts.iter().map(|(_, spec)| length(spec)).sum();
        let cols = if vector { 1 } else { parts[0].1.cols as u64 };
        let found = tensor
            .shape
            .iter()
            .fold(1, |n: u64, d| n.saturating_mul(*d));
        let fits = vector || tensor.shape.first() == Some(&cols);
        if found != rows as u64 * cols || !fits || (vector && tensor.format.block_len() > 1) {
            return Err(Error::BadShape {
                name: tensor.name,
                found: tensor.shape,
                expected: vec![cols, rows as u64],
            });
        }
        let row_bytes = tensor.bytes / rows as u64;
        for (first, spec) in parts {
            all.push(TensorInfo {
                name: spec.name.clone(),
                format: tensor.format,
                shape: shape(spec),
                offset: tensor.offset + *first as u64 * row_bytes,
                bytes: length(spec) as u64 * row_bytes,
            });
        }
    }
    Ok(all)
}

/// A tensor's shape in GGUF order.
fn shape(spec: &TensorSpec) -> Vec<u64> {
    if spec.rows > 0 {
        vec![spec.cols as u64, spec.rows as u64]
    } else {
        vec![spec.cols as u64]
    }
}

fn check_shape(spec: &TensorSpec, found: &TensorInfo) -> Result<()> {
    let expected = shape(spec);
    let mut shape = found.shape.clone();
    while shape.len() > expected.len() && shape.last() == Some(&1) {
        shape.pop();
    }
    while shape.len() < expected.len() {
        shape.push(1);
    }
    // A vector may stand as a table of as many values.
    let values = shape.iter().fold(1, |n: u64, d| n.saturating_mul(*d));
    if shape == expected || (spec.rows == 0 && values == spec.cols as u64) {
        Ok(())
    } else {
        Err(Error::BadShape {
            name: spec.name.clone(),
            found: found.shape.clone(),
            expected,
        })
    }
}
