//! What comes back, and where its bytes go.

use std::fs::File;
use std::io::{self, Seek, Write};

use sha2::{Digest, Sha256};
use url::Url;

/// A fetched file.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// Where it was found, after redirects.
    pub url: Url,
    /// The `Content-Type` header.
    pub content_type: Option<String>,
    /// The address that a `Link` header with `rel="next"` names.
    pub next: Option<Url>,
    /// The bytes, decompressed.
    pub body: Vec<u8>,
}

impl Fetched {
    /// Whether it is a web page, by its type or its beginning; error pages and logins come in place of data.
    pub fn is_html(&self) -> bool {
        is_html(self.content_type.as_deref(), &self.body)
    }
}

/// Bytes at the beginning of a file that tell what it is.
const HEAD_BYTES: usize = 4096;

/// A fetched file whose bytes are in a temporary file, which goes when this does.
#[derive(Debug)]
pub struct Spooled {
    /// Where it was found, after redirects.
    pub url: Url,
    /// The `Content-Type` header.
    pub content_type: Option<String>,
    /// The `ETag` header, to be sent with the next [`Request`](crate::Request).
    pub etag: Option<String>,
    /// The `Last-Modified` header, to be sent with the next [`Request`](crate::Request).
    pub last_modified: Option<String>,
    /// The address that a `Link` header with `rel="next"` names.
    pub next: Option<Url>,
    /// Redirects that led to another host.
    pub foreign_redirects: u32,
    /// The decompressed bytes, at their beginning. Reading it blocks, but not for long: it is on this machine.
    pub file: File,
    /// Length of the file in bytes.
    pub length: u64,
    head: Vec<u8>,
}

impl Spooled {
    /// The first 4 KB; the file stays where it is.
    pub fn head(&self) -> &[u8] {
        &self.head
    }

    /// Whether it is a web page, by its type or its beginning; error pages and logins come in place of data.
    pub fn is_html(&self) -> bool {
        is_html(self.content_type.as_deref(), &self.head)
    }
}

fn is_html(content_type: Option<&str>, bytes: &[u8]) -> bool {
    let media_type = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let start = String::from_utf8_lossy(&bytes[..bytes.len().min(512)]);
    let start = start.trim_start_matches('\u{feff}').trim_start().to_ascii_lowercase();
    let begins_so = start.starts_with("<!doctype html") || start.starts_with("<html");
    // A type alone is no proof: servers send CSV and JSON as text/html.
    begins_so
        || (matches!(media_type.as_str(), "text/html" | "application/xhtml+xml") && start.starts_with('<') && !start.starts_with("<?xml"))
}

/// What a conditional request brought.
#[derive(Debug)]
pub enum Answer {
    /// The file, new or changed.
    Changed(Box<Spooled>),
    /// It is as it was when `etag` or `last_modified` was given.
    NotModified,
}

/// What a link leads to, without its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// Where it was found, after redirects.
    pub url: Url,
    /// The final status; 200 also where only a part was asked for.
    pub status: u16,
    /// The `Content-Type` header.
    pub content_type: Option<String>,
    /// Length of the whole file in bytes, where the server says it.
    pub length: Option<u64>,
    /// The `ETag` header.
    pub etag: Option<String>,
    /// The `Last-Modified` header.
    pub last_modified: Option<String>,
    /// Redirects that led to another host.
    pub foreign_redirects: u32,
}

/// A file that was written somewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Downloaded {
    /// Where it was found, after redirects.
    pub url: Url,
    /// The `Content-Type` header.
    pub content_type: Option<String>,
    /// The `ETag` header.
    pub etag: Option<String>,
    /// The `Last-Modified` header.
    pub last_modified: Option<String>,
    /// Bytes written.
    pub length: u64,
    /// SHA-256 of what was written, in lower-case hexadecimal.
    pub sha256: String,
}

/// Takes a body piece by piece.
pub(super) trait Sink: Send {
    fn write(&mut self, piece: &[u8]) -> io::Result<()>;

    /// Forgets what was written, for another attempt; `false` when that cannot be done.
    fn restart(&mut self) -> io::Result<bool>;
}

impl Sink for Vec<u8> {
    fn write(&mut self, piece: &[u8]) -> io::Result<()> {
        self.extend_from_slice(piece);
        Ok(())
    }

    fn restart(&mut self) -> io::Result<bool> {
        self.clear();
        Ok(true)
    }
}

/// A temporary file without a name: nothing is left of it, however the process ends.
pub(super) struct Spool {
    file: File,
    head: Vec<u8>,
    length: u64,
}

impl Spool {
    pub(super) fn new() -> io::Result<Spool> {
        Ok(Spool { file: tempfile::tempfile()?, head: Vec::new(), length: 0 })
    }

    pub(super) fn finish(mut self, head: super::Head) -> io::Result<Spooled> {
        self.file.rewind()?;
        Ok(Spooled {
            url: head.url,
            content_type: head.content_type,
            etag: head.etag,
            last_modified: head.last_modified,
            next: head.next,
            foreign_redirects: head.foreign_redirects,
            file: self.file,
            length: self.length,
            head: self.head,
        })
    }
}

impl Sink for Spool {
    fn write(&mut self, piece: &[u8]) -> io::Result<()> {
        let wanted = HEAD_BYTES.saturating_sub(self.head.len()).min(piece.len());
        self.head.extend_from_slice(&piece[..wanted]);
        self.length += piece.len() as u64;
        self.file.write_all(piece)
    }

    fn restart(&mut self) -> io::Result<bool> {
        self.head.clear();
        self.length = 0;
        self.file.set_len(0)?;
        self.file.rewind()?;
        Ok(true)
    }
}

/// Somebody's writer, and the sum over what it was given.
pub(super) struct Hashing<'w> {
    writer: &'w mut (dyn Write + Send),
    hasher: Sha256,
    length: u64,
}

impl<'w> Hashing<'w> {
    pub(super) fn new(writer: &'w mut (dyn Write + Send)) -> Self {
        Hashing { writer, hasher: Sha256::new(), length: 0 }
    }

    pub(super) fn finish(self, head: super::Head) -> io::Result<Downloaded> {
        self.writer.flush()?;
        Ok(Downloaded {
            url: head.url,
            content_type: head.content_type,
            etag: head.etag,
            last_modified: head.last_modified,
            length: self.length,
            sha256: self.hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect(),
        })
    }
}

impl Sink for Hashing<'_> {
    fn write(&mut self, piece: &[u8]) -> io::Result<()> {
        self.hasher.update(piece);
        self.length += piece.len() as u64;
        self.writer.write_all(piece)
    }

    fn restart(&mut self) -> io::Result<bool> {
        Ok(self.length == 0)
    }
}

/// Takes nothing.
pub(super) struct Nothing;

impl Sink for Nothing {
    fn write(&mut self, _: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn restart(&mut self) -> io::Result<bool> {
        Ok(true)
    }
}
