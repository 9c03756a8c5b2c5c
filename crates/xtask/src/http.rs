//! A small HTTP client over loopback: one connection, one request at a time, answers read whole.
//! A library would be larger than all of xtask, and only minato-harvest may have one.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail, ensure};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A client that speaks for one token.
pub(crate) struct Client {
    address: SocketAddr,
    token: String,
    stream: Option<TcpStream>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The header of that lower-case name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON; `null` when it is none.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

impl Client {
    /// Sends `token` with every request; none when it is empty.
    pub(crate) fn new(address: SocketAddr, token: &str) -> Client {
        Client { address, token: token.to_owned(), stream: None }
    }

    /// Asks for JSON and expects 200.
    pub(crate) async fn get(&mut self, path: &str) -> Result<Value> {
        let answer = self.send("GET", path, &[], &[]).await?;
        expect(&answer, &[200], "GET", path)?;
        Ok(answer.json())
    }

    /// Sends JSON and expects one of `statuses`.
    pub(crate) async fn send_json(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &Value,
        statuses: &[u16],
    ) -> Result<Answer> {
        let mut all = vec![("content-type", "application/json")];
        all.extend_from_slice(headers);
        let answer = self.send(method, path, &all, body.to_string().as_bytes()).await?;
        expect(&answer, statuses, method, path)?;
        Ok(answer)
    }

    /// Sends a request and reads the answer.
    pub(crate) async fn send(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<Answer> {
        let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {}\r\ncontent-length: {}\r\n", self.address, body.len());
        if !self.token.is_empty() {
            head += &format!("authorization: Bearer {}\r\n", self.token);
        }
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        head += "\r\n";
        let answer = self.exchange(head.as_bytes(), body, method == "HEAD").await;
        answer.with_context(|| format!("{method} {path}"))
    }

    async fn exchange(&mut self, head: &[u8], body: &[u8], head_only: bool) -> Result<Answer> {
        // A server may close a kept connection at any time; a new one has no such excuse.
        let kept = self.stream.is_some();
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => TcpStream::connect(self.address).await.with_context(|| format!("cannot connect to {}", self.address))?,
        };
        stream.set_nodelay(true)?;
        let mut received = Vec::new();
        let mut outcome = Self::write_and_read(&mut stream, head, body, head_only, &mut received).await;
        if outcome.is_err() && kept && received.is_empty() {
            stream = TcpStream::connect(self.address).await?;
            outcome = Self::write_and_read(&mut stream, head, body, head_only, &mut received).await;
        }
        let answer = outcome?;
        if answer.header("connection").is_none_or(|value| !value.eq_ignore_ascii_case("close")) {
            self.stream = Some(stream);
        }
        Ok(answer)
    }

    async fn write_and_read(stream: &mut TcpStream, head: &[u8], body: &[u8], head_only: bool, received: &mut Vec<u8>) -> Result<Answer> {
        stream.write_all(head).await?;
        stream.write_all(body).await?;
        let end = loop {
            if let Some(end) = header_end(received) {
                break end;
            }
            ensure!(stream.read_buf(received).await? > 0, "the server closed the connection without an answer");
        };
        let (status, headers) = parse_head(&received[..end])?;
        let mut body = received.split_off(end);
        let header = |name: &str| headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        if head_only || matches!(status, 204 | 304) {
            body.clear();
        } else if header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
            loop {
                if let Some(whole) = dechunk(&body) {
                    body = whole;
                    break;
                }
                ensure!(stream.read_buf(&mut body).await? > 0, "the answer broke off");
            }
        } else {
            let length: usize = header("content-length").and_then(|value| value.parse().ok()).unwrap_or(0);
            while body.len() < length {
                ensure!(stream.read_buf(&mut body).await? > 0, "the answer broke off after {} of {length} bytes", body.len());
            }
        }
        Ok(Answer { status, headers, body })
    }
}

/// An error with what the server said, unless the status is one of `statuses`.
pub(crate) fn expect(answer: &Answer, statuses: &[u16], method: &str, path: &str) -> Result<()> {
    if !statuses.contains(&answer.status) {
        let said: String = String::from_utf8_lossy(&answer.body).chars().take(1_000).collect();
        bail!("{method} {path} answered {}: {said}", answer.status);
    }
    Ok(())
}

/// A text as part of a path or query.
pub(crate) fn escape(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// Where the body begins.
pub(crate) fn header_end(received: &[u8]) -> Option<usize> {
    received.windows(4).position(|window| window == b"\r\n\r\n").map(|position| position + 4)
}

fn parse_head(head: &[u8]) -> Result<(u16, Vec<(String, String)>)> {
    let text = String::from_utf8_lossy(head);
    let mut lines = text.split("\r\n");
    let status_line = lines.next().unwrap_or_default();
    let status = status_line.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.with_context(|| format!("`{status_line}` is no status line"))?;
    let headers =
        lines.filter_map(|line| line.split_once(':')).map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned()));
    Ok((status, headers.collect()))
}

/// The body that the chunks make; `None` while the last one is missing.
fn dechunk(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line_end = rest.windows(2).position(|window| window == b"\r\n")?;
        let size = std::str::from_utf8(&rest[..line_end]).ok()?.split(';').next()?.trim().to_owned();
        let size = usize::from_str_radix(&size, 16).ok()?;
        rest = &rest[line_end + 2..];
        if size == 0 {
            return rest.starts_with(b"\r\n").then_some(body);
        }
        body.extend_from_slice(rest.get(..size)?);
        rest = rest.get(size + 2..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_joined_once_all_are_there() {
        assert_eq!(dechunk(b"3\r\nabc\r\n2;x=1\r\nde\r\n0\r\n\r\n").as_deref(), Some(&b"abcde"[..]));
        assert_eq!(dechunk(b"3\r\nabc\r\n2\r\nd"), None);
        assert_eq!(dechunk(b""), None);
    }

    #[test]
    fn heads_are_understood() {
        let (status, headers) = parse_head(b"HTTP/1.1 201 Created\r\nETag: \"1\"\r\n\r\n").unwrap();
        assert_eq!((status, headers), (201, vec![("etag".to_owned(), "\"1\"".to_owned())]));
        assert!(parse_head(b"nonsense\r\n\r\n").is_err());
        assert_eq!(header_end(b"HTTP/1.1 200 OK\r\n\r\nbody"), Some(19));
    }
}
