//! What is wrong with an input, in both languages, with the way out.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One text in Japanese and English.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Text {
    /// Japanese.
    pub ja: String,
    /// English.
    pub en: String,
}

impl Text {
    /// Both languages at once.
    pub fn new(ja: impl Into<String>, en: impl Into<String>) -> Self {
        Text { ja: ja.into(), en: en.into() }
    }
}

/// One thing wrong with one field of an input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldError {
    /// JSON pointer (RFC 6901) of the field, for example `/distributions/0/licence`; empty for the whole body.
    pub field: String,
    /// Machine-readable kind, for example `required`, `unknown_value`, `too_long`.
    pub code: String,
    /// What is wrong and what to do.
    pub message: Text,
}

impl FieldError {
    /// An error at `field` (a JSON pointer).
    pub fn new(field: impl Into<String>, code: &str, ja: impl Into<String>, en: impl Into<String>) -> Self {
        FieldError { field: field.into(), code: code.to_owned(), message: Text::new(ja, en) }
    }

    /// A required field is missing or empty.
    pub fn required(field: impl Into<String>) -> Self {
        let field = field.into();
        let (ja, en) = (format!("{field} は必須です。値を入れてください。"), format!("{field} is required; give it a value"));
        FieldError::new(field, "required", ja, en)
    }

    /// A text is longer than `limit` characters.
    pub fn too_long(field: impl Into<String>, limit: usize) -> Self {
        let field = field.into();
        let (ja, en) =
            (format!("{field} は {limit} 文字以内にしてください。"), format!("{field} is longer than {limit} characters; shorten it"));
        FieldError::new(field, "too_long", ja, en)
    }

    /// A value is not in a closed list; `known` names the list or a few members.
    pub fn unknown_value(field: impl Into<String>, value: &str, known: &str) -> Self {
        let field = field.into();
        let value: String = value.chars().take(80).collect();
        let (ja, en) = (
            format!("{field} の値「{value}」は登録されていません。使える値: {known}"),
            format!("{field} has the unknown value `{value}`; known values: {known}"),
        );
        FieldError::new(field, "unknown_value", ja, en)
    }
}

/// Parses JSON into `T`; a mistake is one [`FieldError`] that names the field or the line.
pub fn parse_json<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, FieldError> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let field = pointer(error.path());
        json_error(field, error.inner())
    })?;
    deserializer.end().map_err(|error| json_error(String::new(), &error))?;
    Ok(value)
}

/// Converts a JSON value into `T`; a mistake is one [`FieldError`] that names the field.
pub fn from_value<T: serde::de::DeserializeOwned>(value: serde_json::Value) -> Result<T, FieldError> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let field = pointer(error.path());
        json_error(field, error.inner())
    })
}

fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    path.iter()
        .filter_map(|segment| match segment {
            Segment::Seq { index } => Some(format!("/{index}")),
            Segment::Map { key } => Some(format!("/{}", key.replace('~', "~0").replace('/', "~1"))),
            Segment::Enum { .. } | Segment::Unknown => None,
        })
        .collect()
}

fn json_error(field: String, error: &serde_json::Error) -> FieldError {
    let detail: String = error.to_string().chars().take(300).collect();
    match error.classify() {
        serde_json::error::Category::Data => {
            let code = if detail.starts_with("unknown field") { "unknown_field" } else { "invalid_type" };
            let at = if field.is_empty() { "本文" } else { field.as_str() };
            let at_en = if field.is_empty() { "the body" } else { field.as_str() };
            let (ja, en) = (
                format!("{at} の形式が正しくありません（{detail}）。API 仕様 /api/docs を確認してください。"),
                format!("{at_en} is not as expected: {detail}; see /api/docs"),
            );
            FieldError::new(field, code, ja, en)
        }
        _ => FieldError::new(
            field,
            "invalid_json",
            format!("JSON として読めません（{detail}）。括弧・引用符・文字コード（UTF-8）を確認してください。"),
            format!("the body is not valid JSON: {detail}; check brackets, quotes and that it is UTF-8"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_json_names_line_and_way_out() {
        let error = parse_json::<serde_json::Value>(b"{\"a\": ").unwrap_err();
        assert_eq!(error.code, "invalid_json");
        assert!(error.message.en.contains("line 1"));
    }

    #[test]
    fn wrong_type_names_the_field() {
        let error = parse_json::<crate::DatasetDraft>(br#"{"title":"x","keywords":[1]}"#).unwrap_err();
        assert_eq!(error.field, "/keywords/0");
    }

    #[test]
    fn trailing_garbage_is_refused() {
        assert!(parse_json::<serde_json::Value>(b"{} {}").is_err());
    }
}
