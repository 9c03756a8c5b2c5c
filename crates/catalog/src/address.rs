//! Web addresses, and the user names and passwords that must not be in them: what the catalog keeps, everybody can read.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer};

/// The address without user name and password; anything else letter for letter.
pub fn without_credentials(address: &str) -> Cow<'_, str> {
    let Some(mut url) = with_credentials(address) else { return Cow::Borrowed(address) };
    // Both fail only for addresses that cannot hold a user name.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    Cow::Owned(url.into())
}

/// Takes user names and passwords out of every text of a JSON value that is an address.
pub fn hide_credentials(value: &mut serde_json::Value) {
    use serde_json::Value;
    match value {
        Value::String(text) => {
            if let Cow::Owned(hidden) = without_credentials(text) {
                *text = hidden;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(hide_credentials),
        Value::Object(fields) => fields.values_mut().for_each(hide_credentials),
        _ => {}
    }
}

/// The address, parsed, when a user name or password is in it.
pub(crate) fn with_credentials(address: &str) -> Option<url::Url> {
    if !address.contains('@') {
        return None;
    }
    url::Url::parse(address).ok().filter(|url| url.has_host() && (!url.username().is_empty() || url.password().is_some()))
}

/// Serde, for what is kept: credentials that came in before they were refused are not read back.
pub(crate) fn shown<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    Ok(match without_credentials(&text) {
        Cow::Owned(hidden) => hidden,
        Cow::Borrowed(_) => text,
    })
}

/// The same for an address that may be absent.
pub(crate) fn shown_option<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.map(|text| match without_credentials(&text) {
        Cow::Owned(hidden) => hidden,
        Cow::Borrowed(_) => text,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_names_and_passwords_are_taken_out() {
        for (address, shown) in [
            ("https://user:pass@example.jp/a?b=c@d", "https://example.jp/a?b=c@d"),
            ("http://user@example.jp/", "http://example.jp/"),
            ("ftp://:pass@example.jp/x", "ftp://example.jp/x"),
            ("https://example.jp/@user", "https://example.jp/@user"),
            ("https://EXAMPLE.jp/a?mail=x@example.jp", "https://EXAMPLE.jp/a?mail=x@example.jp"),
            ("name@example.jp", "name@example.jp"),
            ("mailto:name@example.jp", "mailto:name@example.jp"),
            ("", ""),
        ] {
            assert_eq!(without_credentials(address), shown, "{address}");
        }
        let mut value = serde_json::json!({"a": ["http://u:p@e.jp/", 1], "b": {"c": "u:p@e"}});
        hide_credentials(&mut value);
        assert_eq!(value, serde_json::json!({"a": ["http://e.jp/", 1], "b": {"c": "u:p@e"}}));
    }
}
