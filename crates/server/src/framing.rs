//! Where a connection's requests and their bodies end, told before the HTTP parser reads them.
//!
//! The parser takes a chunked body whose framing is broken (RFC 9112 §7.1) for a client that is gone, and drops the connection without an
//! answer. Told that the body merely ended too early, it lets the handler say what is wrong. So the bytes are followed here, as the parser
//! will read them, and cut before the first that it would stumble over. What is doubtful otherwise is its own to refuse.

/// Longest header line that is looked at; those that say where a body ends are short.
const LINE_BYTES_MAX: usize = 256;

/// How far a connection is.
#[derive(Debug)]
pub(crate) struct Framing {
    place: Place,
    /// The current line of a head, as far as it is looked at.
    line: Vec<u8>,
    body: Body,
}

#[derive(Debug, PartialEq, Eq)]
enum Place {
    /// Before or in the first line of a request.
    RequestLine,
    Headers,
    /// In a body of known length, with so much to come.
    Sized(u64),
    Chunked(Chunk, u64),
    /// Left to the parser, for good.
    Unknown,
}

/// What the head so far says of the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Body {
    None,
    Sized(u64),
    Chunked,
    Doubtful,
}

/// Where in a chunked body the next byte stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Chunk {
    SizeFirst,
    Size,
    SizeBlank,
    Extension,
    SizeEnd,
    Data,
    DataEnd,
    DataLineEnd,
    TrailerStart,
    Trailer,
    TrailerEnd,
    End,
}

impl Framing {
    /// At the beginning of a connection.
    pub(crate) fn new() -> Self {
        Framing { place: Place::RequestLine, line: Vec::new(), body: Body::None }
    }

    /// Follows the next bytes. `Err` is the number of those before the first that breaks a chunked body.
    pub(crate) fn follow(&mut self, bytes: &[u8]) -> Result<(), usize> {
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            match &mut self.place {
                Place::Unknown => return Ok(()),
                Place::Sized(left) => {
                    let count = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
                    at += count;
                    *left -= count as u64;
                    if *left == 0 {
                        self.place = Place::RequestLine;
                    }
                }
                Place::Chunked(Chunk::Data, left) => {
                    let count = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
                    at += count;
                    *left -= count as u64;
                    if *left == 0 {
                        self.place = Place::Chunked(Chunk::DataEnd, 0);
                    }
                }
                Place::Chunked(chunk, size) => {
                    let (next, size) = step(*chunk, *size, rest[0]).ok_or(at)?;
                    at += 1;
                    // The last line break belongs to the body.
                    self.place = if *chunk == Chunk::End { Place::RequestLine } else { Place::Chunked(next, size) };
                }
                Place::RequestLine | Place::Headers => {
                    let end = rest.iter().position(|byte| *byte == b'\n');
                    let part = &rest[..end.unwrap_or(rest.len())];
                    self.line.extend_from_slice(&part[..part.len().min(LINE_BYTES_MAX.saturating_sub(self.line.len()))]);
                    at += part.len();
                    if end.is_some() {
                        at += 1;
                        self.end_line();
                    }
                }
            }
        }
        Ok(())
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        let line = line.strip_suffix(b"\r").unwrap_or(&line);
        if self.place == Place::RequestLine {
            // Empty lines may stand before a request.
            if !line.is_empty() {
                self.body = if line.starts_with(b"CONNECT ") { Body::Doubtful } else { Body::None };
                self.place = Place::Headers;
            }
            return;
        }
        if line.is_empty() {
            self.place = match self.body {
                Body::None | Body::Sized(0) => Place::RequestLine,
                Body::Sized(length) => Place::Sized(length),
                Body::Chunked => Place::Chunked(Chunk::SizeFirst, 0),
                Body::Doubtful => Place::Unknown,
            };
            return;
        }
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { return };
        let value = std::str::from_utf8(&line[colon + 1..]).map(str::trim).unwrap_or_default();
        let said = match line[..colon].to_ascii_lowercase().as_slice() {
            b"content-length" => value.parse().map(Body::Sized).unwrap_or(Body::Doubtful),
            b"transfer-encoding" if value.eq_ignore_ascii_case("chunked") => Body::Chunked,
            b"transfer-encoding" | b"upgrade" => Body::Doubtful,
            _ => return,
        };
        // Said twice is refused by the parser.
        self.body = if self.body == Body::None { said } else { Body::Doubtful };
    }
}

/// The place after a byte of a chunked body, with the size of the chunk; `None` where the byte must not stand. As the parser has it.
fn step(chunk: Chunk, size: u64, byte: u8) -> Option<(Chunk, u64)> {
    let next = match (chunk, byte) {
        (Chunk::SizeFirst, _) => return Some((Chunk::Size, u64::from(char::from(byte).to_digit(16)?))),
        (Chunk::Size, b'\r') | (Chunk::SizeBlank, b'\r') | (Chunk::Extension, b'\r') => Chunk::SizeEnd,
        (Chunk::Size, b' ' | b'\t') | (Chunk::SizeBlank, b' ' | b'\t') => Chunk::SizeBlank,
        (Chunk::Size, b';') | (Chunk::SizeBlank, b';') => Chunk::Extension,
        (Chunk::Size, _) => return Some((Chunk::Size, size.checked_mul(16)? + u64::from(char::from(byte).to_digit(16)?))),
        (Chunk::Extension, 0x00..=0x08 | 0x0a..=0x1f | 0x7f) => return None,
        (Chunk::Extension, _) => Chunk::Extension,
        (Chunk::SizeEnd, b'\n') if size == 0 => Chunk::TrailerStart,
        (Chunk::SizeEnd, b'\n') => Chunk::Data,
        (Chunk::Data, _) => Chunk::Data,
        (Chunk::DataEnd, b'\r') => Chunk::DataLineEnd,
        (Chunk::DataLineEnd, b'\n') => Chunk::SizeFirst,
        (Chunk::TrailerStart, b'\r') => Chunk::End,
        (Chunk::TrailerStart | Chunk::Trailer, byte) if byte != b'\r' => Chunk::Trailer,
        (Chunk::Trailer, _) => Chunk::TrailerEnd,
        (Chunk::TrailerEnd, b'\n') => Chunk::TrailerStart,
        (Chunk::End, b'\n') => Chunk::End,
        _ => return None,
    };
    Some((next, size))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where the bytes are cut, given whole and one by one.
    fn cut(text: &str) -> Option<usize> {
        let whole = Framing::new().follow(text.as_bytes()).err();
        let mut framing = Framing::new();
        let single = text.bytes().position(|byte| framing.follow(&[byte]).is_err());
        assert_eq!(whole, single, "{text:?}");
        whole
    }

    #[test]
    fn bodies_are_cut_where_their_chunks_break() {
        let head = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
        for (body, good) in [
            ("5\r\n{\"a\":\r\nzz\r\n", 10),
            ("zz\r\n", 0),
            ("5 x\r\n", 2),
            ("5;a=b\u{1}\r\n", 5),
            ("5\n", 1),
            ("2\r\nabc\r\n", 5),
            ("2\r\nab\r\r\n", 6),
            ("fffffffffffffffff\r\n", 16),
            ("0\r\n\rx", 4),
        ] {
            assert_eq!(cut(&format!("{head}{body}")), Some(head.len() + good), "{body:?}");
        }
    }

    #[test]
    fn whatever_is_well_formed_or_not_chunked_passes() {
        let chunked = "POST / HTTP/1.1\r\ntransfer-encoding:  Chunked \r\nx: y\r\n\r\n5;a=b\r\nab\r\nc\r\nA \r\n0123456789\r\n0\r\nx: y\r\nz: \r\n\r\n";
        let sized = "\r\nPUT / HTTP/1.1\r\nContent-Length: 7\r\n\r\nzz\r\n\r\nz";
        let bare = "GET /zz HTTP/1.1\r\nHost: x\r\n\r\n";
        for text in [
            chunked.to_owned(),
            format!("{chunked}{sized}{bare}{chunked}{bare}"),
            "POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\nzz".to_owned(),
            "POST / HTTP/1.1\r\nUpgrade: websocket\r\n\r\nzz".to_owned(),
            format!("POST / HTTP/1.1\r\nx: {}\r\n\r\n{chunked}", "y".repeat(10_000)),
            "\u{0}\u{1}nonsense\r\n: :\r\n".to_owned(),
        ] {
            assert_eq!(cut(&text), None, "{text:?}");
        }
        let second = format!("{chunked}{sized}{bare}POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
        assert_eq!(cut(&format!("{second}g")), Some(second.len()));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let _ = Framing::new().follow(&bytes);
            let mut framing = Framing::new();
            let _ = framing.follow(b"P / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
            let _ = framing.follow(&bytes);
        }
    }
}
