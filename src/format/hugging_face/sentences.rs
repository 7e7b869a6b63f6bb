//! How a folder of `sentence-transformers` makes one embedding of a text: `modules.json`, and the settings of its pooling.
//! Steps that are not computed, such as a dense layer behind the pooling, are refused.

use crate::error::{Error, Result};
use serde_json::Value;

/// Ways to pool under their newer and their older names, and `pooling_type` of GGUF for those that are computed.
const MODES: &[(&str, &str, Option<u32>)] = &[
    ("mean", "pooling_mode_mean_tokens", Some(1)),
    ("cls", "pooling_mode_cls_token", Some(2)),
    ("lasttoken", "pooling_mode_lasttoken", Some(3)),
    ("max", "pooling_mode_max_tokens", None),
    (
        "mean_sqrt_len_tokens",
        "pooling_mode_mean_sqrt_len_tokens",
        None,
    ),
    ("weightedmean", "pooling_mode_weightedmean_tokens", None),
];

/// The name of the pooling's settings.
pub(super) const POOLING: &str = "1_Pooling/config.json";

/// The last part of each step's class, in the order they are computed in.
pub(super) fn steps(modules: &Value) -> Result<Vec<String>> {
    let kind = |step: &Value| Some(step.get("type")?.as_str()?.rsplit('.').next()?.to_owned());
    let list = modules.as_array();
    let steps: Option<Vec<String>> = list.and_then(|l| l.iter().map(kind).collect());
    steps.ok_or_else(|| Error::MalformedHeader {
        what: "modules.json is no list of steps with a type each".into(),
    })
}

/// `pooling_type` of GGUF for the settings of a pooling.
fn pooling_type(settings: &Value) -> Result<u32> {
    let on = |older: &str| settings.get(older).and_then(Value::as_bool) == Some(true);
    let named = match settings.get("pooling_mode") {
        Some(Value::Array(several)) => several.iter().collect(),
        Some(one) => vec![one],
        None => Vec::new(),
    };
    let wanted: Vec<&(&str, &str, Option<u32>)> = MODES
        .iter()
        .filter(|(newer, older, _)| on(older) || named.iter().any(|n| n.as_str() == Some(newer)))
        .collect();
    if let [(.., Some(kind))] = wanted[..]
        && named.len() <= 1
    {
        return Ok(*kind);
    }
    let older: Vec<&str> = wanted.iter().map(|m| m.0).collect();
    let found = match settings.get("pooling_mode") {
        Some(value) => value.to_string(),
        None if older.is_empty() => "nothing".into(),
        None => older.join(" and "),
    };
    Err(Error::BadKey {
        key: format!("pooling_mode of {POOLING}"),
        found,
        expected: "one of mean, cls and lasttoken".into(),
    })
}

/// `pooling_type` of GGUF, and whether embeddings get the length 1, as far as `steps` and `pooling` say.
pub(super) fn read(
    steps: Option<&[String]>,
    pooling: &Value,
) -> Result<(Option<u32>, Option<bool>)> {
    let has = |kind: &str| steps.is_some_and(|s| s.iter().any(|step| step == kind));
    let other = |step: &&String| !["Transformer", "Pooling", "Normalize"].contains(&step.as_str());
    if let Some(other) = steps.and_then(|s| s.iter().find(other)) {
        return Err(Error::BadKey {
            key: "type of modules.json".into(),
            found: other.clone(),
            expected: "Transformer, Pooling or Normalize".into(),
        });
    }
    if pooling.is_null() {
        if has("Pooling") {
            return Err(Error::MissingKey {
                key: format!(
                    "pooling_mode of {POOLING}, which modules.json names (it has to come before the weights)"
                ),
            });
        }
        return Ok((None, steps.map(|_| has("Normalize"))));
    }
    Ok((
        Some(pooling_type(pooling)?),
        steps.map(|_| has("Normalize")),
    ))
}
