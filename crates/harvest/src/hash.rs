//! Whether a record is the same as last time.

use minato_catalog::DatasetDraft;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// SHA-256 (lower-case hexadecimal) of a draft's JSON with sorted keys: equal drafts have equal hashes, on any machine and version
/// of this program with the same fields.
pub fn content_hash(draft: &DatasetDraft) -> String {
    let value = serde_json::to_value(draft).unwrap_or_default();
    let mut canonical = String::new();
    write_canonical(&value, &mut canonical);
    Sha256::digest(canonical.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn write_canonical(value: &Value, out: &mut String) {
    match value {
        Value::Array(items) => {
            out.push('[');
            for item in items {
                write_canonical(item, out);
                out.push(',');
            }
            out.push(']');
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by_key(|(key, _)| *key);
            out.push('{');
            for (key, value) in members {
                out.push_str(&Value::from(key.as_str()).to_string());
                out.push(':');
                write_canonical(value, out);
                out.push(',');
            }
            out.push('}');
        }
        scalar => out.push_str(&scalar.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_follows_the_content() {
        let draft = DatasetDraft { title: "避難所一覧".to_owned(), ..DatasetDraft::default() };
        let other = DatasetDraft { title: "避難所一覧（改）".to_owned(), ..DatasetDraft::default() };
        assert_eq!(content_hash(&draft), content_hash(&draft.clone()));
        assert_ne!(content_hash(&draft), content_hash(&other));
        assert_eq!(content_hash(&draft).len(), 64);
    }

    #[test]
    fn the_order_of_keys_does_not_matter() {
        let text = |json: &str| {
            let mut out = String::new();
            write_canonical(&serde_json::from_str(json).unwrap(), &mut out);
            out
        };
        assert_eq!(text(r#"{"b":1,"a":{"d":[1,2],"c":null}}"#), text(r#"{"a":{"c":null,"d":[1,2]},"b":1}"#));
        assert_ne!(text("[1,2]"), text("[2,1]"));
    }
}
