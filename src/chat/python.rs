//! How Python writes values: templates are written for Jinja in Python, and a prompt shows the difference.

use super::meter::MAX_DEPTH;
use minijinja::value::{Value, ValueKind};
use minijinja::{Error, ErrorKind};

/// Bounds every text that values are written to.
const MAX_BYTES: usize = 8 << 20;

/// How `json.dumps` lays values out.
pub(super) struct JsonStyle {
    pub ensure_ascii: bool,
    /// Spaces per level.
    pub indent: Option<usize>,
    pub item_separator: String,
    pub key_separator: String,
    pub sort_keys: bool,
}

/// `str(value)`.
pub(super) fn str(value: &Value) -> Result<String, Error> {
    if let Some(text) = value.as_str() {
        return Ok(text.to_owned());
    }
    if value.is_undefined() {
        return Ok(String::new());
    }
    let mut out = String::new();
    repr(value, &mut out, 0)?;
    Ok(out)
}

fn check(out: &str, depth: usize) -> Result<(), Error> {
    if out.len() > MAX_BYTES || depth > MAX_DEPTH {
        let what = "a value is too large or too deep to be written";
        return Err(Error::new(ErrorKind::InvalidOperation, what));
    }
    Ok(())
}

fn repr(value: &Value, out: &mut String, depth: usize) -> Result<(), Error> {
    check(out, depth)?;
    match value.kind() {
        ValueKind::Undefined => out.push_str("Undefined"),
        ValueKind::None => out.push_str("None"),
        ValueKind::Bool => out.push_str(if value.is_true() { "True" } else { "False" }),
        ValueKind::Number => out.push_str(&number(value, "inf", "nan")),
        ValueKind::String => repr_str(value.as_str().unwrap_or_default(), out),
        ValueKind::Seq | ValueKind::Iterable => {
            let (open, close) = if value.is_tuple() {
                ('(', ')')
            } else {
                ('[', ']')
            };
            out.push(open);
            let mut len = 0;
            for item in value.try_iter()? {
                if len > 0 {
                    out.push_str(", ");
                }
                repr(&item, out, depth + 1)?;
                len += 1;
            }
            if value.is_tuple() && len == 1 {
                out.push(',');
            }
            out.push(close);
        }
        ValueKind::Map => {
            out.push('{');
            for (index, key) in value.try_iter()?.enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                repr(&key, out, depth + 1)?;
                out.push_str(": ");
                repr(&value.get_item(&key)?, out, depth + 1)?;
            }
            out.push('}');
        }
        _ => out.push_str(&value.to_string()),
    }
    Ok(())
}

fn repr_str(text: &str, out: &mut String) {
    let quote = if text.contains('\'') && !text.contains('"') {
        '"'
    } else {
        '\''
    };
    out.push(quote);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == quote => out.extend(['\\', c]),
            c if c.is_control() => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push(quote);
}

/// Integers as they are; floats as Python's `repr` has them.
fn number(value: &Value, inf: &str, nan: &str) -> String {
    if value.is_integer() {
        return value.to_string();
    }
    let Ok(float) = f64::try_from(value.clone()) else {
        return value.to_string();
    };
    if float.is_nan() {
        return nan.into();
    }
    if float.is_infinite() {
        return format!("{}{inf}", if float < 0.0 { "-" } else { "" });
    }
    // Rust and Python both write the shortest digits that read back, and differ in the exponent only.
    let text = format!("{float:?}");
    match text.split_once('e') {
        Some((mantissa, exponent)) => {
            let mantissa = mantissa.strip_suffix(".0").unwrap_or(mantissa);
            let (sign, digits) = match exponent.strip_prefix('-') {
                Some(digits) => ('-', digits),
                None => ('+', exponent),
            };
            format!("{mantissa}e{sign}{digits:0>2}")
        }
        None => text,
    }
}

/// `json.dumps(value)`.
pub(super) fn json(value: &Value, style: &JsonStyle) -> Result<String, Error> {
    let mut out = String::new();
    write_json(value, style, &mut out, 0)?;
    Ok(out)
}

fn write_json(
    value: &Value,
    style: &JsonStyle,
    out: &mut String,
    depth: usize,
) -> Result<(), Error> {
    check(out, depth)?;
    match value.kind() {
        ValueKind::None => out.push_str("null"),
        ValueKind::Bool => out.push_str(if value.is_true() { "true" } else { "false" }),
        ValueKind::Number => out.push_str(&number(value, "Infinity", "NaN")),
        ValueKind::String => json_str(value.as_str().unwrap_or_default(), style, out),
        ValueKind::Seq | ValueKind::Iterable => {
            out.push('[');
            let mut len = 0;
            for item in value.try_iter()? {
                next_item(style, out, depth + 1, len);
                write_json(&item, style, out, depth + 1)?;
                len += 1;
            }
            end_items(style, out, depth, len);
            out.push(']');
        }
        ValueKind::Map => {
            out.push('{');
            let mut keys: Vec<Value> = value.try_iter()?.collect();
            if style.sort_keys {
                keys.sort();
            }
            for (index, key) in keys.iter().enumerate() {
                next_item(style, out, depth + 1, index);
                match key.kind() {
                    ValueKind::String => write_json(key, style, out, depth + 1)?,
                    // JSON keys are strings; Python quotes what it would have written.
                    _ => {
                        let mut plain = String::new();
                        write_json(key, style, &mut plain, depth + 1)?;
                        json_str(&plain, style, out);
                    }
                }
                out.push_str(&style.key_separator);
                write_json(&value.get_item(key)?, style, out, depth + 1)?;
            }
            end_items(style, out, depth, keys.len());
            out.push('}');
        }
        other => {
            let what = format!("a value of type {other} cannot be written as JSON");
            return Err(Error::new(ErrorKind::BadSerialization, what));
        }
    }
    Ok(())
}

fn next_item(style: &JsonStyle, out: &mut String, depth: usize, index: usize) {
    if index > 0 {
        out.push_str(&style.item_separator);
    }
    new_line(style, out, depth);
}

fn end_items(style: &JsonStyle, out: &mut String, depth: usize, len: usize) {
    if len > 0 {
        new_line(style, out, depth);
    }
}

fn new_line(style: &JsonStyle, out: &mut String, depth: usize) {
    if let Some(indent) = style.indent {
        out.push('\n');
        out.extend(core::iter::repeat_n(' ', indent * depth));
    }
}

fn json_str(text: &str, style: &JsonStyle, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\0'..='\u{1f}' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            // Guards are taken out again later, so they must stay what they are.
            '\u{fdd0}'..='\u{fdef}' => out.push(c),
            c if style.ensure_ascii && !c.is_ascii() => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
            c => out.push(c),
        }
    }
    out.push('"');
}
