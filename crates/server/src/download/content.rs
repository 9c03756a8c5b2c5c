//! What is sent of something that can be downloaded: all of it, a part, or that the client has it already.

use std::fs::File;
use std::sync::Arc;

use actix_web::body::SizedStream;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap, HttpDate};
use actix_web::{HttpResponse, web};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use minato_app::App;
use minato_app::catalog::{FieldError, Viewer};
use minato_app::files::Archive;

use crate::http::{Problem, if_none_match};

/// Bytes read at once of what is not in memory.
const CHUNK_BYTES: usize = 256 * 1024;

/// What a client needs to know to ask again only for what it has not.
#[derive(Debug, Clone)]
pub(super) struct Version {
    /// `ETag`, with quotes: other bytes, another tag.
    pub(super) etag: String,
    /// Since when it is so; `None` when there is no such moment.
    pub(super) modified: Option<DateTime<Utc>>,
}

impl Version {
    /// Whether the client has it already (RFC 9110 §13.2.2: the tag goes before the date).
    pub(super) fn is_unchanged(&self, headers: &HeaderMap) -> bool {
        match headers.contains_key(header::IF_NONE_MATCH) {
            true => if_none_match(headers, &self.etag),
            false => self.modified.is_some_and(|modified| not_modified_since(headers, modified)),
        }
    }

    /// 304.
    pub(super) fn unchanged(&self) -> HttpResponse {
        HttpResponse::NotModified().insert_header((header::ETAG, self.etag.as_str())).finish()
    }
}

/// Something that can be downloaded.
pub(super) struct Content {
    pub(super) version: Version,
    pub(super) byte_size: u64,
    pub(super) content_type: String,
    pub(super) file_name: String,
    pub(super) source: Source,
}

/// Where its bytes are.
#[derive(Clone)]
pub(super) enum Source {
    Memory(Bytes),
    Disk(Arc<File>),
    Archive(Arc<Archive>, App),
}

/// The part that is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    first: u64,
    length: u64,
    whole: bool,
}

impl Part {
    /// The status of the answer.
    pub(super) fn status(self) -> StatusCode {
        if self.whole { StatusCode::OK } else { StatusCode::PARTIAL_CONTENT }
    }
}

impl Content {
    /// What the client asks for; `None` when there is no such part.
    pub(super) fn requested(&self, headers: &HeaderMap) -> Option<Part> {
        match requested_range(headers, &self.version, self.byte_size) {
            Requested::Whole => Some(Part { first: 0, length: self.byte_size, whole: true }),
            Requested::Part(first, last) => Some(Part { first, length: last - first + 1, whole: false }),
            Requested::Outside => None,
        }
    }

    /// 416.
    pub(super) fn outside(&self) -> HttpResponse {
        outside(self.byte_size)
    }

    /// The answer with a part. To be called once it is counted.
    pub(super) fn send(self, viewer: &Viewer, part: Part) -> HttpResponse {
        let Part { first, length, whole } = part;
        let size = self.byte_size;
        let mut response = HttpResponse::build(part.status());
        response
            .insert_header((header::CONTENT_TYPE, self.content_type))
            .insert_header((header::CONTENT_DISPOSITION, minato_app::files::content_disposition(&self.file_name)))
            .insert_header((header::ETAG, self.version.etag))
            .insert_header((header::ACCEPT_RANGES, "bytes"))
            // Every download is asked for here, so that it is counted; the tag makes a repetition cheap.
            .insert_header((header::CACHE_CONTROL, if viewer.is_public() { "public, no-cache" } else { "private, no-cache" }))
            // What somebody uploaded never runs as a page of this site.
            .insert_header((header::CONTENT_SECURITY_POLICY, "sandbox; default-src 'none'"));
        if let Some(modified) = self.version.modified {
            response.insert_header((header::LAST_MODIFIED, HttpDate::from(std::time::SystemTime::from(modified)).to_string()));
        }
        if !whole {
            response.insert_header((header::CONTENT_RANGE, format!("bytes {first}-{}/{size}", (first + length).saturating_sub(1))));
        }
        match self.source {
            Source::Memory(bytes) => {
                let start = usize::try_from(first).unwrap_or(usize::MAX).min(bytes.len());
                let end = start.saturating_add(usize::try_from(length).unwrap_or(usize::MAX)).min(bytes.len());
                response.body(bytes.slice(start..end))
            }
            Source::Disk(file) => response
                .body(SizedStream::new(length, read_chunks(first, length, move |position, wanted| read_part(&file, position, wanted)))),
            Source::Archive(archive, app) => response.body(SizedStream::new(
                length,
                read_chunks(first, length, move |position, wanted| {
                    archive.read(app.blobs(), position, wanted).map_err(std::io::Error::other)
                }),
            )),
        }
    }
}

/// Bytes in chunks, each read on a blocking thread once the client has taken the one before.
fn read_chunks(
    first: u64,
    length: u64,
    read: impl Fn(u64, usize) -> std::io::Result<Vec<u8>> + Send + Sync + 'static,
) -> impl futures_util::Stream<Item = std::io::Result<Bytes>> {
    let read = Arc::new(read);
    futures_util::stream::try_unfold((first, length), move |(position, left)| {
        let read = read.clone();
        async move {
            if left == 0 {
                return Ok(None);
            }
            let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(CHUNK_BYTES);
            let bytes = web::block(move || read(position, wanted)).await.map_err(std::io::Error::other)??;
            if bytes.len() != wanted {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            let count = bytes.len() as u64;
            Ok(Some((Bytes::from(bytes), (position + count, left - count))))
        }
    })
}

/// A part of a file that others may be reading, too: the place to read at is said with the call, never kept by the file.
#[cfg(unix)]
fn read_part(file: &File, position: u64, wanted: usize) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0; wanted];
    std::os::unix::fs::FileExt::read_exact_at(file, &mut bytes, position)?;
    Ok(bytes)
}

#[cfg(windows)]
fn read_part(file: &File, position: u64, wanted: usize) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0; wanted];
    let mut read = 0;
    while read < wanted {
        match std::os::windows::fs::FileExt::seek_read(file, &mut bytes[read..], position + read as u64)? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            count => read += count,
        }
    }
    Ok(bytes)
}

fn not_modified_since(headers: &HeaderMap, modified: DateTime<Utc>) -> bool {
    let Some(since) = headers.get(header::IF_MODIFIED_SINCE).and_then(|value| value.to_str().ok()) else { return false };
    let Ok(since) = since.parse::<HttpDate>() else { return false };
    let since: DateTime<Utc> = std::time::SystemTime::from(since).into();
    modified.timestamp() <= since.timestamp()
}

#[derive(Debug, PartialEq, Eq)]
enum Requested {
    Whole,
    /// First and last byte, both included.
    Part(u64, u64),
    Outside,
}

fn requested_range(headers: &HeaderMap, version: &Version, size: u64) -> Requested {
    let Some(range) = headers.get(header::RANGE).and_then(|value| value.to_str().ok()) else { return Requested::Whole };
    if let Some(condition) = headers.get(header::IF_RANGE).and_then(|value| value.to_str().ok()) {
        let same = match condition.parse::<HttpDate>() {
            Ok(date) => {
                let date: DateTime<Utc> = std::time::SystemTime::from(date).into();
                version.modified.is_some_and(|modified| date.timestamp() == modified.timestamp())
            }
            Err(_) => condition.trim() == version.etag,
        };
        if !same {
            return Requested::Whole;
        }
    }
    parse_range(range, size)
}

/// One range of bytes (RFC 9110 §14.2). Several ranges, other units and broken ones are answered with the whole file, as the RFC allows.
fn parse_range(range: &str, size: u64) -> Requested {
    let Some(spec) = range.trim().strip_prefix("bytes=") else { return Requested::Whole };
    let Some((first, last)) = spec.trim().split_once('-') else { return Requested::Whole };
    if spec.contains(',') {
        return Requested::Whole;
    }
    match (first.trim().parse::<u64>(), last.trim()) {
        (Ok(first), _) if first >= size => Requested::Outside,
        (Ok(first), "") => Requested::Part(first, size - 1),
        (Ok(first), last) => match last.parse::<u64>() {
            Ok(last) if last >= first => Requested::Part(first, last.min(size - 1)),
            _ => Requested::Whole,
        },
        (Err(_), last) if first.trim().is_empty() => match last.parse::<u64>() {
            Ok(0) => Requested::Outside,
            Ok(_) if size == 0 => Requested::Outside,
            Ok(count) => Requested::Part(size.saturating_sub(count), size - 1),
            Err(_) => Requested::Whole,
        },
        _ => Requested::Whole,
    }
}

fn outside(size: u64) -> HttpResponse {
    let error = FieldError::new(
        "Range",
        "out_of_range",
        format!("Range がファイルの大きさ（{size} バイト）の外です。"),
        format!("Range is outside the file of {size} bytes"),
    );
    let text = error.message.clone();
    let problem = Problem::new(StatusCode::RANGE_NOT_SATISFIABLE, "range_not_satisfiable", text, vec![error]);
    let mut response = actix_web::ResponseError::error_response(&problem);
    if let Ok(value) = header::HeaderValue::from_str(&format!("bytes */{size}")) {
        response.headers_mut().insert(header::CONTENT_RANGE, value);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_follow_the_rfc() {
        for (range, size, expected) in [
            ("bytes=0-", 10, Requested::Part(0, 9)),
            ("bytes=2-4", 10, Requested::Part(2, 4)),
            ("bytes=2-400", 10, Requested::Part(2, 9)),
            ("bytes=-3", 10, Requested::Part(7, 9)),
            ("bytes=-30", 10, Requested::Part(0, 9)),
            ("bytes=10-", 10, Requested::Outside),
            ("bytes=-0", 10, Requested::Outside),
            ("bytes=4-2", 10, Requested::Whole),
            ("bytes=0-1,3-4", 10, Requested::Whole),
            ("items=0-1", 10, Requested::Whole),
            ("bytes=", 10, Requested::Whole),
            ("bytes=18446744073709551616-", 10, Requested::Whole),
        ] {
            assert_eq!(parse_range(range, size), expected, "{range}");
        }
    }
}
