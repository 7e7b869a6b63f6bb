//! JSON Schemas in words that `llguidance` reads as they are meant, or refused where a reply could not be held to them.

use crate::error::Result;
use serde_json::{Map, Value as Json, json};

use super::ecma::{self, Anchors};
use super::refused;

/// Formats that `llguidance` holds to.
const FORMATS: [&str; 10] = [
    "date",
    "date-time",
    "duration",
    "email",
    "hostname",
    "ipv4",
    "ipv6",
    "time",
    "uri",
    "uuid",
];

const DATE: &str = r"((\d\d(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)-02-29|\d{4}-((0[13578]|1[02])-(0[1-9]|[12]\d|3[01])|(0[469]|11)-(0[1-9]|[12]\d|30)|02-(0[1-9]|1\d|2[0-8])))";
const TIME: &str = r"([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,9})?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)";
const LETTERS: &str = "[A-Za-z0-9]*";
const LABEL: &str = "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?";

/// A format where its own grammar lets through what validators refuse: a leap second at noon, a leap day in a common
/// year, a mailbox without a domain of two parts, an address of nothing.
fn strict(format: &str) -> Option<String> {
    Some(match format {
        "date" => format!("^{DATE}$"),
        "time" => format!("^{TIME}$"),
        "date-time" => format!("^{DATE}T{TIME}$"),
        "email" => format!(
            r"^[A-Za-z0-9_+-]{{1,32}}(\.[A-Za-z0-9_+-]{{1,31}})?@({LABEL}\.){{1,2}}[A-Za-z]{{2,24}}$"
        ),
        "uri" => format!(
            r"^[A-Za-z][A-Za-z0-9+.-]*:(//([A-Za-z]{LETTERS}[.-])*[A-Za-z]{LETTERS}([/?#][!-~]*)?|[A-Za-z0-9][!-~]*)$"
        ),
        _ => return None,
    })
}

/// What patterns of mailboxes look ahead for, and what [`strict`] ones have already.
const EMAIL_LOOKS: [&str; 2] = [r"(?!\.)", r"(?!.*\.\.)"];

/// Keys whose value is data or words, not schemas.
const NO_SCHEMAS: [&str; 5] = ["const", "default", "enum", "examples", "x-guidance"];
/// Keys whose value is schemas by name.
const NAMED: [&str; 5] = [
    "$defs",
    "definitions",
    "dependentSchemas",
    "patternProperties",
    "properties",
];

/// What only `\u` can write, as it stands in the JSON of a schema: control characters, and patterns of them.
const CONTROLS: [&str; 4] = [r"\u00", r"\\x0", r"\\x1", r"\\v"];

/// The schema of a reply, with separators that leave no room for endless white space, and, where nothing needs it,
/// without `\u`, by which a key could be spelled a second time.
pub(super) fn prepare(mut schema: Json) -> Result<Json> {
    if let Json::Object(map) = &mut schema {
        map.shift_remove("x-guidance");
    }
    with_options(schema)
}

fn with_options(mut schema: Json) -> Result<Json> {
    rewrite(&mut schema)?;
    let text = schema.to_string();
    let controls = CONTROLS.iter().any(|spelled| text.contains(spelled));
    if let Json::Object(map) = &mut schema {
        map.entry("x-guidance").or_insert_with(|| {
            json!({
                "whitespace_flexible": false,
                "item_separator": ", ?",
                "key_separator": ": ?",
                "json_allowed_escapes": if controls { "nrbtf\\\"u" } else { "nrbtf\\\"" },
            })
        });
    }
    Ok(schema)
}

/// A Lark grammar with the schemas in it prepared.
pub(super) fn prepare_lark(source: &str) -> Result<String> {
    const MARK: &str = "%json";
    let bytes = source.as_bytes();
    let mut out = String::with_capacity(source.len());
    let (mut at, mut copied) = (0, 0);
    while at < bytes.len() {
        at = match bytes[at] {
            b'/' if bytes.get(at + 1) == Some(&b'/') => past(bytes, at, b'\n'),
            quote @ (b'"' | b'/') => past(bytes, at, quote),
            b'%' if source[at..].starts_with(MARK) => {
                let begin = at + MARK.len();
                let mut values =
                    serde_json::Deserializer::from_str(&source[begin..]).into_iter::<Json>();
                match values.next() {
                    Some(Ok(schema)) => {
                        out.push_str(&source[copied..begin]);
                        out.push(' ');
                        out.push_str(&with_options(schema)?.to_string());
                        copied = begin + values.byte_offset();
                        copied
                    }
                    // Its reader says what is wrong with it.
                    _ => begin,
                }
            }
            _ => at + 1,
        };
    }
    out.push_str(&source[copied..]);
    Ok(out)
}

/// Behind the next `end` after `at` that no backslash precedes.
fn past(bytes: &[u8], at: usize, end: u8) -> usize {
    let mut next = at + 1;
    while next < bytes.len() && bytes[next] != end {
        next += if bytes[next] == b'\\' { 2 } else { 1 };
    }
    next + 1
}

// Ends: what serde_json has read is at most 128 levels deep.
fn rewrite(schema: &mut Json) -> Result<()> {
    let Json::Object(map) = schema else {
        return Ok(());
    };
    for (key, value) in map.iter_mut() {
        match value {
            _ if NO_SCHEMAS.contains(&key.as_str()) => {}
            Json::Object(named) if NAMED.contains(&key.as_str()) => {
                named.values_mut().try_for_each(rewrite)?;
            }
            Json::Object(_) => rewrite(value)?,
            Json::Array(list) => list.iter_mut().try_for_each(rewrite)?,
            _ => {}
        }
    }
    if map.get("uniqueItems") == Some(&Json::Bool(false)) {
        map.shift_remove("uniqueItems");
    }
    rewrite_text(map)?;
    rewrite_names(map)?;
    check_count(map)
}

/// `pattern` and `format`.
fn rewrite_text(map: &mut Map<String, Json>) -> Result<()> {
    let format = match map.get("format") {
        Some(Json::String(format)) => Some(format.clone()),
        _ => None,
    };
    let tighter = format.as_deref().and_then(strict);
    if let Some(Json::String(pattern)) = map.get_mut("pattern") {
        let mut source = pattern.clone();
        if format.as_deref() == Some("email") {
            for look in EMAIL_LOOKS {
                source = source.replace(look, "");
            }
        }
        *pattern = ecma::to_rust(&source, false, Anchors::Keep)?;
        // A format that nobody here knows is no more than a word where a pattern says what it is.
        if format.is_some_and(|format| !FORMATS.contains(&format.as_str())) {
            map.shift_remove("format");
        }
    }
    let Some(tighter) = tighter else {
        return Ok(());
    };
    // An address has more rules than this one.
    if map.get("format") != Some(&Json::from("uri")) {
        map.shift_remove("format");
    }
    if map.contains_key("pattern") {
        let all = map.entry("allOf").or_insert_with(|| json!([]));
        if let Json::Array(all) = all {
            all.push(json!({ "pattern": tighter }));
        }
    } else {
        map.insert("pattern".into(), tighter.into());
    }
    Ok(())
}

/// `patternProperties` and `propertyNames`.
fn rewrite_names(map: &mut Map<String, Json>) -> Result<()> {
    if let Some(Json::Object(patterns)) = map.get_mut("patternProperties") {
        for (pattern, schema) in std::mem::take(patterns) {
            patterns.insert(ecma::to_rust(&pattern, false, Anchors::Keep)?, schema);
        }
    }
    let (names, says_more) = match map.get("propertyNames") {
        Some(Json::Object(names)) => (
            names.clone(),
            names.keys().any(|key| key != "type" && key != "$schema"),
        ),
        Some(Json::Bool(true)) => (Map::new(), false),
        _ => return Ok(()),
    };
    // Every key is a string.
    if !says_more {
        if names.get("type").is_none_or(|kind| kind == "string") {
            map.shift_remove("propertyNames");
        }
        return Ok(());
    }
    // Where other keys are named too, both would have to hold; that is left to be refused.
    if map.contains_key("properties") || map.contains_key("patternProperties") {
        return Ok(());
    }
    let only = |allowed: &[&str]| {
        let mut keys = names.keys();
        keys.all(|key| key == "type" || allowed.contains(&key.as_str()))
    };
    let value = map
        .get("additionalProperties")
        .cloned()
        .unwrap_or(Json::Bool(true));
    match (names.get("enum"), names.get("pattern")) {
        (Some(Json::Array(allowed)), None) if only(&["enum"]) => {
            let named = allowed.iter().filter_map(Json::as_str);
            let named: Map<String, Json> =
                named.map(|name| (name.to_owned(), value.clone())).collect();
            map.insert("properties".into(), named.into());
        }
        (None, Some(Json::String(pattern))) if only(&["pattern"]) => {
            map.insert("patternProperties".into(), json!({ pattern: value }));
        }
        _ => return Ok(()),
    }
    map.shift_remove("propertyNames");
    map.insert("additionalProperties".into(), Json::Bool(false));
    Ok(())
}

/// Of keys that are not named in the schema one may be written twice, and then counts once.
fn check_count(map: &Map<String, Json>) -> Result<()> {
    let required = match map.get("required") {
        Some(Json::Array(names)) => names.len() as u64,
        _ => 0,
    };
    let least = map.get("minProperties").and_then(Json::as_u64);
    if least.is_some_and(|least| least > required + 1) {
        return Err(refused(
            "minProperties can be more than the required ones by one at most: name the others in required",
        ));
    }
    Ok(())
}
