//! A load generator: HTTP/1.1 over kept connections, one request at a time on each, on one thread.
//!
//! It shares the machine with the server it measures, so it does as little as it can: requests are written into a reused
//! buffer, and of answers only status and length are read. What it takes away is part of every figure.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::http::header_end;

/// Errors after which a connection gives up.
const ERRORS_MAX: u64 = 1_000;

/// What to send.
pub(crate) struct Load {
    pub(crate) address: SocketAddr,
    pub(crate) connections: usize,
    /// No new request begins after this time; those under way are finished.
    pub(crate) time_max: Duration,
    /// The status that is no error.
    pub(crate) status: u16,
}

/// Writes the request of that number into the buffer; false when there are no more.
pub(crate) type Write = dyn Fn(usize, &mut Vec<u8>) -> bool + Send + Sync;

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Requests answered with the wanted status.
    pub(crate) answered: u64,
    /// All others.
    pub(crate) errors: u64,
    /// The first of them.
    pub(crate) first_error: Option<String>,
    /// From the first request to the last answer.
    pub(crate) elapsed: Duration,
    /// Of the wanted answers, ascending.
    latencies: Vec<Duration>,
}

impl Outcome {
    /// Wanted answers a second.
    pub(crate) fn per_second(&self) -> f64 {
        self.answered as f64 / self.elapsed.as_secs_f64().max(f64::MIN_POSITIVE)
    }

    /// The latency that this share of the wanted answers stayed within.
    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        let rank = (self.latencies.len() * percent).div_ceil(100);
        self.latencies.get(rank.saturating_sub(1)).copied().unwrap_or_default()
    }
}

impl Load {
    /// Sends requests, numbered from 0, until the time is over or there are no more.
    pub(crate) async fn run(&self, write: Arc<Write>) -> Result<Outcome> {
        let next = Arc::new(AtomicUsize::new(0));
        let begin = Instant::now();
        let deadline = begin + self.time_max;
        let mut tasks = Vec::new();
        for _ in 0..self.connections.max(1) {
            let (write, next, address, status) = (write.clone(), next.clone(), self.address, self.status);
            tasks.push(tokio::spawn(async move { drive(address, status, deadline, &next, &*write).await }));
        }
        let mut outcome = Outcome::default();
        for task in tasks {
            let part = task.await.context("a connection of the load generator panicked")?;
            outcome.answered += part.answered;
            outcome.errors += part.errors;
            outcome.first_error = outcome.first_error.or(part.first_error);
            outcome.latencies.extend(part.latencies);
        }
        outcome.elapsed = begin.elapsed();
        outcome.latencies.sort_unstable();
        Ok(outcome)
    }
}

/// One connection, made anew after an error.
async fn drive(address: SocketAddr, status: u16, deadline: Instant, next: &AtomicUsize, write: &Write) -> Outcome {
    let mut outcome = Outcome::default();
    let mut connection: Option<Connection> = None;
    let mut request = Vec::new();
    while outcome.errors < ERRORS_MAX {
        let begin = Instant::now();
        request.clear();
        if begin >= deadline || !write(next.fetch_add(1, Ordering::Relaxed), &mut request) {
            break;
        }
        let result = match connection.take() {
            Some(mut open) => open.exchange(&request).await.map(|answer| (open, answer)),
            None => match Connection::open(address).await {
                Ok(mut open) => open.exchange(&request).await.map(|answer| (open, answer)),
                Err(error) => Err(error),
            },
        };
        match result {
            Ok((open, answered)) if answered == status => {
                connection = Some(open);
                outcome.answered += 1;
                outcome.latencies.push(begin.elapsed());
            }
            Ok((open, answered)) => {
                outcome.errors += 1;
                outcome.first_error.get_or_insert_with(|| format!("status {answered}: {}", open.beginning_of_body()));
                connection = Some(open);
            }
            Err(error) => {
                outcome.errors += 1;
                outcome.first_error.get_or_insert_with(|| error.to_string());
            }
        }
    }
    outcome
}

struct Connection {
    stream: TcpStream,
    /// The head of the answer and what came with it.
    received: Vec<u8>,
    /// Where the rest of the body goes, to be forgotten.
    sink: Vec<u8>,
}

impl Connection {
    async fn open(address: SocketAddr) -> std::io::Result<Connection> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Connection { stream, received: Vec::with_capacity(16 * 1024), sink: vec![0; 64 * 1024] })
    }

    /// Sends a request, reads the whole answer, and returns its status.
    async fn exchange(&mut self, request: &[u8]) -> std::io::Result<u16> {
        self.stream.write_all(request).await?;
        self.received.clear();
        let body_start = loop {
            self.read_more().await?;
            if let Some(end) = header_end(&self.received) {
                break end;
            }
        };
        let (status, length) = read_head(&self.received[..body_start]).ok_or_else(|| invalid("the answer has no head that can be read"))?;
        match length {
            Length::Bytes(length) => {
                let mut missing = length.saturating_sub(self.received.len() - body_start);
                while missing > 0 {
                    let wanted = missing.min(self.sink.len());
                    let count = self.stream.read(&mut self.sink[..wanted]).await?;
                    if count == 0 {
                        return Err(invalid("the answer broke off"));
                    }
                    missing -= count;
                }
            }
            Length::Chunked => {
                while !self.received[body_start..].ends_with(b"0\r\n\r\n") {
                    self.read_more().await?;
                }
            }
        }
        Ok(status)
    }

    async fn read_more(&mut self) -> std::io::Result<()> {
        match self.stream.read_buf(&mut self.received).await? {
            0 => Err(invalid("the server closed the connection")),
            _ => Ok(()),
        }
    }

    fn beginning_of_body(&self) -> String {
        let start = header_end(&self.received).unwrap_or(0);
        String::from_utf8_lossy(&self.received[start..]).chars().take(300).collect()
    }
}

#[derive(Debug, PartialEq)]
enum Length {
    Bytes(usize),
    Chunked,
}

/// Status and length of the body.
fn read_head(head: &[u8]) -> Option<(u16, Length)> {
    let status = std::str::from_utf8(head.get(9..12)?).ok()?.parse().ok()?;
    for line in head.split(|byte| *byte == b'\n').skip(1) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let value = std::str::from_utf8(&line[colon + 1..]).unwrap_or_default().trim();
        if line[..colon].eq_ignore_ascii_case(b"content-length") {
            return Some((status, Length::Bytes(value.parse().ok()?)));
        }
        if line[..colon].eq_ignore_ascii_case(b"transfer-encoding") && value.eq_ignore_ascii_case("chunked") {
            return Some((status, Length::Chunked));
        }
    }
    Some((status, Length::Bytes(0)))
}

fn invalid(message: &str) -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::InvalidData, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_read() {
        assert_eq!(read_head(b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n"), Some((200, Length::Bytes(12))));
        assert_eq!(read_head(b"HTTP/1.1 404 Not Found\r\ntransfer-encoding: chunked\r\n\r\n"), Some((404, Length::Chunked)));
        assert_eq!(read_head(b"HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\n\r\n"), Some((304, Length::Bytes(0))));
        assert_eq!(read_head(b"nonsense"), None);
    }

    #[test]
    fn percentiles_are_of_the_nearest_rank() {
        let outcome = Outcome { latencies: (1..=100).map(Duration::from_millis).collect(), ..Outcome::default() };
        assert_eq!((outcome.percentile(50), outcome.percentile(99)), (Duration::from_millis(50), Duration::from_millis(99)));
        assert_eq!(Outcome::default().percentile(99), Duration::ZERO);
    }

    #[tokio::test]
    async fn answers_and_errors_are_told_apart() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 18];
            for body in ["200 OK", "500 Oops", "200 OK"] {
                stream.read_exact(&mut request).await.unwrap();
                stream.write_all(format!("HTTP/1.1 {body}\r\ncontent-length: 3\r\n\r\nabc").as_bytes()).await.unwrap();
            }
        });
        let load = Load { address, connections: 1, time_max: Duration::from_secs(10), status: 200 };
        let write = |number: usize, buffer: &mut Vec<u8>| {
            buffer.extend_from_slice(b"GET / HTTP/1.1\r\n\r\n");
            number < 3
        };
        let outcome = load.run(Arc::new(write)).await.unwrap();
        assert_eq!((outcome.answered, outcome.errors, outcome.latencies.len()), (2, 1, 2));
        assert_eq!(outcome.first_error.as_deref(), Some("status 500: abc"));
    }
}
