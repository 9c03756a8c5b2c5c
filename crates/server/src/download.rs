//! Files: from the blob store with ranges and conditions, or sent on to the publisher; counted before the first byte.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::sync::Arc;

use actix_web::body::SizedStream;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HttpDate};
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use minato_app::catalog::{Channel, FieldError, FileVersion, Text, Viewer};
use minato_app::{App, Error, FileRequest, FoundDistribution};

use crate::api::only_get;
use crate::http::{Asker, Problem, Shared, client_address, if_none_match, purpose, referrer};

/// Files up to this size are kept in memory after the first download.
const KEPT_BYTES_MAX: u64 = 1024 * 1024;
/// Memory for kept files.
const CACHE_BYTES: u64 = 32 * 1024 * 1024;
/// Bytes read at once of larger files.
const CHUNK_BYTES: usize = 256 * 1024;

/// Routes of files.
pub fn configure(service: &mut web::ServiceConfig) {
    let files = web::Data::new(KeptFiles::default());
    service
        .app_data(files)
        .service(
            web::resource("/d/{id}")
                .route(web::get().to(download_distribution))
                .route(web::head().to(download_distribution))
                .default_service(web::to(only_get)),
        )
        .service(
            web::resource("/d/{id}/{version}")
                .route(web::get().to(download_version))
                .route(web::head().to(download_version))
                .default_service(web::to(only_get)),
        )
        .service(
            web::resource("/datasets/{dataset}/download/{id}/{file_name}")
                .route(web::get().to(download_file))
                .route(web::head().to(download_file))
                .default_service(web::to(only_get)),
        );
}

/// Small files in memory, by hash. They never change: a hash is its content.
pub struct KeptFiles(moka::sync::Cache<String, Bytes>);

impl Default for KeptFiles {
    fn default() -> Self {
        let weight = |_: &String, bytes: &Bytes| u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        KeptFiles(moka::sync::Cache::builder().weigher(weight).max_capacity(CACHE_BYTES).build())
    }
}

/// The latest file of a distribution under its stable address.
///
/// A distribution that is only a link is answered with a redirect to the publisher (302), counted as such.
#[utoipa::path(get, path = "/d/{id}", tag = "downloads", operation_id = "download_distribution",
    params(("id" = String, Path, description = "Id of the distribution")),
    responses(
        (status = 200, description = "The file", content_type = "application/octet-stream"),
        (status = 206, description = "The part that `Range` asks for", content_type = "application/octet-stream"),
        (status = 302, description = "The file is at the publisher; follow `Location`"),
        (status = 304, description = "The client has it already (`If-None-Match`, `If-Modified-Since`)"),
        (status = 401, description = "An invalid token", body = crate::http::ProblemDetails, content_type = "application/problem+json"),
        (status = 404, description = "No such distribution", body = crate::http::ProblemDetails, content_type = "application/problem+json"),
        (status = 410, description = "Withdrawn", body = crate::http::ProblemDetails, content_type = "application/problem+json"),
        (status = 416, description = "The range is outside the file", body = crate::http::ProblemDetails, content_type = "application/problem+json"),
    ))]
pub async fn download_distribution(
    request: HttpRequest,
    path: web::Path<String>,
    asker: Asker,
    state: Shared,
    files: web::Data<KeptFiles>,
) -> Result<HttpResponse, Problem> {
    let found = find(&state, &asker.0, path.into_inner()).await?;
    answer(&request, &state, &files, &asker.0, found, None).await
}

/// One version of a distribution's file. Immutable.
#[utoipa::path(get, path = "/d/{id}/{version}", tag = "downloads", operation_id = "download_version",
    params(("id" = String, Path, description = "Id of the distribution"), ("version" = i64, Path, description = "Number of the version, 1 for the first")),
    responses(
        (status = 200, description = "The file", content_type = "application/octet-stream"),
        (status = 206, description = "The part that `Range` asks for", content_type = "application/octet-stream"),
        (status = 304, description = "The client has it already"),
        (status = 401, description = "An invalid token", body = crate::http::ProblemDetails, content_type = "application/problem+json"),
        (status = 404, description = "No such distribution or version", body = crate::http::ProblemDetails, content_type = "application/problem+json"),
        (status = 410, description = "Withdrawn", body = crate::http::ProblemDetails, content_type = "application/problem+json"),
        (status = 416, description = "The range is outside the file", body = crate::http::ProblemDetails, content_type = "application/problem+json"),
    ))]
pub async fn download_version(
    request: HttpRequest,
    path: web::Path<(String, String)>,
    asker: Asker,
    state: Shared,
    files: web::Data<KeptFiles>,
) -> Result<HttpResponse, Problem> {
    let (id, number) = path.into_inner();
    let found = find(&state, &asker.0, id.clone()).await?;
    let viewer = asker.0.clone();
    let versions = state.run(move |app| app.versions(&viewer, &id)).await?;
    let wanted: Option<i64> = number.parse().ok();
    let version =
        versions.into_iter().find(|version| Some(version.version) == wanted).ok_or_else(|| Error::not_found("version", number))?;
    answer(&request, &state, &files, &asker.0, found, Some(version)).await
}

/// The latest file under an address that ends in its name.
async fn download_file(
    request: HttpRequest,
    path: web::Path<(String, String, String)>,
    asker: Asker,
    state: Shared,
    files: web::Data<KeptFiles>,
) -> Result<HttpResponse, Problem> {
    let (_, id, _) = path.into_inner();
    let found = find(&state, &asker.0, id).await?;
    answer(&request, &state, &files, &asker.0, found, None).await
}

/// The distribution; for the public from memory where possible.
async fn find(state: &Shared, viewer: &Viewer, id: String) -> Result<FoundDistribution, Problem> {
    if let Some(found) = state.app.distribution_in_memory(viewer, &id) {
        return Ok(found);
    }
    let viewer = viewer.clone();
    state.run(move |app| app.distribution(&viewer, &id)).await
}

async fn answer(
    request: &HttpRequest,
    state: &Shared,
    files: &KeptFiles,
    viewer: &Viewer,
    found: FoundDistribution,
    version: Option<FileVersion>,
) -> Result<HttpResponse, Problem> {
    match version.or_else(|| found.distribution.file.clone()) {
        Some(file) => send_file(request, state, files, viewer, &found, &file).await,
        None => send_on(request, state, viewer, &found).await,
    }
}

/// Sends the reader to the publisher.
async fn send_on(request: &HttpRequest, state: &Shared, viewer: &Viewer, found: &FoundDistribution) -> Result<HttpResponse, Problem> {
    let Some(url) = found.distribution.download_url.as_deref().or(found.distribution.access_url.as_deref()) else {
        return Err(Problem::new(
            StatusCode::NOT_FOUND,
            "no_file",
            Text::new(
                "このファイルはまだアップロードされていません。提供者にお問い合わせください。",
                "no file has been uploaded for this distribution yet; ask its publisher",
            ),
            Vec::new(),
        ));
    };
    count(request, state, viewer, found, StatusCode::FOUND, Channel::Redirect).await?;
    let location = url::Url::parse(url).map_err(|error| Error::internal(format!("distribution {}: {error}", found.distribution.id)))?;
    Ok(HttpResponse::Found()
        .insert_header((header::LOCATION, location.as_str()))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .finish())
}

async fn send_file(
    request: &HttpRequest,
    state: &Shared,
    files: &KeptFiles,
    viewer: &Viewer,
    found: &FoundDistribution,
    file: &FileVersion,
) -> Result<HttpResponse, Problem> {
    let etag = format!("\"{}\"", file.sha256);
    let modified = HttpDate::from(std::time::SystemTime::from(file.created));
    let headers = request.headers();
    let unchanged = match headers.contains_key(header::IF_NONE_MATCH) {
        true => if_none_match(headers, &etag),
        false => not_modified_since(headers, file),
    };
    if unchanged {
        count(request, state, viewer, found, StatusCode::NOT_MODIFIED, Channel::File).await?;
        return Ok(HttpResponse::NotModified().insert_header((header::ETAG, etag)).finish());
    }
    let size = u64::try_from(file.byte_size).unwrap_or(0);
    let range = match requested_range(headers, &etag, file, size) {
        Requested::Whole => None,
        Requested::Part(first, last) => Some((first, last)),
        Requested::Outside => return Ok(outside(size)),
    };
    let status = if range.is_some() { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
    let (first, length) = range.map_or((0, size), |(first, last)| (first, last - first + 1));
    // Opened before it is counted: a file that cannot be read is no download.
    let body = open(state, files, file).await?;
    count(request, state, viewer, found, status, Channel::File).await?;
    let mut response = HttpResponse::build(status);
    response
        .insert_header((header::CONTENT_TYPE, content_type(&file.media_type)))
        .insert_header((header::CONTENT_DISPOSITION, minato_app::files::content_disposition(&file.file_name)))
        .insert_header((header::ETAG, etag))
        .insert_header((header::LAST_MODIFIED, modified.to_string()))
        .insert_header((header::ACCEPT_RANGES, "bytes"))
        // Every download is asked for here, so that it is counted; the tag makes a repetition cheap.
        .insert_header((header::CACHE_CONTROL, if viewer.is_public() { "public, no-cache" } else { "private, no-cache" }))
        // What somebody uploaded never runs as a page of this site.
        .insert_header((header::CONTENT_SECURITY_POLICY, "sandbox; default-src 'none'"));
    if let Some((first, last)) = range {
        response.insert_header((header::CONTENT_RANGE, format!("bytes {first}-{last}/{size}")));
    }
    Ok(match body {
        Source::Memory(bytes) => {
            let start = usize::try_from(first).unwrap_or(usize::MAX).min(bytes.len());
            let end = start.saturating_add(usize::try_from(length).unwrap_or(usize::MAX)).min(bytes.len());
            response.body(bytes.slice(start..end))
        }
        Source::Disk(file) => response.body(SizedStream::new(length, read_part(file, first, length))),
    })
}

enum Source {
    Memory(Bytes),
    Disk(Arc<File>),
}

async fn open(state: &Shared, files: &KeptFiles, file: &FileVersion) -> Result<Source, Problem> {
    if let Some(bytes) = files.0.get(&file.sha256) {
        return Ok(Source::Memory(bytes));
    }
    let hash = file.sha256.clone();
    let source = state.run(move |app| read_small(app, &hash)).await?;
    if let Source::Memory(bytes) = &source {
        files.0.insert(file.sha256.clone(), bytes.clone());
    }
    Ok(source)
}

fn read_small(app: &App, hash: &str) -> minato_app::Result<Source> {
    let (mut file, size) = app.blobs().open_blob(hash).map_err(Error::internal)?;
    if size > KEPT_BYTES_MAX {
        return Ok(Source::Disk(Arc::new(file)));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
    file.read_to_end(&mut bytes).map_err(Error::internal)?;
    Ok(Source::Memory(bytes.into()))
}

/// Part of a file in chunks, each read on a blocking thread.
fn read_part(file: Arc<File>, first: u64, length: u64) -> impl futures_util::Stream<Item = std::io::Result<Bytes>> {
    futures_util::stream::try_unfold((first, length), move |(position, left)| {
        let file = file.clone();
        async move {
            if left == 0 {
                return Ok(None);
            }
            let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(CHUNK_BYTES);
            let read = web::block(move || -> std::io::Result<Bytes> {
                let mut file = &*file;
                file.seek(SeekFrom::Start(position))?;
                let mut bytes = vec![0; wanted];
                file.read_exact(&mut bytes)?;
                Ok(bytes.into())
            });
            let bytes = read.await.map_err(std::io::Error::other)??;
            let count = bytes.len() as u64;
            Ok(Some((bytes, (position + count, left - count))))
        }
    })
}

async fn count(
    request: &HttpRequest,
    state: &Shared,
    viewer: &Viewer,
    found: &FoundDistribution,
    status: StatusCode,
    channel: Channel,
) -> Result<(), Problem> {
    if !found.dataset.is_open() {
        // What is not public is no publication; its downloads are no figure.
        return Ok(());
    }
    let text = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    let facts = FileRequest {
        method: request.method().as_str(),
        status: status.as_u16(),
        channel,
        range: text("range"),
        user_agent: text("user-agent"),
        purpose: purpose(request.headers()),
        address: client_address(request, &state.settings),
        referrer: referrer(request, &state.settings),
    };
    Ok(state.app.count_download(viewer, found, &facts).await?)
}

fn content_type(media_type: &str) -> String {
    // The charset of a text is not known here; claiming one would break those that have another.
    media_type.to_owned()
}

fn not_modified_since(headers: &header::HeaderMap, file: &FileVersion) -> bool {
    let Some(since) = headers.get(header::IF_MODIFIED_SINCE).and_then(|value| value.to_str().ok()) else { return false };
    let Ok(since) = since.parse::<HttpDate>() else { return false };
    let since: chrono::DateTime<chrono::Utc> = std::time::SystemTime::from(since).into();
    file.created.timestamp() <= since.timestamp()
}

#[derive(Debug, PartialEq, Eq)]
enum Requested {
    Whole,
    /// First and last byte, both included.
    Part(u64, u64),
    Outside,
}

fn requested_range(headers: &header::HeaderMap, etag: &str, file: &FileVersion, size: u64) -> Requested {
    let Some(range) = headers.get(header::RANGE).and_then(|value| value.to_str().ok()) else { return Requested::Whole };
    if let Some(condition) = headers.get(header::IF_RANGE).and_then(|value| value.to_str().ok()) {
        let same = match condition.parse::<HttpDate>() {
            Ok(date) => {
                let date: chrono::DateTime<chrono::Utc> = std::time::SystemTime::from(date).into();
                date.timestamp() == file.created.timestamp()
            }
            Err(_) => condition.trim() == etag,
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
