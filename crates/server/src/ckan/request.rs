//! Reading a request's parameters the ways CKAN does: query, JSON, form, and JSON as the only key of a form.

use serde_json::{Map, Value};
use url::form_urlencoded;

/// Parameters of a query. One that is repeated becomes a list.
pub(super) fn from_query(query: &str) -> Result<Map<String, Value>, String> {
    let pairs = form_urlencoded::parse(query.as_bytes()).map(|(key, value)| (key.into_owned(), value.into_owned()));
    checked(gather(pairs))
}

/// Text parts of a multipart form.
pub(super) fn from_form(fields: Vec<(String, String)>) -> Result<Map<String, Value>, String> {
    checked(gather(fields))
}

/// A body that is no multipart form. The error is for CKAN's "Bad request".
pub(super) fn from_body(content_type: &str, body: &[u8]) -> Result<Map<String, Value>, String> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Map::new());
    }
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        // curl -d sends JSON under this type; CKAN reads it from the form's only key, which breaks at `&` and `=`.
        if body.trim_ascii_start().starts_with(b"{")
            && let Ok(fields) = from_json(body)
        {
            return Ok(fields);
        }
        let pairs: Vec<(String, String)> =
            form_urlencoded::parse(body).map(|(key, value)| (key.into_owned(), value.into_owned())).collect();
        return match pairs.as_slice() {
            [(key, value)] if matches!(value.as_str(), "" | "1") && key.trim_start().starts_with(['{', '[']) => from_json(key.as_bytes()),
            _ => checked(gather(pairs)),
        };
    }
    from_json(body)
}

fn from_json(body: &[u8]) -> Result<Map<String, Value>, String> {
    let value: Value = serde_json::from_slice(body).map_err(|error| {
        let detail: String = error.to_string().chars().take(200).collect();
        if detail.starts_with("recursion limit exceeded") {
            return "JSON Error: Error decoding JSON data. Error: nested too deeply; use at most 127 levels / JSON の入れ子が深すぎます。127 段までにしてください。".to_owned();
        }
        format!("JSON Error: Error decoding JSON data. Error: {detail} / JSON として読めません。括弧・引用符・文字コード（UTF-8）を確認してください。")
    })?;
    match value {
        Value::Object(fields) => checked(fields),
        other => {
            let shown: String = other.to_string().chars().take(100).collect();
            Err(format!(
                "JSON Error: Request data JSON decoded to {shown} but it needs to be a dictionary. / JSON オブジェクト {{ … }} にしてください。"
            ))
        }
    }
}

fn gather(pairs: impl IntoIterator<Item = (String, String)>) -> Map<String, Value> {
    let mut fields = Map::new();
    for (key, value) in pairs {
        match fields.get_mut(&key) {
            None => {
                fields.insert(key, Value::String(value));
            }
            Some(Value::Array(list)) => list.push(Value::String(value)),
            Some(first) => *first = Value::Array(vec![first.take(), Value::String(value)]),
        }
    }
    fields
}

/// PostgreSQL cannot keep or compare the NUL character, and nobody means it.
fn checked(fields: Map<String, Value>) -> Result<Map<String, Value>, String> {
    let nul = fields.iter().any(|(key, value)| key.contains('\0') || has_nul(value));
    match nul {
        true => {
            Err("the request contains a NUL character; remove it / 使えない文字（NUL）が含まれています。取り除いてください。".to_owned())
        }
        false => Ok(fields),
    }
}

fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(has_nul),
        Value::Object(fields) => fields.iter().any(|(key, value)| key.contains('\0') || has_nul(value)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn check(content_type: &str, body: &str, expected: Value) {
        assert_eq!(from_body(content_type, body.as_bytes()).map(Value::Object), Ok(expected), "{content_type} {body}");
    }

    #[test]
    fn bodies_are_read_as_ckan_does() {
        check("application/json", r#"{"id": "a"}"#, json!({"id": "a"}));
        check("application/json; charset=utf-8", "", json!({}));
        check("", r#"{"id": 1}"#, json!({"id": 1}));
        check("application/x-www-form-urlencoded", "id=a&tag=x&tag=y", json!({"id": "a", "tag": ["x", "y"]}));
        check("application/x-www-form-urlencoded", "%7B%22id%22%3A%20%22a%22%7D", json!({"id": "a"}));
        check("application/x-www-form-urlencoded", "%7B%22id%22%3A%20%22a%22%7D=1", json!({"id": "a"}));
        check(
            "application/x-www-form-urlencoded",
            r#"{"id": "a", "url": "http://x/?a=1&b=2"}"#,
            json!({"id": "a", "url": "http://x/?a=1&b=2"}),
        );
        assert_eq!(from_query("fq=a&fq=b&q=%E9%81%BF").map(Value::Object), Ok(json!({"fq": ["a", "b"], "q": "避"})));
    }

    #[test]
    fn deep_nesting_is_told_from_broken_json() {
        let error = from_body("application/json", "[".repeat(500).as_bytes()).unwrap_err();
        assert!(error.contains("nested too deeply") && error.contains("入れ子"), "{error}");
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for body in ["[1]", "\"a\"", "{", "{\"a\": \"\\u0000\"}", "nonsense"] {
            assert!(from_body("application/json", body.as_bytes()).unwrap_err().len() > 10, "{body}");
        }
        assert!(from_body("application/x-www-form-urlencoded", b"%7B%22id=").is_err());
        assert!(from_query("a=%00").is_err());
    }

    proptest! {
        #[test]
        fn no_body_panics(content_type in "(application/json|application/x-www-form-urlencoded|[ -~]{0,30})", body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = from_body(&content_type, &body);
            let _ = from_query(&String::from_utf8_lossy(&body));
        }

        #[test]
        fn no_text_panics(body in "[\\[\\]{}\":,a&=%0-9\\\\ ']{0,60}") {
            for content_type in ["application/json", "application/x-www-form-urlencoded"] {
                let _ = from_body(content_type, body.as_bytes());
            }
            let _ = super::super::params::embedded(&body);
        }
    }
}
