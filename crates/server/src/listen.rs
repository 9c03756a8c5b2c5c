//! Accepting connections from clients that send Japanese in a URL as it is.
//!
//! `curl 'http://…/datasets?q=避難所'` puts UTF-8 into the request line. RFC 9112 wants it percent-encoded and the HTTP parser below
//! actix-web refuses it with an empty 400, which helps nobody. So the bytes of a connection's first line that are not ASCII are
//! percent-encoded on their way in; everything after that line, bodies above all, is passed on untouched. Clients that keep a
//! connection for several requests (browsers, HTTP libraries) encode by themselves.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The longest first line that is encoded; the HTTP parser refuses longer ones.
const LINE_BYTES_MAX: usize = 64 * 1024;

/// A connection whose first line is made ASCII.
pub(crate) struct AsciiFirstLine<S> {
    inner: S,
    /// Encoded and not yet handed on.
    ready: BytesMut,
    /// Bytes of the first line seen so far; `None` once it ended.
    seen: Option<usize>,
}

impl<S> AsciiFirstLine<S> {
    /// Around a new connection.
    pub(crate) fn new(inner: S) -> Self {
        AsciiFirstLine { inner, ready: BytesMut::new(), seen: Some(0) }
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
                0x80.. => self.ready.extend_from_slice(format!("%{byte:02X}").as_bytes()),
                _ => self.ready.extend_from_slice(&[byte]),
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for AsciiFirstLine<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.ready.is_empty() {
            if this.seen.is_none() {
                return Pin::new(&mut this.inner).poll_read(context, buffer);
            }
            let mut bytes = [0; 4096];
            let mut part = ReadBuf::new(&mut bytes);
            match Pin::new(&mut this.inner).poll_read(context, &mut part) {
                Poll::Ready(Ok(())) => {}
                other => return other,
            }
            this.encode(part.filled());
        }
        let count = this.ready.len().min(buffer.remaining());
        buffer.put_slice(&this.ready[..count]);
        this.ready.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for AsciiFirstLine<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
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
        assert_eq!(through(&[&request[..9], &request[9..10], &request[10..]]).await, expected);
    }

    #[tokio::test]
    async fn large_bodies_pass_whole() {
        let body = vec![0xff_u8; 300_000];
        let request = [b"PUT / HTTP/1.1\r\n\r\n".as_slice(), &body].concat();
        assert_eq!(through(&[&request]).await, request);
    }
}
