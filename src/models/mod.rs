//! One declaration per architecture: metadata keys, tensor names and shapes, `Config` switches. A new architecture is a
//! file and a row here; its name stands nowhere else.

mod bert;
mod decoder;
mod falcon_h1;
mod gemma2;
mod gemma3;
mod granite;
mod granitehybrid;
mod granitemoe;
pub mod hugging_face;
mod keys;
mod lfm2;
mod llama;
mod mamba2;
mod mobilebert;
mod mobilellm;
mod modern_bert;
mod nomic_bert;
mod olmo2;
mod phi3;
mod qwen2;
mod qwen3;
mod qwen3moe;
mod rwkv7;
mod smollm3;
mod t5;
mod tensors;

use crate::error::{Error, Result};
use crate::format::Metadata;
use crate::transformer::{Config, TensorSpec};
pub use hugging_face::{Declaration, Described, describe};

/// A registered architecture.
pub struct Architecture {
    /// `general.architecture` of its files.
    pub name: &'static str,
    /// Metadata → shape.
    pub config: fn(&Metadata) -> Result<Config>,
    /// Shape → the tensors it reads.
    pub tensors: fn(&Config) -> Vec<TensorSpec>,
}

/// Every registered architecture.
pub const ARCHITECTURES: &[Architecture] = &[
    llama::ARCHITECTURE,
    qwen2::ARCHITECTURE,
    qwen3::ARCHITECTURE,
    qwen3moe::ARCHITECTURE,
    gemma2::ARCHITECTURE,
    gemma3::ARCHITECTURE,
    phi3::ARCHITECTURE,
    smollm3::ARCHITECTURE,
    olmo2::ARCHITECTURE,
    granite::ARCHITECTURE,
    granitemoe::ARCHITECTURE,
    mobilellm::ARCHITECTURE,
    lfm2::ARCHITECTURE,
    mamba2::ARCHITECTURE,
    granitehybrid::ARCHITECTURE,
    rwkv7::ARCHITECTURE,
    falcon_h1::ARCHITECTURE,
    bert::ARCHITECTURE,
    mobilebert::ARCHITECTURE,
    modern_bert::ARCHITECTURE,
    nomic_bert::ARCHITECTURE,
    t5::ARCHITECTURE,
    t5::ENCODER,
];

/// The architecture that a file names.
pub fn architecture(meta: &Metadata) -> Result<&'static Architecture> {
    let name = meta.require_str("general.architecture")?;
    ARCHITECTURES
        .iter()
        .find(|a| a.name == name)
        .ok_or_else(|| Error::UnknownArchitecture {
            name: name.to_owned(),
            supported: ARCHITECTURES
                .iter()
                .map(|a| a.name)
                .collect::<Vec<_>>()
                .join(", "),
        })
}
