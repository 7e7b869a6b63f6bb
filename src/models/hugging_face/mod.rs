//! Which declaration reads a Hugging Face folder, and how its `config.json` and tensor names become those of GGUF.
//!
//! One row for each `model_type` (`rows.rs`). All of them turn rotary pairs in halves, whatever the GGUF files of the
//! same architecture do.

mod config_json;
mod decoder;
mod encoder;
mod encoder_decoder;
mod hybrid;
mod names;
mod rope;
mod rows;

use serde_json::Value;

use super::keys::NORMALISES;
use crate::error::{Error, Result};
use crate::format::Metadata;
use crate::format::gguf::TensorInfo;
use crate::format::gguf_write::HeaderWriter;
use crate::format::hugging_face::Folder;
use crate::transformer::{Change, Part, TensorSpec};
use config_json::{ConfigJson, Writer};
use rows::DECLARATIONS;

/// Names of tensors in a folder and in GGUF, without their ends; each `{}` is a number, of the layer or of the expert.
type Names = &'static [(&'static str, &'static str)];

/// Tensors that a configuration brings as lists of numbers, by GGUF name.
type Listed = Vec<(&'static str, Vec<f32>)>;

/// One kind of folder.
pub struct Declaration {
    /// `model_type` of `config.json`.
    model_type: &'static str,
    /// `general.architecture` of the same model as GGUF.
    architecture: &'static str,
    /// Tensor names; the first table that has one decides.
    names: &'static [Names],
    /// `config.json` → keys.
    keys: fn(&ConfigJson<'_>, &mut Writer) -> Result<Listed>,
    /// Whether GGUF files of this architecture have the rows of query and key reordered, so that rotary pairs lie side
    /// by side.
    pub interleaved_in_gguf: bool,
    /// What is added to the weights of norms: some folders keep their distance from 1.
    norm_offset: f32,
    /// Where the folder keeps as one tensor what GGUF keeps apart.
    arrange: Option<fn(&mut TensorSpec)>,
    /// Whether GGUF files have factors in their weights that the folder keeps beside them.
    scaled_in_gguf: bool,
    /// What names start with where the model stands beside a head.
    prefix: &'static str,
    /// What `architectures` names, where other folders of the same `model_type` fall under another row.
    class: Option<&'static str>,
    /// Whether the embedding is the head, where that takes more than a look at `tie_word_embeddings`.
    tied: Option<fn(ConfigJson<'_>) -> Result<bool>>,
    /// First rows of the position embedding that no token has.
    unused_positions: u64,
}

/// What a folder's configuration is.
pub struct Described {
    /// The row it falls under.
    pub declaration: &'static Declaration,
    /// The same as keys of GGUF, tokenizer and template among them.
    pub metadata: Metadata,
    /// Tensors that stand in the configuration.
    pub listed: Vec<(&'static str, Vec<f32>)>,
    /// Whether the embedding is the head too, whatever the files hold.
    pub tied: bool,
}

impl Declaration {
    /// The GGUF name of a folder's tensor.
    pub fn gguf_name(&self, name: &str) -> Option<String> {
        let mut rows = self.names.iter().copied().flatten();
        let whole = name.strip_prefix(self.prefix).unwrap_or(name);
        if let Some(name) = rows.find_map(|(from, to)| renamed(whole, from, to)) {
            return Some(name);
        }
        let (stem, kind) = match name.rsplit_once('.')? {
            (stem, "weight" | "gamma") => (stem, "weight"),
            (stem, "bias" | "beta") => (stem, "bias"),
            _ => return None,
        };
        let stem = stem.strip_prefix(self.prefix).unwrap_or(stem);
        let mut rows = self.names.iter().copied().flatten();
        let name = rows.find_map(|(from, to)| renamed(stem, from, to))?;
        Some(format!("{name}.{kind}"))
    }

    /// Gives a folder's tensor its GGUF name and leaves off the rows that GGUF does not have; whether it has one.
    pub fn rename(&self, tensor: &mut TensorInfo) -> bool {
        let Some(name) = self.gguf_name(&tensor.name) else {
            return false;
        };
        if name == "position_embd.weight"
            && let [_, rows] = &mut tensor.shape[..]
            && *rows > self.unused_positions
        {
            let unused = tensor.bytes / *rows * self.unused_positions;
            tensor.offset += unused;
            tensor.bytes -= unused;
            *rows -= self.unused_positions;
        }
        tensor.name = name;
        true
    }

    /// What becomes of the values of the vector `part`.
    pub fn change(&self, part: Part) -> Change {
        match part {
            Part::Rates => Change::NegativeExp,
            Part::OutputNorm
            | Part::AttentionNorm
            | Part::PostAttentionNorm
            | Part::QueryNorm
            | Part::KeyNorm
            | Part::FeedForwardNorm
            | Part::PostFeedForwardNorm
                if self.norm_offset != 0.0 =>
            {
                Change::Add(self.norm_offset)
            }
            _ => Change::None,
        }
    }

    /// Whether the folder keeps as one tensor what GGUF keeps apart, or apart what GGUF keeps in one.
    pub fn arranges(&self) -> bool {
        self.arrange.is_some() || self.scaled_in_gguf
    }

    /// The tensors `specs` as the folder keeps them.
    pub fn arranged(&self, mut specs: Vec<TensorSpec>) -> Vec<TensorSpec> {
        if let Some(arrange) = self.arrange {
            specs.iter_mut().for_each(arrange);
        }
        specs
    }
}

/// `name` as `to` says it, if it reads as `from`.
fn renamed(name: &str, from: &str, to: &str) -> Option<String> {
    let (mut rest, mut made) = (name, to.to_owned());
    let mut pieces = from.split("{}");
    rest = rest.strip_prefix(pieces.next()?)?;
    for piece in pieces {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number = &rest[..digits];
        number
            .parse::<u32>()
            .ok()
            .filter(|n| n.to_string() == number)?;
        made = made.replacen("{}", number, 1);
        rest = rest[digits..].strip_prefix(piece)?;
    }
    rest.is_empty().then_some(made)
}

/// Reads the small files of a folder.
pub fn describe(folder: &Folder) -> Result<Described> {
    if folder.config.is_null() {
        return Err(Error::MissingKey {
            key: "model_type (config.json has to come before the weights)".into(),
        });
    }
    let config = ConfigJson(&folder.config);
    let model_type = config.str("model_type").unwrap_or_default();
    let declaration = DECLARATIONS
        .iter()
        .find(|d| d.model_type == model_type && d.class.is_none_or(|class| config.names(class)))
        .ok_or_else(|| Error::UnknownArchitecture {
            name: model_type.to_owned(),
            supported: DECLARATIONS
                .iter()
                .map(|d| d.model_type)
                .collect::<Vec<_>>()
                .join(", "),
        })?;
    let mut keys = Writer {
        header: HeaderWriter::new(32),
        name: declaration.architecture,
    };
    keys.header
        .str("general.architecture", declaration.architecture);
    let title = config
        .str("_name_or_path")
        .and_then(|p| p.rsplit('/').next());
    keys.header.str(
        "general.name",
        title.filter(|t| !t.is_empty()).unwrap_or(model_type),
    );
    let listed = (declaration.keys)(&config, &mut keys)?;
    let (pooling, normalises) = folder.embedding()?;
    if let Some(kind) = pooling {
        keys.u32("pooling_type", kind);
    }
    if let Some(normalises) = normalises {
        keys.header.bool(NORMALISES, normalises);
    }
    let vocab_size = config.require("vocab_size")?;
    folder.write_text_keys(vocab_size as usize, &mut keys.header)?;
    let tied = match declaration.tied {
        Some(tied) => tied(config)?,
        None => ["tie_word_embeddings", "share_embedding"]
            .into_iter()
            .any(|k| folder.config.get(k).and_then(Value::as_bool) == Some(true)),
    };
    Ok(Described {
        declaration,
        metadata: keys.header.metadata()?,
        listed,
        tied,
    })
}
