//! A model as a stream of its files' bytes: header, plan, then tensors packed as they arrive.

use serde::{Deserialize, Serialize};

use super::Engine;
use super::shard::Shard;
use super::source::{self, Opened, Splits};
use crate::chat::Template;
use crate::error::{Error, Result};
use crate::format::gguf::{self, Gguf};
use crate::format::hugging_face::{self, Folder};
use crate::format::safetensors;
use crate::kernels::Isa;
pub use crate::kernels::attention::CacheFormat;
use crate::tokenizer::Tokenizer;
use crate::transformer::Model;

/// Whether this build reads Hugging Face folders and rounds weights while they stream. What a page downloads for a chat
/// does neither, and is smaller by what both take.
pub(super) const FOLDERS: bool = cfg!(feature = "folders");

/// What a caller may choose.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LoadOptions {
    /// Positions that a conversation may have.
    pub context_length: Option<usize>,
    /// Positions that the KV cache holds of all conversations together; as many as one may have, unless this is more.
    pub cache_length: Option<usize>,
    /// What keys and values are held in.
    pub cache_format: CacheFormat,
    /// Bytes that the plan may reach; by default what the address space holds.
    pub memory_limit: Option<u64>,
    /// Use the reference kernels.
    pub reference: bool,
    /// Round the matrices to this mixture of formats while they stream, as in `q4_k_m`.
    pub quantise: Option<String>,
}

/// Bytes by purpose, known as soon as the first header has been read. Where a model is split into several GGUF files,
/// weights in those to come are an estimate until their headers have been read.
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
    /// Positions that a conversation may have.
    pub context_length: usize,
    /// Positions that the KV cache holds of all of them.
    pub cache_length: usize,
    /// What it holds them in.
    pub cache_format: CacheFormat,
    /// Bytes of the files with weights seen so far.
    pub file_bytes: u64,
}

/// A header, or how many bytes it takes.
enum Progress<T> {
    NeedBytes(u64),
    Done(T),
}

/// What the file being read is.
enum Current {
    /// A file with weights whose header has not been read.
    Header { safetensors: bool },
    /// A file with weights, past its header.
    Shard(Shard),
    /// A small file of a Hugging Face folder, read as a whole.
    Small { name: &'static str },
    /// A file that nothing is read of.
    Ignored,
}

/// A model being loaded.
pub struct Loader {
    options: LoadOptions,
    /// The header so far, or a small file; later the start of a unit that is not complete.
    held: Vec<u8>,
    /// Bytes of header needed before reading it again is worth it.
    needed: u64,
    current: Current,
    folder: Folder,
    opened: Option<Opened>,
    /// Made as soon as the first header has been read, while the next bytes are still on their way.
    words: Option<Result<Words>>,
}

/// What a model knows of text.
struct Words {
    tokenizer: Tokenizer,
    template: Template,
}

impl Words {
    fn of(opened: &Opened) -> Result<Words> {
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
        Ok(Words {
            tokenizer,
            template,
        })
    }
}

impl Loader {
    /// Ready for the first byte. A model in one GGUF file needs no call of [`Loader::file`].
    pub fn new(options: LoadOptions) -> Loader {
        Loader {
            options,
            held: Vec::new(),
            needed: 4,
            current: Current::Header { safetensors: false },
            folder: Folder::default(),
            opened: None,
            words: None,
        }
    }

    /// The bytes that follow are those of another file, called `name` (a path may stand before it). The parts of a
    /// split GGUF come in order; of a Hugging Face folder the small files come before the weights.
    pub fn file(&mut self, name: &str) -> Result<()> {
        self.end_file()?;
        let wanted = Folder::wanted(name);
        let name = name.rsplit(['/', '\\']).next().unwrap_or(name);
        if !FOLDERS && (wanted.is_some() || name.ends_with(".safetensors")) {
            return Err(Error::WrongState {
                what: format!("this build of the engine reads GGUF files, and {name} came"),
            });
        }
        self.needed = 4;
        self.current = if name.ends_with(".safetensors") {
            self.needed = 8;
            Current::Header { safetensors: true }
        } else if let Some(name) = wanted {
            Current::Small { name }
        } else if [".json", ".jinja", ".txt", ".md", ".model"]
            .iter()
            .any(|end| name.ends_with(end))
        {
            Current::Ignored
        } else {
            Current::Header { safetensors: false }
        };
        Ok(())
    }

    /// Takes the next bytes of the file.
    pub fn push(&mut self, bytes: &[u8]) -> Result<()> {
        match &mut self.current {
            Current::Shard(shard) => {
                let opened = self.opened.as_mut().expect("a shard follows its header");
                shard.push(&mut opened.builder, &mut self.held, bytes);
                Ok(())
            }
            Current::Small { name } if FOLDERS => {
                if (self.held.len() + bytes.len()) as u64 > hugging_face::MAX_FILE_BYTES {
                    return Err(Error::MalformedHeader {
                        what: format!(
                            "{name} is longer than {} bytes",
                            hugging_face::MAX_FILE_BYTES
                        ),
                    });
                }
                self.held.extend_from_slice(bytes);
                Ok(())
            }
            Current::Ignored | Current::Small { .. } => Ok(()),
            Current::Header { safetensors } => {
                self.held.extend_from_slice(bytes);
                if (self.held.len() as u64) < self.needed {
                    return Ok(());
                }
                let safetensors = *safetensors;
                self.header_bytes(safetensors)
            }
        }
    }

    /// Tries to read the header in `held`; the bytes behind it go on to the tensors.
    fn header_bytes(&mut self, safetensors: bool) -> Result<()> {
        let read = if FOLDERS && safetensors {
            match safetensors::read(&self.held)? {
                safetensors::Progress::NeedBytes(n) => Progress::NeedBytes(n),
                safetensors::Progress::Done(header) => {
                    if self.opened.is_none() {
                        self.opened =
                            Some(source::open_folder(&self.folder, &header, &self.options)?);
                    }
                    let opened = self.opened.as_mut().expect("just opened");
                    Progress::Done(opened.add_safetensors(header, &self.options)?)
                }
            }
        } else {
            match gguf::read(&self.held)? {
                gguf::Progress::NeedBytes(n) => Progress::NeedBytes(n),
                gguf::Progress::Done(gguf) => Progress::Done(match &mut self.opened {
                    None => {
                        let (opened, shard) = source::open_gguf(gguf, &self.options)?;
                        self.opened = Some(opened);
                        shard
                    }
                    Some(opened) => opened.add_split(gguf, &self.options)?,
                }),
            }
        };
        match read {
            // Doubling keeps the work linear where a header is long and comes in small pieces.
            Progress::NeedBytes(n) => {
                self.needed = n
                    .max((self.held.len() as u64).saturating_mul(2))
                    .min(n.max(1 << 20));
                Ok(())
            }
            Progress::Done(shard) => {
                if self.words.is_none() {
                    self.words = self.opened.as_ref().map(Words::of);
                }
                let header = core::mem::take(&mut self.held);
                let start = shard.start().min(header.len() as u64) as usize;
                self.current = Current::Shard(shard);
                self.push(&header[start..])
            }
        }
    }

    /// The plan, once the first header has been read.
    pub fn plan(&self) -> Option<&MemoryPlan> {
        self.opened.as_ref().map(|o| &o.plan)
    }

    /// The header, once it has been read: of several files the first one's keys and all tensors so far, and of a
    /// Hugging Face folder what a GGUF file would say.
    pub fn header(&self) -> Option<&Gguf> {
        self.opened.as_ref().map(|o| &o.gguf)
    }

    /// Checks that the current file has come whole.
    fn end_file(&mut self) -> Result<()> {
        if let Current::Header { safetensors } = self.current
            && !self.held.is_empty()
        {
            // A header shorter than the last guess may be complete all the same.
            self.needed = 0;
            self.header_bytes(safetensors)?;
        }
        match &self.current {
            Current::Header { .. } if self.held.is_empty() => Ok(()),
            Current::Header { .. } => Err(Error::Truncated {
                what: "the header".into(),
                expected: self.needed.max(self.held.len() as u64 + 1),
                found: self.held.len() as u64,
            }),
            Current::Shard(shard) => shard.check_complete(self.held.len() as u64),
            Current::Small { name } if FOLDERS => {
                let bytes = core::mem::take(&mut self.held);
                self.folder.take(name, &bytes)
            }
            Current::Ignored | Current::Small { .. } => Ok(()),
        }
    }

    /// The engine, once every byte has come.
    pub fn finish(mut self) -> Result<Engine> {
        self.end_file()?;
        let (Some(opened), Some(words)) = (self.opened, self.words) else {
            return Err(Error::Truncated {
                what: "the header".into(),
                expected: self.needed,
                found: 0,
            });
        };
        if let Some(Splits { count, seen, .. }) = opened.splits
            && seen < count
        {
            return Err(Error::Truncated {
                what: format!("the model is split into {count} files, of which {seen} came; it"),
                expected: u64::from(count),
                found: u64::from(seen),
            });
        }
        if let Some(name) = opened.builder.missing() {
            return Err(Error::MissingTensor {
                name: name.to_owned(),
            });
        }
        let Words {
            tokenizer,
            template,
        } = words?;
        let name = opened
            .gguf
            .metadata
            .str("general.name")?
            .unwrap_or(opened.architecture.name)
            .to_owned();
        let format = opened.builder.main_format().map_or("none", |f| f.name());
        let parameters = opened.builder.parameters();
        let weights = opened.builder.finish(&opened.config);
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
