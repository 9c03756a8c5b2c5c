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

/// Longest JSON pointer told, in characters.
const POINTER_MAX: usize = 200;

/// Parses JSON into `T`; a mistake is one [`FieldError`] that names the field or the line. A byte order mark before it is passed over.
pub fn parse_json<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, FieldError> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let field = pointer(error.path());
        json_error(field, error.inner())
    })?;
    deserializer.end().map_err(|error| json_error(String::new(), &error))?;
    Ok(value)
}

/// A JSON value in which no object has a field twice: of two, the sender may have meant either.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Document(pub serde_json::Value);

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DocumentVisitor).map(Document)
    }
}

struct DocumentVisitor;

impl<'de> serde::de::Visitor<'de> for DocumentVisitor {
    type Value = serde_json::Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Self::Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(serde_json::Value::Null)
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Document(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(list.into())
    }

    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut fields: A) -> Result<Self::Value, A::Error> {
        let mut object = serde_json::Map::new();
        while let Some(name) = fields.next_key::<String>()? {
            if object.contains_key(&name) {
                return Err(serde::de::Error::custom(format!("duplicate field `{}`", cut(&name, 80))));
            }
            let Document(value) = fields.next_value()?;
            object.insert(name, value);
        }
        Ok(object.into())
    }
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
    let whole: String = path
        .iter()
        .filter_map(|segment| match segment {
            Segment::Seq { index } => Some(format!("/{index}")),
            Segment::Map { key } => Some(format!("/{}", escaped(key))),
            Segment::Enum { .. } | Segment::Unknown => None,
        })
        .collect();
    cut(&whole, POINTER_MAX)
}

/// A name as a segment of a JSON pointer.
pub(crate) fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

fn cut(text: &str, length: usize) -> String {
    text.chars().take(length).collect()
}

fn json_error(field: String, error: &serde_json::Error) -> FieldError {
    let whole = error.to_string();
    match error.classify() {
        serde_json::error::Category::Data => {
            let place = format!(" at line {} column {}", error.line(), error.column());
            data_error(field, whole.strip_suffix(&place).unwrap_or(&whole))
        }
        _ if whole.starts_with("recursion limit exceeded") => FieldError::new(
            field,
            "invalid_json",
            "JSON の入れ子が深すぎます。127 段までにしてください。",
            "the JSON is nested too deeply; use at most 127 levels",
        ),
        _ => {
            let detail = cut(&whole, 300);
            FieldError::new(
                field,
                "invalid_json",
                format!(
                    "JSON として読めません（{} 行 {} 文字目付近）。括弧・引用符・文字コード（UTF-8）を確認してください。",
                    error.line(),
                    error.column()
                ),
                format!("the body is not valid JSON: {detail}; check brackets, quotes and that it is UTF-8"),
            )
        }
    }
}

/// What the deserializer says of a value, in plain words; its own words only where they are none of the known shapes, and in English only.
fn data_error(field: String, detail: &str) -> FieldError {
    let at = if field.is_empty() { "本文" } else { field.as_str() };
    let at_en = if field.is_empty() { "the body" } else { field.as_str() };
    if let Some(name) = detail.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`')) {
        return FieldError::required(format!("{field}/{}", escaped(name)));
    }
    if let Some((name, known)) = named(detail, "unknown field `") {
        let (ja, en) = match name.as_str() {
            "" => (
                format!("{at} に名前のない項目（\"\"）があります。使える項目: {known}"),
                format!("{at_en} has a field without a name (\"\"); known fields: {known}"),
            ),
            name => (
                format!("{at} の項目「{name}」は使えません。使える項目: {known}"),
                format!("{at_en}: the field `{name}` does not exist; known fields: {known}"),
            ),
        };
        return FieldError::new(field, "unknown_field", ja, en);
    }
    if let Some((value, known)) = named(detail, "unknown variant `") {
        let (ja, en) = (
            format!("{at} の値「{value}」は使えません。使える値: {known}"),
            format!("{at_en} has the unknown value `{value}`; known values: {known}"),
        );
        return FieldError::new(field, "invalid_type", ja, en);
    }
    if let Some(name) = detail.strip_prefix("duplicate field `").and_then(|rest| rest.strip_suffix('`')) {
        let (ja, en) = (
            format!("{at} に項目「{name}」が二度あります。一つにしてください。"),
            format!("{at_en} has the field `{name}` twice; keep one"),
        );
        return FieldError::new(field, "invalid_type", ja, en);
    }
    if detail.contains("` is not a date; write ") {
        let ja = format!("{at} は日付または日時にしてください（2024-04-01 または 2024-04-01T09:00:00+09:00 の形）。");
        let en = format!("{at_en}: {}", cut(detail, 300));
        return FieldError::new(field, "invalid_type", ja, en);
    }
    let (ja, en) = match kind_wanted(detail) {
        Some((ja, en)) => (format!("{at} は{ja}にしてください。"), format!("{at_en} must be {en}")),
        None => (
            format!("{at} の値の形式が正しくありません。API 仕様 /api/docs を確認してください。"),
            format!("{at_en} is not as expected: {}; see /api/docs", cut(detail, 300)),
        ),
    };
    FieldError::new(field, "invalid_type", ja, en)
}

/// The name after `start`, and the list of known ones after it.
fn named(detail: &str, start: &str) -> Option<(String, String)> {
    let rest = detail.strip_prefix(start)?;
    let (name, known) = rest.split_once("`, expected ").or_else(|| rest.split_once("`, there are no "))?;
    let words: Vec<&str> = known.split('`').skip(1).step_by(2).collect();
    let known = if words.is_empty() { "-".to_owned() } else { words.join(", ") };
    Some((cut(name, 80), known))
}

/// The kind of value that belongs there, in Japanese and English.
fn kind_wanted(detail: &str) -> Option<(String, String)> {
    let both = |ja: &str, en: &str| Some((ja.to_owned(), en.to_owned()));
    if detail.starts_with("UUID parsing failed") {
        return both("UUID（例: 01890a5d-ac96-774b-bcce-b302099a8057）", "a UUID such as 01890a5d-ac96-774b-bcce-b302099a8057");
    }
    if ["input contains invalid characters", "premature end of input", "input is out of range", "trailing input"].contains(&detail) {
        return both("日付または日時（例: 2026-04-01、2026-04-01T09:00:00Z）", "a date or time such as 2026-04-01 or 2026-04-01T09:00:00Z");
    }
    if !["invalid type: ", "invalid value: ", "invalid length "].iter().any(|start| detail.starts_with(start)) {
        return None;
    }
    let (_, wanted) = detail.rsplit_once(", expected ")?;
    if let Some(length) = wanted.strip_prefix("an array of length ").filter(|length| length.bytes().all(|byte| byte.is_ascii_digit())) {
        return Some((format!("{length} 個の値のリスト [ … ] "), format!("a list of {length} values")));
    }
    match wanted {
        "a string" | "a borrowed string" | "string or map" => both("文字列", "a text in quotes"),
        "a sequence" => both("リスト [ … ] ", "a list"),
        "a map" => both("JSON オブジェクト { … } ", "a JSON object"),
        "a boolean" => both(" true か false ", "true or false"),
        "i8" | "i16" | "i32" | "i64" | "isize" => both("整数", "a whole number"),
        "u8" | "u16" | "u32" | "u64" | "usize" => both(" 0 以上の整数", "a whole number that is not negative"),
        "f32" | "f64" => both("数", "a number"),
        "a UUID string" | "a formatted UUID string" => both("UUID の文字列", "a UUID in quotes"),
        "a formatted date string" => both("日付の文字列（例: \"2026-04-01\"）", "a date in quotes such as \"2026-04-01\""),
        wanted if wanted.contains("date and time string") => {
            both("日時の文字列（例: \"2026-04-01T09:00:00Z\"）", "a time in quotes such as \"2026-04-01T09:00:00Z\"")
        }
        wanted if wanted.starts_with("struct ") => both("JSON オブジェクト { … } ", "a JSON object"),
        wanted if wanted.starts_with("enum ") || wanted == "variant identifier" => both("決められた文字列", "one of the known words"),
        _ => None,
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
    fn mistakes_are_told_in_plain_words() {
        for (body, field, code, ja, en) in [
            (r#"{"title":1}"#, "/title", "invalid_type", "文字列", "a text in quotes"),
            (r#"{"title":null}"#, "/title", "invalid_type", "文字列", "a text in quotes"),
            (r#"{"title":"x","keywords":"a, expected b"}"#, "/keywords", "invalid_type", "リスト", "a list"),
            (r#"{"title":"x","spatial":1}"#, "/spatial", "invalid_type", "オブジェクト", "object"),
            (r#"{"title":"x","spatial":{"bbox":[1,2]}}"#, "/spatial/bbox", "invalid_type", "4 個", "4 values"),
            (r#"{"title":"x","spatial":{"bbox":[1,2,"3",4]}}"#, "/spatial/bbox/2", "invalid_type", "数", "a number"),
            (r#"{"title":"x","issued":"x"}"#, "/issued", "invalid_type", "2024-04-01 または", "write 2024-04-01"),
            (r#"{"title":"x","temporal":{"start":"x"}}"#, "/temporal/start", "invalid_type", "2024-04-01 または", "write 2024-04-01"),
            (r#"{"title":"x","contact_point":{"":1}}"#, "/contact_point/", "unknown_field", "名前のない項目", "without a name"),
            (r#"{"title":"x","state":"hidden"}"#, "/state", "invalid_type", "published, archived", "published, archived"),
            (r#"{"title":"x","distributions":[{"byte_size":"1"}]}"#, "/distributions/0/byte_size", "invalid_type", "整数", "whole number"),
            (r#"{"title":"x","distributions":[{"id":"zz"}]}"#, "/distributions/0/id", "invalid_type", "UUID", "a UUID"),
        ] {
            let error = parse_json::<crate::DatasetDraft>(body.as_bytes()).unwrap_err();
            assert_eq!((error.field.as_str(), error.code.as_str()), (field, code), "{body}: {error:?}");
            assert!(error.message.ja.contains(ja) && error.message.en.contains(en), "{body}: {error:?}");
            assert!(!error.message.ja.contains("expected"), "{body}: {error:?}");
        }
        assert_eq!(parse_json::<Vec<Text>>(br#"[{"ja":"x"}]"#), Err(FieldError::required("/0/en")));
        let unknown = parse_json::<crate::DatasetDraft>(br#"{"title":"x","keyword":[]}"#).unwrap_err();
        assert_eq!(unknown.code, "unknown_field");
        assert!(unknown.message.ja.contains("「keyword」") && unknown.message.en.contains("title, "), "{unknown:?}");
    }

    #[test]
    fn no_field_may_stand_twice() {
        let text = r#"{"a": [1, -2, 1.5, true, null, "x"], "b": {"c": {}, "d": 18446744073709551615}}"#;
        assert_eq!(parse_json::<Document>(text.as_bytes()).unwrap().0, serde_json::from_str::<serde_json::Value>(text).unwrap());
        let twice = parse_json::<Document>(br#"{"a": [{"b": 1, "c": 2, "b": 1}]}"#).unwrap_err();
        assert!(twice.field.starts_with("/a/0") && twice.message.ja.contains("「b」が二度"), "{twice:?}");
        assert!(parse_json::<Document>("[".repeat(1000).as_bytes()).unwrap_err().message.ja.contains("入れ子"));
    }

    #[test]
    fn deep_nesting_is_refused_briefly() {
        let error = parse_json::<serde_json::Value>("[".repeat(1000).as_bytes()).unwrap_err();
        assert!(error.message.ja.contains("入れ子") && error.field.len() <= POINTER_MAX, "{error:?}");
    }

    #[test]
    fn a_byte_order_mark_is_passed_over() {
        assert_eq!(parse_json::<u8>(b"\xef\xbb\xbf7"), Ok(7));
    }

    #[test]
    fn trailing_garbage_is_refused() {
        assert!(parse_json::<serde_json::Value>(b"{} {}").is_err());
    }
}
