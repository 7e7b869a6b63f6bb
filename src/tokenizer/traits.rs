//! Which tokens take the spaces beside them, match whole words only, or are looked for in normalised text.

use super::markers::Traits;
use super::vocabulary::{Kind, Vocabulary};
use crate::error::{Error, Result};
use crate::format::Metadata;
use std::collections::HashMap;

/// A key of our own: ids and bits of [`Traits`] by turns.
const TRAITS_KEY: &str = "smidgen.token_traits";

/// GGUF has no key for them. Vocabularies whose control tokens take the spaces behind them are known by a token that no
/// other one has; these of their tokens do not.
const STRIP_RIGHT: &[(&str, &[&str])] = &[("<|placeholder1|>", &["<unk>", "<s>", "<|endoftext|>"])];

/// Traits by id, of those that have any. `model`: `tokenizer.ggml.model`.
pub(super) fn of_tokens(
    meta: &Metadata,
    vocabulary: &Vocabulary,
    model: &str,
) -> Result<HashMap<u32, Traits>> {
    if let Some(pairs) = meta.i32s(TRAITS_KEY)? {
        let (pairs, rest) = pairs.as_chunks::<2>();
        let known = |[id, bits]: &[i32; 2]| {
            let id = u32::try_from(*id)
                .ok()
                .filter(|id| (*id as usize) < vocabulary.len());
            id.zip(u8::try_from(*bits).ok().map(Traits))
        };
        let read: Option<HashMap<u32, Traits>> = pairs.iter().map(known).collect();
        return read
            .filter(|_| rest.is_empty())
            .ok_or_else(|| Error::BadKey {
                key: TRAITS_KEY.into(),
                found: "something else".into(),
                expected: "ids of the vocabulary, each followed by bits".into(),
            });
    }
    let mut traits = HashMap::new();
    for (sign, others) in STRIP_RIGHT {
        let known = vocabulary.id(sign).and_then(|id| vocabulary.kind(id));
        if model != "llama" || known != Some(Kind::Control) {
            continue;
        }
        for id in vocabulary.of_kind(Kind::Control) {
            if vocabulary
                .piece(id)
                .is_some_and(|piece| !others.contains(&piece))
            {
                traits.insert(id, Traits::STRIPS_RIGHT);
            }
        }
    }
    // The mask stands for a word with the space before it, where spaces belong to words at all.
    if let Some(mask) = meta.u32("tokenizer.ggml.mask_token_id")?
        && model != "bert"
    {
        traits.insert(mask, Traits::STRIPS_LEFT);
    }
    Ok(traits)
}
