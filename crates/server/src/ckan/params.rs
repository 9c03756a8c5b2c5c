//! The parameters of an action: JSON, or text from forms and queries.

use minato_app::catalog::Text;
use serde_json::{Map, Value};

use super::failure::Failure;

/// The parameters of an action by name.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Params(pub(super) Map<String, Value>);

impl Params {
    /// A text that is there and not empty.
    pub(super) fn text(&self, key: &str) -> Result<Option<String>, Failure> {
        text(&self.0, key).map_err(|text| Failure::field(key, text))
    }

    /// A text that must be there.
    pub(super) fn required(&self, key: &str) -> Result<String, Failure> {
        self.text(key)?.ok_or_else(|| Failure::missing(key))
    }

    /// Whether a switch is on; absent ones are as `default` says.
    pub(super) fn switch(&self, key: &str, default: bool) -> bool {
        self.0.get(key).and_then(boolean).unwrap_or(default)
    }

    /// A whole number that is not negative.
    pub(super) fn natural(&self, key: &str) -> Result<Option<usize>, Failure> {
        let number = match self.0.get(key) {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::Number(number)) => number.as_i64(),
            Some(Value::String(text)) if text.trim().is_empty() => return Ok(None),
            Some(Value::String(text)) => text.trim().parse().ok(),
            Some(_) => None,
        };
        let invalid = |en: &str, ja: &str| Failure::field(key, Text::new(ja, en));
        let number = number.ok_or_else(|| invalid("Invalid integer", "整数にしてください。"))?;
        usize::try_from(number).map(Some).map_err(|_| invalid("Must be a natural number", "0 以上の整数にしてください。"))
    }

    /// A list of texts: a JSON list, a JSON list in a text, or one text.
    pub(super) fn list(&self, key: &str) -> Vec<String> {
        self.0.get(key).map(texts).unwrap_or_default()
    }
}

/// Texts as [`texts`] reads them; `None` when something is no text, so that no condition is lost silently.
pub(super) fn only_texts(value: &Value) -> Option<Vec<String>> {
    let one = |value: &Value| matches!(value, Value::Null | Value::String(_) | Value::Number(_));
    let readable = match value {
        Value::Array(items) => items.iter().all(one),
        Value::String(text) => match embedded(text) {
            Some(Value::Array(items)) => items.iter().all(one),
            _ => true,
        },
        other => one(other),
    };
    readable.then(|| texts(value))
}

/// A text that is there and not empty. Numbers count as their digits; anything else is a mistake.
pub(super) fn text(fields: &Map<String, Value>, key: &str) -> Result<Option<String>, Text> {
    match fields.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.trim()).filter(|text| !text.is_empty()).map(str::to_owned)),
        Some(Value::Number(number)) => Ok(Some(number.to_string())),
        Some(_) => Err(Text::new("文字列にしてください。", "Must be a Unicode string value")),
    }
}

/// A text as it was written, with its white space; empty when absent.
pub(super) fn prose(fields: &Map<String, Value>, key: &str) -> Result<String, Text> {
    match fields.get(key) {
        Some(Value::String(text)) => Ok(text.clone()),
        _ => Ok(text(fields, key)?.unwrap_or_default()),
    }
}

/// What CKAN takes as a switch.
pub(super) fn boolean(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(on) => Some(*on),
        Value::Number(number) => Some(number.as_f64() != Some(0.0)),
        Value::String(text) => match text.trim().to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "y" | "t" | "1" => Some(true),
            "false" | "no" | "off" | "n" | "f" | "0" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

/// Texts of a list, of a list written as JSON, or one text.
pub(super) fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Array(items) => items.iter().filter_map(plain).collect(),
        Value::String(text) => match embedded(text) {
            Some(list @ Value::Array(_)) => texts(&list),
            _ => plain(value).into_iter().collect(),
        },
        other => plain(other).into_iter().collect(),
    }
}

/// JSON inside a text, as form clients send lists and objects.
pub(super) fn embedded(text: &str) -> Option<Value> {
    if !text.trim_start().starts_with(['[', '{']) {
        return None;
    }
    // Python's way of writing a list is met too.
    serde_json::from_str(text).ok().or_else(|| serde_json::from_str(&text.replace('\'', "\"")).ok())
}

/// A text or number as text, when there is something in it.
pub(super) fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// `null` and blank are nothing.
pub(super) fn is_empty(value: &Value) -> bool {
    value.is_null() || value.as_str().is_some_and(|text| text.trim().is_empty())
}
