//! Files: from the blob store with ranges and conditions, all of a dataset as a ZIP, converted, or sent on to the publisher; counted before the
//! first byte.

pub(crate) mod archive;
mod content;
pub(crate) mod conversion;

use std::io::Read;
use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use minato_app::catalog::{Channel, FileVersion, Text, Viewer};
use minato_app::{App, Error, FileRequest, FoundDistribution};

pub use self::archive::Archives;
use self::content::{Content, Source, Version};
pub use self::conversion::Conversions;
use crate::api::only_get;
use crate::http::{Asker, Problem, Shared, client_address, purpose, referrer};

/// Files up to this size are kept in memory after the first download.
const KEPT_BYTES_MAX: u64 = 1024 * 1024;
/// Memory for kept files.
const CACHE_BYTES: u64 = 32 * 1024 * 1024;

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
            web::resource("/d/{id}/as/{format}")
                .route(web::get().to(conversion::download_converted))
                .route(web::head().to(conversion::download_converted))
                .default_service(web::to(only_get)),
        )
        .service(
            web::resource("/datasets/{dataset}/download.zip")
                .route(web::get().to(archive::download_dataset))
                .route(web::head().to(archive::download_dataset))
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
    let version = Version { etag: format!("\"{}\"", file.sha256), modified: Some(file.created) };
    if version.is_unchanged(request.headers()) {
        count(request, state, viewer, found, StatusCode::NOT_MODIFIED, Channel::File).await?;
        return Ok(version.unchanged());
    }
    // Opened before it is counted: a file that cannot be read is no download.
    let source = open(state, files, file).await?;
    let content = Content {
        version,
        byte_size: u64::try_from(file.byte_size).unwrap_or(0),
        // The charset of a text is not known here; claiming one would break those that have another.
        content_type: file.media_type.clone(),
        file_name: file.file_name.clone(),
        source,
    };
    let Some(part) = content.requested(request.headers()) else { return Ok(content.outside()) };
    count(request, state, viewer, found, part.status(), Channel::File).await?;
    Ok(content.send(viewer, part))
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

/// Counts a request for a file when it is a download; the first byte may follow.
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
    Ok(state.app.count_download(viewer, found, &facts(request, state, status, channel)).await?)
}

/// What the counting is told of a request.
fn facts<'a>(request: &'a HttpRequest, state: &Shared, status: StatusCode, channel: Channel) -> FileRequest<'a> {
    let text = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    FileRequest {
        method: request.method().as_str(),
        status: status.as_u16(),
        channel,
        range: text("range"),
        user_agent: text("user-agent"),
        purpose: purpose(request.headers()),
        address: client_address(request, &state.settings),
        referrer: referrer(request, &state.settings),
    }
}
