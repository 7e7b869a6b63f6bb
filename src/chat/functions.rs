//! What templates may call: the functions, filters and Python methods that Hugging Face's templates use.

use super::clock::strftime;
use super::meter::{Budget, CHARGE, CONCAT, REPEAT};
use super::python::{self, JsonStyle};
use minijinja::value::{Kwargs, Rest, Value, ValueKind, from_args};
use minijinja::{Environment, Error, ErrorKind, State};
use minijinja_contrib::pycompat::unknown_method_callback;

/// Wider paddings than any template asks for.
const MAX_WIDTH: usize = 1000;

fn refuse(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, what.into())
}

/// Adds everything to `env`; what is made is charged to `budget`.
pub(super) fn install(env: &mut Environment<'_>, budget: &Budget, now: Option<i64>) {
    env.add_function("raise_exception", |message: String| {
        Err::<Value, Error>(refuse(message))
    });
    if let Some(now) = now {
        env.add_function("strftime_now", move |format: &str| strftime(now, format));
    }
    env.remove_global("debug");
    // Filters that nest what they get or make far more of it, and which no chat template uses.
    for filter in ["batch", "chain", "groupby", "pprint", "slice", "zip"] {
        env.remove_filter(filter);
    }

    let meter = budget.clone();
    env.add_filter(CHARGE, move |value: &Value, check: Option<u32>| {
        meter.pass(value, check)
    });
    let meter = budget.clone();
    env.add_filter(REPEAT, move |left: &Value, right: &Value| {
        repeat(&meter, left, right)
    });
    env.add_filter(CONCAT, |left: &Value, right: &Value| {
        Ok::<_, Error>(python::str(left)? + &python::str(right)?)
    });
    env.add_filter("string", |value: &Value| python::str(value));
    env.add_filter("tojson", tojson);
    env.add_filter("sum", sum);
    let meter = budget.clone();
    env.add_filter("replace", move |text: &Value, from: &Value, to: &Value| {
        replace(
            &meter,
            &python::str(text)?,
            &python::str(from)?,
            &python::str(to)?,
            -1,
        )
    });
    let meter = budget.clone();
    env.add_filter(
        "join",
        move |values: &Value, separator: Option<&str>, options: Kwargs| {
            let separator = match separator {
                Some(separator) => separator,
                None => options.get::<Option<&str>>("d")?.unwrap_or_default(),
            };
            let attribute = options.get::<Option<&str>>("attribute")?;
            options.assert_all_used()?;
            join(&meter, values, separator, attribute)
        },
    );
    env.add_filter(
        "indent",
        |text: &Value,
         width: Option<usize>,
         first: Option<bool>,
         blank: Option<bool>,
         options: Kwargs| {
            let width = match width {
                Some(width) => width,
                None => options.get::<Option<usize>>("width")?.unwrap_or(4),
            };
            let first = first.or(options.get("first")?).unwrap_or(false);
            let blank = blank.or(options.get("blank")?).unwrap_or(false);
            options.assert_all_used()?;
            indent(&python::str(text)?, width, first, blank)
        },
    );
    env.add_filter("format", |format: &str, args: Rest<Value>| {
        check_widths(format)?;
        minijinja::formatting::format(minijinja::formatting::FormatStyle::Printf, format, &args)
    });

    let meter = budget.clone();
    env.set_unknown_method_callback(move |state, value, method, args| {
        call_method(&meter, state, value, method, args)
    });
    let meter = budget.clone();
    env.set_formatter(move |out, _, value| {
        let text = python::str(value)?;
        meter.charge(text.len())?;
        out.write_str(&text).map_err(Error::from)
    });
}

fn repeat(budget: &Budget, left: &Value, right: &Value) -> Result<Value, Error> {
    let (unit, times) = match (left.kind(), right.kind()) {
        (ValueKind::Number, ValueKind::Number) => {
            return product(left, right);
        }
        (_, ValueKind::Number) => (left, right),
        (ValueKind::Number, _) => (right, left),
        (a, b) => return Err(refuse(format!("{a} cannot be multiplied by {b}"))),
    };
    let times = usize::try_from(times.as_i64().unwrap_or(0)).unwrap_or(0);
    if let Some(text) = unit.as_str() {
        budget.charge(text.len().saturating_mul(times))?;
        return Ok(Value::from(text.repeat(times)));
    }
    if !matches!(unit.kind(), ValueKind::Seq | ValueKind::Iterable) {
        return Err(refuse(format!("{} cannot be repeated", unit.kind())));
    }
    let items: Vec<Value> = unit.try_iter()?.collect();
    budget.charge(items.len().saturating_mul(times).saturating_mul(32))?;
    let repeated = core::iter::repeat_n(&items, times).flatten();
    Ok(repeated.cloned().collect())
}

fn product(left: &Value, right: &Value) -> Result<Value, Error> {
    if left.is_integer() && right.is_integer() {
        let product = left.as_i64().zip(right.as_i64());
        return product
            .and_then(|(a, b)| a.checked_mul(b))
            .map(Value::from)
            .ok_or_else(|| refuse("a product is too large"));
    }
    Ok(Value::from(
        f64::try_from(left.clone())? * f64::try_from(right.clone())?,
    ))
}

/// `sum` of numbers: adding up texts or lists is quadratic.
fn sum(values: &Value, options: Kwargs) -> Result<Value, Error> {
    let attribute = options.get::<Option<&str>>("attribute")?;
    let start = options.get::<Option<Value>>("start")?;
    options.assert_all_used()?;
    let mut float = 0.0;
    let mut integer = Some(0i64);
    for value in start.into_iter().map(Ok).chain(
        values
            .try_iter()?
            .map(|value| attribute.map_or(Ok(value.clone()), |name| value.get_attr(name))),
    ) {
        let value = value?;
        if value.kind() != ValueKind::Number {
            return Err(refuse(format!("sum adds numbers, not {}", value.kind())));
        }
        integer = integer
            .filter(|_| value.is_integer())
            .zip(value.as_i64())
            .and_then(|(sum, value)| sum.checked_add(value));
        float += f64::try_from(value)?;
    }
    Ok(integer.map_or(Value::from(float), Value::from))
}

fn replace(budget: &Budget, text: &str, from: &str, to: &str, count: i64) -> Result<String, Error> {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let found = text.matches(from).take(count).count();
    budget.charge(found.saturating_mul(to.len()).saturating_add(text.len()))?;
    Ok(text.replacen(from, to, found))
}

fn join(
    budget: &Budget,
    values: &Value,
    separator: &str,
    attribute: Option<&str>,
) -> Result<String, Error> {
    let mut out = String::new();
    for (index, value) in values.try_iter()?.enumerate() {
        let value = attribute.map_or(Ok(value.clone()), |name| value.get_attr(name))?;
        let text = python::str(&value)?;
        budget.charge(separator.len() + text.len())?;
        if index > 0 {
            out.push_str(separator);
        }
        out.push_str(&text);
    }
    Ok(out)
}

fn indent(text: &str, width: usize, first: bool, blank: bool) -> Result<String, Error> {
    if width > MAX_WIDTH {
        return Err(refuse(format!("an indent of {width} is too wide")));
    }
    let margin = " ".repeat(width);
    let lines = text.split('\n').enumerate().map(|(index, line)| {
        let bare = index == 0 && !first || line.is_empty() && !blank && index > 0;
        if bare {
            line.to_owned()
        } else {
            format!("{margin}{line}")
        }
    });
    Ok(lines.collect::<Vec<_>>().join("\n"))
}

/// `json.dumps` with the arguments that Hugging Face passes on.
fn tojson(value: &Value, indent: Option<usize>, options: Kwargs) -> Result<Value, Error> {
    let indent = match indent {
        Some(indent) => Some(indent),
        None => options.get::<Option<usize>>("indent")?,
    };
    if indent.is_some_and(|indent| indent > MAX_WIDTH) {
        return Err(refuse("an indent is too wide"));
    }
    let separators = match options.get::<Option<Value>>("separators")? {
        Some(pair) => {
            let parts: Vec<Value> = pair.try_iter()?.collect();
            let texts: Vec<&str> = parts.iter().filter_map(Value::as_str).collect();
            let [item, key] = texts[..] else {
                return Err(refuse("separators are two texts"));
            };
            (item.to_owned(), key.to_owned())
        }
        None if indent.is_some() => (",".into(), ": ".into()),
        None => (", ".into(), ": ".into()),
    };
    let style = JsonStyle {
        ensure_ascii: options
            .get::<Option<bool>>("ensure_ascii")?
            .unwrap_or(false),
        indent,
        item_separator: separators.0,
        key_separator: separators.1,
        sort_keys: options.get::<Option<bool>>("sort_keys")?.unwrap_or(false),
    };
    options.assert_all_used()?;
    python::json(value, &style).map(Value::from)
}

/// Python's methods of strings, lists and dictionaries.
fn call_method(
    budget: &Budget,
    state: &mut State,
    value: &Value,
    method: &str,
    args: &[Value],
) -> Result<Value, Error> {
    budget.charge_value(value)?;
    let Some(text) = value.as_str() else {
        return unknown_method_callback(state, value, method, args);
    };
    match method {
        "join" => {
            let (values,): (&Value,) = from_args(args)?;
            join(budget, values, text, None).map(Value::from)
        }
        "replace" => {
            let (from, to, count): (&str, &str, Option<i64>) = from_args(args)?;
            replace(budget, text, from, to, count.unwrap_or(-1)).map(Value::from)
        }
        "removeprefix" => {
            let (prefix,): (&str,) = from_args(args)?;
            Ok(text.strip_prefix(prefix).unwrap_or(text).into())
        }
        "removesuffix" => {
            let (suffix,): (&str,) = from_args(args)?;
            Ok(text.strip_suffix(suffix).unwrap_or(text).into())
        }
        "format" => {
            check_widths(text)?;
            unknown_method_callback(state, value, method, args)
        }
        _ => unknown_method_callback(state, value, method, args),
    }
}

/// Refuses formats with widths of more than three digits.
fn check_widths(format: &str) -> Result<(), Error> {
    let digits = |part: &str| part.bytes().take_while(u8::is_ascii_digit).count();
    let wide = format.match_indices(['%', '{', '.', ':']).any(|(at, _)| {
        let rest = format[at + 1..]
            .trim_start_matches(|c: char| !c.is_ascii_digit() && !"%{}".contains(c));
        digits(rest) > 3
    });
    if wide || format.contains('*') {
        return Err(refuse("a format is too wide"));
    }
    Ok(())
}
