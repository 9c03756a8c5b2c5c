//! JSON as portals send it, faults included.

use minato_catalog::Text;
use serde_json::Value;

/// JSON that may have been mended.
#[derive(Debug)]
pub(crate) struct Lenient {
    pub(crate) value: Value,
    /// Some characters could not be read and are U+FFFD.
    pub(crate) has_lost_characters: bool,
}

/// Reads JSON. What a single record of a listing does wrong (bytes that are no UTF-8, raw control characters, halves of surrogate pairs, `NaN`) is
/// mended, so that it does not cost the others; a document that is cut off or no JSON is the error it is.
pub(crate) fn parse(bytes: &[u8]) -> Result<Lenient, serde_json::Error> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let error = match serde_json::from_slice(bytes) {
        Ok(value) => return Ok(Lenient { value, has_lost_characters: false }),
        Err(error) => error,
    };
    let text = String::from_utf8_lossy(bytes);
    let (mended, has_lost_halves) = mend(&text);
    let value = serde_json::from_str(&mended).map_err(|_| error)?;
    Ok(Lenient { value, has_lost_characters: has_lost_halves || matches!(text, std::borrow::Cow::Owned(_)) })
}

/// What a record is told when characters of it were lost.
pub(crate) fn lost_characters() -> Text {
    Text::new(
        "文字コード（UTF-8）として読めない文字があり、「\u{fffd}」に置き換えました。取り込み元の文字を直してください。",
        "some characters are not valid UTF-8 and were replaced by `\u{fffd}`; mend them at the source",
    )
}

/// The text with raw control characters escaped, halves of surrogate pairs replaced and numbers that are none made null; and whether halves
/// were replaced.
fn mend(text: &str) -> (String, bool) {
    let mut mended = String::with_capacity(text.len() + 64);
    let mut has_lost_halves = false;
    let mut within_string = false;
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let mut taken = c.len_utf8();
        match (within_string, c) {
            (true, '\\') => match unit(rest) {
                Some(0xd800..=0xdbff) if unit(&rest[6..]).is_some_and(|low| (0xdc00..=0xdfff).contains(&low)) => {
                    taken = 12;
                    mended.push_str(&rest[..taken]);
                }
                Some(0xd800..=0xdfff) => {
                    taken = 6;
                    has_lost_halves = true;
                    mended.push('\u{fffd}');
                }
                _ => {
                    taken += rest[1..].chars().next().map_or(0, char::len_utf8);
                    mended.push_str(&rest[..taken]);
                }
            },
            (true, c) if u32::from(c) < 0x20 => mended.push_str(&format!("\\u{:04x}", u32::from(c))),
            (false, 'N' | 'I' | '-') => match ["NaN", "-Infinity", "Infinity"].iter().find(|word| rest.starts_with(**word)) {
                Some(word) => {
                    taken = word.len();
                    mended.push_str("null");
                }
                None => mended.push(c),
            },
            (_, c) => {
                within_string ^= c == '"';
                mended.push(c);
            }
        }
        rest = &rest[taken..];
    }
    (mended, has_lost_halves)
}

/// The UTF-16 unit of an escape `\uXXXX` that a text begins with.
fn unit(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u32::from_str_radix(digits, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn faults_of_single_values_are_mended() {
        for (bytes, value, lost) in [
            (&b"{\"a\": \"b\"}"[..], json!({"a": "b"}), false),
            (b"\xef\xbb\xbf{\"a\": 1}", json!({"a": 1}), false),
            (b"{\"a\": \"x\ty\nz\x01\"}", json!({"a": "x\ty\nz\u{1}"}), false),
            (b"{\"a\": \"x\xffy\"}", json!({"a": "x\u{fffd}y"}), true),
            (b"{\"a\": \"\\ud83d\\ude00 \\ud83d! \\ude00\"}", json!({"a": "\u{1f600} \u{fffd}! \u{fffd}"}), true),
            (b"{\"a\": [NaN, -Infinity, Infinity, -1, \"NaN \\\" NaN\"]}", json!({"a": [null, null, null, -1, "NaN \" NaN"]}), false),
            (b"{\"a\": \"\\\\\", \"b\": NaN}", json!({"a": "\\", "b": null}), false),
        ] {
            let found = parse(bytes).unwrap_or_else(|error| panic!("{}: {error}", String::from_utf8_lossy(bytes)));
            assert_eq!((found.value, found.has_lost_characters), (value, lost));
        }
    }

    #[test]
    fn what_is_cut_off_or_no_json_is_an_error() {
        for bytes in [&b""[..], b"{\"a\": \"x", b"{\"a\": tr", b"<html>", b"{\"a\": \"\\", b"{\"a\": \"\\ud8", b"[NaN", b"\xff"] {
            assert!(parse(bytes).is_err(), "{}", String::from_utf8_lossy(bytes));
        }
    }
}
