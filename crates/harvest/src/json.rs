//! JSON as servers really send it: fetched with care, read leniently.

use minato_catalog::Text;
use serde_json::{Map, Value};

use crate::Error;
use crate::client::{Client, Fetched};
use crate::json::lenient::Fault;
use crate::listing::Stop;

pub(crate) mod lenient;

/// The members of an object.
pub(crate) type Fields = Map<String, Value>;

/// What is asked for.
pub(crate) const ACCEPT: &str = "application/json";

/// Why an address gave no JSON.
#[derive(Debug)]
pub(crate) enum JsonError {
    /// It could not be fetched.
    Fetch(Error),
    /// What came was something else.
    Answer(Text),
    /// The document began as it should and ends too early.
    CutOff(Text),
}

impl JsonError {
    /// The cause with the place where it happened.
    pub(crate) fn at(self, place: &str) -> Text {
        let cause = match self {
            JsonError::Fetch(error) => error.text(),
            JsonError::Answer(cause) | JsonError::CutOff(cause) => cause,
        };
        Text::new(format!("{place}: {}", cause.ja), format!("{place}: {}", cause.en))
    }

    /// Whether the server knows no such address, so that another release's may be tried: a status that says so, or a web page. What was cut off
    /// is there: another way would bring the same records in other words.
    pub(crate) fn is_elsewhere(&self) -> bool {
        match self {
            JsonError::Fetch(error) => matches!(error.status(), Some(400 | 401 | 403 | 404 | 405 | 406 | 409 | 410 | 501)),
            JsonError::Answer(_) => true,
            JsonError::CutOff(_) => false,
        }
    }

    /// The HTTP status, where it is what was wrong.
    pub(crate) fn status(&self) -> Option<u16> {
        match self {
            JsonError::Fetch(error) => error.status(),
            JsonError::Answer(_) | JsonError::CutOff(_) => None,
        }
    }

    /// Whether the server knows what was asked for and does not give it to us.
    pub(crate) fn is_denied(&self) -> bool {
        matches!(self, JsonError::Fetch(error) if matches!(error.status(), Some(401 | 403)))
    }
}

impl From<JsonError> for Stop {
    fn from(error: JsonError) -> Self {
        Stop::Broken(match error {
            JsonError::Fetch(error) => error.text(),
            JsonError::Answer(cause) | JsonError::CutOff(cause) => cause,
        })
    }
}

/// Fetches a JSON document. `software` is who should be answering, for the message when a web page comes instead.
pub(crate) async fn get(client: &Client, url: &str, software: &str) -> Result<Value, JsonError> {
    let fetched = client.get(url, ACCEPT).await.map_err(JsonError::Fetch)?;
    read(&fetched, software)
}

fn read(fetched: &Fetched, software: &str) -> Result<Value, JsonError> {
    if fetched.is_html() {
        return Err(JsonError::Answer(not_json(software)));
    }
    lenient::parse(&fetched.body).map_err(|fault| match fault {
        Fault::Encoding => JsonError::Answer(not_utf8()),
        Fault::Syntax(error) => {
            let detail = clip(&error.to_string(), 200);
            let cause = Text::new(
                format!("応答が JSON として読めないか、途中で切れています（{detail}）。時間をおいて再度実行してください。"),
                format!("the answer is not whole JSON: {detail}; try again later"),
            );
            let body = fetched.body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&fetched.body).trim_ascii_start();
            if (body.starts_with(b"{") || body.starts_with(b"[")) && error.is_eof() {
                JsonError::CutOff(cause)
            } else {
                JsonError::Answer(cause)
            }
        }
    })
}

/// A web page came.
pub(crate) fn not_json(software: &str) -> Text {
    Text::new(
        format!("JSON ではなく Web ページ（HTML）が返りました。{software} の URL か、メンテナンス中でないか確認してください。"),
        format!("a web page (HTML) came instead of JSON; check that the URL is a {software} site and not under maintenance"),
    )
}

/// The bytes are in another encoding.
pub(crate) fn not_utf8() -> Text {
    Text::new("JSON の文字コードが UTF-8 ではありません。UTF-8 で公開してください。", "the JSON is not in UTF-8; publish it in UTF-8")
}

/// A text or number as text, trimmed; empty for anything else.
pub(crate) fn text(fields: &Fields, key: &str) -> String {
    fields.get(key).map(plain).unwrap_or_default()
}

/// A text or number as text, trimmed; empty for anything else.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    }
}

/// A list's items.
pub(crate) fn array<'f>(fields: &'f Fields, key: &str) -> &'f [Value] {
    fields.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// A list, or what PHP makes of one that lost an item: an object with numbers for keys.
pub(crate) fn listed(value: &Value) -> Option<Vec<&Value>> {
    match value {
        Value::Array(list) => Some(list.iter().collect()),
        Value::Object(members) => {
            let numbered: Option<Vec<(u64, &Value)>> = members.iter().map(|(key, value)| Some((key.parse().ok()?, value))).collect();
            let mut numbered = numbered?;
            numbered.sort_by_key(|(number, _)| *number);
            Some(numbered.into_iter().map(|(_, value)| value).collect())
        }
        _ => None,
    }
}

/// A list's items; a single item is a list of one, `null` and an empty text are none.
pub(crate) fn items<'f>(fields: &'f Fields, key: &str) -> &'f [Value] {
    match fields.get(key) {
        Some(Value::Array(list)) => list,
        Some(Value::Null) | None => &[],
        Some(Value::String(text)) if text.trim().is_empty() => &[],
        Some(one) => std::slice::from_ref(one),
    }
}

/// The texts of a list, or one text.
pub(crate) fn texts(fields: &Fields, key: &str) -> Vec<String> {
    items(fields, key).iter().map(plain).filter(|text| !text.is_empty()).collect()
}

/// An object's members.
pub(crate) fn object<'f>(fields: &'f Fields, key: &str) -> Option<&'f Fields> {
    fields.get(key).and_then(Value::as_object)
}

/// A number of bytes or records: a number, digits, `8,053`, `8.1 KB`.
pub(crate) fn whole_number(value: Option<&Value>) -> Option<i64> {
    let number = match value? {
        Value::Number(number) => {
            number.as_i64().or_else(|| number.as_f64().filter(|number| number.abs() < 9e15).map(|number| number as i64))
        }
        Value::String(text) => size(text),
        _ => None,
    };
    number.filter(|number| *number >= 0)
}

/// A count of records, also when it is written as a text.
pub(crate) fn count(fields: &Fields, key: &str) -> Option<u64> {
    whole_number(fields.get(key)).and_then(|number| u64::try_from(number).ok())
}

/// A size as people write it. Units are powers of 1024, as portals count them; the result is as exact as what was written.
fn size(text: &str) -> Option<i64> {
    let text: String = text.chars().filter(|c| !c.is_whitespace() && *c != ',').collect::<String>().to_ascii_uppercase();
    let digits = text.trim_end_matches(|c: char| c.is_alphabetic());
    let power = match &text[digits.len()..] {
        "" | "B" | "BYTE" | "BYTES" | "バイト" => return digits.parse().ok(),
        "K" | "KB" | "KIB" => 1,
        "M" | "MB" | "MIB" => 2,
        "G" | "GB" | "GIB" => 3,
        _ => return None,
    };
    let number: f64 = digits.parse().ok()?;
    let bytes = number * 1024_f64.powi(power);
    (bytes.is_finite() && bytes < 9e15).then_some(bytes.round() as i64)
}

/// `true`, also as a text or 1.
pub(crate) fn truthy(value: &Value) -> bool {
    value.as_bool().unwrap_or(false) || value.as_str().is_some_and(|text| text.eq_ignore_ascii_case("true")) || value.as_i64() == Some(1)
}

/// A value that has no field of ours as a text, if it has a plain one: texts, numbers, lists of them.
pub(crate) fn shown(value: &Value) -> String {
    match value {
        Value::Array(list) => list.iter().map(plain).filter(|text| !text.is_empty()).collect::<Vec<_>>().join(", "),
        Value::Bool(flag) => flag.to_string(),
        one => plain(one),
    }
}

/// Whether a field counts use or says when somebody last looked: it changes although nothing was published.
pub(crate) fn is_volatile(key: &str) -> bool {
    let mut words = vec![String::new()];
    for c in key.chars() {
        if !c.is_alphanumeric() || c.is_uppercase() {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| c.is_alphanumeric()) {
            word.extend(c.to_lowercase());
        }
    }
    let has = |known: &[&str]| words.iter().any(|word| known.contains(&word.as_str()));
    let counts_use =
        ["view", "views", "visits", "downloads", "downloaded", "followers", "score", "popularity", "rank", "metric", "metrics", "tracking"];
    let looks = ["crawl", "crawled", "harvest", "harvested"];
    has(&counts_use) || has(&looks) || (has(&["download"]) && has(&["count", "counts", "total", "number"]))
}

/// `None` for a text without content.
pub(crate) fn some(text: String) -> Option<String> {
    Some(text).filter(|text| !text.trim().is_empty())
}

/// The text, or another when it is empty.
pub(crate) fn or(text: String, otherwise: impl FnOnce() -> String) -> String {
    if text.is_empty() { otherwise() } else { text }
}

/// The beginning of a text.
pub(crate) fn clip(text: &str, limit: usize) -> String {
    text.chars().take(limit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (value, bytes) in [
            (json!(8053), Some(8053)),
            (json!(8053.0), Some(8053)),
            (json!("8053"), Some(8053)),
            (json!("8,053"), Some(8053)),
            (json!("8.1 KB"), Some(8294)),
            (json!("2 MiB"), Some(2_097_152)),
            (json!("12 bytes"), Some(12)),
            (json!("-1"), None),
            (json!("不明"), None),
            (json!("1e400KB"), None),
            (json!(1e20), None),
            (json!(null), None),
        ] {
            assert_eq!(whole_number(Some(&value)), bytes, "{value}");
        }
    }

    #[test]
    fn counts_of_use_are_no_content() {
        for key in
            ["view_count", "viewCount", "page_views_last_week", "downloads", "downloadCount", "popularity_score", "harvest_last_seen"]
        {
            assert!(is_volatile(key), "{key}");
        }
        for key in ["downloadURL", "review_date", "overview", "records_count", "frank", "rights"] {
            assert!(!is_volatile(key), "{key}");
        }
    }

    #[test]
    fn numbers_for_keys_make_a_list() {
        let value = json!({"10": "c", "2": "b", "0": "a"});
        assert_eq!(listed(&value).unwrap(), ["a", "b", "c"]);
        assert_eq!(listed(&json!({})).map(|list| list.len()), Some(0));
        assert!(listed(&json!({"1": "a", "b": "c"})).is_none() && listed(&json!("a")).is_none());
    }

    #[test]
    fn one_item_is_a_list_of_one() {
        let fields = json!({"one": {"a": 1}, "many": ["x", 2, null], "none": null, "empty": ""});
        let fields = fields.as_object().unwrap();
        assert_eq!((items(fields, "one").len(), items(fields, "none").len(), items(fields, "empty").len()), (1, 0, 0));
        assert_eq!(texts(fields, "many"), ["x", "2"]);
    }
}
