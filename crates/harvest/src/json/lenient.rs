//! JSON as portals send it, faults included.

use std::io::{self, Cursor, Read, Seek};
use std::ops::Range;

use serde_json::Value;

use crate::decode;

/// Why a document could not be read.
#[derive(Debug)]
pub(super) enum Fault {
    /// It is in another encoding than UTF-8.
    Encoding,
    /// It is cut off, or no JSON.
    Syntax(serde_json::Error),
}

/// Reads JSON. What a single record of a listing does wrong (bytes that are no UTF-8, raw control characters, halves of surrogate pairs, `NaN`) is
/// mended, so that it does not cost the others; a document that is cut off or no JSON is the error it is.
pub(super) fn parse(bytes: &[u8]) -> Result<Value, Fault> {
    let bytes = bytes.strip_prefix(MARK).unwrap_or(bytes);
    let error = match serde_json::from_slice(bytes) {
        Ok(value) => return Ok(value),
        Err(error) => error,
    };
    // Reading from memory does not fail.
    if !decode::is_utf8(&mut Cursor::new(bytes)).unwrap_or(true) {
        return Err(Fault::Encoding);
    }
    let mut mended = Vec::with_capacity(bytes.len() + 64);
    Mender::default().mend(bytes, true, &mut mended);
    // Where nothing is to be mended, the first error has the right place.
    serde_json::from_slice(&mended).map_err(|mended_error| Fault::Syntax(if mended == bytes { error } else { mended_error }))
}

/// A JSON document of any size without its faults, at its beginning; `None` when it is in another encoding.
pub(crate) fn mending<R: Read + Seek>(mut reader: R) -> io::Result<Option<Mending<R>>> {
    if !decode::is_utf8(&mut reader)? {
        return Ok(None);
    }
    reader.rewind()?;
    let mut start = Vec::new();
    reader.by_ref().take(MARK.len() as u64).read_to_end(&mut start)?;
    if start == MARK {
        start.clear();
    }
    Ok(Some(Mending { reader, mender: Mender::default(), given: start, mended: Vec::new(), taken: 0, is_last: false }))
}

/// The byte order mark of UTF-8.
const MARK: &[u8] = b"\xef\xbb\xbf";
/// Bytes taken at once.
const PIECE_BYTES: u64 = 64 * 1024;
/// Bytes of a pair of escapes, the longest of what is looked at as one.
const PAIR_BYTES: usize = 12;

/// See [`mending`].
pub(crate) struct Mending<R> {
    reader: R,
    mender: Mender,
    /// Read and not yet mended.
    given: Vec<u8>,
    mended: Vec<u8>,
    /// How much of `mended` was taken.
    taken: usize,
    is_last: bool,
}

impl<R: Read> Read for Mending<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.taken == self.mended.len() && !self.is_last {
            self.mended.clear();
            self.taken = 0;
            self.is_last = self.reader.by_ref().take(PIECE_BYTES).read_to_end(&mut self.given)? == 0;
            let done = self.mender.mend(&self.given, self.is_last, &mut self.mended);
            self.given.drain(..done);
        }
        let length = buffer.len().min(self.mended.len() - self.taken);
        buffer[..length].copy_from_slice(&self.mended[self.taken..][..length]);
        self.taken += length;
        Ok(length)
    }
}

/// Where in a document the mending is.
#[derive(Default)]
struct Mender {
    within_string: bool,
}

impl Mender {
    /// Escapes raw control characters, replaces halves of surrogate pairs and bytes that are no UTF-8, makes numbers that are none `null`. Gives how many
    /// bytes are done: what may go on behind the end waits, unless there is no more. NUL stays the error it is: where it comes there is no text.
    fn mend(&mut self, text: &[u8], is_last: bool, out: &mut Vec<u8>) -> usize {
        let mut at = 0;
        while at < text.len() {
            let plain = self.plain(&text[at..]);
            if !plain.is_empty() {
                let end = at + plain.end;
                for chunk in text[at..end].utf8_chunks() {
                    out.extend_from_slice(chunk.valid().as_bytes());
                    at += chunk.valid().len() + chunk.invalid().len();
                    if at == text.len() && !is_last && !chunk.invalid().is_empty() {
                        return at - chunk.invalid().len();
                    }
                    if !chunk.invalid().is_empty() {
                        out.extend_from_slice(REPLACEMENT);
                    }
                }
                continue;
            }
            let rest = &text[at..];
            if rest.len() < PAIR_BYTES && !is_last {
                return at;
            }
            at += match (self.within_string, rest[0]) {
                (true, b'\\') => match unit(rest) {
                    Some(0xd800..=0xdbff) if unit(&rest[6..]).is_some_and(|low| (0xdc00..=0xdfff).contains(&low)) => {
                        copy(rest, PAIR_BYTES, out)
                    }
                    Some(0xd800..=0xdfff) => {
                        out.extend_from_slice(REPLACEMENT);
                        6
                    }
                    _ => copy(rest, if rest.get(1).is_some_and(u8::is_ascii) { 2 } else { 1 }, out),
                },
                (true, control @ 1..0x20) => {
                    out.extend_from_slice(format!("\\u{control:04x}").as_bytes());
                    1
                }
                (false, b'N' | b'I' | b'-') => {
                    match [&b"NaN"[..], b"-Infinity", b"Infinity"].into_iter().find(|word| rest.starts_with(word)) {
                        Some(word) => {
                            out.extend_from_slice(b"null");
                            word.len()
                        }
                        None => copy(rest, 1, out),
                    }
                }
                (_, byte) => {
                    self.within_string ^= byte == b'"';
                    copy(rest, 1, out)
                }
            };
        }
        at
    }

    /// What of the beginning of a text needs no look.
    fn plain(&self, text: &[u8]) -> Range<usize> {
        let is_special = |byte: &u8| match byte {
            b'"' => true,
            b'\\' | 0..0x20 => self.within_string,
            b'N' | b'I' | b'-' => !self.within_string,
            _ => false,
        };
        0..text.iter().position(is_special).unwrap_or(text.len())
    }
}

/// U+FFFD in UTF-8.
const REPLACEMENT: &[u8] = "\u{fffd}".as_bytes();

fn copy(from: &[u8], length: usize, out: &mut Vec<u8>) -> usize {
    out.extend_from_slice(&from[..length]);
    length
}

/// The UTF-16 unit of an escape `\uXXXX` that a text begins with.
fn unit(text: &[u8]) -> Option<u32> {
    let digits = text.strip_prefix(b"\\u")?.get(..4)?;
    let digits = std::str::from_utf8(digits).ok().filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    u32::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn faults_of_single_values_are_mended() {
        for (bytes, value) in [
            (&b"{\"a\": \"b\"}"[..], json!({"a": "b"})),
            (b"\xef\xbb\xbf{\"a\": 1}", json!({"a": 1})),
            (b"{\"a\": \"x\ty\nz\x01\"}", json!({"a": "x\ty\nz\u{1}"})),
            (b"{\"a\": \"x\xffy\"}", json!({"a": "x\u{fffd}y"})),
            (b"{\"a\": \"\xe9\x81\"}", json!({"a": "\u{fffd}"})),
            (b"{\"a\": \"\\ud83d\\ude00 \\ud83d! \\ude00\"}", json!({"a": "\u{1f600} \u{fffd}! \u{fffd}"})),
            (b"{\"a\": [NaN, -Infinity, Infinity, -1, \"NaN \\\" NaN\"]}", json!({"a": [null, null, null, -1, "NaN \" NaN"]})),
            (b"{\"a\": \"\\\\\", \"b\": NaN}", json!({"a": "\\", "b": null})),
        ] {
            let shown = String::from_utf8_lossy(bytes);
            assert_eq!(parse(bytes).unwrap_or_else(|error| panic!("{shown}: {error:?}")), value);
            let mending = mending(Cursor::new(bytes)).unwrap().unwrap_or_else(|| panic!("{shown}"));
            assert_eq!(serde_json::from_reader::<_, Value>(mending).unwrap_or_else(|error| panic!("{shown}: {error}")), value);
            // Wherever a piece ends, the same comes out.
            let (mut mender, mut given, mut mended) = (Mender::default(), Vec::new(), Vec::new());
            for byte in bytes.strip_prefix(MARK).unwrap_or(bytes) {
                given.push(*byte);
                let done = mender.mend(&given, false, &mut mended);
                given.drain(..done);
            }
            mender.mend(&given, true, &mut mended);
            assert_eq!(serde_json::from_slice::<Value>(&mended).unwrap_or_else(|error| panic!("{shown}: {error}")), value);
        }
    }

    #[test]
    fn a_document_without_faults_stays_as_it_is() {
        let text = format!("[{}\"\"]", "{\"題\": \"避難所\\n一覧😀 \\ud83d\\ude00\", \"n\": -1.5e-3}, ".repeat(5_000));
        let mut mended = String::new();
        mending(Cursor::new(text.as_bytes())).unwrap().unwrap().read_to_string(&mut mended).unwrap();
        assert_eq!(mended, text);
    }

    #[test]
    fn what_is_cut_off_or_no_json_is_an_error() {
        for bytes in
            [&b""[..], b"{\"a\": \"x", b"{\"a\": tr", b"<html>", b"{\"a\": \"\\", b"{\"a\": \"\\ud8", b"[NaN", b"\xff", b"[\"\0\"]"]
        {
            assert!(matches!(parse(bytes), Err(Fault::Syntax(_))), "{}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn another_encoding_is_no_fault_of_single_values() {
        let text = "{\"title\": \"避難所一覧\"}";
        let utf16 = [&b"\xff\xfe"[..], &text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>()].concat();
        for bytes in [encoding_rs::SHIFT_JIS.encode(text).0.into_owned(), encoding_rs::EUC_JP.encode(text).0.into_owned(), utf16] {
            assert!(matches!(parse(&bytes), Err(Fault::Encoding)), "{}", String::from_utf8_lossy(&bytes));
            assert!(mending(Cursor::new(&bytes)).unwrap().is_none());
        }
    }
}
