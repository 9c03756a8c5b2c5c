//! Accepting connections from clients that send Japanese in a URL as it is.
//!
//! `curl 'http://…/datasets?q=避難所'` puts UTF-8 into the request line. RFC 9112 wants it percent-encoded and the HTTP parser below
//! actix-web refuses it with an empty 400, which helps nobody. So the bytes of a connection's first line that are not ASCII are
//! percent-encoded on their way in, like the quotation marks and brackets that CKAN's documentation shows in queries; everything after that line, bodies above all, is passed on untouched. Clients that keep a
//! connection for several requests (browsers, HTTP libraries) encode by themselves.
//!
//! A chunked body whose framing breaks ends here, before the parser meets it and drops the connection (see `framing`).

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use crate::framing::Framing;

/// The longest first line that is encoded; the HTTP parser refuses longer ones.
const LINE_BYTES_MAX: usize = 64 * 1024;

/// How long a client whose body broke may go on sending before the connection is closed under it.
const LINGER: Duration = Duration::from_secs(1);

/// How the HTTP parser answers what it cannot read, and what is sent instead: it has no words of its own.
const REFUSALS: [(&[u8], u16, &str, &str, &str); 3] = [
    (
        b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n",
        400,
        "unreadable_request",
        "HTTP リクエストとして読めません。URL の日本語や記号はパーセントエンコードし、長すぎる URL や壊れたヘッダーがないか確認してください。",
        "the HTTP request cannot be read; percent-encode non-ASCII characters in the URL and check for an overlong URL or broken headers",
    ),
    (
        b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\n",
        431,
        "unreadable_request",
        "ヘッダーが多すぎるか長すぎます。Cookie などを減らしてください。",
        "the request has too many or too large headers; send fewer",
    ),
    (
        b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n",
        408,
        "timeout",
        "リクエストのヘッダーが時間内に届きませんでした。通信状態を確認して、もう一度送ってください。",
        "the headers of the request did not arrive in time; check the connection and send it again",
    ),
];

/// The answer to send in place of a refusal without words; `None` for everything else.
fn in_words(bytes: &[u8]) -> Option<Vec<u8>> {
    let (_, status, kind, ja, en) = REFUSALS.iter().find(|(start, ..)| bytes.starts_with(start))?;
    let text = minato_app::catalog::Text::new(*ja, *en);
    let status = actix_web::http::StatusCode::from_u16(*status).ok()?;
    let problem = crate::http::Problem::new(status, kind, text, Vec::new());
    let body = serde_json::to_string(problem.details()).ok()?;
    let head = format!(
        "HTTP/1.1 {} {}\r\ncontent-length: {}\r\ncontent-type: application/problem+json\r\nconnection: close\r\n\r\n",
        status.as_u16(),
        status.canonical_reason().unwrap_or_default(),
        body.len()
    );
    Some([head.into_bytes(), body.into_bytes()].concat())
}

/// A connection whose first line is made ASCII.
pub(crate) struct AsciiFirstLine<S> {
    inner: S,
    /// Encoded and not yet handed on.
    ready: BytesMut,
    /// A refusal in words, not yet sent.
    answer: BytesMut,
    /// Bytes of the first line seen so far; `None` once it ended.
    seen: Option<usize>,
    framing: Framing,
    /// Whether the bytes broke off the rules, after which nothing more is handed on.
    broken: bool,
    /// How long to take what a client goes on sending after its body broke.
    linger: Option<Pin<Box<Sleep>>>,
}

impl<S> AsciiFirstLine<S> {
    /// Around a new connection.
    pub(crate) fn new(inner: S) -> Self {
        AsciiFirstLine {
            inner,
            ready: BytesMut::new(),
            answer: BytesMut::new(),
            seen: Some(0),
            framing: Framing::new(),
            broken: false,
            linger: None,
        }
    }

    /// How many of the next bytes may be handed on.
    fn follow(&mut self, bytes: &[u8]) -> usize {
        match self.framing.follow(bytes) {
            Ok(()) => bytes.len(),
            Err(good) => {
                self.broken = true;
                good
            }
        }
    }

    fn encode(&mut self, bytes: &[u8]) {
        for (index, &byte) in bytes.iter().enumerate() {
            let Some(seen) = self.seen.as_mut() else {
                self.ready.extend_from_slice(&bytes[index..]);
                return;
            };
            *seen += 1;
            if byte == b'\n' || *seen > LINE_BYTES_MAX {
                self.seen = None;
            }
            match byte {
                // Not allowed in a URL either, and written by hand all the same: `?q=title:"避難所"`.
                b'"' | b'<' | b'>' | b'`' | b'{' | b'}' | b'|' | b'\\' | b'^' | 0x80.. => {
                    self.ready.extend_from_slice(format!("%{byte:02X}").as_bytes())
                }
                _ => self.ready.extend_from_slice(&[byte]),
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for AsciiFirstLine<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.ready.is_empty() {
            if this.broken {
                return Poll::Ready(Ok(()));
            }
            if this.seen.is_none() {
                let before = buffer.filled().len();
                std::task::ready!(Pin::new(&mut this.inner).poll_read(context, buffer))?;
                let good = this.follow(&buffer.filled()[before..]);
                buffer.set_filled(before + good);
                return Poll::Ready(Ok(()));
            }
            let mut bytes = [0; 4096];
            let mut part = ReadBuf::new(&mut bytes);
            std::task::ready!(Pin::new(&mut this.inner).poll_read(context, &mut part))?;
            let good = this.follow(part.filled());
            this.encode(&part.filled()[..good]);
        }
        let count = this.ready.len().min(buffer.remaining());
        buffer.put_slice(&this.ready[..count]);
        this.ready.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsciiFirstLine<S> {
    /// Sends what is left of a refusal in words.
    fn poll_answer(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.answer.is_empty() {
            match Pin::new(&mut self.inner).poll_write(context, &self.answer) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(count)) => self.answer.advance(count),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsciiFirstLine<S> {
    /// Takes and drops what still comes: closing on unread bytes would take the answer away from the client.
    fn poll_linger(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let linger = self.linger.get_or_insert_with(|| Box::pin(tokio::time::sleep(LINGER)));
        if linger.as_mut().poll(context).is_ready() {
            return Poll::Ready(Ok(()));
        }
        let mut bytes = [0; 4096];
        loop {
            let mut part = ReadBuf::new(&mut bytes);
            std::task::ready!(Pin::new(&mut self.inner).poll_read(context, &mut part))?;
            if part.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for AsciiFirstLine<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        std::task::ready!(self.poll_answer(context))?;
        if let Some(words) = in_words(bytes) {
            self.answer.extend_from_slice(&words);
            // Taken as a whole; what does not fit now goes with the flush.
            if let Poll::Ready(Err(error)) = self.poll_answer(context) {
                return Poll::Ready(Err(error));
            }
            return Poll::Ready(Ok(bytes.len()));
        }
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        std::task::ready!(self.poll_answer(context))?;
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        std::task::ready!(self.poll_answer(context))?;
        if self.linger.is_none() {
            std::task::ready!(Pin::new(&mut self.inner).poll_shutdown(context))?;
        }
        if self.broken { self.poll_linger(context) } else { Poll::Ready(Ok(())) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;

    /// Reads through the wrapper, in as many pieces as given.
    async fn through(pieces: &[&[u8]]) -> Vec<u8> {
        let (mut client, server) = tokio::io::duplex(1 << 20);
        let pieces: Vec<Vec<u8>> = pieces.iter().map(|piece| piece.to_vec()).collect();
        tokio::spawn(async move {
            use tokio::io::AsyncWriteExt;
            for piece in pieces {
                client.write_all(&piece).await.unwrap();
                tokio::task::yield_now().await;
            }
        });
        let mut read = Vec::new();
        AsciiFirstLine::new(server).read_to_end(&mut read).await.unwrap();
        read
    }

    #[tokio::test]
    async fn the_first_line_is_encoded_and_the_rest_untouched() {
        let request = "GET /?q=避 HTTP/1.1\r\nx: 難\r\n\r\n所".as_bytes();
        let expected = ["GET /?q=%E9%81%BF HTTP/1.1\r\nx: 難\r\n\r\n所".as_bytes()].concat();
        assert_eq!(through(&[request]).await, expected);
        let quoted = b"GET /?q=title:\"a\"&f=[\"b\"] HTTP/1.1\r\nx: \"y\"\r\n\r\n";
        let expected_quoted = b"GET /?q=title:%22a%22&f=[%22b%22] HTTP/1.1\r\nx: \"y\"\r\n\r\n";
        assert_eq!(through(&[quoted]).await, expected_quoted);
        assert_eq!(through(&[&request[..9], &request[9..10], &request[10..]]).await, expected);
    }

    #[tokio::test]
    async fn refusals_without_words_get_words() {
        use tokio::io::AsyncWriteExt;
        let (mut client, server) = tokio::io::duplex(64);
        let written = tokio::spawn(async move {
            let mut connection = AsciiFirstLine::new(server);
            connection.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await.unwrap();
            connection.shutdown().await.unwrap();
        });
        let mut read = String::new();
        client.read_to_string(&mut read).await.unwrap();
        written.await.unwrap();
        let (head, body) = read.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}", body.len())), "{head}");
        assert!(body.contains("unreadable_request"));
        assert_eq!(in_words(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 12\r\n"), None);
        let late = in_words(b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
        assert!(String::from_utf8(late).unwrap().contains("urn:minato:problem:timeout"));
    }

    #[tokio::test]
    async fn a_body_ends_where_its_chunks_break() {
        let request = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"a\":\r\nzz\r\n";
        let good = &request[..request.len() - 4];
        assert_eq!(through(&[request]).await, good);
        assert_eq!(through(&[&request[..30], &request[30..60], &request[60..], b"more"]).await, good);
    }

    #[tokio::test]
    async fn large_bodies_pass_whole() {
        let body = vec![0xff_u8; 300_000];
        let request = [b"PUT / HTTP/1.1\r\n\r\n".as_slice(), &body].concat();
        assert_eq!(through(&[&request]).await, request);
    }
}
