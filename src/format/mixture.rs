//! Which block format each tensor of a file gets: the named mixtures of llama.cpp and their rules.
//!
//! The rules are those of `llama-quant.cpp` without an importance matrix: tensors that hurt most get more bits, and a
//! tensor whose rows are not whole blocks falls back to a format with smaller blocks. Left out are its special cases
//! for single families and for eight experts.

use super::gguf::{Gguf, TensorInfo};
use crate::error::{Error, Result};
use crate::quant::Format;

/// A named choice of formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Mixture {
    F32,
    F16,
    BF16,
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    Q8_0,
    Q2K,
    Q2KS,
    Q3KS,
    Q3KM,
    Q3KL,
    Q4KS,
    Q4KM,
    Q5KS,
    Q5KM,
    Q6K,
    Iq4Nl,
    Iq4Xs,
    Tq1_0,
    Tq2_0,
}

/// Every mixture with its name, its number in `general.file_type` and the format that most tensors get.
pub const MIXTURES: &[(Mixture, &str, u32, Format)] = &[
    (Mixture::F32, "f32", 0, Format::F32),
    (Mixture::F16, "f16", 1, Format::F16),
    (Mixture::BF16, "bf16", 32, Format::BF16),
    (Mixture::Q4_0, "q4_0", 2, Format::Q4_0),
    (Mixture::Q4_1, "q4_1", 3, Format::Q4_1),
    (Mixture::Q5_0, "q5_0", 8, Format::Q5_0),
    (Mixture::Q5_1, "q5_1", 9, Format::Q5_1),
    (Mixture::Q8_0, "q8_0", 7, Format::Q8_0),
    (Mixture::Q2K, "q2_k", 10, Format::Q2K),
    (Mixture::Q2KS, "q2_k_s", 21, Format::Q2K),
    (Mixture::Q3KS, "q3_k_s", 11, Format::Q3K),
    (Mixture::Q3KM, "q3_k_m", 12, Format::Q3K),
    (Mixture::Q3KL, "q3_k_l", 13, Format::Q3K),
    (Mixture::Q4KS, "q4_k_s", 14, Format::Q4K),
    (Mixture::Q4KM, "q4_k_m", 15, Format::Q4K),
    (Mixture::Q5KS, "q5_k_s", 16, Format::Q5K),
    (Mixture::Q5KM, "q5_k_m", 17, Format::Q5K),
    (Mixture::Q6K, "q6_k", 18, Format::Q6K),
    (Mixture::Iq4Nl, "iq4_nl", 25, Format::Iq4Nl),
    (Mixture::Iq4Xs, "iq4_xs", 30, Format::Iq4Xs),
    (Mixture::Tq1_0, "tq1_0", 36, Format::Tq1_0),
    (Mixture::Tq2_0, "tq2_0", 37, Format::Tq2_0),
];

impl Mixture {
    /// The mixture called `name`; the error lists the names.
    pub fn from_name(name: &str) -> Result<Mixture> {
        // The plain name of a family is its middle member, as in llama.cpp.
        let name = match name {
            "q3_k" => "q3_k_m",
            "q4_k" => "q4_k_m",
            "q5_k" => "q5_k_m",
            other => other,
        };
        match MIXTURES.iter().find(|row| row.1 == name) {
            Some(row) => Ok(row.0),
            None => Err(Error::BadArgument {
                name: "format".into(),
                found: format!("\"{name}\""),
                expected: MIXTURES
                    .iter()
                    .map(|row| row.1)
                    .collect::<Vec<_>>()
                    .join(", "),
            }),
        }
    }

    /// The name (`q4_k_m`).
    pub fn name(self) -> &'static str {
        self.row().1
    }

    /// The mixture that `general.file_type` calls `number`.
    pub fn from_file_type(number: u32) -> Option<Mixture> {
        MIXTURES.iter().find(|row| row.2 == number).map(|row| row.0)
    }

    /// The number of `general.file_type`.
    pub fn file_type(self) -> u32 {
        self.row().2
    }

    /// The format that most tensors get.
    pub fn base(self) -> Format {
        self.row().3
    }

    fn row(self) -> &'static (Mixture, &'static str, u32, Format) {
        MIXTURES
            .iter()
            .find(|row| row.0 == self)
            .expect("every mixture has a row")
    }

    /// The format of each tensor of `gguf`, in its order.
    pub fn formats(self, gguf: &Gguf) -> Result<Vec<Format>> {
        let tied = !gguf.tensors.iter().any(|t| t.name == "output.weight");
        let group_size = query_heads_per_key_head(gguf)?;
        let roles: Vec<Option<Role>> = gguf.tensors.iter().map(|t| role(t, tied)).collect();
        let mut formats: Vec<Format> = gguf.tensors.iter().map(|t| t.format).collect();
        for (i, tensor) in gguf.tensors.iter().enumerate() {
            let Some(role) = roles[i] else {
                // llama.cpp computes with vectors in f32 only; folders bring them in what they were trained in.
                if tensor.shape[1..].iter().all(|d| *d == 1)
                    && matches!(tensor.format, Format::F16 | Format::BF16)
                {
                    formats[i] = Format::F32;
                }
                continue;
            };
            // Rank among the tensors of the same role, by layer: the rules count those and not layers.
            let peers = || (0..roles.len()).filter(|j| roles[*j] == Some(role));
            let place = |j: usize| (layer(&gguf.tensors[j].name), j);
            let rank = Rank {
                at: peers().filter(|j| place(*j) < place(i)).count(),
                of: peers().count(),
            };
            let wanted = self.wanted(role, rank, group_size, tensor.shape[0]);
            formats[i] = fitting(wanted, tensor.shape[0]);
        }
        Ok(formats)
    }

    /// Whether the rules choose a format for `tensor`, or leave it as it is.
    pub fn concerns(tensor: &TensorInfo) -> bool {
        role(tensor, false).is_some()
    }

    /// The format by role alone, before the columns (`cols`) are looked at.
    fn wanted(self, role: Role, rank: Rank, group_size: u32, cols: u64) -> Format {
        use Mixture as M;
        let base = self.base();
        if matches!(base, Format::F32 | Format::F16 | Format::BF16) {
            return base;
        }
        let Rank { at, of } = rank;
        match (role, self) {
            (Role::Output, _) if !cols.is_multiple_of(base.block_len() as u64) => Format::Q8_0,
            (Role::Output, M::Q8_0) => Format::Q8_0,
            (Role::Output, _) => Format::Q6K,
            (Role::TokenEmbedding, M::Tq1_0 | M::Tq2_0) => Format::Q4K,

            (Role::AttentionV, M::Q2K) if group_size < 4 => Format::Q3K,
            (Role::AttentionV, M::Q2K) => Format::Q4K,
            (Role::AttentionV, M::Q2KS) if group_size >= 4 => Format::Q4K,
            (Role::AttentionV, M::Q3KM) if at < 2 => Format::Q5K,
            (Role::AttentionV, M::Q3KM) => Format::Q4K,
            (Role::AttentionV, M::Q3KL) => Format::Q5K,
            (Role::AttentionV, M::Iq4Nl | M::Iq4Xs) if group_size >= 4 => Format::Q5K,
            (Role::AttentionV, M::Q4KS) if at < 4 => Format::Q5K,
            (Role::AttentionV | Role::FfnDown, M::Q4KM | M::Q5KM) if rank.deserves_more_bits() => {
                Format::Q6K
            }

            (Role::FfnDown, M::Q2K) => Format::Q3K,
            (Role::FfnDown, M::Q2KS) if at < of / 8 => Format::Q4K,
            (Role::FfnDown, M::Q3KM) if at < of / 16 => Format::Q5K,
            (Role::FfnDown, M::Q3KM) => Format::Q4K,
            (Role::FfnDown, M::Q3KL) => Format::Q5K,
            (Role::FfnDown, M::Iq4Nl | M::Iq4Xs | M::Q4KS) if at < of / 8 => Format::Q5K,

            (Role::AttentionOutput, M::Q2K) => Format::Q3K,
            (Role::AttentionOutput, M::Q3KM) => Format::Q4K,
            (Role::AttentionOutput, M::Q3KL) => Format::Q5K,
            _ => base,
        }
    }
}

/// `wanted`, or where `cols` is not whole blocks of it, what llama.cpp takes instead.
pub fn fitting(wanted: Format, cols: u64) -> Format {
    let fits = |format: Format| cols.is_multiple_of(format.block_len() as u64);
    if fits(wanted) {
        return wanted;
    }
    let smaller = match wanted {
        Format::Iq4Xs => Format::Iq4Nl,
        Format::Q2K | Format::Q3K | Format::Tq1_0 | Format::Tq2_0 => Format::Q4_0,
        Format::Q4K => Format::Q5_0,
        Format::Q5K => Format::Q5_1,
        Format::Q6K => Format::Q8_0,
        other => other,
    };
    if fits(smaller) { smaller } else { Format::F16 }
}

/// What a tensor does, as far as the rules care.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// The output matrix, or the token embedding where it serves as both.
    Output,
    TokenEmbedding,
    /// Also a fused tensor that contains the values.
    AttentionV,
    AttentionOutput,
    FfnDown,
    Other,
}

/// A tensor's place among those of its role.
#[derive(Clone, Copy)]
struct Rank {
    at: usize,
    of: usize,
}

impl Rank {
    /// The first and the last eighth, and every third between.
    fn deserves_more_bits(self) -> bool {
        let Rank { at, of } = self;
        at < of / 8 || at >= 7 * of / 8 || (at - of / 8) % 3 == 2
    }
}

/// Parts of names whose tensors stay as they are: small, or sensitive out of proportion.
const KEPT: &[&str] = &[
    "_norm.weight",
    "ffn_gate_inp.weight",
    "altup",
    "laurel",
    "per_layer_model_proj",
    "ssm_conv1d",
    "shortconv.conv.weight",
    "time_mix_first.weight",
    "time_mix_w0.weight",
    "time_mix_w1.weight",
    "time_mix_w2.weight",
    "time_mix_v0.weight",
    "time_mix_v1.weight",
    "time_mix_v2.weight",
    "time_mix_a0.weight",
    "time_mix_a1.weight",
    "time_mix_a2.weight",
    "time_mix_g1.weight",
    "time_mix_g2.weight",
    "time_mix_decay_w1.weight",
    "time_mix_decay_w2.weight",
    "time_mix_lerp_fused.weight",
    "attn_rel_b.weight",
    ".position_embd.",
];

/// The tensor's role; `None` where it keeps its format.
fn role(tensor: &TensorInfo, tied: bool) -> Option<Role> {
    let name = tensor.name.as_str();
    let is_matrix = tensor.shape[1..].iter().any(|d| *d > 1);
    let kept = KEPT.iter().any(|part| name.contains(part))
        || matches!(name, "position_embd.weight" | "token_types.weight");
    if !is_matrix || !name.ends_with("weight") || kept {
        return None;
    }
    let contains = |parts: &[&str]| parts.iter().any(|part| name.contains(part));
    Some(match name {
        "output.weight" => Role::Output,
        "token_embd.weight" | "per_layer_token_embd.weight" if tied => Role::Output,
        "token_embd.weight" | "per_layer_token_embd.weight" => Role::TokenEmbedding,
        _ if contains(&["attn_qkv.weight", "attn_kv_b.weight", "attn_v.weight"]) => {
            Role::AttentionV
        }
        _ if contains(&["attn_output.weight"]) => Role::AttentionOutput,
        _ if contains(&["ffn_down"]) => Role::FfnDown,
        _ => Role::Other,
    })
}

/// The layer in `blk.N.…`; 0 outside of layers.
fn layer(name: &str) -> u32 {
    let number = name
        .strip_prefix("blk.")
        .and_then(|rest| rest.split('.').next());
    number.and_then(|n| n.parse().ok()).unwrap_or(0)
}

/// Query heads that share a key head; 1 where the metadata does not say or differs by layer.
fn query_heads_per_key_head(gguf: &Gguf) -> Result<u32> {
    let metadata = &gguf.metadata;
    let Some(model) = metadata.str("general.architecture")? else {
        return Ok(1);
    };
    let heads = |key: &str| {
        metadata
            .u32(&format!("{model}.attention.{key}"))
            .ok()
            .flatten()
    };
    let (n_heads, n_kv_heads) = (heads("head_count"), heads("head_count_kv"));
    Ok(match (n_heads, n_kv_heads) {
        (Some(n_heads), Some(n_kv_heads)) if n_kv_heads > 0 => n_heads / n_kv_heads,
        _ => 1,
    })
}
